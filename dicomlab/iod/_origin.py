"""What a result refers to: the data sets, without pixels, that a volume was read from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, cast
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from dicomlab.catalog import (
    InstanceData,
    Json,
    JsonAttributes,
    JsonElement,
    JsonObject,
    Series,
    dataset_from_json,
    dicom_json,
)
from dicomlab.errors import NotFoundError, UnsupportedError
from dicomlab.safety import Header
from dicomlab.volume import Volume

Source = Series | Iterable[InstanceData] | Iterable[Dataset]
"""Where a volume comes from, for one that does not know it."""

_INLINE = 1 << 20


@dataclass(frozen=True, slots=True)
class Equipment:
    """Who made a derived object (PS3.3 C.7.5.1 and C.7.5.2)."""

    manufacturer: str = "dicomlab"
    manufacturer_model_name: str = "dicomlab"
    device_serial_number: str = "1"
    software_versions: str = "0.1"


DICOMLAB = Equipment()


class WriteOptions(TypedDict, total=False):
    """What every writer of one instance takes, as keyword arguments."""

    source: Source | None
    series_description: str
    series_number: int
    equipment: Equipment


def new_uid() -> str:
    """Return a UID that nobody else has (PS3.5 B.2)."""
    return f"2.25.{uuid4().int}"


def source_datasets(volume: Volume, source: Source | None = None) -> list[Dataset]:
    """Return the data sets that the slices come from, without pixels, in the slices' order.

    Parameters
    ----------
    volume
        Knows the SOP Instance UID of each slice.
    source
        Where the instances are, for a volume that does not know its origin.

    Raises
    ------
    UnsupportedError
        The volume comes from no instances, or nothing says where they are.
    NotFoundError
        An instance of the volume is not in its source.
    """
    if not volume.sop_instance_uids:
        raise UnsupportedError(
            "The volume was made from an array: there are no instances to refer to. Give a volume "
            "of a series, and the array beside it."
        )
    found = _by_uid(volume, source)
    uids = tuple(dict.fromkeys(volume.sop_instance_uids))
    missing = [uid for uid in uids if uid not in found]
    if missing:
        raise NotFoundError(
            f"{len(missing)} of {len(uids)} instances of the volume are not in its source: a "
            "result cannot refer to them. Give the series that the volume was opened from."
        )
    return [found[uid] for uid in uids]


def _by_uid(volume: Volume, source: Source | None) -> dict[str, Dataset]:
    instances: Iterable[InstanceData | Dataset]
    if isinstance(source, Series):
        instances = source.source.instances(source.uid)
    elif source is not None:
        instances = source
    elif volume.origin is not None:
        instances = volume.origin()
    else:
        raise UnsupportedError(
            "The volume does not know where its instances are: give source, the series or the "
            "instances that it was opened from."
        )
    wanted = frozenset(volume.sop_instance_uids)
    found = {}
    for one in instances:
        uid = one.SOPInstanceUID if isinstance(one, Dataset) else one.sop_instance_uid
        if uid in wanted:
            found[str(uid)] = one if isinstance(one, Dataset) else as_dataset(one)
    return found


def as_dataset(instance: InstanceData) -> Dataset:
    """Return the attributes of an instance as a pydicom data set, without its bulk data."""
    attributes = instance.attributes
    if isinstance(attributes, Header):
        document: Mapping[str, Mapping[str, object]] = dicom_json(
            attributes, inline_bytes=_INLINE, numbers_as_text=True
        )
    elif isinstance(attributes, JsonAttributes):
        document = attributes.document
    else:
        raise TypeError("an instance keeps its attributes as a Header or as DICOM JSON")
    made = dataset_from_json(_without_bulk(document))
    made.remove_private_tags()
    return made


def _without_bulk(document: Mapping[str, Mapping[str, object]]) -> JsonObject:
    found: dict[str, JsonElement] = {}
    for key, element in document.items():
        if "BulkDataURI" in element:
            continue
        values = element.get("Value")
        if element.get("vr") == "SQ" and isinstance(values, list):
            items: list[Json] = [
                cast("Json", _without_bulk(item)) for item in values if isinstance(item, Mapping)
            ]
            found[key] = {"vr": "SQ", "Value": items}
        else:
            found[key] = cast("JsonElement", dict(element))
    return found


def in_frame_order(
    volume: Volume, values: NDArray[np.generic], sources: Sequence[Dataset]
) -> NDArray[np.generic]:
    """Return planes of a volume in the order that its source has: of instances, or of frames.

    Parameters
    ----------
    values
        Planes along the first axis, as many as the volume has slices.
    sources
        As `source_datasets` gives them.
    """
    if len(sources) == len(volume.sop_instance_uids) and "NumberOfFrames" not in sources[0]:
        return values
    if len(sources) > 1:
        raise UnsupportedError(
            "The volume is made of several multi-frame instances: a result can refer to one such "
            "instance, or to many of one frame each."
        )
    ordered = np.zeros((int(sources[0].NumberOfFrames), *values.shape[1:]), values.dtype)
    ordered[np.array(volume.frame_numbers) - 1] = values
    return ordered
