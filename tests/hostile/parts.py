"""The parts that hostile files are made of: elements written by hand, right or wrong."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG, JPEG_LOSSLESS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70"
JPEG_LS, JPEG_2000, RLE = (
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.5",
)
HTJ2K = "1.2.840.10008.1.2.4.201"
SECONDARY_CAPTURE = b"1.2.840.10008.5.1.4.1.1.7"
ROOT = "1.2.826.0.1.3680043.8.498.78"
CANARY = b"Canary^Patient"
"""Stands for patient data: no message may hold it."""
UNDEFINED = 0xFFFFFFFF
_LONG = (b"OB", b"OW", b"OF", b"SQ", b"UT", b"UN", b"OD", b"OL", b"UC", b"UR", b"OV", b"SV", b"UV")
ITEM_END, SEQUENCE_END = b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"


@dataclass(frozen=True, slots=True)
class Hostile:
    """One hostile file.

    Attributes
    ----------
    kind
        The class of tricks, a word.
    expects
        ``"accepted"``; ``"refused: REASON"``; ``"undecodable: REASON"`` for a file that is accepted
        and whose first frame is refused. Of a container, the same for its members, in order.
    """

    id: str
    kind: str
    data: bytes
    expects: str
    suffix: str = ".dcm"


def padded(value: bytes, pad: bytes = b"\0") -> bytes:
    return value + pad * (len(value) % 2)


def element(
    tag: int, vr: str, value: bytes = b"", *, length: int | None = None, order: str = "<"
) -> bytes:
    """Write an explicit element; `length` may lie."""
    code = vr.encode("latin-1")
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF) + code
    size = len(value) if length is None else length
    if code in _LONG:
        return head + b"\0\0" + struct.pack(order + "I", size) + value
    return head + struct.pack(order + "H", size & 0xFFFF) + value


def implicit(tag: int, value: bytes = b"", *, length: int | None = None) -> bytes:
    """Write an implicit element; `length` may lie."""
    size = len(value) if length is None else length
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, size) + value


def item(content: bytes, *, length: int | None = None) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content) if length is None else length) + content


def us(tag: int, *values: int, order: str = "<") -> bytes:
    return element(tag, "US", struct.pack(f"{order}{len(values)}H", *values), order=order)


def meta(
    syntax: str = EXPLICIT,
    *,
    sop_class: bytes = SECONDARY_CAPTURE,
    more: bytes = b"",
    length: int | None = None,
) -> bytes:
    """Write the preamble, the prefix and File Meta Information."""
    elements = (
        element(0x00020001, "OB", b"\0\1")
        + element(0x00020002, "UI", padded(sop_class))
        + element(0x00020003, "UI", padded(f"{ROOT}.1".encode()))
        + element(0x00020010, "UI", padded(syntax.encode()))
        + more
    )
    size = struct.pack("<I", len(elements) if length is None else length)
    return bytes(128) + b"DICM" + element(0x00020000, "UL", size) + elements


def image(
    number: int,
    changes: Mapping[int, bytes | None] | None = None,
    *,
    rows: int = 4,
    columns: int = 4,
    bits: int = 8,
    samples: int = 1,
    colours: bytes = b"MONOCHROME2 ",
    pixels: bytes | None = None,
) -> dict[int, bytes]:
    """Return the elements of a small secondary capture by tag; `changes` replaces or drops some.

    `number` makes its UIDs its own.
    """
    native = bytes(index & 0xFF for index in range(rows * columns * samples * bits // 8))
    found = {
        0x00080016: element(0x00080016, "UI", padded(SECONDARY_CAPTURE)),
        0x00080018: element(0x00080018, "UI", padded(f"{ROOT}.1.{number}".encode())),
        0x00080060: element(0x00080060, "CS", b"OT"),
        0x00100010: element(0x00100010, "PN", padded(CANARY, b" ")),
        0x00100020: element(0x00100020, "LO", padded(CANARY, b" ")),
        0x0020000D: element(0x0020000D, "UI", padded(f"{ROOT}.2.{number}".encode())),
        0x0020000E: element(0x0020000E, "UI", padded(f"{ROOT}.3.{number}".encode())),
        0x00280002: us(0x00280002, samples),
        0x00280004: element(0x00280004, "CS", padded(colours, b" ")),
        0x00280010: us(0x00280010, rows),
        0x00280011: us(0x00280011, columns),
        0x00280100: us(0x00280100, bits),
        0x00280101: us(0x00280101, bits),
        0x00280102: us(0x00280102, bits - 1),
        0x00280103: us(0x00280103, 0),
        0x7FE00010: element(0x7FE00010, "OB", native) if pixels is None else pixels,
    }
    for tag, changed in (changes or {}).items():
        if changed is None:
            found.pop(tag, None)
        else:
            found[tag] = changed
    return dict(sorted(found.items()))


def joined(elements: Mapping[int, bytes]) -> bytes:
    return b"".join(elements.values())


def file(elements: Mapping[int, bytes], syntax: str = EXPLICIT) -> bytes:
    """Return a Part 10 file."""
    return meta(syntax) + joined(elements)


def fragments(*frames: bytes, table: bytes = b"", end: bytes = SEQUENCE_END) -> bytes:
    """Write encapsulated pixel data, a fragment for each frame (PS3.5 A.4)."""
    content = item(table) + b"".join(item(padded(frame)) for frame in frames)
    return element(0x7FE00010, "OB", content + end, length=UNDEFINED)
