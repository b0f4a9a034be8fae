"""Stored values come out as the attributes describe them."""

import struct

import imagecodecs
import numpy as np
import pytest

from dicomlab.errors import HostileInputError, NonConformantError, UnsupportedError
from dicomlab.pixels import FrameDescription, decode_frame, encode_frame, index_frames
from dicomlab.safety import Bounds, MemoryBytes, PixelDataLocation

BIG_ENDIAN = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
JPEG_2000 = "1.2.840.10008.1.2.4.90"


class Attributes(dict):
    """A data set of numbers and strings."""

    def strings(self, keyword):
        return (str(self[keyword]),) if keyword in self else ()

    def string(self, keyword):
        return str(self[keyword]) if keyword in self else None

    def numbers(self, keyword):
        return (float(self[keyword]),) if keyword in self else ()

    def number(self, keyword):
        return float(self[keyword]) if keyword in self else None

    def integer(self, keyword):
        return int(self[keyword]) if keyword in self else None

    def items(self, keyword):
        return ()


CT = {
    "Rows": 4, "Columns": 3, "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11,
    "PixelRepresentation": 0, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
}  # fmt: skip


def test_bits_outside_the_stored_ones_are_left_out():
    """Overlays once stood in the upper bits; they are no part of the value (PS3.5 8.1.1)."""
    description = FrameDescription(1, 3, bits_stored=12, high_bit=11)
    encoded = np.array([0xF001, 0x0FFF, 0x8000], "<u2").tobytes()

    assert decode_frame(encoded, description).tolist() == [[1, 0xFFF, 0]]


def test_signed_values_of_few_bits_keep_their_sign():
    """Twelve bits in two's complement, whatever stands above them."""
    description = FrameDescription(1, 4, bits_stored=12, high_bit=11, is_signed=True)
    encoded = np.array([0x0FFF, 0x0800, 0x07FF, 0xF7FF], "<u2").tobytes()

    assert decode_frame(encoded, description).tolist() == [[-1, -2048, 2047, 2047]]


@pytest.mark.parametrize(("signed", "expected"), [(False, [0xABC, 0x7FF]), (True, [-1348, 2047])])
def test_a_high_bit_above_the_stored_ones_shifts(signed, expected):
    """Twelve bits at the upper end of sixteen."""
    description = FrameDescription(1, 2, bits_stored=12, high_bit=15, is_signed=signed)
    encoded = np.array([0xABC5, 0x7FF3], "<u2").tobytes()

    assert decode_frame(encoded, description).tolist() == [expected]


def test_big_endian_words_are_turned():
    """Explicit VR Big Endian stores the upper byte first."""
    description = FrameDescription(1, 2, transfer_syntax_uid=BIG_ENDIAN)

    assert decode_frame(b"\x01\x02\x03\x04", description).tolist() == [[0x0102, 0x0304]]


def test_single_bits_begin_with_the_lowest():
    """Frames of single bits need not begin on a byte (PS3.5 8.1.1)."""
    bits = np.random.default_rng(5).integers(0, 2, (3, 3, 5), dtype=np.uint8)
    packed = sum(int(bit) << place for place, bit in enumerate(bits.ravel())).to_bytes(6, "little")
    description = FrameDescription(
        3, 5, bits_allocated=1, bits_stored=1, high_bit=0, number_of_frames=3
    )
    source = MemoryBytes(packed)
    index = index_frames(source, PixelDataLocation(0x7FE00010, 0, 6), description)

    for frame in range(3):
        decoded = decode_frame(index.read(source, frame), description)
        assert decoded.tolist() == bits[frame].tolist()
    assert index.span(1) is None


def test_planes_of_colour_become_pixels():
    """Planar Configuration 1 stores all red before all green."""
    description = FrameDescription(
        1, 2, samples_per_pixel=3, bits_allocated=8, bits_stored=8, high_bit=7,
        photometric_interpretation="RGB", planar_configuration=1,
    )  # fmt: skip

    assert decode_frame(b"rRgGbB", description).tolist() == [[list(b"rgb"), list(b"RGB")]]


def test_subsampled_chrominance_is_spread():
    """YBR_FULL_422 stores Y Y Cb Cr for two pixels (PS3.3 C.7.6.3.1.2)."""
    description = FrameDescription(
        1, 4, samples_per_pixel=3, bits_allocated=8, bits_stored=8, high_bit=7,
        photometric_interpretation="YBR_FULL_422",
    )  # fmt: skip

    decoded = decode_frame(bytes([1, 2, 30, 40, 5, 6, 70, 80]), description)

    assert decoded.tolist() == [[[1, 30, 40], [2, 30, 40], [5, 70, 80], [6, 70, 80]]]


def test_run_length_segments_hold_the_upper_byte_first():
    """Two segments of a 16-bit frame: a run and a literal (PS3.5 annex G)."""
    upper = bytes([256 - 3, 7, 0x80, 0x80])
    lower = bytes([3, 1, 2, 3, 4, 0x80])
    header = struct.pack("<16I", 2, 64, 64 + len(upper), *([0] * 13))
    description = FrameDescription(2, 2, transfer_syntax_uid=RLE)

    decoded = decode_frame(header + upper + lower, description)

    assert decoded.tolist() == [[0x701, 0x702], [0x703, 0x704]]


@pytest.mark.parametrize(("rows", "whole"), [(4, True), (5, True), (3, False)])
def test_run_lengths_of_more_than_the_frame_are_cut(rows, whole):
    """What is too much is left out; what is too little is refused, whatever was there before."""
    values = np.arange(rows * 4, dtype=np.uint16).reshape(rows, 4) + 300
    description = FrameDescription(4, 4, transfer_syntax_uid=RLE)
    encoded = encode_frame(values, FrameDescription(rows, 4, transfer_syntax_uid=RLE))

    if whole:
        assert decode_frame(encoded, description).tolist() == values[:4].tolist()
        return
    with pytest.raises(NonConformantError) as caught:
        decode_frame(encoded, description)
    assert caught.value.reason == "damaged-frame"


@pytest.mark.parametrize(
    ("suffix", "encode"),
    [
        ("4.80", imagecodecs.jpegls_encode),
        ("4.90", lambda a: imagecodecs.jpeg2k_encode(a, level=0, codecformat="j2k")),
        ("4.201", imagecodecs.htj2k_encode),
        ("4.70", imagecodecs.ljpeg_encode),
    ],
)
def test_lossless_frames_come_back_whole(suffix, encode):
    """Sixteen bits, signed and unsigned: what was encoded is decoded."""
    values = np.random.default_rng(2).integers(0, 65536, (32, 48), dtype=np.uint16)
    encoded = encode(values)
    for signed in (False, True):
        description = FrameDescription(
            32, 48, is_signed=signed, transfer_syntax_uid="1.2.840.10008.1.2." + suffix
        )
        expected = values.view(np.int16) if signed else values
        assert decode_frame(encoded, description).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("suffix", "encode"),
    [("4.80", imagecodecs.jpegls_encode), ("4.90", imagecodecs.jpeg2k_encode)],
)
def test_a_codestream_of_another_size_is_refused(suffix, encode):
    """A decoder would allocate what the codestream says, so that is compared first."""
    encoded = encode(np.zeros((64, 64), np.uint16))
    description = FrameDescription(4, 4, transfer_syntax_uid="1.2.840.10008.1.2." + suffix)

    with pytest.raises(NonConformantError) as caught:
        decode_frame(encoded, description)

    assert caught.value.reason == "codestream-contradicts-header"


@pytest.mark.parametrize("suffix", ["4.50", "4.70", "4.80", "4.90", "4.201", "5"])
@pytest.mark.parametrize("encoded", [b"", b"\xff\xd8\xff", b"\xff\x4f\xff\x51", bytes(200)])
def test_garbage_is_a_typed_error(suffix, encoded):
    """No decoder's own exception reaches the user."""
    description = FrameDescription(8, 8, transfer_syntax_uid="1.2.840.10008.1.2." + suffix)

    with pytest.raises(NonConformantError):
        decode_frame(encoded, description)


@pytest.mark.parametrize(
    ("suffix", "encode"),
    [
        ("4.80", imagecodecs.jpegls_encode),
        ("4.70", imagecodecs.ljpeg_encode),
        ("4.90", lambda values: imagecodecs.jpeg2k_encode(values, level=0, codecformat="j2k")),
    ],
)
def test_a_frame_cut_short_is_refused(suffix, encode):
    """Half a lossless frame is damaged, not half a picture."""
    encoded = encode(np.random.default_rng(3).integers(0, 4096, (64, 64), dtype=np.uint16))
    description = FrameDescription(64, 64, transfer_syntax_uid="1.2.840.10008.1.2." + suffix)

    with pytest.raises(NonConformantError) as caught:
        decode_frame(encoded[: len(encoded) // 2], description)

    assert caught.value.reason == "damaged-frame"


def test_what_no_decoder_reads_is_named():
    """Valid DICOM without frames of its own: pixels that a JPIP server holds."""
    description = FrameDescription(8, 8, transfer_syntax_uid="1.2.840.10008.1.2.4.94")

    with pytest.raises(UnsupportedError) as caught:
        decode_frame(b"x", description)

    assert caught.value.transfer_syntax_uid == "1.2.840.10008.1.2.4.94"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Rows": None}, "missing-pixel-attribute"),
        ({"Columns": 0}, "bad-pixel-attribute"),
        ({"BitsStored": 17}, "bad-pixel-attribute"),
        ({"HighBit": 16}, "bad-pixel-attribute"),
        ({"HighBit": 9}, "bad-pixel-attribute"),
        ({"SamplesPerPixel": 7}, "bad-pixel-attribute"),
        ({"NumberOfFrames": 0}, "bad-pixel-attribute"),
    ],
)
def test_nonsense_in_the_pixel_module_is_refused(change, reason):
    """Each contradiction has its code, and names attribute, found and expected."""
    given = {key: value for key, value in {**CT, **change}.items() if value is not None}

    with pytest.raises(NonConformantError) as caught:
        FrameDescription.from_attributes(Attributes(given), "1.2.840.10008.1.2.1")

    assert caught.value.reason == reason
    assert next(iter(change)) in str(caught.value)


def test_a_declared_size_beyond_the_bounds_is_refused():
    """Nothing is allocated for what only the attributes claim."""
    given = Attributes({**CT, "Rows": 65535, "Columns": 65535, "NumberOfFrames": 10})

    with pytest.raises(HostileInputError) as caught:
        FrameDescription.from_attributes(given, "1", bounds=Bounds(image_bytes=1 << 20))

    assert caught.value.rule == "image_bytes"


def two_tiles() -> tuple[np.ndarray, bytes, bytes]:
    """Return two JPEG 2000 images joined as tiles, and the stream without and with the second.

    Tiles are coded apart, so those of 64 by 64 from the origin may be images of their own
    (ISO/IEC 15444-1 B.3): only the image size and the number of the second tile are other.
    """
    left = np.arange(4096, dtype=np.uint8).reshape(64, 64)
    streams = [
        bytes(imagecodecs.jpeg2k_encode(plane, level=0, codecformat="j2k", reversible=True))
        for plane in (left, left[::-1])
    ]
    starts = [stream.index(b"\xff\x90") for stream in streams]
    head = bytearray(streams[0][: starts[0]])
    struct.pack_into(">I", head, 8, 128)  # Xsiz
    first = streams[0][starts[0] : -2]
    second = bytearray(streams[1][starts[1] : -2])
    struct.pack_into(">H", second, 4, 1)  # Isot
    end = b"\xff\xd9"
    return (
        np.hstack((left, left[::-1])),
        bytes(head + first) + end,
        bytes(head + first + second) + end,
    )


def test_tiles_of_jpeg_2000_are_joined():
    """An image may be coded in tiles, each by itself."""
    expected, _, whole = two_tiles()
    description = FrameDescription(64, 128, 1, 8, 8, 7, transfer_syntax_uid=JPEG_2000)

    assert decode_frame(whole, description).tolist() == expected.tolist()


def test_a_jpeg_2000_frame_without_one_of_its_tiles_is_refused():
    """OpenJPEG leaves the place of the missing one black: that is no stored value."""
    _, half, _ = two_tiles()
    description = FrameDescription(64, 128, 1, 8, 8, 7, transfer_syntax_uid=JPEG_2000)

    with pytest.raises(NonConformantError, match="lacks some of its 2 tiles") as refusal:
        decode_frame(half, description)

    assert refusal.value.reason == "damaged-frame"
