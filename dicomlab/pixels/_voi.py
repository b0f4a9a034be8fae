"""Modality and VOI transformations: stored values, modality values, brightness (PS3.3 C.11)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dicomlab.safety import Attributes

_LEAST, _MOST = 1e-30, 1e30


class VoiLutFunction(StrEnum):
    """Defined terms of VOI LUT Function (0028,1056)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True)
class VoiWindow:
    """A window on modality values (PS3.3 C.11.2.1.2).

    Attributes
    ----------
    center, width
        Window Center (0028,1050) and Window Width (0028,1051), in the units of the values.
    function
        How values within the window become brightness.
    explanation
        Window Center & Width Explanation (0028,1055).
    """

    center: float
    width: float
    function: VoiLutFunction = VoiLutFunction.LINEAR
    explanation: str = ""

    def apply(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return brightness from 0 to 1 (PS3.3 C.11.2.1.2.1 to C.11.2.1.3)."""
        x = values.astype(np.float64)
        if self.function is VoiLutFunction.SIGMOID:
            with np.errstate(over="ignore"):
                shade = 1 / (1 + np.exp(-4 * (x - self.center) / self.width))
        elif self.function is VoiLutFunction.LINEAR_EXACT:
            shade = (x - self.center) / self.width + 0.5
        elif self.width == 1:
            shade = np.where(x <= self.center - 0.5, 0.0, 1.0)
        else:
            shade = (x - (self.center - 0.5)) / (self.width - 1) + 0.5
        brightness: NDArray[np.float32] = np.clip(shade, 0, 1).astype(np.float32)
        return brightness


def voi_windows(attributes: Attributes) -> tuple[VoiWindow, ...]:
    """Return the windows that a data set or functional group names; senseless ones are left out.

    A window needs a centre and a width of at least 1, or more than 0 where its function is not
    LINEAR (PS3.3 C.11.2.1.2.1).
    """
    term = attributes.string("VOILUTFunction")
    known = term in VoiLutFunction.__members__
    function = VoiLutFunction(term) if term and known else VoiLutFunction.LINEAR
    explanations = attributes.strings("WindowCenterWidthExplanation")
    windows = []
    centers, widths = attributes.numbers("WindowCenter"), attributes.numbers("WindowWidth")
    for place, (center, width) in enumerate(zip(centers, widths, strict=False)):
        least = 1 if function is VoiLutFunction.LINEAR else _LEAST
        if abs(center) <= _MOST and least <= width <= _MOST:
            told = explanations[place] if place < len(explanations) else ""
            windows.append(VoiWindow(center, width, function, told))
    return tuple(windows)


@dataclass(frozen=True, slots=True, eq=False)
class LookupTable:
    """A modality or VOI LUT, or one colour of a palette (PS3.3 C.11.1.1, C.7.6.3.1.5).

    Attributes
    ----------
    first
        Value that is mapped to the first entry; what lies below it is too.
    entries
        Shape (n,); what lies beyond the last is mapped to the last.
    bits
        Bits of an entry.
    """

    first: int
    entries: NDArray[np.uint16]
    bits: int

    def apply(self, values: NDArray[np.generic]) -> NDArray[np.uint16]:
        """Return the entries that values are mapped to."""
        place = np.clip(values.astype(np.int64) - self.first, 0, len(self.entries) - 1)
        return self.entries[place]


def lookup_table(
    attributes: Attributes, prefix: str = "LUT", *, is_signed: bool = False
) -> LookupTable | None:
    """Return the table of ``{prefix}Descriptor`` and ``{prefix}Data``, ``None`` where absent.

    Parameters
    ----------
    is_signed
        Whether the values that go in are signed: the first mapped value then is too.
    """
    descriptor = attributes.numbers(f"{prefix}Descriptor")
    words = np.array(attributes.numbers(f"{prefix}Data"), dtype=np.int64) & 0xFFFF
    if len(descriptor) != 3 or not len(words):
        return None
    count = int(descriptor[0]) & 0xFFFF or 65536
    first, bits = int(descriptor[1]), int(descriptor[2])
    if is_signed and first > 0x7FFF:
        first -= 0x10000
    if len(words) * 2 in (count, count + 1):
        # Entries of 8 bits, two in a word.
        words = np.stack((words & 0xFF, words >> 8), axis=1).reshape(-1)
    return LookupTable(first, words[:count].astype(np.uint16), bits)
