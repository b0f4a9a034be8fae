"""What a refused file holds, shown without trusting it: its elements as far as they can be walked.

`read_header` refuses a file whole; this goes as far as it can and says where it stopped and why.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from html import escape
from typing import Final

from dicomlab.safety._bounds import DEFAULT_BOUNDS, Bounds
from dicomlab.safety._bytes import ByteSource, MemoryBytes
from dicomlab.safety._file import meta_encoding, shown_encoding
from dicomlab.safety._text import decode_text, printable
from dicomlab.safety._walk import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    ITEM,
    ITEM_END,
    PIXEL_TAGS,
    SEQUENCE_END,
    UNDEFINED,
    Encoding,
    ShortOfBytesError,
    one_element,
)
from dicomlab.standard import keyword_of, tag_text, transfer_syntax

_CHARACTER_SET: Final = 0x00080005
_TRANSFER_SYNTAX: Final = 0x00020010
_PREVIEW_BYTES: Final = 256
_PREVIEW_SIGNS: Final = 64
_PREVIEW_NUMBERS: Final = 8
_WINDOW: Final = 1 << 16
_INFLATED: Final = 64 << 20
"""A listing needs no more of a deflated data set than this."""
_IN_PART: Final = "What is deflated is shown no further: it is longer than a listing needs."
_NUMBERS: Final = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q",
}  # fmt: skip
_BYTES: Final = frozenset(("OB", "OW", "OF", "OD", "OL", "OV", "UN", "SQ"))


@dataclass(frozen=True, slots=True)
class ListedElement:
    """One element as it is written; nothing of it steers a terminal.

    Attributes
    ----------
    depth
        How many sequences enclose it.
    offset
        Where it begins: in the file, or in the inflated data set where that was deflated.
    keyword
        Of the dictionary; empty for a private or unknown tag.
    vr, length
        As written; ``None`` for an undefined length.
    value
        The beginning of its value; signs that are not printed stand as escapes.
    """

    depth: int
    offset: int
    tag: int
    keyword: str
    vr: str
    length: int | None
    value: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The elements of a file in their order, as far as they could be walked.

    Attributes
    ----------
    stop
        Where the walk ended.
    reason
        Why, as a code: ``"end"`` and ``"pixel-data"`` are good ends.
    message
        The same in a sentence.
    """

    elements: tuple[ListedElement, ...]
    stop: int
    reason: str
    message: str

    def to_dict(self) -> dict[str, object]:
        """Return the listing for machines."""
        return {
            "stop": self.stop,
            "reason": self.reason,
            "message": self.message,
            "elements": [
                {
                    "depth": one.depth,
                    "offset": one.offset,
                    "tag": f"{one.tag:08X}",
                    "keyword": one.keyword,
                    "vr": one.vr,
                    "length": one.length,
                    "value": one.value,
                }
                for one in self.elements
            ],
        }

    def __str__(self) -> str:
        lines = [
            f"{one.offset:8d}  {'  ' * one.depth}{tag_text(one.tag)} {one.vr:2} "
            f"{_length(one):>6}  {one.keyword or '?'}  {one.value}".rstrip()
            for one in self.elements
        ]
        return "\n".join([*lines, f"Stopped at byte {self.stop}: {self.message}"])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{one.offset}</td><td>{'&nbsp;&nbsp;' * one.depth}{tag_text(one.tag)}</td>"
            f"<td>{escape(one.vr)}</td><td>{_length(one)}</td><td>{escape(one.keyword)}</td>"
            f"<td><code>{escape(one.value)}</code></td></tr>"
            for one in self.elements
        )
        head = "".join(
            f"<th>{name}</th>" for name in ("offset", "tag", "VR", "length", "keyword", "value")
        )
        end = escape(f"Stopped at byte {self.stop}: {self.message}")
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><p>{end}</p>"


def _length(one: ListedElement) -> str:
    return "undef." if one.length is None else str(one.length)


def list_elements(
    source: ByteSource | bytes, *, bounds: Bounds = DEFAULT_BOUNDS, limit: int = 10_000
) -> Listing:
    """List the elements of a file that may be anything; nothing in it makes this fail.

    Parameters
    ----------
    source
        The file's bytes, by range.
    bounds
        How deep it may be nested, and how far a deflated data set is inflated (64 MiB at most).
    limit
        How many elements and items are listed at the most.
    """
    if isinstance(source, bytes):
        source = MemoryBytes(source)
    lister = _Lister(source, bounds, limit)
    try:
        lister.walk()
    except _StopError as stop:
        if lister.is_inflated_in_part and stop.reason == "truncated":
            stop = _StopError(stop.offset, "inflated_bytes", _IN_PART)
        return Listing(tuple(lister.found), stop.offset, stop.reason, str(stop))
    return Listing(tuple(lister.found), source.size, "end", "This is the end of the data set.")


class _StopError(Exception):
    """The walk goes no further."""

    def __init__(self, offset: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.offset = offset
        self.reason = reason


@dataclass(slots=True)
class _Level:
    """A data set, or a sequence of items or fragments, that the walk is in.

    Attributes
    ----------
    end
        Where it ends, ``None`` where a delimiter ends it.
    """

    kind: str
    end: int | None
    encoding: Encoding
    character_sets: tuple[str, ...]
    depth: int


class _Lister:
    """One walk, with a stack of its own: no nesting exhausts Python's."""

    def __init__(self, source: ByteSource, bounds: Bounds, limit: int) -> None:
        self.found: list[ListedElement] = []
        self.is_inflated_in_part = False
        self._source = source
        self._bounds = bounds
        self._limit = limit
        self._window = b""
        self._window_start = 0

    def walk(self) -> None:
        """Walk to the end, or until `_StopError`."""
        position, syntax_uid = self._meta()
        syntax = transfer_syntax(syntax_uid)
        if syntax.is_deflated:
            self._inflate(position)
        claimed = IMPLICIT_LE
        if syntax.is_explicit_vr:
            claimed = EXPLICIT_LE if syntax.is_little_endian else EXPLICIT_BE
        encoding = shown_encoding(self._at(position, 8), 0) or claimed
        stack = [_Level("data set", self._source.size, encoding, (), 0)]
        while stack:
            level = stack[-1]
            if level.end is not None and position >= level.end:
                if position > level.end:
                    raise _StopError(
                        position, "damaged-sequence",
                        "An element reaches beyond the sequence or item that holds it.",
                    )  # fmt: skip
                stack.pop()
            elif level.kind in ("items", "fragments"):
                position = self._item(position, stack)
            else:
                position = self._element(position, stack)

    def _at(self, offset: int, size: int) -> bytes:
        """Return a few bytes, read with many behind them."""
        start = offset - self._window_start
        if start < 0 or start + size > len(self._window):
            self._window = self._source.read_at(offset, max(size, _WINDOW))
            self._window_start, start = offset, 0
        return self._window[start : start + size]

    def _meta(self) -> tuple[int, str]:
        """List the file meta information; return where the data set begins, and its syntax."""
        start = 132 if self._at(128, 4) == b"DICM" else 4 if self._at(0, 4) == b"DICM" else 0
        encoding = meta_encoding(self._at(start, 8), 0)
        if encoding is None and start == 132 and shown_encoding(self._at(0, 8), 0):
            start = 0  # the four letters stand there by chance
            encoding = meta_encoding(self._at(0, 8), 0)
        if encoding is None:
            shown = shown_encoding(self._at(start, 8), 0)
            if shown is None:
                raise _StopError(
                    start, "not-dicom", "There is neither meta information nor a data set here."
                )
            return start, {
                IMPLICIT_LE: "1.2.840.10008.1.2", EXPLICIT_BE: "1.2.840.10008.1.2.2",
            }.get(shown, "1.2.840.10008.1.2.1")  # fmt: skip
        level = _Level("data set", None, encoding, (), 0)
        position = start
        uid = ""
        while self._at(position, 2) == b"\2\0":
            position = self._element(position, [level])
            if self.found[-1].tag == _TRANSFER_SYNTAX:
                uid = self.found[-1].value
        return position, uid or "1.2.840.10008.1.2"

    def _inflate(self, position: int) -> None:
        """Put the inflated data set in the place of the deflated, as far as it can be had."""
        limit = min(self._bounds.inflated(self._source.size - position), _INFLATED)
        inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        data = bytearray(self._source.read_at(0, position))
        offset = position
        while not inflater.eof and len(data) <= limit:
            block = inflater.unconsumed_tail or self._source.read_at(offset, _WINDOW)
            if not block:
                break
            offset += 0 if inflater.unconsumed_tail else len(block)
            try:
                data += inflater.decompress(block, _WINDOW)
            except zlib.error:  # what came before the damage is shown; it ends as cut off
                break
        self.is_inflated_in_part = len(data) > limit
        self._source = MemoryBytes(bytes(data))
        self._window = b""
        self._window_start = 0

    def _head(self, position: int, encoding: Encoding) -> tuple[int, str, int, int]:
        """Return tag, VR, offset of the value and length of what is at a position."""
        head = self._at(position, 12)
        try:
            tag, (vr, value, length) = one_element(head, 0, len(head), encoding)
        except ShortOfBytesError:
            raise self._cut_off(position) from None
        return tag, vr, position + value, length

    def _cut_off(self, position: int) -> _StopError:
        left = max(self._source.size - position, 0)
        return _StopError(
            position, "truncated", f"The head of an element breaks off: {left} bytes are left."
        )

    def _note(self, one: ListedElement) -> None:
        if len(self.found) >= self._limit:
            raise _StopError(
                one.offset, "elements", f"{self._limit} elements are listed, and there are more."
            )
        self.found.append(one)

    def _element(self, position: int, stack: list[_Level]) -> int:
        level = stack[-1]
        tag, vr, value, length = self._head(position, level.encoding)
        if tag == ITEM_END and level.end is None and len(stack) > 1:
            stack.pop()
            return position + 8
        if tag >> 16 == 0xFFFE:
            raise _StopError(
                position, "damaged-sequence", f"{tag_text(tag)} stands where an element must be."
            )
        if tag == 0 and level.depth == 0:
            raise _StopError(
                position, "trailing-bytes", "Bytes that are no elements follow the data set."
            )
        listed = ListedElement(
            level.depth, position, tag, keyword_of(tag) or "", printable(vr),
            None if length == UNDEFINED else length, "",
        )  # fmt: skip
        is_undefined = length == UNDEFINED
        is_sequence = vr == "SQ" or (is_undefined and vr not in ("OB", "OW"))
        if is_undefined or is_sequence:
            self._note(listed)
            self._stop_at_pixels(tag, value, level)
            self._enter(position, value, level, stack, vr, None if is_undefined else value + length)
            return value
        there = min(length, max(self._source.size - value, 0))
        self._note(replace(listed, value=self._preview(vr, value, there, level)))
        if there < length:
            raise _StopError(
                position, "truncated",
                f"{keyword_of(tag) or 'The element'} {tag_text(tag)} declares {length} bytes "
                f"where {there} are left.",
            )  # fmt: skip
        self._stop_at_pixels(tag, value, level)
        if tag == _CHARACTER_SET:
            level.character_sets = tuple(one.strip() for one in self.found[-1].value.split("\\"))
        return value + length

    def _stop_at_pixels(self, tag: int, value: int, level: _Level) -> None:
        if tag in PIXEL_TAGS and level.depth == 0:
            raise _StopError(value, "pixel-data", "Here the pixel data begins.")

    def _enter(
        self, position: int, value: int, level: _Level, stack: list[_Level], vr: str,
        end: int | None,
    ) -> None:  # fmt: skip
        """Go into a sequence."""
        if level.depth >= self._bounds.depth:
            raise _StopError(
                position, "depth", f"Sequences are nested deeper than {self._bounds.depth}."
            )
        if end is not None and end > self._source.size:
            raise _StopError(
                position, "truncated",
                f"The sequence declares {end - value} bytes where {self._source.size - value} are "
                "left.",
            )  # fmt: skip
        kind = "fragments" if vr in ("OB", "OW") else "items"
        encoding = IMPLICIT_LE if vr == "UN" else level.encoding
        stack.append(_Level(kind, end, encoding, level.character_sets, level.depth + 1))

    def _item(self, position: int, stack: list[_Level]) -> int:
        level = stack[-1]
        head = self._at(position, 8)
        if len(head) < 8:
            raise self._cut_off(position)
        group, number, length = level.encoding.long.unpack(head)
        tag = group << 16 | number
        if tag == SEQUENCE_END:
            stack.pop()
            return position + 8
        if tag != ITEM:
            raise _StopError(
                position, "damaged-sequence",
                f"{tag_text(tag)} stands where an item, or the end of its sequence, must be.",
            )  # fmt: skip
        shown = None if length == UNDEFINED else length
        self._note(ListedElement(level.depth - 1, position, tag, "Item", "", shown, ""))
        if shown is not None and position + 8 + shown > self._source.size:
            raise _StopError(
                position, "truncated",
                f"The item declares {shown} bytes where {self._source.size - position - 8} "
                "are left.",
            )  # fmt: skip
        if level.kind == "fragments":
            return position + 8 + (shown or 0)
        end = None if shown is None else position + 8 + shown
        stack.append(replace(level, kind="data set", end=end))
        return position + 8

    def _preview(self, vr: str, offset: int, length: int, level: _Level) -> str:
        """Return the beginning of a value in signs that are safe to show."""
        size = min(length, _PREVIEW_BYTES)
        raw = self._at(offset, size)
        order = level.encoding.order
        if vr in _NUMBERS or vr == "AT":
            code = _NUMBERS.get(vr, "HH")
            each = struct.calcsize("=" + code)
            count = min(len(raw) // each, _PREVIEW_NUMBERS)
            values = [struct.unpack_from(order + code, raw, at * each) for at in range(count)]
            texts = [
                tag_text(one[0] << 16 | one[1]) if vr == "AT" else f"{one[0]:g}"
                if vr in ("FL", "FD") else str(one[0]) for one in values
            ]  # fmt: skip
            return "\\".join(texts) + ("…" if length // each > count else "")
        if vr in _BYTES or not vr.isalpha():
            return raw[:16].hex(" ") + (" …" if length > 16 else "")
        is_cut = length > size
        for _ in range(3):  # half a sign of UTF-8
            raw = raw[:-1] if is_cut and raw[-1:] >= b"\x80" else raw
        text = printable(decode_text(raw, vr, level.character_sets).strip(" \0"))
        return text[:_PREVIEW_SIGNS] + ("…" if is_cut or len(text) > _PREVIEW_SIGNS else "")
