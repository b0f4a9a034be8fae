"""One encoded frame becomes an array of stored values (PS3.5 8 and annex A)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import HostileInputError, NonConformantError, UnsupportedError
from dicomlab.pixels._codestream import (
    DECODER_ERRORS,
    Codestream,
    damaged,
    read_jpeg,
    read_jpeg2000,
    tiles_present,
)
from dicomlab.pixels._description import FrameDescription
from dicomlab.pixels._jpegxl import read_jpegxl
from dicomlab.pixels._native import (
    DEFLATED_IMAGE_FRAME,
    ENCAPSULATED_UNCOMPRESSED,
    check_length,
    decode_native,
    inflate_frame,
)
from dicomlab.pixels._rle import decode_rle
from dicomlab.pixels._syntaxes import HTJ2K, JPEG, JPEG_2000, JPEG_LS, JPEG_XL, RLE
from dicomlab.pixels._video import decode_video
from dicomlab.safety import DEFAULT_BOUNDS, Bounds
from dicomlab.standard import transfer_syntax

_LOSSY_PROCESSES = frozenset((0xC0, 0xC1, 0xC2))
_PROCESSES = _LOSSY_PROCESSES | {0xC3}
"""Sequential, progressive and lossless; arithmetic coding is in no syntax of today (PS3.5 10)."""
_END_WITHIN = 16
"""An item is padded to even length; some encoders pad to more."""


class DecodeInto(Protocol):
    """Decodes a frame into an array, as `decode_into` does in this process."""

    def __call__(
        self,
        encoded: bytes,
        description: FrameDescription,
        out: NDArray[np.generic],
        *,
        number: int = 0,
    ) -> None:
        """Fill an array of the description's shape and dtype."""


def can_decode(transfer_syntax_uid: str) -> bool:
    """Return whether frames of a transfer syntax can be decoded."""
    syntax = transfer_syntax(transfer_syntax_uid)
    return transfer_syntax_uid in _DECODERS or syntax.is_video or not syntax.is_encapsulated


def decode_frame(
    encoded: bytes,
    description: FrameDescription,
    *,
    number: int = 0,
    bounds: Bounds = DEFAULT_BOUNDS,
    decode: DecodeInto | None = None,
) -> NDArray[np.generic]:
    """Return the stored values of a frame.

    Parameters
    ----------
    encoded
        The frame's bytes, as `FrameIndex.read` gives them; of a video that is the stream.
    description
        What the pixel module says; a codestream that contradicts it is refused.
    number
        Which frame of a video, counted from 0; nothing else needs it.
    decode
        What decodes it, such as a `CappedDecoder`; by default `decode_into`.

    Returns
    -------
    numpy.ndarray
        Shape (row, column), with a third axis where there are several samples a pixel, in the
        description's dtype and this machine's byte order. Bits outside Bits Stored (0028,0101) are
        gone. MONOCHROME1 is not inverted. Colours stand as `decoded_photometric_interpretation`
        says: lossy JPEG, JPEG 2000 and video give RGB.

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
    if decode is None:
        decode_into(encoded, description, out, number=number, bounds=bounds)
    else:
        decode(encoded, description, out, number=number)
    return out


def decode_into(
    encoded: bytes,
    description: FrameDescription,
    out: NDArray[np.generic],
    *,
    number: int = 0,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> None:
    """Decode a frame into an array of the description's shape and dtype, as `decode_frame`."""
    _check_size(encoded, description, bounds)
    uid = description.transfer_syntax_uid
    syntax = transfer_syntax(uid)
    if syntax.is_video:
        decode_video(encoded, description, number, out)
        return
    decoder = decode_native if not syntax.is_encapsulated else _DECODERS.get(uid)
    if decoder is None:
        raise UnsupportedError(
            f"Frames of transfer syntax {syntax.name} cannot be decoded. "
            "Ask the sender for another one, or transcode the instance.",
            transfer_syntax_uid=uid,
        )
    decoder(encoded, description, out)
    unpack_bits(out, description)


def read_codestream(encoded: bytes, transfer_syntax_uid: str) -> Codestream | None:
    """Return what a compressed frame says of itself, ``None`` where its coding says nothing.

    Raises
    ------
    NonConformantError
        The frame is damaged.
    """
    if transfer_syntax_uid in JPEG or transfer_syntax_uid in JPEG_LS:
        return read_jpeg(encoded)
    if transfer_syntax_uid in JPEG_2000 or transfer_syntax_uid in HTJ2K:
        return read_jpeg2000(encoded)
    return read_jpegxl(encoded) if transfer_syntax_uid in JPEG_XL else None


def decoded_photometric_interpretation(encoded: bytes, description: FrameDescription) -> str:
    """Return what the samples of a decoded frame mean: the declared term, or RGB (PS3.5 8.2)."""
    declared = description.photometric_interpretation
    if description.samples_per_pixel != 3:
        return declared
    uid = description.transfer_syntax_uid
    if transfer_syntax(uid).is_video:
        return "RGB"
    stream = read_codestream(encoded, uid)
    if uid in JPEG and stream is not None and stream.process in _LOSSY_PROCESSES:
        return "RGB"
    undone = declared in ("YBR_RCT", "YBR_ICT", "XYB")
    # A JPEG that was made into JPEG XL keeps its own transformation, and the decoder undoes it.
    undone = undone or (uid in JPEG_XL and description.is_subsampled) or uid == _JPEG_IN_JPEG_XL
    if uid not in JPEG and stream is not None and (undone or stream.colour == "YBR"):
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
    else:
        check_length(encoded, description)


def _deflated(encoded: bytes, description: FrameDescription, out: NDArray[np.generic]) -> None:
    decode_native(inflate_frame(encoded, description), description, out)


def _jpeg(encoded: bytes, description: FrameDescription, out: NDArray[np.generic]) -> None:
    stream = _checked(read_jpeg(encoded), description)
    if stream.process not in _PROCESSES:
        raise damaged("JPEG", "its coding is none of DICOM's")
    # libjpeg-turbo fills what is missing with grey, and says nothing.
    _check_end("JPEG", encoded)
    colours: dict[str, object] = {}
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


def _jpeg_ls(encoded: bytes, description: FrameDescription, out: NDArray[np.generic]) -> None:
    stream = _checked(read_jpeg(encoded), description)
    # CharLS may count zeros for seconds where the data ends without a marker.
    _check_end("JPEG-LS", encoded)
    _call("JPEG-LS", imagecodecs.jpegls_decode, encoded, stream, out)


def _jpeg2000(encoded: bytes, description: FrameDescription, out: NDArray[np.generic]) -> None:
    stream = _checked(read_jpeg2000(encoded), description)
    if stream.tiles > 1 and tiles_present(encoded) < stream.tiles:
        # OpenJPEG leaves what is missing black, and says nothing.
        raise damaged("JPEG 2000", f"it lacks some of its {stream.tiles} tiles")
    codestream = encoded[encoded.find(b"\xff\x4f\xff\x51") :]
    if stream.is_high_throughput:
        # OpenJPH is the faster; what it does not know, OpenJPEG may.
        try:
            _call("HTJ2K", imagecodecs.htj2k_decode, codestream, stream, out, planar=False)
        except NonConformantError:
            pass
        else:
            return
    _call("JPEG 2000", imagecodecs.jpeg2k_decode, codestream, stream, out, numthreads=1)


def _jpegxl(encoded: bytes, description: FrameDescription, out: NDArray[np.generic]) -> None:
    stream = _checked(read_jpegxl(encoded), description)
    _call("JPEG XL", imagecodecs.jpegxl_decode, encoded, stream, out, numthreads=1)


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
    direct = size == out.dtype.itemsize and out.flags.c_contiguous and not stream.is_planar
    try:
        if direct:
            decoder(encoded, out=out.view(kind), **options)
            return
        values = decoder(encoded, **options)
    except DECODER_ERRORS as error:
        raise damaged(name, "the decoder stopped") from error
    if values.shape != out.shape:
        raise damaged(name, f"decoded to shape {values.shape}, expected {out.shape}")
    out[...] = values.astype(out.dtype)


_JPEG_IN_JPEG_XL = "1.2.840.10008.1.2.4.111"
_Decoder = Callable[[bytes, FrameDescription, NDArray[np.generic]], None]
_DECODERS: dict[str, _Decoder] = {
    RLE: decode_rle,
    ENCAPSULATED_UNCOMPRESSED: decode_native,
    DEFLATED_IMAGE_FRAME: _deflated,
    **dict.fromkeys(JPEG, _jpeg),
    **dict.fromkeys(JPEG_LS, _jpeg_ls),
    **dict.fromkeys(JPEG_2000 | HTJ2K, _jpeg2000),
    **dict.fromkeys(JPEG_XL, _jpegxl),
}
