"""Run-length coded frames (PS3.5 8.2.2 and annex G)."""

from __future__ import annotations

import struct
import sys

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import UnsupportedError
from dicomlab.pixels._codestream import DECODER_ERRORS, damaged
from dicomlab.pixels._description import FrameDescription

_HEADER_BYTES = 64
_MOST_SEGMENTS = 15


def decode_rle(encoded: bytes, description: FrameDescription, out: NDArray[np.generic]) -> None:
    """Read a frame of byte planes, the highest byte of each sample first."""
    segments = int.from_bytes(encoded[:4], "little")
    expected = description.samples_per_pixel * out.dtype.itemsize
    if len(encoded) < _HEADER_BYTES or segments != expected or segments > _MOST_SEGMENTS:
        raise damaged("RLE", f"{segments} segments, expected {expected}")
    # The decoder believes the offsets of the header (PS3.5 G.5), and reads where they lead.
    places = np.frombuffer(encoded, "<u4", segments, offset=4).astype(np.int64)
    if places[0] < _HEADER_BYTES or places[-1] > len(encoded) or (np.diff(places) <= 0).any():
        raise damaged("RLE", "its segments do not follow one another within the frame")
    if out.ndim == 2 and _decoded_in_place(encoded, out):
        return
    try:
        flat = imagecodecs.dicomrle_decode(encoded, out.dtype.newbyteorder("<"))
        values = np.frombuffer(flat, out.dtype.newbyteorder("<"))
    except DECODER_ERRORS as error:
        raise damaged("RLE", "the decoder stopped") from error
    if values.size < out.size:
        raise damaged("RLE", f"{values.size} values, expected {out.size}")
    planes = values[: out.size].reshape(description.samples_per_pixel, *out.shape[:2])
    out[...] = planes[0] if out.ndim == 2 else np.moveaxis(planes, 0, -1)


def _decoded_in_place(encoded: bytes, out: NDArray[np.generic]) -> bool:
    """Decode straight into the frame; return whether it was filled to its last byte."""
    if not out.flags.c_contiguous or sys.byteorder != "little":
        return False
    octets = out.reshape(-1).view(np.uint8)
    try:
        filled = imagecodecs.dicomrle_decode(encoded, out.dtype, out=octets.data)
    except DECODER_ERRORS:
        return False  # more than the frame, perhaps: that is tolerated, and read with a copy
    return len(filled) == len(octets)


def encode_rle(values: NDArray[np.generic]) -> bytes:
    """Return a frame as RLE segments; each row is coded by itself (PS3.5 G.3.1)."""
    rows, columns = values.shape[:2]
    samples = values.reshape(rows, columns, -1)
    size = values.dtype.itemsize
    count = samples.shape[2] * size
    if count > _MOST_SEGMENTS:
        raise UnsupportedError(
            f"RLE Lossless holds {_MOST_SEGMENTS} byte planes at the most, the frame has {count}.",
            transfer_syntax_uid="1.2.840.10008.1.2.5",
        )
    little = np.ascontiguousarray(samples.astype(values.dtype.newbyteorder("<"), copy=False))
    octets = little.view(np.uint8).reshape(rows, columns, samples.shape[2], size)
    segments = []
    for sample in range(samples.shape[2]):
        for octet in reversed(range(size)):
            plane = np.ascontiguousarray(octets[:, :, sample, octet])
            segment = bytes(imagecodecs.packbits_encode(plane, axis=-1))
            segments.append(segment + b"\0" * (len(segment) % 2))
    places = np.cumsum([_HEADER_BYTES, *map(len, segments[:-1])]).tolist()
    header = struct.pack(f"<{1 + count}I", count, *places).ljust(_HEADER_BYTES, b"\0")
    return header + b"".join(segments)
