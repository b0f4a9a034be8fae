"""Small data sets: what a query asks and answers (PS3.4 C.4.1, PS3.5 7)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from pydicom.charset import python_encoding

from dicomlab.catalog import Value
from dicomlab.safety import Header, read_header
from dicomlab.standard import (
    IMPLEMENTATION_CLASS_UID,
    attribute,
    transfer_syntax,
)

IMPLICIT_LE: Final = "1.2.840.10008.1.2"
EXPLICIT_LE: Final = "1.2.840.10008.1.2.1"
EXPLICIT_BE: Final = "1.2.840.10008.1.2.2"
QUERY_SYNTAXES: Final = (EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE)

_LONG: Final = frozenset((
    "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV",
))  # fmt: skip
_TEXT: Final = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
_BINARY: Final = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q",
    "AT": "I", "US or SS": "H",
}  # fmt: skip
_CHARACTER_SET: Final = 0x00080005
_ITEM: Final = 0xFFFEE000
_ASCII: Final = ("", "ascii")
UNICODE: Final = ("ISO_IR 192", "utf-8")
_LATIN: Final = ("ISO_IR 100", "latin-1")


def sets_for(declared: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the character sets to answer in, the best first: that of the question, if it can.

    Parameters
    ----------
    declared
        Specific Character Set (0008,0005) of the question.
    """
    one = declared[0] if len(declared) == 1 else ""
    is_plain = one.startswith("ISO_IR") and one != "ISO_IR 13"
    codec = python_encoding.get(one) if is_plain else None
    return (_ASCII, (one, codec), UNICODE) if codec else (_ASCII, UNICODE)


ASKING: Final = (_ASCII, _LATIN, UNICODE)
"""What a question is written in: the first of these that can hold it."""


def encode(
    values: Mapping[str, Value],
    syntax: str,
    character_sets: Iterable[tuple[str, str]] = ASKING,
) -> bytes:
    """Return a data set of attributes by keyword; ``None`` is an empty value.

    Parameters
    ----------
    character_sets
        Names and codecs; the first that can hold all the text is used.
    """
    known = transfer_syntax(syntax)
    writer = _Writer(explicit=known.is_explicit_vr, little=known.is_little_endian)
    for name, codec in character_sets:
        try:
            return writer.data_set({**values, "SpecificCharacterSet": name or None}, codec)
        except UnicodeEncodeError:
            continue
    raise AssertionError  # the last of them is Unicode


class _Writer:
    """Writes elements of one encoding."""

    def __init__(self, *, explicit: bool, little: bool) -> None:
        self._explicit = explicit
        self._order = "<" if little else ">"
        self._tag = struct.Struct(self._order + "HH")
        self._short = struct.Struct(self._order + "H")
        self._length = struct.Struct(self._order + "I")

    def data_set(self, values: Mapping[str, Value], codec: str) -> bytes:
        rows = sorted((*_attribute(keyword), value) for keyword, value in values.items()
                      if keyword != "SpecificCharacterSet" or value)  # fmt: skip
        return b"".join([self._element(tag, vr, value, codec) for tag, vr, value in rows])

    def _element(self, tag: int, vr: str, value: Value, codec: str) -> bytes:
        raw = self._items(value, codec) if vr == "SQ" else self._raw(vr, value, codec)
        head = self._tag.pack(tag >> 16, tag & 0xFFFF)
        if not self._explicit:
            return head + self._length.pack(len(raw)) + raw
        if vr in _LONG:
            return head + vr.encode() + b"\0\0" + self._length.pack(len(raw)) + raw
        return head + vr[:2].encode() + self._short.pack(min(len(raw), 0xFFFF)) + raw

    def _raw(self, vr: str, value: Value, codec: str) -> bytes:
        if value is None or value == "":
            return b""
        values = value if isinstance(value, tuple) else (value,)
        if vr in _BINARY:
            numbers = [one for one in values if isinstance(one, int | float)]
            code = _BINARY[vr]
            whole = numbers if code in "fd" else [int(one) for one in numbers]
            return struct.pack(f"{self._order}{len(whole)}{code}", *whole)
        text = "\\".join(_text(one) for one in values)
        raw = text.encode(codec if vr in _TEXT else "ascii", "strict" if vr in _TEXT else "replace")
        return raw + (b"\0" if vr == "UI" else b" ") if len(raw) % 2 else raw

    def _items(self, value: Value, codec: str) -> bytes:
        items = value if isinstance(value, tuple) else ()
        parts = []
        for item in items:
            assert isinstance(item, Mapping)
            body = self.data_set(item, codec)
            parts.append(self._tag.pack(_ITEM >> 16, _ITEM & 0xFFFF))
            parts += (self._length.pack(len(body)), body)
        return b"".join(parts)


def _text(value: object) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.10g}"
    return str(value)


@lru_cache(maxsize=4096)
def _attribute(keyword: str) -> tuple[int, str]:
    found = attribute(keyword)
    return found.tag, found.vr


def decode(data: bytes, syntax: str) -> Header:
    """Return the attributes of a data set that came over the network, within the usual bounds.

    Raises
    ------
    NonConformantError, HostileInputError
        It cannot be read.
    """
    return read_header(_prefix(syntax) + data)


def file_prefix(syntax: str, sop_class_uid: str = "", sop_instance_uid: str = "") -> bytes:
    """Return preamble and File Meta Information (PS3.10 7.1) for a data set.

    It names nothing but what it must, so that the same instance from two senders is the same file.
    """
    body = _meta(0x0001, b"OB", b"\0\1")
    if sop_class_uid:
        body += _meta(0x0002, b"UI", _uid(sop_class_uid))
        body += _meta(0x0003, b"UI", _uid(sop_instance_uid))
    body += _meta(0x0010, b"UI", _uid(syntax))
    body += _meta(0x0012, b"UI", _uid(IMPLEMENTATION_CLASS_UID))
    return bytes(128) + b"DICM" + _meta(0x0000, b"UL", struct.pack("<I", len(body))) + body


_prefix = lru_cache(maxsize=64)(file_prefix)


def _meta(element: int, vr: bytes, value: bytes) -> bytes:
    head = struct.pack("<HH2s", 2, element, vr)
    length = struct.pack("<HI", 0, len(value)) if vr == b"OB" else struct.pack("<H", len(value))
    return head + length + value


def _uid(uid: str) -> bytes:
    raw = uid.encode("ascii", "replace")
    return raw + b"\0" * (len(raw) % 2)
