"""A frame as a picture for people: 8 bits, grey or RGB (PS3.4 N.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import NonConformantError, UnsupportedError
from dicomlab.pixels._colour import icc_profile, to_rgb, to_srgb
from dicomlab.pixels._decode import (
    DecodeInto,
    decode_frame,
    decoded_photometric_interpretation,
)
from dicomlab.pixels._description import FrameDescription
from dicomlab.pixels._groups import FunctionalGroups
from dicomlab.pixels._overlays import Overlay, container_description, overlays
from dicomlab.pixels._palette import Palette, read_palette
from dicomlab.pixels._voi import (
    LookupTable,
    VoiLutFunction,
    VoiWindow,
    lookup_table,
    voi_windows,
)
from dicomlab.safety import Attributes
from dicomlab.standard import tag_of, tag_text


@dataclass(frozen=True, slots=True, eq=False)
class Presentation:
    """What turns the stored values of a frame into a picture.

    Attributes
    ----------
    description
        How the frame is decoded.
    rescale_slope, rescale_intercept, modality_lut
        The modality transformation; the table goes before the numbers (PS3.3 C.11.1).
    windows, voi_lut
        The VOI transformations of the object itself (PS3.3 C.11.2).
    palette
        Colours of a PALETTE COLOR object.
    pixel_padding_value, pixel_padding_range_limit
        Stored values that are left out when a window is made up (0028,0120 and 0121).
    presentation_lut_shape
        ``"IDENTITY"``, or ``"INVERSE"`` for brightness turned round (2050,0020); empty where the
        photometric interpretation decides.
    overlays
        Planes that may be drawn over the picture.
    icc_profile
        How colours are meant, ``None`` where the object does not say.
    frame
        Counted from 0: overlays and videos ask for it.
    """

    description: FrameDescription
    rescale_slope: float = 1.0
    rescale_intercept: float = 0.0
    modality_lut: LookupTable | None = None
    windows: tuple[VoiWindow, ...] = ()
    voi_lut: LookupTable | None = None
    palette: Palette | None = None
    pixel_padding_value: int | None = None
    pixel_padding_range_limit: int | None = None
    presentation_lut_shape: str = ""
    overlays: tuple[Overlay, ...] = ()
    icc_profile: bytes | None = None
    frame: int = 0

    @classmethod
    def from_attributes(
        cls, attributes: Attributes, transfer_syntax_uid: str, *, frame: int = 0
    ) -> Presentation:
        """Return the presentation of a frame, counted from 0; functional groups are heeded."""
        description = FrameDescription.from_attributes(attributes, transfer_syntax_uid)
        values: Attributes = attributes
        voi: Attributes = attributes
        groups = FunctionalGroups.from_attributes(attributes)
        if groups is not None:
            values = groups.macro(frame, "PixelValueTransformationSequence") or attributes
            voi = groups.macro(frame, "FrameVOILUTSequence") or attributes
        signed = description.is_signed
        is_palette = description.photometric_interpretation == "PALETTE COLOR"
        modality_luts = attributes.items("ModalityLUTSequence")
        voi_luts = attributes.items("VOILUTSequence")
        slope, intercept = values.number("RescaleSlope"), values.number("RescaleIntercept")
        for keyword, number in (("RescaleSlope", slope), ("RescaleIntercept", intercept)):
            if number is not None and not math.isfinite(number):
                raise NonConformantError(
                    f"{keyword} {tag_text(tag_of(keyword))} is no finite number (PS3.3 C.11.1). "
                    "Correct the instance at its source.",
                    reason="bad-rescale",
                    tag=tag_of(keyword),
                    reference="PS3.3 C.11.1",
                )
        return cls(
            description,
            rescale_slope=1.0 if slope is None else slope,
            rescale_intercept=intercept or 0.0,
            modality_lut=lookup_table(modality_luts[0], is_signed=signed)
            if modality_luts
            else None,
            windows=voi_windows(voi),
            voi_lut=_first_table(voi_luts, is_signed=signed),
            palette=read_palette(attributes, is_signed=signed) if is_palette else None,
            pixel_padding_value=attributes.integer("PixelPaddingValue"),
            pixel_padding_range_limit=attributes.integer("PixelPaddingRangeLimit"),
            presentation_lut_shape=attributes.string("PresentationLUTShape") or "",
            overlays=overlays(attributes),
            icc_profile=icc_profile(attributes),
            frame=frame,
        )

    def render(
        self,
        encoded: bytes,
        *,
        window: VoiWindow | None = None,
        number: int | None = None,
        decode: DecodeInto | None = None,
        with_overlays: bool = False,
        as_srgb: bool = False,
    ) -> NDArray[np.uint8]:
        """Return a frame as a picture.

        Parameters
        ----------
        encoded
            The frame's bytes.
        window
            In the place of the object's own windows; grey frames only.
        number
            Which frame of a video, counted from 0; by default that of the presentation.
        decode
            What decodes the frame: a `CappedDecoder` where it comes from strangers.
        with_overlays
            Draw overlay planes over it, at full brightness.
        as_srgb
            Apply the ICC profile of a colour object, so that a screen shows what is meant.

        Returns
        -------
        numpy.ndarray
            Shape (row, column) for grey, (row, column, 3) for RGB. Grey is as MONOCHROME2 shows it:
            MONOCHROME1 is inverted. Without any window the values' own range is shown.
        """
        number = self.frame if number is None else number
        frame = decode_frame(encoded, self.description, number=number, decode=decode)
        photometric = decoded_photometric_interpretation(encoded, self.description)
        picture = self.picture(frame, photometric, window=window)
        if picture.ndim == 3 and as_srgb and self.icc_profile is not None:
            picture = to_srgb(picture, self.icc_profile)
        if with_overlays and self.overlays:
            picture = self._overlaid(picture, encoded, decode)
        return picture

    def picture(
        self,
        stored: NDArray[np.generic],
        photometric_interpretation: str | None = None,
        *,
        window: VoiWindow | None = None,
    ) -> NDArray[np.uint8]:
        """Return a decoded frame as a picture, as `render` does.

        Parameters
        ----------
        stored
            Its values.
        photometric_interpretation
            What they mean; by default what the attributes declare.
        """
        photometric = photometric_interpretation or self.description.photometric_interpretation
        if photometric == "PALETTE COLOR":
            if self.palette is None:
                raise UnsupportedError(
                    "The object is PALETTE COLOR without palette tables (0028,1201 to 1203, or "
                    "1221 to 1223): well-known palettes cannot be shown."
                )
            return self.palette.apply(stored)
        if stored.ndim == 3:
            return to_rgb(stored, photometric, self.description.bits_stored)
        inverse = photometric == "MONOCHROME1"
        if self.presentation_lut_shape in ("IDENTITY", "INVERSE"):
            inverse = self.presentation_lut_shape == "INVERSE"
        return self._grey(stored, window, inverse=inverse)

    def _grey(
        self, stored: NDArray[np.generic], window: VoiWindow | None, *, inverse: bool
    ) -> NDArray[np.uint8]:
        chosen = window or self._own_window(stored)
        least, most = (0, 0) if not stored.size else (stored.min(), stored.max())
        is_whole = stored.dtype.kind in "iu"
        span = int(most) - int(least) + 1 if is_whole else 0
        if not 0 < span <= stored.size:
            return _to_bytes(self._shade(stored, chosen), inverse=inverse)
        # Fewer values than pixels: look each up, to the same result.
        values = np.arange(int(least), int(most) + 1).astype(stored.dtype)
        table = _to_bytes(self._shade(values, chosen), inverse=inverse)
        places = np.subtract(stored, least, dtype=np.int32 if stored.itemsize < 4 else np.int64)
        picture: NDArray[np.uint8] = table[places]
        return picture

    def _overlaid(
        self, picture: NDArray[np.uint8], encoded: bytes, decode: DecodeInto | None
    ) -> NDArray[np.uint8]:
        containers = None
        if any(one.data is None for one in self.overlays) and picture.ndim == 2:
            whole = container_description(self.description)
            containers = decode_frame(encoded, whole, number=self.frame, decode=decode)
        drawn = picture.copy()
        for one in self.overlays:
            plane = one.plane(self.frame, containers)
            if plane is not None:
                one.draw(plane, drawn)
        return drawn

    def brightness(
        self, stored: NDArray[np.generic], *, window: VoiWindow | None = None
    ) -> NDArray[np.float32]:
        """Return brightness from 0 to 1 of stored grey values, before MONOCHROME1 is inverted."""
        return self._shade(stored, window or self._own_window(stored))

    def modality_values(self, stored: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return modality values of stored ones: by the table, or by slope and intercept."""
        if self.modality_lut is not None:
            return self.modality_lut.apply(stored)
        return stored.astype(np.float64) * self.rescale_slope + self.rescale_intercept

    def _shade(
        self, stored: NDArray[np.generic], window: VoiWindow | LookupTable
    ) -> NDArray[np.float32]:
        values = self.modality_values(stored)
        if isinstance(window, LookupTable):
            top = np.float32((1 << window.bits) - 1)
            return window.apply(np.rint(values)).astype(np.float32) / top
        return window.apply(values)

    def _own_window(self, stored: NDArray[np.generic]) -> VoiWindow | LookupTable:
        """Return the object's first window, else its table, else one over all values."""
        if self.windows:
            return self.windows[0]
        if self.voi_lut is not None:
            return self.voi_lut
        return self._whole_range(stored, self.modality_values(stored))

    def _whole_range(self, stored: NDArray[np.generic], values: NDArray[np.generic]) -> VoiWindow:
        """Return the window from the least to the greatest value that is no padding."""
        kept = np.isfinite(values.astype(np.float64))
        kept &= ~self.is_padding(stored)
        shown = values[kept] if kept.any() else np.zeros(1)
        low, high = float(shown.min()), float(shown.max())
        return VoiWindow((low + high) / 2, max(high - low, 1e-6), VoiLutFunction.LINEAR_EXACT)

    def is_padding(self, stored: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Return which stored values stand for nothing (PS3.3 C.7.5.1.1.2)."""
        one, other = self.pixel_padding_value, self.pixel_padding_range_limit
        if one is None:
            return np.zeros(stored.shape, np.bool_)
        if other is None:
            return np.asarray(stored == one)
        low, high = min(one, other), max(one, other)
        values = stored.astype(np.int64)
        return np.asarray((values >= low) & (values <= high))


def render_frame(
    encoded: bytes,
    attributes: Attributes,
    transfer_syntax_uid: str,
    *,
    frame: int = 0,
    window: VoiWindow | None = None,
) -> NDArray[np.uint8]:
    """Return one frame as people see it: 8 bits, grey or RGB; see `Presentation.render`."""
    shown = Presentation.from_attributes(attributes, transfer_syntax_uid, frame=frame)
    return shown.render(encoded, window=window)


def _first_table(items: Sequence[Attributes], *, is_signed: bool) -> LookupTable | None:
    return lookup_table(items[0], is_signed=is_signed) if items else None


def _to_bytes(shade: NDArray[np.floating], *, inverse: bool = False) -> NDArray[np.uint8]:
    shade = np.nan_to_num(shade, copy=False, nan=0.0)  # float pixels may hold what is no number
    rounded: NDArray[np.uint8] = np.rint((1 - shade if inverse else shade) * 255).astype(np.uint8)
    return rounded
