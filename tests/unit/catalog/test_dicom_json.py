"""The DICOM JSON model of a header is what PS3.18 annex F says, and what pydicom writes."""

import io
import json
import math

import pytest
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from dicomlab.catalog import JsonAttributes, dicom_json, dicom_json_text, instance_record
from dicomlab.errors import NonConformantError
from dicomlab.safety import read_header


def encoded(data, *, little_endian=True, implicit_vr=False):
    buffer = io.BytesIO()
    dcmwrite(buffer, data, implicit_vr=implicit_vr, little_endian=little_endian)
    return buffer.getvalue()


def sample():
    """Return a data set with every kind of value."""
    item = Dataset()
    item.CodeValue = "X"
    item.add_new(0x00091001, "UN", b"\x01\x02")
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.ImageType = ["ORIGINAL", "PRIMARY"]
    data.SOPInstanceUID = "1.2.3"
    data.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    data.PatientWeight = "70.5"
    data.PatientComments = "two\\values are one text"
    data.SeriesNumber = "7"
    data.Rows = 512
    data.FrameIncrementPointer = [0x00181063, 0x00181065]
    data.add_new(0x00089459, "FL", 1.5)
    data.add_new(0x00189073, "FD", [0.1, -2.0])
    data.add_new(0x00420011, "OB", b"\x00\x01\x02\x03")
    data.add_new(0x00281201, "OW", b"\x00\x01\x02\x03")
    data.ProcedureCodeSequence = [item, Dataset()]
    data.RequestAttributesSequence = []
    data.AccessionNumber = ""
    return data


@pytest.mark.parametrize("implicit_vr", [False, True])
def test_the_model_is_what_pydicom_writes(implicit_vr):
    """Text, names, numbers, tags, bytes, sequences, empty values: element for element."""
    data = sample()
    expected = data.to_json_dict()
    # An empty element has no Value (PS3.18 F.2.5); pydicom gives an empty sequence an empty one.
    del expected["00400275"]["Value"]

    found = dicom_json(read_header(encoded(data, implicit_vr=implicit_vr)))

    assert json.loads(json.dumps(found, allow_nan=False)) == expected


def test_big_endian_bytes_become_little_endian():
    """Inline binary is little endian, whatever the file was (PS3.18 F.2.7)."""
    little = dicom_json(read_header(encoded(sample())))

    data = sample()
    data["00281201"].value = b"\x01\x00\x03\x02"
    big = dicom_json(read_header(encoded(data, little_endian=False)))

    assert big == little


def test_numbers_that_are_not_finite_are_named():
    """JSON has no NaN; the document stays valid."""
    data = Dataset()
    data.SOPInstanceUID = "1.2.3"
    data.add_new(0x00189073, "FD", [math.nan, math.inf, -math.inf])

    found = dicom_json(read_header(encoded(data)))

    assert found["00189073"]["Value"] == ["NaN", "Infinity", "-Infinity"]
    json.dumps(found, allow_nan=False)
    numbers = JsonAttributes(found).numbers("AcquisitionDuration")
    assert math.isnan(numbers[0])
    assert numbers[1:] == (math.inf, -math.inf)


def test_text_that_is_no_number_stays_text():
    """A Decimal String that is none is shown as it is, an empty one of several is null."""
    data = Dataset()
    data.SOPInstanceUID = "1.2.3"
    data.ImagePositionPatient = ["1", "2", "3"]
    raw = encoded(data).replace(b"1\\2\\3", b"x\\\\ 3")

    found = dicom_json(read_header(raw))

    assert found["00200032"]["Value"] == ["x", None, 3.0]
    with pytest.raises(NonConformantError, match="ImagePositionPatient"):
        JsonAttributes(found).numbers("ImagePositionPatient")


def test_long_binary_values_and_pixels_are_referred_to():
    """Nothing is hidden: what is left out is named by where it lies."""
    item = Dataset()
    item.add_new(0x00420011, "OB", bytes(2000))
    data = Dataset()
    data.SOPInstanceUID = "1.2.3"
    data.ProcedureCodeSequence = [Dataset(), item]
    data.add_new(0x7FE00010, "OW", bytes(8))

    found = dicom_json(read_header(encoded(data)))

    nested = found["00081032"]["Value"][1]["00420011"]
    assert nested == {"vr": "OB", "BulkDataURI": "bulkdata/00081032/2/00420011"}
    assert found["7FE00010"] == {"vr": "OW", "BulkDataURI": "bulkdata/7FE00010"}


def written_alike():
    """Yield data sets of which elements are the same bytes and mean something else."""
    yield encoded(sample())
    yield encoded(sample(), implicit_vr=True)
    yield encoded(sample(), little_endian=False)
    for little, rows in ((True, 2), (False, 512)):  # both b"\x02\x00"
        data = sample()
        data.Rows = rows
        yield encoded(data, little_endian=little)
    for vr, least in (("US", 0xFFFE), ("SS", -2)):  # both b"\xfe\xff"
        data = sample()
        data.add_new(0x00280106, vr, least)
        yield encoded(data)
    for character_set, name in (("ISO_IR 192", "Jörg"), ("ISO_IR 100", "JÃ¶rg")):
        data = sample()
        data.SpecificCharacterSet = character_set
        data.PatientName = name
        yield encoded(data)


def test_as_text_it_says_the_same():
    """Whatever was written before: other character sets, orders of bytes and VRs are told apart."""
    for _ in range(2):
        for raw in written_alike():
            header = read_header(raw)

            assert json.loads(dicom_json_text(header)) == dicom_json(header)


def test_records_of_what_is_written_alike_differ_where_it_means_another_thing():
    """A record is that of its own JSON, whatever was read before it."""
    for _ in range(2):
        for raw in written_alike():
            header = read_header(raw)

            found = instance_record(header)
            expected = instance_record(JsonAttributes(dicom_json(header)))

            assert {**found, "AvailableTransferSyntaxUID": None} == expected


def test_group_lengths_are_left_out():
    """The model has no group lengths (PS3.18 F.2.2)."""
    raw = b"\x08\x00\x00\x00UL\x04\x00\x0c\x00\x00\x00" + b"\x08\x00\x16\x00UI\x04\x001.2\x00"

    assert set(dicom_json(read_header(raw))) == {"00080016"}


def test_json_answers_as_the_header_does():
    """The same text, numbers and items, whichever is kept."""
    header = read_header(encoded(sample()))
    attributes = JsonAttributes(dicom_json(header))

    for keyword in ("ImageType", "PatientName", "PatientComments", "SOPInstanceUID", "StudyID"):
        assert attributes.strings(keyword) == header.strings(keyword)
        assert attributes.string(keyword) == header.string(keyword)
    for keyword in ("PatientWeight", "SeriesNumber", "Rows", "AcquisitionDuration", "Columns"):
        assert attributes.numbers(keyword) == header.numbers(keyword)
    assert attributes.integer("Rows") == header.integer("Rows") == 512
    assert [item.string("CodeValue") for item in attributes.items("ProcedureCodeSequence")] == [
        "X",
        None,
    ]
    assert "AccessionNumber" in attributes
    with pytest.raises(NonConformantError, match="whole number"):
        attributes.integer("PatientWeight")
