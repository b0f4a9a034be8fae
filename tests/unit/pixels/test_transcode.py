"""Instances keep their pixels and attributes in another transfer syntax; pydicom reads them."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from dicomlab.errors import NonConformantError, UnsupportedError
from dicomlab.phantoms import colour, enhanced_ct, thorax_ct
from dicomlab.pixels import FrameDescription, Loss, can_encode_losslessly, encode_frame, transcode
from dicomlab.safety import MemoryBytes
from dicomlab.standard import TRANSFER_SYNTAXES

ROOT = "1.2.840.10008.1.2"
EXPLICIT, IMPLICIT, BIG, DEFLATED = (ROOT + end for end in (".1", "", ".2", ".1.99"))
RLE, J2K, JPEG_LS = ROOT + ".5", ROOT + ".4.90", ROOT + ".4.80"
LOSSLESS = [uid for uid in TRANSFER_SYNTAXES if can_encode_losslessly(uid)]
PIXEL_KEYWORDS = {"PixelData", "PlanarConfiguration", "PhotometricInterpretation"}


def written(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def transcoded(data: bytes, uid: str, **options) -> bytes:
    target = io.BytesIO()
    done = transcode(MemoryBytes(data), target, uid, **options)
    read = pydicom.dcmread(io.BytesIO(target.getvalue()), stop_before_pixels=True)
    assert read.file_meta.TransferSyntaxUID == done.transfer_syntax_uid
    assert read.file_meta.MediaStorageSOPInstanceUID == read.SOPInstanceUID
    assert read.SOPInstanceUID == done.sop_instance_uid
    return target.getvalue()


def read(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def ct(**attributes) -> Dataset:
    return next(iter(thorax_ct(slices=2, rows=40, **attributes)))


OBJECTS = {
    "CT": ct,
    "colour by plane": lambda: next(iter(colour(frames=3, rows=33, planar_configuration=1))),
    "enhanced": lambda: next(iter(enhanced_ct(slices=3, rows=33))),
}


@pytest.mark.parametrize("name", list(OBJECTS))
@pytest.mark.parametrize("uid", LOSSLESS)
def test_there_and_back_nothing_is_lost(uid, name):
    """Pixels and all other attributes are those of the source, by pydicom's reading."""
    source = OBJECTS[name]()
    expected = source.pixel_array

    there = transcoded(written(source), uid, workers=2)
    back = read(transcoded(there, EXPLICIT))

    assert np.array_equal(back.pixel_array, expected)
    for element in source:
        if element.keyword not in PIXEL_KEYWORDS:
            assert back[element.tag] == element, element.keyword
    assert {element.keyword for element in back} == {element.keyword for element in source}
    middle = pydicom.dcmread(io.BytesIO(there), stop_before_pixels=True)
    assert middle.SOPInstanceUID == source.SOPInstanceUID
    assert middle.get("LossyImageCompression", "00") == "00"


@pytest.mark.parametrize("uid", [RLE, J2K, ROOT + ".4.80"])
def test_pydicom_decodes_what_we_write(uid):
    """Another reader finds the same values, frame by frame through the offset table."""
    source = OBJECTS["enhanced"]()

    result = read(transcoded(written(source), uid))

    assert np.array_equal(result.pixel_array, source.pixel_array)


def test_one_compressed_syntax_into_another():
    """Decoded and encoded again; the photometric interpretation follows the coding."""
    source = OBJECTS["colour by plane"]()

    j2k = transcoded(written(source), J2K)
    rle = read(transcoded(j2k, RLE))

    assert read(j2k).PhotometricInterpretation == "YBR_RCT"
    assert (rle.PhotometricInterpretation, rle.PlanarConfiguration) == ("RGB", 0)
    assert np.array_equal(rle.pixel_array, source.pixel_array)


def test_a_lossless_stream_passes_into_the_wider_syntax():
    """.90 is a special case of .91: the frames are not touched."""
    there = transcoded(written(ct()), J2K)
    wider = transcoded(there, ROOT + ".4.91")

    assert read(wider).PixelData == read(there).PixelData


def test_a_jpeg_passes_through_jpeg_xl():
    """Recompression gives the very JPEG back."""
    source = OBJECTS["colour by plane"]()
    jpeg = transcoded(written(source), ROOT + ".4.50", loss=Loss())

    inside = transcoded(jpeg, ROOT + ".4.111")
    back = transcoded(inside, ROOT + ".4.50")

    assert read(back).PixelData == read(jpeg).PixelData
    assert read(inside).PhotometricInterpretation == "YBR_FULL_422"


def test_loss_makes_a_derived_instance():
    """A UID of its own, history, derivation and reference (PS3.3 C.7.6.1.1.3 to 5)."""
    source = ct(LossyImageCompression="01", LossyImageCompressionRatio="3",
                LossyImageCompressionMethod="ISO_14495_1")  # fmt: skip

    result = read(transcoded(written(source), ROOT + ".4.81", loss=Loss(max_error=4)))

    again = read(transcoded(written(source), ROOT + ".4.81", loss=Loss(max_error=4)))
    assert result.SOPInstanceUID == again.SOPInstanceUID != source.SOPInstanceUID
    assert UID(result.SOPInstanceUID).is_valid
    assert result.ImageType[0] == "DERIVED"
    assert list(result.ImageType[1:]) == list(source.ImageType[1:])
    assert result.DerivationCodeSequence[0].CodeValue == "113040"
    reference = result.SourceImageSequence[0]
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert reference.PurposeOfReferenceCodeSequence[0].CodeValue == "121320"
    assert result.LossyImageCompression == "01"
    assert list(result.LossyImageCompressionMethod) == ["ISO_14495_1", "ISO_14495_1"]
    fragments = pydicom.encaps.get_frame(result.PixelData, 0, number_of_frames=1)
    ratio = len(source.PixelData) / len(fragments)
    assert result.LossyImageCompressionRatio[1] == pytest.approx(ratio, abs=0.02)
    difference = result.pixel_array.astype(int) - source.pixel_array
    assert 0 < np.abs(difference).max() <= 4


def test_lossy_pixels_keep_saying_so_when_they_become_native():
    """The attributes were silent; the codestream is a lossy one."""
    source = OBJECTS["colour by plane"]()
    lossy = read(transcoded(written(source), ROOT + ".4.50", loss=Loss()))
    for keyword in ("", "Ratio", "Method"):
        del lossy[f"LossyImageCompression{keyword}"]

    plain = read(transcoded(written(lossy), EXPLICIT))

    assert plain.LossyImageCompression == "01"
    assert plain.LossyImageCompressionMethod == "ISO_10918_1"
    assert plain.PhotometricInterpretation == "RGB"
    assert plain.SOPInstanceUID == lossy.SOPInstanceUID


def test_an_overlay_in_unused_bits_gets_data_of_its_own():
    """A coding of the stored bits would lose it (PS3.3 C.9.2)."""
    source = ct()
    values = source.pixel_array
    source.BitsStored, source.HighBit, source.PixelRepresentation = 12, 11, 0
    marks = np.indices(values.shape).sum(axis=0) % 7 == 0
    source.PixelData = ((values & 0xFFF) | marks.astype(np.uint16) << 14).astype("<u2").tobytes()
    for element, vr, value in (
        (0x10, "US", values.shape[0]), (0x11, "US", values.shape[1]), (0x40, "CS", "G"),
        (0x50, "SS", [1, 1]), (0x100, "US", 16), (0x102, "US", 14),
    ):  # fmt: skip
        source.add_new(0x60000000 | element, vr, value)

    result = read(transcoded(written(source), J2K))

    assert np.array_equal(result.overlay_array(0x6000), marks)
    assert (result[0x60000100].value, result[0x60000102].value) == (1, 0)
    assert np.array_equal(result.pixel_array, values & 0xFFF)


def test_an_icon_of_the_old_coding_becomes_native():
    """The coding of nested pixel data goes by the transfer syntax (PS3.5 A.4)."""
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    told = FrameDescription(8, 8, 1, 8, 8, 7, transfer_syntax_uid=RLE)
    icon = Dataset()
    icon.Rows = icon.Columns = 8
    icon.BitsAllocated, icon.BitsStored, icon.HighBit, icon.PixelRepresentation = 8, 8, 7, 0
    icon.SamplesPerPixel, icon.PhotometricInterpretation = 1, "MONOCHROME2"
    icon.add_new(0x7FE00010, "OB", encapsulate([encode_frame(pixels, told)]))
    icon["PixelData"].is_undefined_length = True
    source = read(transcoded(written(ct()), RLE))
    source.IconImageSequence = [icon]

    result = read(transcoded(written(source), EXPLICIT))

    assert result.IconImageSequence[0].PixelData == pixels.tobytes()


def test_the_extended_offset_table_holds_places_and_lengths():
    """Lengths are true, also of frames that are padded (PS3.5 A.4)."""
    source = OBJECTS["enhanced"]()

    result = read(transcoded(written(source), RLE, extended_offsets=True))

    offsets = struct.unpack("<3Q", result.ExtendedOffsetTable)
    lengths = struct.unpack("<3Q", result.ExtendedOffsetTableLengths)
    items = [result.PixelData[8 + at : 16 + at] for at in offsets]
    assert all(item[:4] == b"\xfe\xff\x00\xe0" for item in items)
    assert [struct.unpack_from("<I", item, 4)[0] for item in items] == [
        length + length % 2 for length in lengths
    ]
    assert result.PixelData[4:8] == b"\0\0\0\0"
    again = read(transcoded(written(result), EXPLICIT))
    assert np.array_equal(again.pixel_array, source.pixel_array)
    assert "ExtendedOffsetTable" not in again


@pytest.mark.parametrize("uid", [ROOT + ".1.98", ROOT + ".8.1", J2K])
def test_frames_of_single_bits_are_packed_again(uid):
    """Frames that begin within a byte get bytes of their own, and back (PS3.5 8.1.1)."""
    source = OBJECTS["enhanced"]()
    bits = np.random.default_rng(1).integers(0, 2, (3, 33, 33), dtype=np.uint8)
    source.BitsAllocated, source.BitsStored, source.HighBit = 1, 1, 0
    source.PixelRepresentation = 0
    source.PixelData = np.packbits(bits.ravel(), bitorder="little").tobytes() + b"\0"

    back = read(transcoded(transcoded(written(source), uid), EXPLICIT))

    assert np.array_equal(back.pixel_array, bits)


@pytest.mark.parametrize("uid", [IMPLICIT, BIG, DEFLATED, J2K])
def test_what_follows_the_pixels_stays(uid):
    """Private elements of groups above 7FE0 are kept, padding is not (PS3.10 7.2)."""
    source = ct()
    source.add_new(0x7FE10010, "LO", "ACME 1.0")
    source.add_new(0x7FE11001, "UN", b"abcd")
    source.add_new(0xFFFCFFFC, "OB", bytes(100))

    result = read(transcoded(written(source), uid))

    assert result[0x7FE10010].value == "ACME 1.0"
    assert result[0x7FE11001].value == b"abcd"
    assert 0xFFFCFFFC not in result


def test_words_are_turned_in_big_endian():
    """Tables and overlays of VR OW as well as pixels; and back to the same bytes."""
    source = ct()
    source.RedPaletteColorLookupTableData = bytes(range(16))
    source["RedPaletteColorLookupTableData"].VR = "OW"
    data = transcoded(written(source), EXPLICIT)

    big = transcoded(data, BIG)

    assert bytes.fromhex("01000302050407060908") in big
    assert read(transcoded(big, EXPLICIT)) == read(data)


def test_an_instance_without_pixels_is_only_written_otherwise():
    """A report cannot be compressed: it becomes Explicit VR Little Endian."""
    source = ct()
    del source.PixelData

    target = io.BytesIO()
    done = transcode(MemoryBytes(written(source)), target, J2K)

    assert (done.transfer_syntax_uid, done.frames) == (EXPLICIT, 0)
    assert read(target.getvalue()) == source
    assert read(transcoded(written(source), DEFLATED)) == source


def test_float_pixels_change_between_native_syntaxes():
    """Float Pixel Data is turned by its own size."""
    source = ct()
    values = np.linspace(-5, 5, source.Rows * source.Columns, dtype="<f4")
    for keyword in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        del source[keyword]
    source.BitsAllocated = 32
    source.FloatPixelData = values.tobytes()

    big = transcoded(written(source), BIG)

    assert read(big).FloatPixelData == values.astype(">f4").tobytes()
    assert read(transcoded(big, IMPLICIT)).FloatPixelData == values.tobytes()
    with pytest.raises(UnsupportedError, match="float"):
        transcoded(written(source), RLE)


def test_a_damaged_frame_is_named():
    """The second of three; nobody has to guess which one to fetch again."""
    source = read(transcoded(written(OBJECTS["enhanced"]()), RLE))
    frames = list(pydicom.encaps.generate_frames(source.PixelData, number_of_frames=3))
    source.PixelData = encapsulate([frames[0], b"\1" * 80, frames[2]])

    with pytest.raises(NonConformantError) as caught:
        transcoded(written(source), EXPLICIT, workers=2)

    assert caught.value.__notes__ == ["Frame 2"]


def test_many_frames_are_never_all_in_memory():
    """A thousand frames of 8 KiB pass through a part of their 8 MB."""
    source = OBJECTS["enhanced"]()
    source.Rows = source.Columns = 64
    source.NumberOfFrames = 1000
    source.PixelData = b"\1\2" * (64 * 64 * 1000)
    data = written(source)

    class Sink(io.BytesIO):
        """Forgets what is written, but for the beginning."""

        def write(self, data, /):
            self.seek(self.tell() + len(data))
            return len(data)

    tracemalloc.start()
    try:
        done = transcode(MemoryBytes(data), Sink(), RLE, workers=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert done.frames == 1000
    assert peak < 2 << 20


def test_progress_counts_frames():
    """Each frame is told of, in order."""
    seen = []

    transcoded(
        written(OBJECTS["enhanced"]()), RLE, progress=lambda done, total: seen.append((done, total))
    )

    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("uid", [ROOT + ".4.102", ROOT + ".4.50", ROOT + ".4.94"])
def test_what_cannot_hold_the_pixels_is_refused(uid):
    """Video, loss that was not asked for, and a syntax without frames."""
    with pytest.raises(UnsupportedError) as caught:
        transcoded(written(ct()), uid)

    assert caught.value.transfer_syntax_uid == uid


def test_the_same_syntax_is_a_copy():
    """Not a byte changes."""
    data = written(ct())

    assert transcoded(data, EXPLICIT) == data


def test_deflated_data_is_padded_to_even_length():
    """PS3.5 A.5; and it inflates to an explicit data set."""
    result = transcoded(written(ct()), DEFLATED)

    meta = read(result).file_meta
    start = 132 + 12 + meta.FileMetaInformationGroupLength
    assert len(result[start:]) % 2 == 0
    assert zlib.decompress(result[start:], -15)[4:6] == b"CS"
