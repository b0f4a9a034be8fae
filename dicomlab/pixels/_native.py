"""Frames that are not compressed, or only deflated (PS3.5 8.1, 8.2.17 and A.4.11)."""

from __future__ import annotations

import zlib

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import NonConformantError
from dicomlab.pixels._codestream import DECODER_ERRORS, damaged
from dicomlab.pixels._description import FrameDescription
from dicomlab.standard import transfer_syntax

ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
DEFLATED_IMAGE_FRAME = "1.2.840.10008.1.2.8.1"


def decode_native(encoded: bytes, description: FrameDescription, out: NDArray[np.generic]) -> None:
    """Read the values of a plain frame: single bits, planes, shared chrominance, either order."""
    check_length(encoded, description)
    if description.bits_allocated == 1:
        bits = np.frombuffer(encoded, np.uint8)
        count = description.frame_bits
        out.reshape(-1)[...] = np.unpackbits(bits, count=count, bitorder="little")
        return
    is_little_endian = transfer_syntax(description.transfer_syntax_uid).is_little_endian
    order = "<" if is_little_endian else ">"
    count = description.frame_bits // description.bits_allocated
    if not is_little_endian and _is_of_words(description.dtype):
        encoded = _turned_words(encoded[: count * description.dtype.itemsize])
        order = "<"
    samples = np.frombuffer(encoded, np.dtype(order + description.dtype.str[1:]), count)
    if description.is_subsampled:
        _upsample(samples, out)
    elif description.samples_per_pixel > 1 and description.planar_configuration == 1:
        planes = samples.reshape(description.samples_per_pixel, *out.shape[:2])
        out[...] = np.moveaxis(planes, 0, -1)
    else:
        out[...] = samples.reshape(out.shape)


def encode_native(
    values: NDArray[np.generic], *, bits_allocated: int, is_little_endian: bool = True
) -> bytes:
    """Return the bytes of a plain frame, colour by pixel; single bits fill its last byte."""
    if bits_allocated == 1:
        return np.packbits(values.reshape(-1).astype(bool), bitorder="little").tobytes()
    if not is_little_endian and _is_of_words(values.dtype):
        return _turned_words(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
    stored = values.dtype.newbyteorder("<" if is_little_endian else ">")
    return values.astype(stored, copy=False).tobytes()


def _is_of_words(dtype: np.dtype[np.generic]) -> bool:
    """Return whether a sample takes several words of OW: the lowest comes first (PS3.5 8.1.1)."""
    return dtype.kind in "iu" and dtype.itemsize > 2


def _turned_words(data: bytes) -> bytes:
    return np.frombuffer(data, np.uint16).byteswap().tobytes()


def inflate_frame(encoded: bytes, description: FrameDescription) -> bytes:
    """Return the plain bytes of a Deflated Image Frame, no more than the attributes declare."""
    size = -(-description.frame_bits // 8)
    try:
        # Much the faster, but it wants to know where the stream ends: a frame may be padded.
        plain = bytes(imagecodecs.deflate_decode(encoded, raw=True, out=size))
        if len(plain) == size:
            return plain
    except DECODER_ERRORS:
        pass
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(encoded, size)
    except zlib.error as error:
        raise damaged("deflated", "it cannot be inflated") from error


def deflate_frame(plain: bytes) -> bytes:
    """Return a frame deflated by itself (RFC 1951)."""
    return bytes(imagecodecs.deflate_encode(plain, raw=True, level=6))


def check_length(encoded: bytes, description: FrameDescription) -> None:
    """Refuse a plain frame that is too short for its size."""
    if len(encoded) * 8 < description.frame_bits:
        raise NonConformantError(
            f"PixelData (7FE0,0010): a frame has {len(encoded)} bytes where "
            f"{-(-description.frame_bits // 8)} are declared (PS3.5 8). The file was cut short: "
            "copy or retrieve it again.",
            reason="truncated",
            tag=0x7FE00010,
            reference="PS3.5 8",
        )


def _upsample(samples: NDArray[np.generic], out: NDArray[np.generic]) -> None:
    """Spread Y1 Y2 Cb Cr over two pixels (PS3.3 C.7.6.3.1.2)."""
    pairs = samples.reshape(-1, 4)
    pixels = out.reshape(-1, 2, 3)
    pixels[:, :, 0] = pairs[:, :2]
    pixels[:, :, 1:] = pairs[:, None, 2:]
