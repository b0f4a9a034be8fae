"""DICOM JSON and native XML hold a data set without loss, and refuse what is no data set."""

import io
import json
import math

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from dicomlab import phantoms
from dicomlab.catalog import (
    bulk_value,
    dataset_from_json,
    dicom_json,
    native_xml,
    part10,
    read_dicom_json,
    read_native_xml,
)
from dicomlab.errors import (
    HostileInputError,
    NonConformantError,
    NotFoundError,
    UnsupportedError,
)
from dicomlab.safety import Bounds, MemoryBytes, read_header

ALL = 1 << 30


def sample():
    """Return a data set with every value representation and what is hard about it."""
    item = Dataset()
    item.CodeValue = "T-1"
    item.add_new(0x00090010, "LO", "INNER")
    item.add_new(0x00091001, "LO", "näher")
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.66", "2.25.1"
    data.ImageType = ["ORIGINAL", "", "X"]
    data.PatientName = "Wang^XiaoDong^^Dr=王^小东=おう"
    data.OtherPatientNames = ["A^B", "=王"]
    data.PatientID, data.PatientSex = "", None
    data.PatientComments = "one \\ text\r\nof two lines <&> \"'"
    data.PatientWeight, data.SeriesNumber = "70.50", "2147483647"
    data.ImagePositionPatient = ["-1.2345678901234", "1e-5", "0.1"]
    data.RetrieveURL = "https://example.org/?a=1&b=2"
    data.add_new(0x00090010, "LO", "ACME")
    data.add_new(0x00090011, "LO", "OTHER")
    for element, (vr, value) in enumerate(
        (
            ("OB", b"\x01\x02\x03\x00"), ("OW", b"\x01\x00\xff\x7f"), ("UN", b"raw\x00"),
            ("OF", np.array([1, math.pi], "<f4").tobytes()),
            ("OD", np.array([0.1], "<f8").tobytes()), ("OL", b"\x01\x00\x00\x80"),
            ("OV", bytes(range(8))),
            ("FD", [math.nan, math.inf, -math.inf, 0.1, 5e-324]), ("FL", [1.5, -0.0]),
            ("AT", [0x00100010, 0x00091101]), ("UV", [2**64 - 1, 5]), ("SV", [-(2**63), 7]),
            ("UL", 2**32 - 1), ("SL", -(2**31)), ("US", [0, 65535]), ("SS", -32768),
            ("UC", ["  before", "b"]), ("UT", "a\\b"), ("AS", "045Y"), ("DA", "20240229"),
            ("DT", "20240229120000.5+0100"), ("TM", "235960"), ("AE", "ARCHIVE"), ("LT", "x\ty"),
            ("ST", "s"), ("SH", ["", "b"]), ("UI", ["1.2", "1.2.3"]), ("IS", ["-5", ""]),
            ("SQ", [item, Dataset()]), ("SQ", []), ("LO", ""),
        ),
        0x01,
    ):  # fmt: skip
        data.add_new(0x00091000 + element, vr, value)
    data.add_new(0x00091101, "LO", "of the other")
    data.ProcedureCodeSequence = [item, Dataset()]
    return data


def encoded(data):
    data.SOPInstanceUID = data.get("SOPInstanceUID", "2.25.1")
    buffer = io.BytesIO()
    dcmwrite(buffer, data, implicit_vr=False, little_endian=True)
    return buffer.getvalue()


def body(data):
    """Return the bytes of a data set without File Meta Information."""
    return encoded(Dataset(data))


def exact(raw):
    return dicom_json(read_header(raw), inline_bytes=ALL, numbers_as_text=True)


def test_json_gives_the_same_bytes_back():
    """Every value representation, digit for digit, through JSON text and back."""
    raw = encoded(sample())

    document = json.loads(json.dumps(exact(raw), allow_nan=False))

    assert body(dataset_from_json(document)) == raw


def test_xml_gives_the_same_bytes_back():
    """The same through the Native DICOM Model: creators, blocks, gaps and line ends."""
    raw = encoded(sample())

    document = read_native_xml(native_xml(exact(raw)))

    assert body(dataset_from_json(document)) == raw


def test_json_numbers_keep_their_value():
    """As numbers, Decimal Strings keep their value; those that no double is stay text."""
    data = Dataset()
    data.SOPInstanceUID = "2.25.1"
    texts = ["1.50", "-.12345678901234", "0.12345678901234", "1234567890123456", "1e400", "-0"]
    data.ImagePositionPatient = texts[:3]
    data.PixelSpacing = texts[3:]
    raw = encoded(data)

    document = dicom_json(read_header(raw))
    values = document["00200032"]["Value"] + document["00280030"]["Value"]
    again = dataset_from_json(json.loads(json.dumps(document)))

    assert values == [1.5, "-.12345678901234", 0.12345678901234, "1234567890123456", "1e400", -0.0]
    back = [*again.ImagePositionPatient, *again.PixelSpacing]
    assert [float(one) for one in back] == [float(text) for text in texts]
    assert all(len(str(one.original_string)) <= 16 for one in back)


def test_64_bit_integers_beyond_a_double_are_text():
    """A reader whose numbers are doubles gets every digit (PS3.18 F.2.3)."""
    data = Dataset()
    data.add_new(0x00091001, "UV", [2**53, 2**53 + 1])

    assert exact(encoded(data))["00091001"]["Value"] == [2**53, str(2**53 + 1)]


def test_private_blocks_are_named_by_their_creator():
    """The model has gggg00ee and the creator; a creator that is new gets a free block."""
    text = native_xml(exact(encoded(sample())))
    assert 'tag="00090001" vr="OB" privateCreator="ACME"' in text
    assert 'tag="00090001" vr="LO" privateCreator="OTHER"' in text

    moved = read_native_xml(
        "<NativeDicomModel>"
        '<DicomAttribute tag="00090010" vr="LO"><Value number="1">TAKEN</Value></DicomAttribute>'
        '<DicomAttribute tag="00090002" vr="LO" privateCreator="NEW">'
        '<Value number="1">x</Value></DicomAttribute>'
        '<DicomAttribute tag="000B1102" vr="LO" privateCreator="PLACED">'
        '<Value number="1">y</Value></DicomAttribute>'
        "</NativeDicomModel>"
    )

    assert moved["00090011"] == {"vr": "LO", "Value": ["NEW"]}
    assert moved["00091102"] == {"vr": "LO", "Value": ["x"]}
    assert moved["000B0011"] == {"vr": "LO", "Value": ["PLACED"]}
    assert moved["000B1102"] == {"vr": "LO", "Value": ["y"]}


def test_two_blocks_of_one_creator_stay_apart():
    """The standard forbids it, files have it: the tags keep their blocks then."""
    data = Dataset()
    data.add_new(0x00090010, "LO", "ACME")
    data.add_new(0x00090011, "LO", "ACME")
    data.add_new(0x00091001, "LO", "first")
    data.add_new(0x00091101, "LO", "second")
    document = exact(encoded(data))

    assert read_native_xml(native_xml(document)) == document


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"])
def test_an_instance_comes_back_with_its_pixels(syntax):
    """Bulk data is fetched by its name; with it the instance is the one that went out."""
    (made,) = phantoms.enhanced_ct(slices=2, rows=16, transfer_syntax_uid=syntax)
    buffer = io.BytesIO()
    dcmwrite(buffer, made, enforce_file_format=True)
    source = MemoryBytes(buffer.getvalue())
    header = read_header(source)

    document = dicom_json(header)
    written = part10(
        document,
        bulk_data=lambda uri: bulk_value(header, source, uri),
        transfer_syntax_uid=syntax,
    )

    again = dcmread(io.BytesIO(written))
    assert again.file_meta.TransferSyntaxUID == syntax
    assert again.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
    np.testing.assert_array_equal(again.pixel_array, made.pixel_array)
    assert again == made


def test_nested_bulk_data_is_found_by_its_path():
    """Tags and item numbers lead to it; a path that leads nowhere is an error."""
    item = Dataset()
    item.add_new(0x00420011, "OB", bytes(2000))
    data = Dataset()
    data.ProcedureCodeSequence = [Dataset(), item]
    source = MemoryBytes(encoded(data))
    header = read_header(source)
    uri = dicom_json(header)["00081032"]["Value"][1]["00420011"]["BulkDataURI"]

    assert bulk_value(header, source, uri) == bytes(2000)
    for wrong in ("bulkdata/00081032/3/00420011", "bulkdata/x/0/y", "", "bulkdata/00081032/0/1"):
        with pytest.raises(NotFoundError):
            bulk_value(header, source, wrong)
    with pytest.raises(NotFoundError, match="EncapsulatedDocument"):
        part10(dicom_json(header))


def test_other_peoples_documents_are_read():
    """No vr, numbers where texts may stand, whole numbers as floats, a list of data sets."""
    (document,) = read_dicom_json(
        b'[{"00100020": {"Value": ["X"]}, "00280010": {"vr": "US", "Value": [512.0]},'
        b' "00200013": {"vr": "IS", "Value": [3.0]}, "00180050": {"vr": "DS", "Value": [1e-7]},'
        b' "00189073": {"vr": "FD", "Value": ["NaN", NaN]},'
        b' "00081032": {"vr": "SQ", "Value": [null, {}]}}]'
    )

    read = dataset_from_json(document)

    assert (read.PatientID, read.Rows, read.InstanceNumber) == ("X", 512, 3)
    assert read.SliceThickness == 1e-7
    assert np.isnan(read.AcquisitionDuration).all()
    assert len(read.ProcedureCodeSequence) == 2


@pytest.mark.parametrize(
    "document",
    [
        {"PatientID": {"vr": "LO"}},
        {"0010002": {"vr": "LO"}},
        {"00280010": {"vr": "US", "Value": [70000]}},
        {"00280010": {"vr": "US", "Value": [1.5]}},
        {"00280010": {"vr": "US", "Value": [True]}},
        {"00100020": {"vr": "XX", "Value": ["a"]}},
        {"00100020": {"vr": "LO", "Value": "a"}},
        {"00100020": {"vr": "LO", "Value": [{"Alphabetic": "a"}]}},
        {"00100020": {"vr": "LO", "Value": [["a"]]}},
        {"00100020": {"vr": "LO", "Value": ["\ud800"]}},
        {"00081032": {"vr": "SQ", "Value": ["a"]}},
        {"00420011": {"vr": "OB", "Value": [1]}},
        {"00420011": {"vr": "OB", "InlineBinary": "?"}},
        {"00280009": {"vr": "AT", "Value": ["tag"]}},
        {"00100020": "a"},
    ],
)
def test_what_is_no_data_set_is_refused(document):
    """Each with the attribute at fault, none with its value."""
    with pytest.raises(NonConformantError, match=r"PS3\.18 F\.2"):
        part10(document)


def test_documents_keep_the_bounds():
    """Depth, elements and size, in both spellings."""
    deep = {"00100020": {"vr": "LO"}}
    for _ in range(5):
        deep = {"00081032": {"vr": "SQ", "Value": [deep]}}
    shallow = Bounds(depth=4)

    with pytest.raises(HostileInputError, match="depth"):
        part10(deep, bounds=shallow)
    with pytest.raises(HostileInputError, match="depth"):
        read_native_xml(native_xml(deep), bounds=Bounds(depth=1))
    with pytest.raises(HostileInputError, match="elements"):
        part10(deep, bounds=Bounds(elements=5))
    with pytest.raises(HostileInputError, match="elements"):
        read_native_xml(native_xml(deep), bounds=Bounds(elements=5))
    with pytest.raises(HostileInputError, match="header_bytes"):
        read_native_xml(native_xml(deep), bounds=Bounds(header_bytes=50))
    with pytest.raises(HostileInputError, match="header_bytes"):
        read_dicom_json(json.dumps(deep), bounds=Bounds(header_bytes=50))
    with pytest.raises(HostileInputError, match="depth"):
        read_dicom_json("[" * 100_000)


def test_entities_are_not_expanded():
    """A document type declaration is refused before an entity could grow (SECURITY class 15)."""
    laughs = "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "ha">' for n in range(9)
    )
    for declared, used in (
        (laughs, "&l8;"),
        ('<!ENTITY x SYSTEM "file:///etc/hostname">', "&x;"),
        ('<!ENTITY % p SYSTEM "http://127.0.0.1/x"> %p;', ""),
    ):
        text = (
            f"<!DOCTYPE NativeDicomModel [{declared}]><NativeDicomModel>"
            f'<DicomAttribute tag="00100020" vr="LO"><Value number="1">{used}</Value>'
            "</DicomAttribute></NativeDicomModel>"
        )
        with pytest.raises(HostileInputError) as refused:
            read_native_xml(text)
        assert refused.value.rule == "doctype"


@pytest.mark.parametrize(
    "inside",
    [
        "<Other/>",
        '<DicomAttribute vr="LO"/>',
        '<DicomAttribute tag="1234567x" vr="LO"/>',
        '<DicomAttribute tag="00100020" vr="LO"><Value>a</Value></DicomAttribute>',
        '<DicomAttribute tag="00100020" vr="LO"><Value number="9999999">a</Value></DicomAttribute>',
        '<DicomAttribute tag="00100020" vr="LO"><Wrong/></DicomAttribute>',
        '<DicomAttribute tag="00090001" vr="LO" privateCreator="A"/>' * 2,
        "&undefined;",
        "<open>",
    ],
)
def test_what_is_no_native_model_is_refused(inside):
    """Unknown elements, missing numbers, broken XML."""
    with pytest.raises(NonConformantError, match=r"PS3\.19 A\.1"):
        read_native_xml(f"<NativeDicomModel>{inside}</NativeDicomModel>")


def test_xml_says_what_it_cannot_hold():
    """A form feed is valid in DICOM text and in JSON, but has no spelling in XML 1.0."""
    data = Dataset()
    data.PatientComments = "a\x0cb"
    document = exact(encoded(data))

    with pytest.raises(UnsupportedError, match="PatientComments"):
        native_xml(document)
    assert dataset_from_json(document).PatientComments == "a\x0cb"


def test_names_with_too_many_components_keep_them():
    """Real names have six carets; XML has five places, and loses nothing."""
    data = Dataset()
    data.PatientName = "a^b^c^d^e^f^g"
    document = exact(encoded(data))

    assert read_native_xml(native_xml(document)) == document
