"""Encapsulated documents (PS3.3 A.45, A.85): PDF, CDA, STL, OBJ and MTL, taken out and put in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.parsers import expat

from pydicom import Dataset

from dicomlab.catalog import Instance, InstanceData
from dicomlab.errors import NonConformantError
from dicomlab.iod._codes import Code
from dicomlab.iod._load import Loadable, load, required
from dicomlab.iod._made import derived, reference
from dicomlab.iod._origin import DICOMLAB, Equipment, as_dataset

_ROOT = "1.2.840.10008.5.1.4.1.1.104."
_CLASSES: Final[Mapping[str, str]] = {
    "application/pdf": _ROOT + "1",
    "text/XML": _ROOT + "2",
    "model/stl": _ROOT + "3",
    "model/obj": _ROOT + "4",
    "model/mtl": _ROOT + "5",
}
"""Storage class of each MIME Type of Encapsulated Document (0042,0012)."""
_SUFFIXES: Final = {
    "application/pdf": ".pdf", "text/xml": ".xml", "model/stl": ".stl", "model/obj": ".obj",
    "model/mtl": ".mtl",
}  # fmt: skip
_MODALITIES: Final = {"application/pdf": "DOC", "text/XML": "SR"}
_MILLIMETRE: Final = Code("mm", "UCUM", "mm")


@dataclass(frozen=True, slots=True)
class EncapsulatedDocument:
    """A document that an instance wraps.

    Attributes
    ----------
    mime_type
        As the instance says: ``"application/pdf"``, ``"text/XML"``, ``"model/stl"``, …
    data
        The document, byte for byte.
    title
        Document Title (0042,0010).
    """

    mime_type: str
    data: bytes
    title: str = ""

    @property
    def suffix(self) -> str:
        """What a file of it is called at the end, ``".bin"`` for an unknown type."""
        return _SUFFIXES.get(self.mime_type.lower(), ".bin")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the document into a new file and return its path.

        Raises
        ------
        FileExistsError
            Nothing is overwritten.
        """
        target = Path(path)
        with target.open("xb") as file:
            file.write(self.data)
        return target

    def __repr__(self) -> str:
        return f"<EncapsulatedDocument {self.mime_type}: {len(self.data)} bytes>"


def read_document(what: Loadable) -> EncapsulatedDocument:
    """Return the document that an instance encapsulates (PS3.3 C.24.2).

    Raises
    ------
    UnsupportedError
        It is an instance of another class.
    NonConformantError
        There is no document, or it is shorter than declared.
    """
    loaded = load(what)
    loaded.check_class("encapsulated document", *_CLASSES.values())
    header = loaded.header
    data = required(header, "EncapsulatedDocument")
    length = header.integer("EncapsulatedDocumentLength")
    mime_type = header.string("MIMETypeOfEncapsulatedDocument") or ""
    if length is not None:
        if length > len(data):
            raise NonConformantError(
                f"EncapsulatedDocument (0042,0011) holds {len(data)} bytes of {length} declared "
                "(PS3.3 C.24.2). Retrieve the instance again.",
                reason="truncated",
                tag=0x00420011,
                reference="PS3.3 C.24.2",
            )
        data = data[:length]
    elif mime_type.lower() != "model/stl" and data.endswith(b"\0"):
        data = data[:-1]  # The pad of a value of even length; texts and PDFs end in no NUL.
    return EncapsulatedDocument(mime_type, data, header.string("DocumentTitle") or "")


def write_document(
    source: Instance | InstanceData | Dataset,
    data: bytes,
    mime_type: str = "application/pdf",
    *,
    title: str = "",
    concept: Code | None = None,
    series_description: str = "Document",
    series_number: int = 307,
    equipment: Equipment = DICOMLAB,
) -> Dataset:
    """Return a document as an instance in the study of another one.

    Parameters
    ----------
    source
        An instance of the patient and study that the document is about.
    data
        The document.
    mime_type
        ``"application/pdf"``, ``"text/XML"`` (CDA), ``"model/stl"``, ``"model/obj"`` or
        ``"model/mtl"``.
    title
        Document Title (0042,0010).
    concept
        What kind of document it is.

    Raises
    ------
    ValueError
        Another type, or bytes that do not begin as the type does.
    """
    if mime_type not in _CLASSES:
        raise ValueError(f"mime_type is one of {', '.join(_CLASSES)}")
    _check(data, mime_type)
    if isinstance(source, Instance):
        source = source.data
    original = as_dataset(source) if isinstance(source, InstanceData) else source
    made = derived(
        original,
        _CLASSES[mime_type],
        _MODALITIES.get(mime_type, "M3D"),
        series_description=series_description,
        series_number=series_number,
        equipment=equipment,
    )
    made.AcquisitionDateTime = None
    made.BurnedInAnnotation = "YES"
    made.DocumentTitle = title
    made.ConceptNameCodeSequence = [concept.item()] if concept else []
    made.MIMETypeOfEncapsulatedDocument = mime_type
    made.EncapsulatedDocumentLength = len(data)
    made.EncapsulatedDocument = data + b"\0" * (len(data) % 2)
    if mime_type.startswith("model/"):
        _add_model(made, original)
    else:
        made.ConversionType = "WSD"
    if mime_type == "text/XML":
        made.HL7InstanceIdentifier = _clinical_document_id(data)
    return made


def _add_model(made: Dataset, original: Dataset) -> None:
    """Add what a model for manufacturing has besides (PS3.3 A.85.1, C.35)."""
    made.FrameOfReferenceUID = original.get("FrameOfReferenceUID") or made.SeriesInstanceUID
    made.PositionReferenceIndicator = original.get("PositionReferenceIndicator")
    made.MeasurementUnitsCodeSequence = [_MILLIMETRE.item()]
    made.ModelModification = made.ModelMirroring = "NO"
    made.ModelUsageCodeSequence = [Code("129013", "DCM", "Planning Intent").item()]
    series = Dataset()
    series.SeriesInstanceUID = original.SeriesInstanceUID
    series.ReferencedInstanceSequence = [reference(original)]
    made.ReferencedSeriesSequence = [series]
    made.SourceInstanceSequence = [reference(original)]


def _clinical_document_id(data: bytes) -> str:
    """Return root and extension of a CDA's id, as HL7 Instance Identifier has them (C.24.2)."""
    open_elements: list[str] = []
    found: list[str] = []

    def start(name: str, attributes: Mapping[str, str]) -> None:
        open_elements.append(name.rpartition(" ")[2])
        if open_elements == ["ClinicalDocument", "id"]:
            parts = (attributes.get("root"), attributes.get("extension"))
            found.append("^".join(part for part in parts if part))

    def end(_name: str) -> None:
        open_elements.pop()

    def doctype(*_: object) -> None:
        raise ValueError("a clinical document has no document type declaration")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError("the clinical document is no well-formed XML") from error
    if not found or not found[0]:
        raise ValueError("the clinical document has no id: HL7InstanceIdentifier needs it")
    return found[0]


def _check(data: bytes, mime_type: str) -> None:
    begins = {"application/pdf": b"%PDF-", "text/XML": b"<"}.get(mime_type, b"")
    if not data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(begins) or not data:
        raise ValueError(f"the bytes do not begin as {mime_type} does")
