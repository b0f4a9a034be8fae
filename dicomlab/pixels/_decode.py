"""One encoded frame becomes an array of stored values (PS3.5 8 and annex A)."""

from __future__ import annotations

from collections.abc import Callable

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import HostileInputError, NonConformantError, UnsupportedError
from dicomlab.pixels._codestream import (
    Codestream,
    damaged,
    read_jpeg,
    read_jpeg2000,
    tiles_present,
)
from dicomlab.pixels._description import FrameDescription
from dicomlab.safety import DEFAULT_BOUNDS, Bounds
from dicomlab.standard import transfer_syntax

_RLE = "1.2.840.10008.1.2.5"
_JPEG = frozenset("1.2.840.10008.1.2.4." + end for end in ("50", "51", "57", "70"))
_JPEG_LS = frozenset("1.2.840.10008.1.2.4." + end for end in ("80", "81"))
_JPEG_2000 = frozenset("1.2.840.10008.1.2.4." + end for end in ("90", "91"))
_HTJ2K = frozenset("1.2.840.10008.1.2.4." + end for end in ("201", "202", "203"))
_LOSSY_PROCESSES = frozenset((0xC0, 0xC1, 0xC2))
_PROCESSES = _LOSSY_PROCESSES | {0xC3}
"""Sequential, progressive and lossless; arithmetic coding is in no syntax of today (PS3.5 10)."""
_END_WITHIN = 16
"""An item is padded to even length; some encoders pad to more."""
_DECODER_ERRORS = (RuntimeError, ValueError, TypeError, OverflowError, EOFError, IndexError)


def can_decode(transfer_syntax_uid: str) -> bool:
    """Return whether frames of a transfer syntax can be decoded."""
    known = _JPEG | _JPEG_LS | _JPEG_2000 | _HTJ2K | {_RLE}
    return transfer_syntax_uid in known or not transfer_syntax(transfer_syntax_uid).is_encapsulated


def decode_frame(
    encoded: bytes, description: FrameDescription, *, bounds: Bounds = DEFAULT_BOUNDS
) -> NDArray[np.generic]:
    """Return the stored values of a frame.

    Parameters
    ----------
    encoded
        The frame's bytes, as `FrameIndex.read` gives them.
    description
        What the pixel module says; a codestream that contradicts it is refused.

    Returns
    -------
    numpy.ndarray
        Shape (row, column), with a third axis where there are several samples a pixel, in the
        description's dtype and this machine's byte order. Bits outside Bits Stored (0028,0101) are
        gone. MONOCHROME1 is not inverted. Colours stand as `decoded_photometric_interpretation`
        says: JPEG and JPEG 2000 give RGB.

    Raises
    ------
    NonConformantError
        The frame is damaged, too short, or of another size than the attributes say.
    HostileInputError
        A few compressed bytes would become more than the bounds allow.
    UnsupportedError
        Its transfer syntax cannot be decoded here.
    """
    _check_size(encoded, description, bounds)
    out = np.empty(description.shape, description.dtype)
    decode_into(encoded, description, out, bounds=bounds)
    return out


def decode_into(
    encoded: bytes,
    description: FrameDescription,
    out: NDArray[np.generic],
    *,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> None:
    """Decode a frame into an array of the description's shape and dtype, as `decode_frame`."""
    _check_size(encoded, description, bounds)
    uid = description.transfer_syntax_uid
    if not transfer_syntax(uid).is_encapsulated:
        _native(encoded, description, out)
    elif uid == _RLE:
        _rle(encoded, description, out)
    elif uid in _JPEG:
        _jpeg(encoded, description, out)
    elif uid in _JPEG_LS:
        stream = _checked(read_jpeg(encoded), description)
        # CharLS may count zeros for seconds where the data ends without a marker.
        _check_end("JPEG-LS", encoded)
        _call("JPEG-LS", imagecodecs.jpegls_decode, encoded, stream, out)
    elif uid in _JPEG_2000 or uid in _HTJ2K:
        _jpeg2000(encoded, description, out)
    else:
        raise UnsupportedError(
            f"Frames of transfer syntax {transfer_syntax(uid).name} cannot be decoded. "
            "Ask the sender for another one, or transcode the instance.",
            transfer_syntax_uid=uid,
        )
    unpack_bits(out, description)


def decoded_photometric_interpretation(encoded: bytes, description: FrameDescription) -> str:
    """Return what the samples of a decoded frame mean: the declared term, or RGB (PS3.5 8.2)."""
    declared = description.photometric_interpretation
    if description.samples_per_pixel != 3:
        return declared
    uid = description.transfer_syntax_uid
    if uid in _JPEG and read_jpeg(encoded).process in _LOSSY_PROCESSES:
        return "RGB"
    undone = declared in ("YBR_RCT", "YBR_ICT")
    if (uid in _JPEG_2000 or uid in _HTJ2K) and (undone or read_jpeg2000(encoded).colour == "YBR"):
        return "RGB"
    return "YBR_FULL" if description.is_subsampled else declared


def unpack_bits(values: NDArray[np.generic], description: FrameDescription) -> None:
    """Leave only the bits of the stored values, sign-extended, in place (PS3.5 8.1.1)."""
    allocated, stored = values.dtype.itemsize * 8, description.bits_stored
    if description.is_float or description.bits_allocated == 1 or stored == allocated:
        return
    above = allocated - 1 - description.high_bit
    if description.is_signed:
        if above:
            np.left_shift(values, above, out=values)
        np.right_shift(values, allocated - stored, out=values)
        return
    below = description.high_bit + 1 - stored
    if below > 0:
        np.right_shift(values, below, out=values)
    np.bitwise_and(values, values.dtype.type((1 << stored) - 1), out=values)


def _check_size(encoded: bytes, description: FrameDescription, bounds: Bounds) -> None:
    """Refuse a frame that is too short for its size before anything of that size is made."""
    if transfer_syntax(description.transfer_syntax_uid).is_encapsulated:
        limit = bounds.decoded(len(encoded))
        if description.frame_bytes > limit:
            raise HostileInputError(
                f"A compressed frame of {len(encoded)} bytes declares {description.frame_bytes}, "
                f"more than {limit}. Raise Bounds.frame_ratio if this instance is to be trusted.",
                rule="frame_ratio",
                limit=limit,
                found=description.frame_bytes,
            )
    elif len(encoded) * 8 < description.frame_bits:
        raise NonConformantError(
            f"PixelData (7FE0,0010): a frame has {len(encoded)} bytes where "
            f"{-(-description.frame_bits // 8)} are declared (PS3.5 8). The file was cut short: "
            "copy or retrieve it again.",
            reason="truncated",
            tag=0x7FE00010,
            reference="PS3.5 8",
        )


def _native(encoded: bytes, description: FrameDescription, out: NDArray[np.generic]) -> None:
    if description.bits_allocated == 1:
        bits = np.frombuffer(encoded, np.uint8)
        count = description.frame_bits
        out.reshape(-1)[...] = np.unpackbits(bits, count=count, bitorder="little")
        return
    order = "<" if transfer_syntax(description.transfer_syntax_uid).is_little_endian else ">"
    count = description.frame_bits // description.bits_allocated
    samples = np.frombuffer(encoded, np.dtype(order + description.dtype.str[1:]), count)
    if description.is_subsampled:
        _upsample(samples, out)
    elif description.samples_per_pixel > 1 and description.planar_configuration == 1:
        planes = samples.reshape(description.samples_per_pixel, *out.shape[:2])
        out[...] = np.moveaxis(planes, 0, -1)
    else:
        out[...] = samples.reshape(out.shape)


def _upsample(samples: NDArray[np.generic], out: NDArray[np.generic]) -> None:
    """Spread Y1 Y2 Cb Cr over two pixels (PS3.3 C.7.6.3.1.2)."""
    pairs = samples.reshape(-1, 4)
    pixels = out.reshape(-1, 2, 3)
    pixels[:, :, 0] = pairs[:, :2]
    pixels[:, :, 1:] = pairs[:, None, 2:]


def _rle(encoded: bytes, description: FrameDescription, out: NDArray[np.generic]) -> None:
    segments = int.from_bytes(encoded[:4], "little")
    expected = description.samples_per_pixel * out.dtype.itemsize
    if len(encoded) < 64 or segments != expected or segments > 15 or description.bits_allocated < 8:
        raise damaged("RLE", f"{segments} segments, expected {expected}")
    # The decoder believes the offsets of the header (PS3.5 G.5), and reads where they lead.
    places = np.frombuffer(encoded, "<u4", segments, offset=4).astype(np.int64)
    if places[0] < 64 or places[-1] > len(encoded) or (np.diff(places) <= 0).any():
        raise damaged("RLE", "its segments do not follow one another within the frame")
    try:
        flat = imagecodecs.dicomrle_decode(encoded, out.dtype.newbyteorder("<"))
        values = np.frombuffer(flat, out.dtype.newbyteorder("<"))
    except _DECODER_ERRORS as error:
        raise damaged("RLE", "the decoder stopped") from error
    if values.size < out.size:
        raise damaged("RLE", f"{values.size} values, expected {out.size}")
    planes = values[: out.size].reshape(description.samples_per_pixel, *out.shape[:2])
    out[...] = planes[0] if out.ndim == 2 else np.moveaxis(planes, 0, -1)


def _jpeg(encoded: bytes, description: FrameDescription, out: NDArray[np.generic]) -> None:
    stream = _checked(read_jpeg(encoded), description)
    if stream.process not in _PROCESSES:
        raise damaged("JPEG", "its coding is none of DICOM's")
    # libjpeg-turbo fills what is missing with grey, and says nothing.
    _check_end("JPEG", encoded)
    colours: dict[str, str | None] = {}
    if stream.components == 3:
        is_rgb = stream.process not in _LOSSY_PROCESSES or _is_rgb(stream, description)
        colours = {"colorspace": "RGB" if is_rgb else "YCBCR", "outcolorspace": "RGB"}
    _call("JPEG", imagecodecs.jpeg8_decode, encoded, stream, out, **colours)


def _check_end(name: str, encoded: bytes) -> None:
    if b"\xff\xd9" not in encoded[-_END_WITHIN:]:
        raise damaged(name, "it has no end of image")


def _is_rgb(stream: Codestream, description: FrameDescription) -> bool:
    """Return whether no colour transformation is to be undone.

    Encoders mark what they did (Adobe, JFIF, component names), and attributes are often copied
    from before compression: a mark in the stream goes before the attribute.
    """
    if stream.colour:
        return stream.colour == "RGB"
    return description.photometric_interpretation == "RGB"


def _jpeg2000(encoded: bytes, description: FrameDescription, out: NDArray[np.generic]) -> None:
    stream = _checked(read_jpeg2000(encoded), description)
    if stream.tiles > 1 and tiles_present(encoded) < stream.tiles:
        # OpenJPEG leaves what is missing black, and says nothing.
        raise damaged("JPEG 2000", f"it lacks some of its {stream.tiles} tiles")
    start = encoded.find(b"\xff\x4f\xff\x51")
    _call("JPEG 2000", imagecodecs.jpeg2k_decode, encoded[start:], stream, out, numthreads=1)


def _checked(stream: Codestream, description: FrameDescription) -> Codestream:
    """Return the stream if it is what the attributes declare; a decoder allocates what it says."""
    found = (stream.rows, stream.columns, stream.components)
    declared = (description.rows, description.columns, description.samples_per_pixel)
    if found != declared:
        raise NonConformantError(
            "PixelData (7FE0,0010): the codestream has (rows, columns, samples) "
            f"{found}, the attributes {declared} (PS3.5 8.2). One of them is wrong: correct the "
            "instance at its source.",
            reason="codestream-contradicts-header",
            tag=0x7FE00010,
            reference="PS3.5 8.2",
        )
    if stream.precision > description.bits_allocated:
        raise NonConformantError(
            f"PixelData (7FE0,0010): the codestream has {stream.precision} bits a sample, "
            f"BitsAllocated (0028,0100) {description.bits_allocated} (PS3.5 8.2). One of them is "
            "wrong: correct the instance at its source.",
            reason="codestream-contradicts-header",
            tag=0x7FE00010,
            reference="PS3.5 8.2",
        )
    return stream


def _call(
    name: str,
    decoder: Callable[..., NDArray[np.generic]],
    encoded: bytes,
    stream: Codestream,
    out: NDArray[np.generic],
    **options: object,
) -> None:
    """Decode into `out`, straight where the decoder's type has the size of the array's."""
    size = 1 if stream.precision <= 8 else 2 if stream.precision <= 16 else 4
    kind = np.dtype(f"{'i' if stream.is_signed else 'u'}{size}")
    direct = size == out.dtype.itemsize and out.flags.c_contiguous
    try:
        if direct:
            decoder(encoded, out=out.view(kind), **options)
            return
        values = decoder(encoded, **options)
    except _DECODER_ERRORS as error:
        raise damaged(name, "the decoder stopped") from error
    if values.shape != out.shape:
        raise damaged(name, f"decoded to shape {values.shape}, expected {out.shape}")
    out[...] = values.astype(out.dtype)
