"""Any bytes are a header or a typed error, and so is all that is asked of it."""

import io
import json

import pydicom
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicomlab.catalog import dicom_json, instance_record
from dicomlab.errors import DicomlabError
from dicomlab.safety import Bounds, read_header

BOUNDS = Bounds(elements=2000, depth=20, header_bytes=1 << 20, inflated_bytes=1 << 20)


def sample(uid):
    """Return a small file with sequences, private data and pixels."""
    code = Dataset()
    code.CodeValue, code.CodeMeaning = "X", "meaning"
    outer = Dataset()
    outer.ConceptNameCodeSequence = [code, code]
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2", "1.2.1"
    data.PatientName = "Müller^Jürgen=山田"
    data.PatientWeight = "70.5"
    data.ProcedureCodeSequence = [code]
    data.ContentSequence = [outer, outer]
    data.ContentSequence.is_undefined_length = True
    data.private_block(0x0009, "ACME", create=True).add_new(1, "UN", b"\1\2\3\4")
    data.Rows = data.Columns = 2
    data.PixelRepresentation = 1
    data.add_new(0x00280120, "SS", -5)
    data.PixelData = bytes(8)
    data["PixelData"].VR = "OW"
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = uid
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


SAMPLES = [sample(pydicom.uid.UID(f"1.2.840.10008.1.2{end}")) for end in ("", ".1", ".2", ".1.99")]


def ask_all(data):
    """Read a header and all that may be asked of it; only typed errors may come."""
    try:
        header = read_header(data, bounds=BOUNDS)
    except DicomlabError:
        return
    for question in (dicom_json, instance_record):
        try:
            json.dumps(question(header))
        except DicomlabError:
            continue


@given(data=st.binary(max_size=600))
@example(data=b"\x08\x00\x05\x00CS")
def test_any_bytes_are_a_header_or_a_typed_error(data):
    """Noise, with and without the prefix that makes it look like DICOM."""
    ask_all(data)
    ask_all(bytes(128) + b"DICM" + data)
    ask_all(data[:3] + SAMPLES[1][132:])


@given(
    source=st.sampled_from(SAMPLES),
    changes=st.lists(
        st.tuples(
            st.floats(0, 1),
            st.sampled_from(("set", "cut", "insert")),
            st.binary(min_size=1, max_size=8),
        ),
        max_size=5,
    ),
    end=st.floats(0, 1),
)
def test_a_damaged_file_is_a_header_or_a_typed_error(source, changes, end):
    """Bytes changed, removed and put in, and the file cut off somewhere."""
    data = bytearray(source)
    for place, how, some in changes:
        at = 132 + int(place * (len(data) - 132)) if len(data) > 132 else 0
        if how == "set":
            data[at : at + len(some)] = some
        elif how == "cut":
            del data[at : at + len(some)]
        else:
            data[at:at] = some
    ask_all(bytes(data))
    ask_all(bytes(data[: int(end * len(data))]))


def test_the_samples_themselves_are_read():
    """What is damaged above is sound to begin with."""
    for data in SAMPLES:
        header = read_header(data, bounds=BOUNDS)
        assert header.string("PatientName") == "Müller^Jürgen=山田"
        assert header.number("PixelPaddingValue") == -5
        assert header.pixel_data is not None
