"""The 128 bytes before the prefix DICM, which belong to nobody (PS3.10 7.1, CVE-2019-11687)."""

from __future__ import annotations

from typing import Final

_TIFF: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""TIFF and BigTIFF of both byte orders: files for slides are both on purpose (PS3.10 7.1)."""
_PROGRAMS: Final = (
    b"MZ", b"\x7fELF", b"#!", b"\0asm", b"PK",
    b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
)  # fmt: skip
"""Windows, ELF, scripts, WebAssembly, zip (jar, apk), Mach-O of both sizes and orders, Java."""
_PAGE: Final = b"<"
"""Browsers take what begins with a tag for a page, after blanks or a byte order mark."""
_PDF: Final = b"%PDF-"
"""PDF readers look for it in the first kilobyte."""


def preamble_finding(preamble: bytes) -> str | None:
    """Return what is to be said of a preamble, ``None`` for zeros and the start of a TIFF.

    ``"executable-preamble"`` where an operating system, browser or PDF reader would take the file
    for its own, ``"foreign-preamble"`` for anything else.
    """
    if preamble.startswith(_TIFF) or not preamble.strip(b"\0"):
        return None
    is_page = preamble.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\f").startswith(_PAGE)
    if is_page or preamble.startswith(_PROGRAMS) or _PDF in preamble:
        return "executable-preamble"
    return "foreign-preamble"
