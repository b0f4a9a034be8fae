"""An array of stored values becomes one encoded frame (PS3.5 8.2 and annex A)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import UnsupportedError
from dicomlab.pixels._description import FrameDescription
from dicomlab.pixels._native import (
    DEFLATED_IMAGE_FRAME,
    ENCAPSULATED_UNCOMPRESSED,
    deflate_frame,
    encode_native,
)
from dicomlab.pixels._rle import encode_rle
from dicomlab.standard import transfer_syntax

_ROOT = "1.2.840.10008.1.2."
_JPEG_2000_BITS = 23
"""More than that OpenJPEG does not keep whole: tried with its encoder and decoder."""


@dataclass(frozen=True, slots=True)
class Loss:
    """How much may be lost where a transfer syntax allows it; each coding has its own measure.

    Attributes
    ----------
    quality
        Of JPEG, 1 to 100.
    max_error
        Of JPEG-LS: no stored value changes by more.
    psnr_db
        Of JPEG 2000: peak signal to noise ratio that is aimed at.
    distance
        Of JPEG XL: 1 is what an eye may just see.
    """

    quality: int = 90
    max_error: int = 2
    psnr_db: int = 50
    distance: float = 1.0


@dataclass(frozen=True, slots=True)
class _Coding:
    """What a transfer syntax can hold, and how it is written (tables of PS3.5 8.2).

    Attributes
    ----------
    encode
        Makes the bytes of a frame.
    allocated, stored
        Bits that are allowed; `stored` is least and most.
    photometric
        What the values may mean.
    rgb_becomes
        Photometric Interpretation of an RGB frame once it is encoded without loss.
    lossy_rgb_becomes
        The same with loss.
    lossless, lossy, is_signed
        Whether it can do without loss, with it, and with signed values.
    """

    encode: Callable[[NDArray[np.generic], FrameDescription, Loss | None], bytes]
    allocated: tuple[int, ...] = (8, 16)
    stored: tuple[int, int] = (1, 64)
    photometric: tuple[str, ...] = (
        "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL",
    )  # fmt: skip
    rgb_becomes: str = "RGB"
    lossy_rgb_becomes: str = "RGB"
    lossless: bool = True
    lossy: bool = False
    is_signed: bool = True


def can_encode(transfer_syntax_uid: str) -> bool:
    """Return whether frames can be encoded in a transfer syntax."""
    native = transfer_syntax_uid in _NATIVE
    return native or transfer_syntax_uid in _CODINGS


def can_encode_losslessly(transfer_syntax_uid: str) -> bool:
    """Return whether frames can be encoded in a transfer syntax without loss."""
    coding = _CODINGS.get(transfer_syntax_uid)
    return transfer_syntax_uid in _NATIVE if coding is None else coding.lossless


def encoded_description(
    description: FrameDescription, transfer_syntax_uid: str, *, loss: Loss | None = None
) -> FrameDescription:
    """Return what the pixel module has to say of frames once they are encoded.

    Parameters
    ----------
    description
        Of the decoded frames, with the photometric interpretation that they have now.
    transfer_syntax_uid
        In which they shall be.
    loss
        How much may be lost; without it nothing is.

    Raises
    ------
    UnsupportedError
        The transfer syntax cannot hold such frames, or not without loss.
    """
    uid, name = transfer_syntax_uid, transfer_syntax(transfer_syntax_uid).name
    if uid in _NATIVE and loss is None:
        return replace(description, planar_configuration=0, transfer_syntax_uid=uid)
    coding = _CODINGS.get(uid)
    if coding is None:
        how = "" if loss is None else " with loss"
        raise UnsupportedError(f"Frames are not encoded in {name}{how}.", transfer_syntax_uid=uid)
    why = _unfit(description, coding, loss)
    if why:
        raise UnsupportedError(
            f"{name} cannot hold these frames: {why}. Choose another transfer syntax.",
            transfer_syntax_uid=uid,
        )
    photometric = description.photometric_interpretation
    if photometric == "RGB":
        photometric = coding.rgb_becomes if loss is None else coding.lossy_rgb_becomes
    return replace(
        description,
        photometric_interpretation=photometric,
        planar_configuration=0,
        high_bit=description.bits_stored - 1,
        transfer_syntax_uid=uid,
    )


def encode_frame(
    values: NDArray[np.generic], description: FrameDescription, *, loss: Loss | None = None
) -> bytes:
    """Return the encoded bytes of a frame, not padded.

    Parameters
    ----------
    values
        Stored values as `decode_frame` gives them, RGB where colour is to be transformed.
    description
        Of the encoded frame, as `encoded_description` returns it.
    loss
        How much may be lost, the same that the description was asked for.
    """
    if values.shape != description.shape or values.dtype != description.dtype:
        raise ValueError(
            f"values are {values.dtype} of shape {values.shape}, the description says "
            f"{description.dtype} of shape {description.shape}"
        )
    uid = description.transfer_syntax_uid
    if uid in _NATIVE:
        is_little_endian = transfer_syntax(uid).is_little_endian
        return encode_native(
            values,
            bits_allocated=description.bits_allocated,
            is_little_endian=is_little_endian,
        )
    return _CODINGS[uid].encode(np.ascontiguousarray(values), description, loss)


def _unfit(description: FrameDescription, coding: _Coding, loss: Loss | None) -> str:
    """Return why a coding cannot hold such frames, nothing where it can."""
    least, most = coding.stored
    photometric = description.photometric_interpretation
    reasons = {
        "float pixels are not compressed": description.is_float,
        f"BitsAllocated (0028,0100) is {description.bits_allocated}": (
            description.bits_allocated not in coding.allocated
        ),
        f"BitsStored (0028,0101) is {description.bits_stored}": (
            not least <= description.bits_stored <= most
        ),
        f"PhotometricInterpretation (0028,0004) is {photometric}": (
            photometric not in coding.photometric
        ),
        "signed values are not foreseen": description.is_signed
        and (not coding.is_signed or loss is not None),
        "colours of a palette allow no loss": loss is not None and photometric == "PALETTE COLOR",
        "it always loses; say how much may be lost": loss is None and not coding.lossless,
        "it never loses; ask for no loss": loss is not None and not coding.lossy,
    }
    return next((reason for reason, is_so in reasons.items() if is_so), "")


def _unsigned(values: NDArray[np.generic], description: FrameDescription) -> NDArray[np.generic]:
    """Return the bits that are stored, for a coding that knows no sign."""
    plain = values.view(f"u{values.dtype.itemsize}")
    if not description.is_signed or description.bits_stored == plain.dtype.itemsize * 8:
        return plain
    masked: NDArray[np.generic] = plain & plain.dtype.type((1 << description.bits_stored) - 1)
    return masked


def _plain(values: NDArray[np.generic], told: FrameDescription, _: Loss | None) -> bytes:
    return encode_native(values, bits_allocated=told.bits_allocated)


def _deflated(values: NDArray[np.generic], told: FrameDescription, _: Loss | None) -> bytes:
    return deflate_frame(encode_native(values, bits_allocated=told.bits_allocated))


def _rle(values: NDArray[np.generic], _: FrameDescription, __: Loss | None) -> bytes:
    return encode_rle(values)


def _narrow(values: NDArray[np.generic], bits: int) -> NDArray[np.generic]:
    """Return values in the smallest type for their bits: some codecs go by the type."""
    size = 1 if bits <= 8 else 2 if bits <= 16 else values.dtype.itemsize
    return values.astype(f"{values.dtype.kind}{min(size, values.dtype.itemsize)}", copy=False)


def _jpeg(values: NDArray[np.generic], told: FrameDescription, loss: Loss | None) -> bytes:
    is_colour = values.ndim == 3
    is_rgb = told.photometric_interpretation == "YBR_FULL_422"
    return bytes(
        imagecodecs.jpeg8_encode(
            _narrow(values, told.bits_stored),
            level=(loss or Loss()).quality,
            bitspersample=8 if told.bits_stored <= 8 else 12,
            colorspace=("RGB" if is_rgb else "YCBCR") if is_colour else None,
            outcolorspace="YCBCR" if is_colour else None,
            subsampling=("422" if is_rgb else "444") if is_colour else None,
        )
    )


def _jpeg_lossless(values: NDArray[np.generic], told: FrameDescription, _: Loss | None) -> bytes:
    colours = None if values.ndim == 2 else "RGB"
    bits = max(told.bits_stored, 2)
    return bytes(
        imagecodecs.jpeg8_encode(
            _narrow(_unsigned(values, told), bits),
            lossless=True,
            predictor=1,
            bitspersample=bits,
            colorspace=colours,
            outcolorspace=colours,
        )
    )


def _jpeg_ls(values: NDArray[np.generic], _: FrameDescription, loss: Loss | None) -> bytes:
    # All bits that are allocated, sign and all, as DCMTK does: CharLS codes jumps from the least
    # to the greatest value as well as others, and the size is the same within half a per cent.
    plain = values.view(f"u{values.dtype.itemsize}")
    return bytes(imagecodecs.jpegls_encode(plain, level=0 if loss is None else loss.max_error))


def _jpeg_2000(values: NDArray[np.generic], told: FrameDescription, loss: Loss | None) -> bytes:
    return bytes(
        imagecodecs.jpeg2k_encode(
            _narrow(values, told.bits_stored),
            level=0 if loss is None else loss.psnr_db,
            codecformat="j2k",
            reversible=loss is None,
            bitspersample=told.bits_stored,
            mct=told.photometric_interpretation in ("YBR_RCT", "YBR_ICT"),
            numthreads=1,
        )
    )


def _htj2k(values: NDArray[np.generic], told: FrameDescription, _: Loss | None) -> bytes:
    """Encode by OpenJPH, which codes as many bits as the type has, and say how many there are.

    The number of bits decides what is taken from unsigned samples (ISO/IEC 15444-1 G.1), so that is
    done here and the samples go in signed.
    """
    bits, size = told.bits_stored, values.dtype.itemsize
    is_short = bits < size * 8
    if is_short and not told.is_signed:
        middle = values.dtype.type(1 << (bits - 1))
        values = np.subtract(values, middle).view(f"i{size}")
    transforms = told.photometric_interpretation == "YBR_RCT"
    encoded = bytearray(imagecodecs.htj2k_encode(values, rgb=transforms, reversible=True))
    if is_short:
        depth = encoded.index(b"\xff\x4f\xff\x51") + 42
        precision = bits - 1 | (0x80 if told.is_signed else 0)
        for component in range(told.samples_per_pixel):
            encoded[depth + 3 * component] = precision
    return bytes(encoded)


def _jpegxl(values: NDArray[np.generic], told: FrameDescription, loss: Loss | None) -> bytes:
    return bytes(
        imagecodecs.jpegxl_encode(
            _narrow(values, told.bits_stored),
            lossless=loss is None,
            effort=1 if loss is None else 5,
            bitspersample=told.bits_stored,
            usecontainer=False,
            numthreads=1,
            distance=None if loss is None else loss.distance,
        )
    )


_NATIVE = frozenset(
    (_ROOT[:-1], _ROOT + "1", _ROOT + "1.99", _ROOT + "2"),
)
_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
_JPEG_LOSSLESS = _Coding(_jpeg_lossless, stored=(1, 16))
_CODINGS: dict[str, _Coding] = {
    ENCAPSULATED_UNCOMPRESSED: _Coding(_plain, (1, 8, 16, 32, 64)),
    DEFLATED_IMAGE_FRAME: _Coding(_deflated, (1, 8, 16, 32, 64)),
    _ROOT + "5": _Coding(_rle, (8, 16, 32)),
    _ROOT + "4.50": _Coding(
        _jpeg, (8,), (8, 8), (*_MONOCHROME, "RGB", "YBR_FULL"), "", "YBR_FULL_422",
        lossless=False, lossy=True, is_signed=False,
    ),
    _ROOT + "4.51": _Coding(
        _jpeg, (8, 16), (8, 12), _MONOCHROME, lossless=False, lossy=True, is_signed=False
    ),
    _ROOT + "4.57": _JPEG_LOSSLESS,
    _ROOT + "4.70": _JPEG_LOSSLESS,
    _ROOT + "4.80": _Coding(_jpeg_ls, stored=(2, 16)),
    _ROOT + "4.81": _Coding(_jpeg_ls, stored=(2, 16), lossy=True),
    _ROOT + "4.90": _Coding(
        _jpeg_2000, (1, 8, 16, 32), (1, _JPEG_2000_BITS), rgb_becomes="YBR_RCT"
    ),
    _ROOT + "4.91": _Coding(
        _jpeg_2000, (1, 8, 16, 32), (1, _JPEG_2000_BITS), rgb_becomes="YBR_RCT",
        lossy_rgb_becomes="YBR_ICT", lossy=True,
    ),
    _ROOT + "4.201": _Coding(_htj2k, (8, 16, 32), rgb_becomes="YBR_RCT"),
    _ROOT + "4.203": _Coding(_htj2k, (8, 16, 32), rgb_becomes="YBR_RCT"),
    _ROOT + "4.110": _Coding(
        _jpegxl, (8, 16), (1, 16), (*_MONOCHROME, "PALETTE COLOR", "RGB"), is_signed=False
    ),
    _ROOT + "4.112": _Coding(
        _jpegxl, (8, 16), (1, 16), (*_MONOCHROME, "PALETTE COLOR", "RGB"),
        lossy_rgb_becomes="XYB", lossy=True, is_signed=False,
    ),
}  # fmt: skip
