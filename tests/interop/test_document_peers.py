"""Documents and waveforms agree with DCMTK and pydicom on both ways."""

import numpy as np
import pydicom
import pytest

from dicomlab import phantoms
from dicomlab.errors import NonConformantError
from dicomlab.iod import read_document, read_waveform, write_document
from tests.derived import findings

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
CDA = (
    b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3" '
    b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><typeId root="2.16.840.1.113883.1.3" '
    b'extension="POCD_HD000040"/><id root="1.2.3"/><title>A title</title></ClinicalDocument>'
)
STL = bytes(80) + b"\1\0\0\0" + bytes(50)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("data", "mime_type"), [(PDF, "application/pdf"), (CDA, "text/XML"), (STL, "model/stl")]
)
def test_our_documents_have_no_finding(peers, tmp_path, data, mime_type):
    """Every rule that dciodvfy knows of the three classes."""
    source = next(phantoms.thorax_ct(slices=1, rows=8))

    made = write_document(source, data, mime_type, title="A document")

    assert findings(peers, made, tmp_path / "made.dcm") == []


def test_dcmtk_takes_our_pdf_out(peers, tmp_path):
    """Byte for byte; it keeps the pad of an odd length, so an even one is compared."""
    source = next(phantoms.thorax_ct(slices=1, rows=8))
    data = PDF + b"\n" * (len(PDF) % 2)
    write_document(source, data).save_as(tmp_path / "made.dcm", enforce_file_format=True)

    peers.run("dcm2pdf", tmp_path / "made.dcm", tmp_path / "out.pdf")

    assert (tmp_path / "out.pdf").read_bytes() == data


@pytest.mark.parametrize(
    ("program", "data"), [("pdf2dcm", PDF), ("stl2dcm", STL), ("pdf2dcm", PDF + b"%")]
)
def test_dcmtks_documents_are_taken_out(peers, tmp_path, program, data):
    """What DCMTK encapsulates comes out as it went in."""
    (tmp_path / "in").write_bytes(data)

    peers.run(program, tmp_path / "in", tmp_path / "made.dcm")

    assert read_document(tmp_path / "made.dcm").data == data


def test_a_real_instance_without_its_document_is_told(real_data):
    """An STL object of an archive's tests whose value was taken out."""
    with pytest.raises(NonConformantError, match="EncapsulatedDocument"):
        read_document(real_data / "orthanc-mirrors__orthanc-tests/Database/Issue137.dcm")


def test_a_real_ecg_is_what_pydicom_reads(real_data):
    """Every sample of every lead, in its units."""
    path = real_data / "marcodebe__dicom-ecg-plot/sample_files/anonymous_ecg.dcm"

    found = read_waveform(path)

    dataset = pydicom.dcmread(path)
    for number, group in enumerate(found.groups):
        np.testing.assert_allclose(group.values, dataset.waveform_array(number), rtol=1e-12)
    rhythm = found.groups[0]
    assert len(rhythm.channels) == 12
    assert rhythm.to_dataframe().shape == rhythm.values.shape
