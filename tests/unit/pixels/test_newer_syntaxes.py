"""Frames of the syntaxes that came late: JPEG XL, HTJ2K, deflated and plain fragments."""

import zlib

import imagecodecs
import numpy as np
import pytest

from dicomlab.errors import NonConformantError
from dicomlab.pixels import FrameDescription, decode_frame, decoded_photometric_interpretation

ROOT = "1.2.840.10008.1.2."
JPEG_XL, JPEG_IN_JPEG_XL, JPEG_XL_ANY = (ROOT + end for end in ("4.110", "4.111", "4.112"))


def description(values: np.ndarray, suffix: str, **changes) -> FrameDescription:
    bits = values.dtype.itemsize * 8
    options = {
        "samples_per_pixel": values.shape[2] if values.ndim == 3 else 1,
        "bits_allocated": bits,
        "bits_stored": bits,
        "high_bit": changes.get("bits_stored", bits) - 1,
        "is_signed": values.dtype.kind == "i",
        "photometric_interpretation": "RGB" if values.ndim == 3 else "MONOCHROME2",
        "transfer_syntax_uid": ROOT + suffix,
    }
    return FrameDescription(*values.shape[:2], **options | changes)


def noise(*shape: int, bits: int, dtype: str) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 1 << bits, shape).astype(dtype)


@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize(
    ("shape", "bits", "dtype"),
    [
        ((9, 300), 8, "u1"),
        ((40, 50), 12, "u2"),
        ((40, 30), 16, "u2"),
        ((64, 64), 5, "u1"),
        ((30, 40, 3), 8, "u1"),
        ((31, 47, 3), 16, "u2"),
    ],
)
def test_jpeg_xl_comes_back_whole(shape, bits, dtype, container):
    """Small sizes, ratios and odd ones; 5 to 16 bits; bare and in a container."""
    values = noise(*shape, bits=bits, dtype=dtype)
    encoded = bytes(
        imagecodecs.jpegxl_encode(
            values, lossless=True, effort=1, bitspersample=bits, usecontainer=container
        )
    )
    told = description(values, "4.110", bits_stored=bits)

    assert decode_frame(encoded, told).tolist() == values.tolist()
    assert decoded_photometric_interpretation(encoded, told) == told.photometric_interpretation


def test_lossy_jpeg_xl_is_rgb_again():
    """XYB is undone by the decoder."""
    rows, columns = np.mgrid[0:64, 0:80]
    values = np.stack((rows * 3, columns * 3, rows + columns), axis=-1).astype(np.uint8)
    encoded = bytes(imagecodecs.jpegxl_encode(values, distance=0.3))
    told = description(values, "4.112", photometric_interpretation="XYB")

    difference = decode_frame(encoded, told).astype(int) - values

    assert decoded_photometric_interpretation(encoded, told) == "RGB"
    assert np.abs(difference).mean() < 2


def test_a_jpeg_inside_jpeg_xl_looks_like_the_jpeg():
    """Recompression loses nothing of the JPEG; decoders may round otherwise by a little."""
    rows, columns = np.mgrid[0:64, 0:80]
    values = np.stack((rows * 3, columns * 3, rows + columns), axis=-1).astype(np.uint8)
    jpeg = imagecodecs.jpeg8_encode(values, level=95, subsampling="444")
    encoded = bytes(imagecodecs.jpegxl_encode_jpeg(jpeg))
    told = description(values, "4.111", photometric_interpretation="YBR_FULL_422")

    difference = decode_frame(encoded, told).astype(int) - imagecodecs.jpeg8_decode(jpeg)

    assert decoded_photometric_interpretation(encoded, told) == "RGB"
    assert np.abs(difference).max() <= 3


@pytest.mark.parametrize("cut", [2, 3, 8, 40])
def test_a_broken_jpeg_xl_is_a_typed_error(cut):
    """Cut within the header and within the picture."""
    values = noise(64, 64, bits=12, dtype="u2")
    encoded = bytes(imagecodecs.jpegxl_encode(values, lossless=True, effort=1))

    with pytest.raises(NonConformantError):
        decode_frame(encoded[:cut], description(values, "4.110"))


def test_a_jpeg_xl_of_another_size_is_refused():
    """The header is read before the decoder allocates what it says."""
    encoded = bytes(imagecodecs.jpegxl_encode(noise(64, 64, bits=8, dtype="u1"), lossless=True))

    with pytest.raises(NonConformantError) as caught:
        decode_frame(encoded, FrameDescription(4, 4, 1, 8, 8, 7, transfer_syntax_uid=JPEG_XL))

    assert caught.value.reason == "codestream-contradicts-header"


@pytest.mark.parametrize("rgb", [False, True])
@pytest.mark.parametrize(("bits", "dtype"), [(8, "u1"), (16, "u2")])
def test_htj2k_colour_with_and_without_transformation(rgb, bits, dtype):
    """RCT is undone; components without it are given by pixel as well."""
    values = noise(32, 48, 3, bits=bits, dtype=dtype)
    encoded = bytes(imagecodecs.htj2k_encode(values, rgb=rgb))
    declared = "YBR_RCT" if rgb else "RGB"
    told = description(values, "4.201", photometric_interpretation=declared)

    assert decode_frame(encoded, told).tolist() == values.tolist()
    assert decoded_photometric_interpretation(encoded, told) == "RGB"


def test_htj2k_of_32_bits():
    """More than OpenJPEG keeps."""
    values = noise(32, 48, bits=31, dtype="u4")
    encoded = bytes(imagecodecs.htj2k_encode(values))

    assert decode_frame(encoded, description(values, "4.201")).tolist() == values.tolist()


PLAIN = [
    noise(5, 7, bits=8, dtype="u1"),
    noise(5, 7, bits=15, dtype="i2"),
    noise(5, 7, 3, bits=8, dtype="u1"),
    noise(5, 7, bits=31, dtype="u4"),
]


@pytest.mark.parametrize("values", PLAIN, ids=lambda values: f"{values.dtype}-{values.ndim}")
@pytest.mark.parametrize("pad", [b"", b"\0"])
def test_plain_fragments(values, pad):
    """Encapsulated Uncompressed, and the same deflated; a fragment is padded to even length."""
    raw = values.astype(values.dtype.newbyteorder("<")).tobytes()
    squeeze = zlib.compressobj(wbits=-15)
    deflated = squeeze.compress(raw) + squeeze.flush()

    assert decode_frame(raw + pad, description(values, "1.98")).tolist() == values.tolist()
    assert decode_frame(deflated + pad, description(values, "8.1")).tolist() == values.tolist()


def test_single_bits_in_fragments():
    """Each frame begins on a byte of its own fragment."""
    bits = noise(5, 7, bits=1, dtype="u1")
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    told = description(bits, "8.1", bits_allocated=1, bits_stored=1, high_bit=0)
    squeeze = zlib.compressobj(wbits=-15)

    deflated = squeeze.compress(packed) + squeeze.flush()

    assert decode_frame(deflated, told).tolist() == bits.tolist()


@pytest.mark.parametrize("encoded", [b"", b"\xff\xff\xff", zlib.compress(b"x")], ids=len)
def test_what_cannot_be_inflated_is_a_typed_error(encoded):
    """Garbage, and a stream that is too short for the frame."""
    with pytest.raises(NonConformantError):
        decode_frame(encoded, description(PLAIN[0], "8.1"))


def test_a_deflated_frame_grows_no_larger_than_declared():
    """A few bytes that would become many are cut off at the frame's size."""
    squeeze = zlib.compressobj(wbits=-15)
    bomb = squeeze.compress(bytes(50_000_000)) + squeeze.flush()

    decoded = decode_frame(bomb, description(PLAIN[0], "8.1"))

    assert decoded.tolist() == np.zeros((5, 7)).tolist()


@pytest.mark.parametrize(("dtype", "bits"), [("f4", 32), ("f8", 64)])
def test_float_pixels(dtype, bits):
    """Float and Double Float Pixel Data in either order."""
    values = np.linspace(-1e3, 1e3, 12).reshape(3, 4).astype(dtype)
    told = FrameDescription(
        3, 4, 1, bits, bits, bits - 1, is_float=True, transfer_syntax_uid=ROOT + "2"
    )

    decoded = decode_frame(values.astype(values.dtype.newbyteorder(">")).tobytes(), told)

    assert decoded.dtype == values.dtype
    assert decoded.tolist() == values.tolist()


def test_lossy_jpeg_of_twelve_bits():
    """JPEG Extended, process 4: as precise as its quality."""
    rows, columns = np.mgrid[0:64, 0:80]
    values = (rows * 20 + columns * 10).astype(np.uint16)
    encoded = bytes(imagecodecs.jpeg8_encode(values, level=98, bitspersample=12))

    decoded = decode_frame(encoded, description(values, "4.51", bits_stored=12))

    assert np.abs(decoded.astype(int) - values).max() < 8
