"""What the pixel module says of the frames of an instance (PS3.3 C.7.6.3)."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

import numpy as np

from dicomlab.errors import HostileInputError, NonConformantError, UnsupportedError
from dicomlab.safety import DEFAULT_BOUNDS, Attributes, Bounds, Header
from dicomlab.standard import tag_of, tag_text, transfer_syntax

FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA = 0x7FE00008, 0x7FE00009
_CLAUSE = "PS3.3 C.7.6.3.1"


@dataclass(frozen=True, slots=True)
class FrameDescription:
    """The shape and type of the frames of one instance.

    Attributes
    ----------
    rows, columns, samples_per_pixel, bits_allocated, bits_stored, high_bit, number_of_frames
        As in the pixel module; `high_bit` and `bits_stored` are `bits_allocated` for floats.
    is_signed
        Pixel Representation (0028,0103) is 1.
    is_float
        The pixels are Float or Double Float Pixel Data.
    photometric_interpretation, planar_configuration, transfer_syntax_uid
        As declared. What a decoded frame holds says `decoded_photometric_interpretation`.
    """

    rows: int
    columns: int
    samples_per_pixel: int = 1
    bits_allocated: int = 16
    bits_stored: int = 16
    high_bit: int = 15
    is_signed: bool = False
    is_float: bool = False
    photometric_interpretation: str = "MONOCHROME2"
    planar_configuration: int = 0
    number_of_frames: int = 1
    transfer_syntax_uid: str = "1.2.840.10008.1.2.1"

    @classmethod
    def from_attributes(
        cls,
        attributes: Attributes,
        transfer_syntax_uid: str,
        *,
        bounds: Bounds = DEFAULT_BOUNDS,
    ) -> FrameDescription:
        """Return what the attributes say, checked.

        Raises
        ------
        NonConformantError
            An attribute that is needed is absent, or contradicts another.
        HostileInputError
            More frames, or a larger frame, than the bounds allow.
        UnsupportedError
            Bits that no decoder here knows.
        """
        written = _as_written(attributes, transfer_syntax_uid, bounds)
        known = None if written is None else _KNOWN.get(written)
        if known is not None:
            return known
        is_float = "PixelRepresentation" not in attributes and not attributes.number("BitsStored")
        allocated = _positive(attributes, "BitsAllocated", 64)
        is_float = is_float and allocated in (32, 64)
        stored = allocated if is_float else _positive(attributes, "BitsStored", allocated)
        high = attributes.integer("HighBit")
        samples = attributes.integer("SamplesPerPixel")
        description = cls(
            rows=_positive(attributes, "Rows", 65535),
            columns=_positive(attributes, "Columns", 65535),
            samples_per_pixel=1 if samples is None else samples,
            bits_allocated=allocated,
            bits_stored=stored,
            high_bit=stored - 1 if high is None else high,
            is_signed=attributes.integer("PixelRepresentation") == 1,
            is_float=is_float,
            photometric_interpretation=attributes.string("PhotometricInterpretation")
            or "MONOCHROME2",
            planar_configuration=attributes.integer("PlanarConfiguration") or 0,
            number_of_frames=_frames(attributes),
            transfer_syntax_uid=transfer_syntax_uid,
        )
        description.check(bounds)
        if written is not None:
            if len(_KNOWN) >= _MOST_KNOWN:
                _KNOWN.clear()
            _KNOWN[written] = description
        return description

    def check(self, bounds: Bounds = DEFAULT_BOUNDS) -> None:
        """Refuse what contradicts itself or goes beyond the bounds."""
        if self.bits_allocated not in (1, 8, 16, 32, 64):
            raise UnsupportedError(
                f"BitsAllocated {tag_text(0x00280100)} is {self.bits_allocated}; 1, 8, 16, 32 and "
                "64 can be read."
            )
        if self.samples_per_pixel not in (1, 3, 4):
            raise _contradiction("SamplesPerPixel", "1, 3 or 4", self.samples_per_pixel)
        if not self.bits_stored - 1 <= self.high_bit < self.bits_allocated:
            raise _contradiction(
                "HighBit", f"{self.bits_stored - 1} (BitsStored - 1)", self.high_bit
            )
        if self.is_subsampled and not transfer_syntax(self.transfer_syntax_uid).is_encapsulated:
            self._check_subsampled()
        for rule, limit, found in (
            ("frames", bounds.frames, self.number_of_frames),
            ("image_bytes", bounds.image_bytes, self.frame_bytes),
        ):
            if found > limit:
                raise HostileInputError(
                    f"The attributes declare {rule} of {found}, more than {limit}. Raise "
                    f"Bounds.{rule} if this instance is to be trusted.",
                    rule=rule,
                    limit=limit,
                    found=found,
                )

    def _check_subsampled(self) -> None:
        """Refuse native pixels that cannot share their chrominance in pairs (C.7.6.3.1.2)."""
        if self.samples_per_pixel != 3:
            raise _contradiction("SamplesPerPixel", "3 (4:2:2 chrominance)", self.samples_per_pixel)
        if self.bits_allocated < 8:
            raise _contradiction("BitsAllocated", "8 or more (colour)", self.bits_allocated)
        if self.rows * self.columns % 2:
            raise _contradiction("Columns", "an even number (4:2:2 chrominance)", self.columns)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a decoded frame: (row, column), and samples where there are several."""
        plane = (self.rows, self.columns)
        return plane if self.samples_per_pixel == 1 else (*plane, self.samples_per_pixel)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of a decoded frame; single bits become bytes of 0 and 1."""
        if self.is_float:
            return np.dtype(f"f{self.bits_allocated // 8}")
        kind = "i" if self.is_signed else "u"
        return np.dtype(f"{kind}{max(1, self.bits_allocated // 8)}")

    @property
    def is_subsampled(self) -> bool:
        """Whether native frames keep two chrominance samples for two pixels (PS3.3 C.7.6.3.1.2)."""
        return self.photometric_interpretation in ("YBR_FULL_422", "YBR_PARTIAL_422")

    @property
    def frame_bits(self) -> int:
        """Bits of one native frame."""
        samples = 2 if self.is_subsampled else self.samples_per_pixel
        return self.rows * self.columns * samples * self.bits_allocated

    @property
    def frame_bytes(self) -> int:
        """Bytes of one decoded frame, and of one native one but for single bits."""
        return math.prod(self.shape) * max(1, self.bits_allocated // 8)


_WRITTEN: Final = tuple(map(tag_of, (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames",
    "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
)))  # fmt: skip
_KNOWN: Final[dict[Hashable, FrameDescription]] = {}
"""Descriptions that were made before: the slices of a series have one and the same."""
_MOST_KNOWN: Final = 256
_LONGEST_WRITTEN: Final = 64


def _as_written(
    attributes: Attributes, transfer_syntax_uid: str, bounds: Bounds
) -> Hashable | None:
    """Return all that a description depends on, ``None`` where that is not plain to see."""
    if not isinstance(attributes, Header):
        return None
    elements, buffer = attributes.elements, attributes.buffer
    written: list[Hashable] = [
        transfer_syntax_uid,
        bounds,
        attributes.is_little_endian,
        attributes.character_sets,
    ]
    for tag in _WRITTEN:
        element = elements.get(tag)
        if element is None:
            written.append(None)
        elif element[2] > _LONGEST_WRITTEN:
            return None
        else:
            written += (element[0], buffer[element[1] : element[1] + element[2]])
    return tuple(written)


def _frames(attributes: Attributes) -> int:
    count = attributes.integer("NumberOfFrames")
    if count is None:
        return 1
    if count < 1:
        raise _contradiction("NumberOfFrames", "1 or more", count)
    return count


def _positive(attributes: Attributes, keyword: str, greatest: int) -> int:
    value = attributes.integer(keyword)
    if value is None:
        raise NonConformantError(
            f"{keyword} {tag_text(tag_of(keyword))} is absent ({_CLAUSE}): without it the pixels "
            "cannot be read. Complete the instance at its source, or leave it out.",
            reason="missing-pixel-attribute",
            tag=tag_of(keyword),
            reference=_CLAUSE,
        )
    if not 1 <= value <= greatest:
        raise _contradiction(keyword, f"1 to {greatest}", value)
    return value


def _contradiction(keyword: str, expected: str, found: int) -> NonConformantError:
    tag = tag_of(keyword)
    return NonConformantError(
        f"{keyword} {tag_text(tag)} is {found}, expected {expected} ({_CLAUSE}). "
        "Correct the instance at its source, or leave it out.",
        reason="bad-pixel-attribute",
        tag=tag,
        reference=_CLAUSE,
    )
