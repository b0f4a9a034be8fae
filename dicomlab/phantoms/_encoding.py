"""A phantom in another transfer syntax (PS3.5 annex A)."""

from __future__ import annotations

from collections.abc import Callable

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders import RLELosslessEncoder

from dicomlab.errors import UnsupportedError
from dicomlab.standard import transfer_syntax

EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_LS_LOSSLESS = "1.2.840.10008.1.2.4.80"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
RLE_LOSSLESS = "1.2.840.10008.1.2.5"

_NATIVE = (
    "1.2.840.10008.1.2",
    EXPLICIT_VR_LITTLE_ENDIAN,
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
)


def encode(dataset: Dataset, transfer_syntax_uid: str) -> Dataset:
    """Change a native little endian data set into another lossless transfer syntax, in place.

    Compressed frames are one fragment each, with a Basic Offset Table (PS3.5 A.4).

    Parameters
    ----------
    transfer_syntax_uid
        Implicit or Explicit VR Little Endian, Explicit VR Big Endian, Deflated, JPEG Lossless SV1,
        JPEG-LS Lossless, JPEG 2000 Lossless or RLE.

    Raises
    ------
    UnsupportedError
        Another one was asked for.
    """
    if transfer_syntax_uid in _NATIVE:
        if not transfer_syntax(transfer_syntax_uid).is_little_endian and "PixelData" in dataset:
            words = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}")
            dataset["PixelData"].value = words.byteswap().tobytes()
    elif transfer_syntax_uid in _ENCODERS:
        frames = [_ENCODERS[transfer_syntax_uid](dataset, plane) for plane in _planes(dataset)]
        dataset.add_new(0x7FE00010, "OB", encapsulate(frames, has_bot=True))
        dataset["PixelData"].is_undefined_length = True
    else:
        raise UnsupportedError(
            f"Phantoms are not made in transfer syntax {transfer_syntax_uid}: take one of "
            f"{', '.join((*_NATIVE, *_ENCODERS))}.",
            transfer_syntax_uid=transfer_syntax_uid,
        )
    dataset.file_meta.TransferSyntaxUID = transfer_syntax_uid
    return dataset


def _planes(dataset: Dataset) -> NDArray[np.integer]:
    """Return the frames of a native data set, shape (frame, row, column[, sample])."""
    kind = "i" if dataset.PixelRepresentation else "u"
    frames = int(dataset.get("NumberOfFrames", 1))
    shape: tuple[int, ...] = (frames, dataset.Rows, dataset.Columns)
    if dataset.SamplesPerPixel > 1:
        shape = (*shape, dataset.SamplesPerPixel)
        dataset.PlanarConfiguration = 0
    flat = np.frombuffer(dataset.PixelData, f"<{kind}{dataset.BitsAllocated // 8}")
    return flat[: int(np.prod(shape))].reshape(shape)


def _jpeg_lossless(dataset: Dataset, plane: NDArray[np.integer]) -> bytes:
    """JPEG lossless with first-order prediction, as selection value 1 asks (PS3.5 A.4.1)."""
    colours = "RGB" if plane.ndim == 3 else None
    return bytes(
        imagecodecs.jpeg8_encode(
            _unsigned(plane),
            lossless=True,
            predictor=1,
            bitspersample=dataset.BitsStored,
            colorspace=colours,
            outcolorspace=colours,
        )
    )


def _jpeg_ls(_: Dataset, plane: NDArray[np.integer]) -> bytes:
    return bytes(imagecodecs.jpegls_encode(_unsigned(plane), level=0))


def _jpeg_2000(dataset: Dataset, plane: NDArray[np.integer]) -> bytes:
    return bytes(
        imagecodecs.jpeg2k_encode(
            plane,
            level=0,
            codecformat="j2k",
            bitspersample=dataset.BitsStored,
            reversible=True,
            mct=False,
        )
    )


def _rle(dataset: Dataset, plane: NDArray[np.integer]) -> bytes:
    encoded: bytes = RLELosslessEncoder.encode(
        plane.tobytes(),
        rows=dataset.Rows,
        columns=dataset.Columns,
        samples_per_pixel=dataset.SamplesPerPixel,
        bits_allocated=dataset.BitsAllocated,
        bits_stored=dataset.BitsStored,
        pixel_representation=dataset.PixelRepresentation,
        photometric_interpretation=dataset.PhotometricInterpretation,
        number_of_frames=1,
        planar_configuration=0,
    )
    return encoded


def _unsigned(plane: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return the same bits for a codec that knows no sign."""
    return np.ascontiguousarray(plane.view(f"u{plane.dtype.itemsize}"))


_ENCODERS: dict[str, Callable[[Dataset, NDArray[np.integer]], bytes]] = {
    JPEG_LOSSLESS_SV1: _jpeg_lossless,
    JPEG_LS_LOSSLESS: _jpeg_ls,
    JPEG_2000_LOSSLESS: _jpeg_2000,
    RLE_LOSSLESS: _rle,
}
