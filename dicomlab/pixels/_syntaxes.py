"""Families of transfer syntaxes by the coding of their frames (PS3.5 annex A.4)."""

from __future__ import annotations

_ROOT = "1.2.840.10008.1.2."


def _family(*ends: str) -> frozenset[str]:
    return frozenset(_ROOT + end for end in ends)


RLE = _ROOT + "5"
JPEG = _family("4.50", "4.51", "4.53", "4.55", "4.57", "4.70")
"""Baseline, extended, spectral selection and full progression (both retired), lossless."""
JPEG_LS = _family("4.80", "4.81")
JPEG_2000 = _family("4.90", "4.91")
HTJ2K = _family("4.201", "4.202", "4.203")
JPEG_XL = _family("4.110", "4.111", "4.112")
