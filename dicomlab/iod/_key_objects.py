"""Key object selections (PS3.3 A.35.4): instances that somebody marked, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import highdicom as hd
from pydicom import Dataset

from dicomlab.catalog import Instance, InstanceData
from dicomlab.iod._codes import Code
from dicomlab.iod._content import ContentItem
from dicomlab.iod._load import Loadable, load
from dicomlab.iod._origin import DICOMLAB, Equipment, as_dataset, new_uid
from dicomlab.safety import Attributes

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
OF_INTEREST: Final = Code("113000", "DCM", "Of Interest")
FOR_TEACHING: Final = Code("113004", "DCM", "For Teaching")
FOR_RESEARCH: Final = Code("113010", "DCM", "For Research")
_DESCRIPTION = "113012"


@dataclass(frozen=True, slots=True)
class KeyObject:
    """One selected instance, and where it is.

    Attributes
    ----------
    frame_numbers
        The selected frames, empty for all of them.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str = ""
    study_instance_uid: str = ""
    frame_numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyObjectSelection:
    """What was selected.

    Attributes
    ----------
    title
        Document Title: ``Of Interest``, ``For Teaching``, ``Rejected for Quality Reasons``, …
    description
        What somebody wrote about it.
    objects
        In the order of the document.
    """

    title: Code
    description: str
    objects: tuple[KeyObject, ...]


def read_key_objects(what: Loadable) -> KeyObjectSelection:
    """Return a key object selection (PS3.3 A.35.4).

    Raises
    ------
    UnsupportedError
        It is an instance of another class.
    """
    loaded = load(what)
    loaded.check_class("key object selection", KEY_OBJECT_SELECTION)
    root = ContentItem.from_attributes(loaded.header)
    places = _places(loaded.header)
    description = root.first(_DESCRIPTION)
    return KeyObjectSelection(
        root.concept or Code("", "", ""),
        description.text if description else "",
        tuple(
            KeyObject(
                item.reference.sop_class_uid,
                item.reference.sop_instance_uid,
                *places.get(item.reference.sop_instance_uid, ("", "")),
                item.reference.frame_numbers,
            )
            for item in root.walk()
            if item.reference is not None
        ),
    )


def _places(header: Attributes) -> Mapping[str, tuple[str, str]]:
    """Return series and study of each instance, as the evidence says."""
    return {
        instance.string("ReferencedSOPInstanceUID") or "": (
            series.string("SeriesInstanceUID") or "",
            study.string("StudyInstanceUID") or "",
        )
        for sequence in (
            "CurrentRequestedProcedureEvidenceSequence",
            "PertinentOtherEvidenceSequence",
        )
        for study in header.items(sequence)
        for series in study.items("ReferencedSeriesSequence")
        for instance in series.items("ReferencedSOPSequence")
    }


def write_key_objects(
    instances: Iterable[Instance | InstanceData | Dataset],
    *,
    title: Code = OF_INTEREST,
    description: str = "",
    series_description: str = "Key objects",
    series_number: int = 305,
    equipment: Equipment = DICOMLAB,
) -> Dataset:
    """Return a selection of instances of one study as a key object selection document.

    Parameters
    ----------
    instances
        What is selected; pixels are not read.
    title
        Why (CID 7010).
    description
        What else there is to say.

    Returns
    -------
    Dataset
        With File Meta Information.

    Raises
    ------
    ValueError
        Nothing is selected, or instances of several studies.
    """
    chosen = [dataset_of(one) for one in instances]
    if len({str(one.StudyInstanceUID) for one in chosen}) != 1:
        raise ValueError("a selection holds one or more instances of one study")
    made = hd.ko.KeyObjectSelectionDocument(
        evidence=chosen,
        content=hd.ko.KeyObjectSelection(
            document_title=title.as_pydicom,
            referenced_objects=chosen,
            description=description or None,
        ),
        series_instance_uid=new_uid(),
        series_number=series_number,
        sop_instance_uid=new_uid(),
        instance_number=1,
        manufacturer=equipment.manufacturer,
    )
    made.SeriesDescription = series_description
    return made


def dataset_of(one: Instance | InstanceData | Dataset) -> Dataset:
    """Return an instance's attributes as a pydicom data set, without bulk data."""
    if isinstance(one, Instance):
        one = one.data
    return as_dataset(one) if isinstance(one, InstanceData) else one
