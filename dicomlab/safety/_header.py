"""The header of an instance: its data set up to the pixel data, decoded when asked for."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from dicomlab.errors import NonConformantError
from dicomlab.safety._bounds import DEFAULT_BOUNDS, Bounds
from dicomlab.safety._text import decode_text, is_plain
from dicomlab.safety._values import FirstValues, not_a_number
from dicomlab.safety._walk import (
    EXPLICIT_LE,
    IMPLICIT_LE,
    ITEM_HEADER_BYTES,
    UNDEFINED,
    Budget,
    Element,
    Encoding,
    Ground,
    ShortOfBytesError,
    item_spans,
    too_deep,
    walk,
)
from dicomlab.standard import tag_of, vr_of

_BINARY: Final = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d",
    "UV": "Q", "SV": "q", "AT": "I", "OW": "H", "OL": "I", "OF": "f", "OD": "d", "OV": "Q",
}  # fmt: skip
_NUMBERS: Final = frozenset(("US", "SS", "UL", "SL", "FL", "FD", "UV", "SV", "AT"))
_ONE_VALUE: Final = frozenset(("LT", "ST", "UT", "UR"))
_LONGEST_KEPT: Final = 128
_ABSENT: Final[Element] = ("", 0, 0)
_CHARACTER_SET: Final = 0x00080005
_PIXEL_REPRESENTATION: Final = 0x00280103


@dataclass(frozen=True, slots=True)
class PixelDataLocation:
    """Where the pixel data element lies (PS3.5 8 and A.4).

    Attributes
    ----------
    tag, vr
        (7FE0,0010), or (7FE0,0008) and (7FE0,0009) for float pixels; OB, OW, OF or OD.
    offset
        Of the value field: in the file, or in the inflated data set where that was deflated.
    length
        In bytes, ``None`` for undefined length: fragments follow.
    """

    tag: int
    offset: int
    length: int | None
    vr: str = "OW"


Layouts: TypeAlias = dict[tuple[tuple[int, Element], ...], dict[int, Element]]
"""Element tables that several headers share, see `Header.share_layout`."""


class Header(FirstValues):
    """The attributes of one data set, decoded when asked for.

    Nested data sets are headers too. Values are named by keyword.

    Attributes
    ----------
    transfer_syntax_uid
        From the file meta information, or inferred where there is none.
    pixel_data
        Where the pixels lie, ``None`` for an object without them.
    findings
        What was tolerated on the way, as short codes: ``"no-preamble"``, ``"no-meta"``,
        ``"implicit-meta"``, ``"no-transfer-syntax"``, ``"transfer-syntax-contradicted"``,
        ``"trailing-bytes"``, ``"truncated-pixels"``, ``"foreign-preamble"``,
        ``"executable-preamble"``.
    buffer
        The bytes that the offsets of `elements` count from.
    elements
        By tag: VR, offset and length of the value field.
    bounds
        What the input may ask for.
    character_sets
        Specific Character Set (0008,0005) in force, empty for the default repertoire.
    depth
        How many sequences enclose the data set.
    """

    __slots__ = (
        "_encoding",
        "_is_plain",
        "bounds",
        "buffer",
        "character_sets",
        "depth",
        "elements",
        "findings",
        "pixel_data",
        "transfer_syntax_uid",
    )

    def __init__(
        self,
        buffer: bytes,
        elements: dict[int, Element],
        encoding: Encoding,
        transfer_syntax_uid: str,
        *,
        pixel_data: PixelDataLocation | None = None,
        findings: tuple[str, ...] = (),
        bounds: Bounds = DEFAULT_BOUNDS,
        parent: Header | None = None,
    ) -> None:
        self.buffer = buffer
        self.elements = elements
        self.transfer_syntax_uid = transfer_syntax_uid
        self.pixel_data = pixel_data
        self.findings = findings
        self.bounds = bounds
        self._encoding = encoding
        self.depth: int = 0 if parent is None else parent.depth + 1
        self._is_plain: bool = parent is None or parent._is_plain  # noqa: SLF001  our own kind
        self.character_sets: tuple[str, ...] = () if parent is None else parent.character_sets
        if _CHARACTER_SET in elements:
            self.character_sets = self.strings("SpecificCharacterSet")
            self._is_plain = is_plain(self.character_sets)
        if not encoding.explicit:
            self._choose_signed(parent)

    def _choose_signed(self, parent: Header | None) -> None:
        """Make SS of what the dictionary calls US or SS where pixels are signed (PS3.5 A.1)."""
        holder = self if _PIXEL_REPRESENTATION in self.elements or parent is None else parent
        if holder.binary(_PIXEL_REPRESENTATION)[:1] != (1,):
            return
        for tag, (vr, offset, length) in self.elements.items():
            if vr == "US" and vr_of(tag) == "US or SS":
                self.elements[tag] = ("SS", offset, length)

    def share_layout(self, known: Layouts) -> None:
        """Take an equal element table from `known` in place of an own copy, or put it there.

        The headers of a series are laid out alike: kept together, a few tables serve all of them,
        and a table is three quarters of what a header holds.
        """
        self.elements = known.setdefault(tuple(self.elements.items()), self.elements)

    def __contains__(self, keyword: str) -> bool:
        return tag_of(keyword) in self.elements

    @property
    def is_explicit_vr(self) -> bool:
        """Whether elements are written with their VR."""
        return self._encoding.explicit

    @property
    def is_little_endian(self) -> bool:
        """Whether binary values are little endian."""
        return self._encoding.order == "<"

    @property
    def is_explicit_le(self) -> bool:
        """Whether elements are written with their VR, little endian."""
        return self._encoding is EXPLICIT_LE

    def is_sequence(self, tag: int) -> bool:
        """Whether an element has items, be it of VR SQ or a sequence written as VR UN."""
        element = self.elements.get(tag)
        if element is None or element[0] not in ("SQ", "UN"):
            return False
        return element[0] == "SQ" or element[2] == UNDEFINED or vr_of(tag) == "SQ"

    def raw(self, tag: int) -> bytes | None:
        """Return a value field as it stands, ``None`` where absent or ended by a delimiter."""
        element = self.elements.get(tag)
        if element is None or element[2] == UNDEFINED:
            return None
        return self.buffer[element[1] : element[1] + element[2]]

    def text_of(self, tag: int) -> str:
        """Return the whole value field of a text element, ``""`` where absent or empty."""
        raw = self.raw(tag)
        return self._decoded(raw, self.elements[tag][0]).rstrip(" \0") if raw else ""

    def _decoded(self, raw: bytes, vr: str) -> str:
        if self._is_plain and raw.isascii():
            return raw.decode("ascii")
        return decode_text(raw, vr, self.character_sets)

    def binary(self, tag: int) -> tuple[float, ...]:
        """Return the values of a binary number or AT, ``()`` where absent; AT as 0xGGGGEEEE."""
        element = self.elements.get(tag)
        if element is None or element[2] in (0, UNDEFINED) or element[0] not in _BINARY:
            return ()
        vr, offset, length = element
        code = "H" if vr == "AT" else _BINARY[vr]
        count = length // struct.calcsize("=" + code)
        if vr == "AT":
            count -= count % 2
        values = struct.unpack_from(f"{self._encoding.order}{count}{code}", self.buffer, offset)
        if vr != "AT":
            return values
        return tuple(values[at] << 16 | values[at + 1] for at in range(0, count, 2))

    def strings(self, keyword: str) -> tuple[str, ...]:
        """Return the values of a text attribute, ``()`` where it is absent or empty.

        Leading and trailing spaces are gone where they are not significant (PS3.5 6.2); values of
        numeric VRs are given as text.
        """
        tag = tag_of(keyword)
        vr, offset, length = self.elements.get(tag, _ABSENT)
        if length in (0, UNDEFINED):
            return ()
        if vr in _NUMBERS:
            return tuple(f"{value:g}" if vr in ("FL", "FD") else str(value)
                         for value in self.binary(tag))  # fmt: skip
        raw = self.buffer[offset : offset + length]
        text = self._decoded(raw, vr)
        if vr in _ONE_VALUE:
            text = text.rstrip(" \0")
            return (text,) if text else ()
        if "\\" not in text:
            text = text.strip(" \0")
            return (text,) if text else ()
        values = tuple([value.strip(" \0") for value in text.split("\\")])
        return values if any(values) else ()

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Return the values of a numeric attribute as floats, ``()`` where absent or empty.

        Raises
        ------
        NonConformantError
            A Decimal or Integer String is no number (PS3.5 6.2).
        """
        tag = tag_of(keyword)
        element = self.elements.get(tag)
        if element is None or element[2] in (0, UNDEFINED):
            return ()
        if element[0] in _BINARY:
            return tuple(map(float, self.binary(tag)))
        vr, offset, length = element
        raw = self.buffer[offset : offset + length]
        try:
            return _written_numbers(raw) if length <= _LONGEST_KEPT else _parsed_numbers(raw)
        except ValueError:
            raise not_a_number(keyword, f"of VR {vr} holds what is no number") from None

    def items(self, keyword: str) -> tuple[Header, ...]:
        """Return the items of a sequence, ``()`` where it is absent or empty (PS3.5 7.5)."""
        return tuple(self.items_of(tag_of(keyword)))

    def items_of(self, tag: int) -> Iterator[Header]:
        """Yield the items of an element as headers; nothing where it is no sequence.

        Raises
        ------
        NonConformantError
            The sequence is damaged.
        HostileInputError
            It breaks a bound.
        """
        for _offset, item in self.placed_items(tag):
            yield item

    def placed_items(self, tag: int) -> Iterator[tuple[int, Header]]:
        """Yield the items as `items_of` does, each with the offset of its item tag in `buffer`."""
        if not self.is_sequence(tag):
            return
        vr, offset, length = self.elements[tag]
        # PS3.5 6.2.2 note: a sequence of VR UN is Implicit VR Little Endian inside.
        encoding = IMPLICIT_LE if vr == "UN" else self._encoding
        end = len(self.buffer) if length == UNDEFINED else offset + length
        if self.depth >= self.bounds.depth:
            raise too_deep(self.bounds)
        ground = Ground(self.buffer, len(self.buffer), Budget(self.bounds), self.depth + 1)
        try:
            if end - offset > ITEM_HEADER_BYTES * self.bounds.elements:
                # So long that it may hold too many: they are counted before any is made.
                count = Ground(self.buffer, len(self.buffer), Budget(self.bounds), self.depth + 1)
                deque(item_spans(count, offset, end, encoding), maxlen=0)
            for start, stop in item_spans(ground, offset, end, encoding):
                elements, _stop = walk(ground, start, stop, encoding)
                item = Header(
                    self.buffer,
                    elements,
                    encoding,
                    self.transfer_syntax_uid,
                    bounds=self.bounds,
                    parent=self,
                )
                yield start - ITEM_HEADER_BYTES, item
        except ShortOfBytesError:
            raise truncated(tag) from None


def _parsed_numbers(raw: bytes) -> tuple[float, ...]:
    """Return the values of a Decimal or Integer String (PS3.5 6.2)."""
    raw = raw.strip(b" \0")
    return tuple(map(float, raw.split(b"\\"))) if raw.strip(b"\\ ") else ()


_written_numbers = lru_cache(maxsize=4096)(_parsed_numbers)
"""The same, for short ones: the slices of a series write most numbers alike."""


def truncated(tag: int | None = None) -> NonConformantError:
    """Return the error for a data set that breaks off."""
    return NonConformantError(
        "The data set breaks off within an element (PS3.5 7.1). "
        "The file was cut short or is damaged: copy or retrieve it again.",
        reason="truncated",
        tag=tag,
        reference="PS3.5 7.1",
    )
