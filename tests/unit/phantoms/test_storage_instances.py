"""Small instances of every storage class, the same each time, and read by our own readers."""

from io import BytesIO

import numpy as np
import pytest
from pydicom import Dataset, dcmread, dcmwrite

from dicomlab import phantoms
from dicomlab.errors import UnsupportedError
from dicomlab.iod import (
    read_document,
    read_dose,
    read_key_objects,
    read_object,
    read_registration,
    read_report,
    read_structure_set,
    read_waveform,
)
from dicomlab.safety import MemoryBytes, check_instance, read_header

ROOT = "1.2.840.10008.5.1.4.1.1."


def written(made: Dataset) -> bytes:
    buffer = BytesIO()
    dcmwrite(buffer, made, enforce_file_format=True)
    return buffer.getvalue()


@pytest.mark.parametrize("uid", phantoms.storage_classes())
def test_an_instance_passes_the_border_and_is_the_same_each_time(uid):
    """Accepted by our own rules; another seed is another instance."""
    raw = written(phantoms.storage_instance(uid))

    header = read_header(raw)
    check_instance(header, MemoryBytes(raw))

    assert header.string("SOPClassUID") == uid
    assert raw == written(phantoms.storage_instance(uid))
    other = dcmread(BytesIO(written(phantoms.storage_instance(uid, seed=1))))
    assert other.SOPInstanceUID != header.string("SOPInstanceUID")


def test_objects_hold_what_they_say():
    """Dose rises, contours enclose a cube, leads are twelve, a page is a PDF."""
    make = phantoms.storage_instance
    dose = read_dose(make(ROOT + "481.2"))
    cube = read_structure_set(make(ROOT + "481.3"))
    ecg = read_waveform(make(ROOT + "9.1.1"))

    np.testing.assert_allclose(dose.compute()[2, 5], np.arange(32) * 0.1)
    assert dose.units == "GY"
    assert cube.mask("Cube", dose).compute().sum() > 0
    assert len(ecg.groups[0].channels) == 12
    assert np.nanmax(ecg.groups[0].to_dataframe()["Lead I"]) == pytest.approx(1100, rel=0.02)
    assert read_document(make(ROOT + "104.1")).data.startswith(b"%PDF")
    assert len(read_key_objects(make(ROOT + "88.59")).objects) == 1
    assert read_registration(make(ROOT + "66.1")).matrices
    assert read_report(make(ROOT + "88.67")).to_dataframe().value.tolist() == [1, 350]


def test_read_object_opens_reports_of_every_class():
    """Basic, enhanced, comprehensive, CAD, procedure log and dose."""
    for suffix in ("11", "22", "33", "40", "50", "65", "67"):
        report = read_object(phantoms.storage_instance(f"{ROOT}88.{suffix}"))
        assert sum(1 for _ in report.root.walk()) > 2


def test_attributes_and_syntaxes_are_the_callers():
    """As with the other phantoms: the caller's word wins, an image may be compressed."""
    made = phantoms.storage_instance(
        ROOT + "7", PatientID="MINE", AccessionNumber=None,
        transfer_syntax_uid="1.2.840.10008.1.2.5",
    )  # fmt: skip

    assert made.PatientID == "MINE"
    assert "AccessionNumber" not in made
    assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.5"
    with pytest.raises(UnsupportedError, match="no phantom"):
        phantoms.storage_instance("1.2.3")
    with pytest.raises(ValueError, match="keyword"):
        phantoms.storage_instance(ROOT + "7", NoSuchThing="x")
