"""Documents go in and come out byte for byte."""

import pytest

from dicomlab import phantoms
from dicomlab.errors import NonConformantError, UnsupportedError
from dicomlab.iod import read_document, write_document

PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
CDA = b'<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2" extension="7"/></ClinicalDocument>'
STL = bytes(80) + b"\1\0\0\0" + bytes(50)


@pytest.fixture(scope="module")
def source():
    return next(phantoms.thorax_ct(slices=1, rows=8))


@pytest.mark.parametrize(
    ("data", "mime_type", "suffix"),
    [(PDF, "application/pdf", ".pdf"), (PDF + b"%", "application/pdf", ".pdf"),
     (CDA, "text/XML", ".xml"), (STL, "model/stl", ".stl"), (STL + b"\0", "model/stl", ".stl")],
)  # fmt: skip
def test_a_document_comes_back(source, tmp_path, data, mime_type, suffix):
    """Of even and odd length, in the study of its source; a file is never overwritten."""
    made = write_document(source, data, mime_type, title="Report <1>")

    found = read_document(made)

    assert (found.mime_type, found.data, found.suffix) == (mime_type, data, suffix)
    assert found.title == "Report <1>"
    assert made.StudyInstanceUID == source.StudyInstanceUID
    assert found.save(tmp_path / "out").read_bytes() == data
    with pytest.raises(FileExistsError):
        found.save(tmp_path / "out")


def test_a_clinical_document_is_named_by_its_id(source):
    """HL7 Instance Identifier is the document's own; entities are not read."""
    assert write_document(source, CDA, "text/XML").HL7InstanceIdentifier == "1.2^7"
    for wrong in (
        b"<ClinicalDocument/>",
        b"<ClinicalDocument>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + CDA,
    ):
        with pytest.raises(ValueError, match="clinical document"):
            write_document(source, wrong, "text/XML")


def test_a_document_without_length_loses_its_pad_alone(source):
    """Instances of before 2019 do not say how long the document is."""
    made = write_document(source, PDF + b"%", "application/pdf")
    del made.EncapsulatedDocumentLength

    assert read_document(made).data == PDF + b"%"


def test_mistakes_are_told(source):
    """Other types, bytes of another type, an instance of another class, a cut document."""
    with pytest.raises(ValueError, match="one of"):
        write_document(source, PDF, "text/plain")
    for data in (b"", STL):
        with pytest.raises(ValueError, match="begin"):
            write_document(source, data)
    with pytest.raises(UnsupportedError, match="document"):
        read_document(source)
    made = write_document(source, PDF)
    made.EncapsulatedDocumentLength = 1000
    with pytest.raises(NonConformantError, match="declared"):
        read_document(made)
    del made.EncapsulatedDocument
    with pytest.raises(NonConformantError, match="absent"):
        read_document(made)
