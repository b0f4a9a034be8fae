"""Families of transfer syntaxes by the coding of their frames (PS3.5 annex A.4)."""

from __future__ import annotations

from collections.abc import Callable

import imagecodecs

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


def _as_it_is(encoded: bytes) -> bytes:
    return encoded


def _jpeg_into_jpegxl(encoded: bytes) -> bytes:
    return bytes(imagecodecs.jpegxl_encode_jpeg(encoded[: encoded.rfind(b"\xff\xd9") + 2]))


def _jpeg_out_of_jpegxl(encoded: bytes) -> bytes:
    return bytes(imagecodecs.jpegxl_decode_jpeg(encoded, numthreads=1))


PASSES_AS: dict[tuple[str, str], Callable[[bytes], bytes]] = {
    **{
        (_ROOT + old, _ROOT + new): _as_it_is
        for old, new in (
            ("4.70", "4.57"), ("4.80", "4.81"), ("4.90", "4.91"), ("4.201", "4.203"),
            ("4.202", "4.201"), ("4.202", "4.203"), ("4.110", "4.112"), ("4.111", "4.112"),
        )
    },
    (_ROOT + "4.50", _ROOT + "4.111"): _jpeg_into_jpegxl,
    (_ROOT + "4.111", _ROOT + "4.50"): _jpeg_out_of_jpegxl,
}  # fmt: skip
"""Pairs of syntaxes where a frame of the first is made one of the second without decoding it."""
