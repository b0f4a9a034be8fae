"""Values of interest: windows (PS3.3 C.11.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
