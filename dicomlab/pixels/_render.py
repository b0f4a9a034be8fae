"""A frame as a picture for people: 8 bits, grey or RGB (PS3.4 N.2)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import UnsupportedError
from dicomlab.pixels._decode import (
    DecodeInto,
    decode_frame,
    decoded_photometric_interpretation,
)
from dicomlab.pixels._description import FrameDescription
from dicomlab.pixels._groups import FunctionalGroups
from dicomlab.pixels._voi import (
    LookupTable,
    VoiLutFunction,
    VoiWindow,
    lookup_table,
    voi_windows,
)
from dicomlab.safety import Attributes

_TO_RGB = np.array(
    [[1, 0, 1.402], [1, -0.114 * 1.772 / 0.587, -0.299 * 1.402 / 0.587], [1, 1.772, 0]]
)
"""YBR_FULL to RGB: the inverse of PS3.3 C.7.6.3.1.2."""


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
        Red, green and blue table of a PALETTE COLOR object.
    pixel_padding_value
        Stored value that is left out when a window is made up (0028,0120).
    """

    description: FrameDescription
    rescale_slope: float = 1.0
    rescale_intercept: float = 0.0
    modality_lut: LookupTable | None = None
    windows: tuple[VoiWindow, ...] = ()
    voi_lut: LookupTable | None = None
    palette: tuple[LookupTable, LookupTable, LookupTable] | None = None
    pixel_padding_value: int | None = None

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
        modality_luts = attributes.items("ModalityLUTSequence")
        voi_luts = attributes.items("VOILUTSequence")
        slope = values.number("RescaleSlope")
        return cls(
            description,
            rescale_slope=1.0 if slope is None else slope,
            rescale_intercept=values.number("RescaleIntercept") or 0.0,
            modality_lut=lookup_table(modality_luts[0], is_signed=signed)
            if modality_luts
            else None,
            windows=voi_windows(voi),
            voi_lut=_first_table(voi_luts, is_signed=signed),
            palette=_palette(attributes, description),
            pixel_padding_value=attributes.integer("PixelPaddingValue"),
        )

    def render(
        self,
        encoded: bytes,
        *,
        window: VoiWindow | None = None,
        number: int = 0,
        decode: DecodeInto | None = None,
    ) -> NDArray[np.uint8]:
        """Return a frame as a picture.

        Parameters
        ----------
        encoded
            The frame's bytes.
        window
            In the place of the object's own windows; grey frames only.
        number
            Which frame of a video, counted from 0.
        decode
            What decodes the frame: a `CappedDecoder` where it comes from strangers.

        Returns
        -------
        numpy.ndarray
            Shape (row, column) for grey, (row, column, 3) for RGB. Grey is as MONOCHROME2 shows it:
            MONOCHROME1 is inverted. Without any window the values' own range is shown.
        """
        frame = decode_frame(encoded, self.description, number=number, decode=decode)
        photometric = decoded_photometric_interpretation(encoded, self.description)
        if photometric == "PALETTE COLOR":
            return self._coloured(frame)
        if frame.ndim == 3:
            return _rgb(frame, photometric, self.description.bits_stored)
        shade = self.brightness(frame, window=window)
        if photometric == "MONOCHROME1":
            shade = 1 - shade
        return _to_bytes(shade)

    def brightness(
        self, stored: NDArray[np.generic], *, window: VoiWindow | None = None
    ) -> NDArray[np.float32]:
        """Return brightness from 0 to 1 of stored grey values, before MONOCHROME1 is inverted."""
        if self.modality_lut is not None:
            values: NDArray[np.generic] = self.modality_lut.apply(stored)
        else:
            values = stored.astype(np.float64) * self.rescale_slope + self.rescale_intercept
        if window is None and not self.windows and self.voi_lut is not None:
            top = (1 << self.voi_lut.bits) - 1
            return self.voi_lut.apply(np.rint(values)).astype(np.float32) / np.float32(top)
        chosen = window or (self.windows[0] if self.windows else self._whole_range(stored, values))
        return chosen.apply(values)

    def _whole_range(self, stored: NDArray[np.generic], values: NDArray[np.generic]) -> VoiWindow:
        """Return the window from the least to the greatest value that is no padding."""
        kept = np.isfinite(values.astype(np.float64))
        if self.pixel_padding_value is not None:
            kept &= stored != self.pixel_padding_value
        shown = values[kept] if kept.any() else np.zeros(1)
        low, high = float(shown.min()), float(shown.max())
        return VoiWindow((low + high) / 2, max(high - low, 1e-6), VoiLutFunction.LINEAR_EXACT)

    def _coloured(self, frame: NDArray[np.generic]) -> NDArray[np.uint8]:
        if self.palette is None:
            raise UnsupportedError(
                "The object is PALETTE COLOR without plain palette tables (0028,1201 to 1203): "
                "segmented and well-known palettes cannot be shown."
            )
        shades = [table.apply(frame) / ((1 << table.bits) - 1) for table in self.palette]
        return _to_bytes(np.stack(shades, axis=-1))


def png(picture: NDArray[np.uint8], *, longest_side: int | None = None) -> bytes:
    """Return a picture as PNG, made smaller where its longest side is longer than asked for."""
    from PIL import Image  # noqa: PLC0415  only pictures need it

    image = Image.fromarray(np.ascontiguousarray(picture))
    if longest_side is not None:
        image.thumbnail((longest_side, longest_side), Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _first_table(items: Sequence[Attributes], *, is_signed: bool) -> LookupTable | None:
    return lookup_table(items[0], is_signed=is_signed) if items else None


def _palette(
    attributes: Attributes, description: FrameDescription
) -> tuple[LookupTable, LookupTable, LookupTable] | None:
    if description.photometric_interpretation != "PALETTE COLOR":
        return None
    red, green, blue = (
        lookup_table(
            attributes, f"{colour}PaletteColorLookupTable", is_signed=description.is_signed
        )
        for colour in ("Red", "Green", "Blue")
    )
    return None if red is None or green is None or blue is None else (red, green, blue)


def _rgb(frame: NDArray[np.generic], photometric: str, bits: int) -> NDArray[np.uint8]:
    top = (1 << bits) - 1
    shades = frame[..., :3].astype(np.float64) / top
    if photometric.startswith("YBR"):
        middle = (1 << (bits - 1)) / top
        shades = (shades - (0, middle, middle)) @ _TO_RGB.T
    return _to_bytes(np.clip(shades, 0, 1))


def _to_bytes(shade: NDArray[np.floating]) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = np.rint(shade * 255).astype(np.uint8)
    return rounded
