"""Colour frames as RGB of 8 bits: YBR undone, ICC profiles applied (PS3.3 C.7.6.3.1.2, C.11.15)."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import NonConformantError, UnsupportedError
from dicomlab.safety import Attributes, Header

_TO_RGB = np.array(
    [[1, 0, 1.402], [1, -0.114 * 1.772 / 0.587, -0.299 * 1.402 / 0.587], [1, 1.772, 0]]
)
"""YBR_FULL to RGB: the inverse of PS3.3 C.7.6.3.1.2."""
_ICC_PROFILE = 0x00282000
_KNOWN = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420")


def to_rgb(frame: NDArray[np.generic], photometric: str, bits: int) -> NDArray[np.uint8]:
    """Return a colour frame as RGB of 8 bits.

    Parameters
    ----------
    frame
        Shape (row, column, sample), as `decode_frame` gives it.
    photometric
        What its samples mean.
    bits
        That are stored of each.

    Raises
    ------
    UnsupportedError
        It is neither RGB nor a form of YBR.
    """
    if photometric not in _KNOWN:
        raise UnsupportedError(
            f"PhotometricInterpretation (0028,0004) {photometric} cannot be shown: RGB and YBR can."
        )
    if photometric == "RGB" and bits == 8:
        return np.ascontiguousarray(frame[..., :3], dtype=np.uint8)
    top = (1 << bits) - 1
    shades = frame[..., :3].astype(np.float32)
    shades /= np.float32(top)
    if photometric.startswith("YBR"):
        middle = (1 << (bits - 1)) / top
        if photometric.startswith("YBR_PARTIAL"):
            # Luminance from 16 to 235, chrominance from 16 to 240 of 255.
            zero, scale = (16 / 255, middle, middle), (255 / 219, 255 / 224, 255 / 224)
        else:
            zero, scale = (0.0, middle, middle), (1.0, 1.0, 1.0)
        shades -= np.array(zero, np.float32)
        shades *= np.array(scale, np.float32)
        shades = shades @ _TO_RGB.T.astype(np.float32)
    rounded: NDArray[np.uint8] = np.rint(np.clip(shades, 0, 1) * 255).astype(np.uint8)
    return rounded


def icc_profile(attributes: Attributes) -> bytes | None:
    """Return the ICC profile of an instance, or of its first optical path; ``None`` without."""
    if not isinstance(attributes, Header):
        return None
    places = [attributes, *attributes.items("OpticalPathSequence")]
    return next((raw for place in places if (raw := place.raw(_ICC_PROFILE))), None)


def to_srgb(picture: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    """Return an RGB picture as sRGB, by its ICC profile.

    Raises
    ------
    NonConformantError
        The profile is none that turns RGB into colours.
    """
    from PIL import Image, ImageCms  # noqa: PLC0415  only pictures need it

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        shown = ImageCms.profileToProfile(
            Image.fromarray(picture), source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (OSError, ImageCms.PyCMSError) as error:
        raise NonConformantError(
            "ICCProfile (0028,2000) is no profile of an RGB device (PS3.3 C.11.15.1.1). Show the "
            "picture without it.",
            reason="bad-icc-profile",
            tag=_ICC_PROFILE,
            reference="PS3.3 C.11.15",
        ) from error
    return np.asarray(shown, dtype=np.uint8)
