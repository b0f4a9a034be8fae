"""The walk over a data set: where each element lies, nothing decoded, within bounds (PS3.5 7)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from dicomlab.errors import HostileInputError, NonConformantError
from dicomlab.safety._bounds import Bounds
from dicomlab.standard import keyword_of, tag_text, vr_of

UNDEFINED: Final = 0xFFFFFFFF
ITEM_HEADER_BYTES: Final = 8
PIXEL_TAGS: Final = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
LONG_VRS: Final = {
    vr.encode(): vr
    for vr in ("OB", "OW", "OF", "SQ", "UT", "UN", "OD", "OL", "UC", "UR", "OV", "SV", "UV")
}
SHORT_VRS: Final = {
    vr.encode(): vr
    for vr in (
        "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL",
        "SS", "ST", "TM", "UI", "UL", "US",
    )
}  # fmt: skip

Element: TypeAlias = tuple[str, int, int]
"""VR, offset of the value field in the buffer, its length, or `UNDEFINED`."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How elements are written, with the unpackers that read them."""

    explicit: bool
    order: Literal["<", ">"]
    short: struct.Struct = field(init=False, repr=False, compare=False)
    long: struct.Struct = field(init=False, repr=False, compare=False)
    word: struct.Struct = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, form in (("short", "HH2sH"), ("long", "HHI"), ("word", "I")):
            object.__setattr__(self, name, struct.Struct(self.order + form))

    def __reduce__(self) -> tuple[type[Encoding], tuple[bool, str]]:
        # Unpackers cannot be pickled; headers travel to Dask workers with their volumes.
        return Encoding, (self.explicit, self.order)


IMPLICIT_LE: Final = Encoding(explicit=False, order="<")
EXPLICIT_LE: Final = Encoding(explicit=True, order="<")
EXPLICIT_BE: Final = Encoding(explicit=True, order=">")


class ShortOfBytesError(Exception):
    """The walk needs bytes that have not been read yet."""


class Budget:
    """How many elements may still be met."""

    __slots__ = ("bounds", "left")

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.left = bounds.elements

    def spend(self) -> None:
        """Count one element."""
        self.left -= 1
        if self.left < 0:
            raise self.spent()

    def spent(self) -> HostileInputError:
        """Return the error for more elements than may be."""
        limit = self.bounds.elements
        return HostileInputError(
            f"The data set holds more than {limit} elements. "
            "Raise Bounds.elements if this instance is to be trusted.",
            rule="elements",
            limit=limit,
            found=limit + 1,
        )


def too_deep(bounds: Bounds) -> HostileInputError:
    """Return the error for sequences nested deeper than may be."""
    return HostileInputError(
        f"Sequences are nested deeper than {bounds.depth}. "
        "Raise Bounds.depth if this instance is to be trusted.",
        rule="depth",
        limit=bounds.depth,
        found=bounds.depth + 1,
    )


@dataclass(frozen=True, slots=True)
class Ground:
    """What a walk goes over.

    Attributes
    ----------
    buffer
        The bytes at hand, from the start of the file.
    file_size
        How many there are in all.
    depth
        How many sequences enclose the data set.
    """

    buffer: bytes
    file_size: int
    budget: Budget
    depth: int = 0


def walk(
    ground: Ground,
    position: int,
    end: int,
    encoding: Encoding,
    *,
    stop_at_pixels: bool = False,
) -> tuple[dict[int, Element], int]:
    """Return where each element from `position` to `end` lies, and where the walk ended.

    It ends with the bytes, at a delimiter, or, with `stop_at_pixels`, after noting the pixel data,
    whose value may lie beyond the buffer. Of two elements with one tag the later counts.

    Raises
    ------
    ShortOfBytesError
        An element is not in the buffer with all its bytes.
    NonConformantError
        An element reaches beyond the end of the file.
    """
    if encoding.explicit:
        return _walk_explicit(ground, position, end, encoding, stop_at_pixels=stop_at_pixels)
    return _walk_implicit(ground, position, end, encoding, stop_at_pixels=stop_at_pixels)


def _walk_explicit(  # noqa: C901, PLR0912  the hot loop: calls would double its cost
    ground: Ground, position: int, end: int, encoding: Encoding, *, stop_at_pixels: bool
) -> tuple[dict[int, Element], int]:
    buffer, budget = ground.buffer, ground.budget
    unpack, word = encoding.short.unpack_from, encoding.word.unpack_from
    short_vr, long_vr = SHORT_VRS.get, LONG_VRS.get
    elements: dict[int, Element] = {}
    tag, value, length = 0, position, 0
    left, last = 0, end - 8
    for left in range(budget.left, 0, -1):
        if position > last:
            break
        group, number, code, length = unpack(buffer, position)
        tag = group << 16 | number
        vr = short_vr(code)
        if vr is not None:
            value = position + 8
        else:
            vr = long_vr(code)
            if vr is not None:
                value = position + 12
                if value > end:
                    raise ShortOfBytesError
                length = word(buffer, position + 8)[0]
            elif group == 0xFFFE:
                break
            else:
                vr, value, length = odd_element(buffer, position, encoding, tag)
            if stop_at_pixels and tag in PIXEL_TAGS:
                elements[tag] = (vr, value, length)
                return elements, value
            if length == UNDEFINED:
                budget.left = left
                elements[tag] = (_undefined_vr(vr), value, UNDEFINED)
                inner = IMPLICIT_LE if vr == "UN" else encoding
                position = skip_sequence(ground, value, end, inner)
                continue
            if vr == "UN" and not group & 1:
                vr = _known(tag)
        position = value + length
        elements[tag] = (vr, value, length)
    else:
        raise budget.spent()
    budget.left = left
    if position > end:
        raise _beyond(ground, tag, value, length)
    return elements, position


def _walk_implicit(
    ground: Ground, position: int, end: int, encoding: Encoding, *, stop_at_pixels: bool
) -> tuple[dict[int, Element], int]:
    buffer, budget = ground.buffer, ground.budget
    unpack = encoding.long.unpack_from
    elements: dict[int, Element] = {}
    tag, value, length = 0, position, 0
    left, last = 0, end - 8
    for left in range(budget.left, 0, -1):
        if position > last:
            break
        group, number, length = unpack(buffer, position)
        if group == 0xFFFE:
            break
        tag = group << 16 | number
        value = position + 8
        vr = implicit_vr(tag)
        if stop_at_pixels and tag in PIXEL_TAGS:
            elements[tag] = (vr, value, length)
            return elements, value
        if length == UNDEFINED:
            budget.left = left
            elements[tag] = ("SQ" if vr == "UN" else _undefined_vr(vr), value, UNDEFINED)
            position = skip_sequence(ground, value, end, encoding)
            continue
        position = value + length
        elements[tag] = (vr, value, length)
    else:
        raise budget.spent()
    budget.left = left
    if position > end:
        raise _beyond(ground, tag, value, length)
    return elements, position


def _beyond(
    ground: Ground, tag: int, value: int, length: int
) -> ShortOfBytesError | NonConformantError:
    """Return what it means that an element ends beyond the buffer."""
    if value + length <= ground.file_size:
        return ShortOfBytesError()
    name = keyword_of(tag) or "The element"
    left = max(ground.file_size - value, 0)
    return NonConformantError(
        f"{name} {tag_text(tag)} declares {length} bytes where {left} are left "
        "(PS3.5 7.1). The file was cut short or is damaged: copy or retrieve it again.",
        reason="truncated",
        tag=tag,
        reference="PS3.5 7.1",
    )


def _undefined_vr(vr: str) -> str:
    """Return the VR of an element that a delimiter ends: only fragments are no sequence (A.4)."""
    return vr if vr in ("UN", "OB", "OW") else "SQ"


@lru_cache(maxsize=8192)
def implicit_vr(tag: int) -> str:
    """Return the dictionary's VR, of a choice the one that holds without other attributes.

    ``US or SS`` is ``US`` here; Pixel Representation decides once the data set is known.
    """
    vr = vr_of(tag)
    if len(vr) == 2:
        return vr
    return "US" if vr == "US or SS" else "OW"


def _known(tag: int) -> str:
    """Return the dictionary's VR for a standard element of VR UN (PS3.5 6.2.2)."""
    vr = implicit_vr(tag)
    return "UN" if vr == "SQ" else vr


def odd_element(buffer: bytes, position: int, encoding: Encoding, tag: int) -> tuple[str, int, int]:
    """Return VR, offset and length of an element whose VR is none that we know.

    Two capital letters and two zero bytes are a VR of later editions, with a long header (PS3.5
    7.1.2). Other printable characters, such as two spaces, or two zero bytes stand for a VR that
    the writer did not know, with a short header, as DCMTK reads them. Anything else is an implicit
    element among explicit ones.
    """
    code = buffer[position + 4 : position + 6]
    if code.isalpha() and code.isupper() and buffer[position + 6 : position + 8] == b"\0\0":
        if position + 12 > len(buffer):
            raise ShortOfBytesError
        return "UN", position + 12, encoding.word.unpack_from(buffer, position + 8)[0]
    if code == b"\0\0" or all(0x20 <= byte < 0x7F for byte in code):
        return implicit_vr(tag), position + 8, encoding.short.unpack_from(buffer, position)[3]
    return implicit_vr(tag), position + 8, encoding.word.unpack_from(buffer, position + 4)[0]


def one_element(buffer: bytes, position: int, end: int, encoding: Encoding) -> tuple[int, Element]:
    """Return tag and place of the element at a position, for what is not walked in bulk."""
    if position + 8 > end:
        raise ShortOfBytesError
    if not encoding.explicit:
        group, number, length = encoding.long.unpack_from(buffer, position)
        tag = group << 16 | number
        return tag, (implicit_vr(tag), position + 8, length)
    group, number, code, length = encoding.short.unpack_from(buffer, position)
    tag = group << 16 | number
    if group == 0xFFFE:
        return tag, ("", position + 8, encoding.word.unpack_from(buffer, position + 4)[0])
    if code in SHORT_VRS:
        return tag, (SHORT_VRS[code], position + 8, length)
    if code in LONG_VRS:
        if position + 12 > end:
            raise ShortOfBytesError
        length = encoding.word.unpack_from(buffer, position + 8)[0]
        return tag, (LONG_VRS[code], position + 12, length)
    return tag, odd_element(buffer, position, encoding, tag)


def skip_sequence(ground: Ground, position: int, end: int, encoding: Encoding) -> int:
    """Return where a sequence of undefined length ends, after its delimiter (PS3.5 7.5.2)."""
    return _skip(ground, position, end, [(False, encoding)])


def skip_item(ground: Ground, position: int, end: int, encoding: Encoding) -> int:
    """Return where the content of an item of undefined length ends, before its delimiter."""
    return _skip(ground, position, end, [(True, encoding)])


def _skip(
    ground: Ground, position: int, end: int, levels: list[tuple[bool, Encoding]]
) -> int:  # fmt: skip
    """Skip what delimiters end, with a stack of its own: no nesting exhausts Python's."""
    buffer, budget = ground.buffer, ground.budget
    most = 2 * (budget.bounds.depth - ground.depth) + levels[0][0]
    while levels:
        budget.spend()
        in_item, encoding = levels[-1]
        if in_item:
            tag, (vr, value, length) = one_element(buffer, position, end, encoding)
            if tag == ITEM_END and len(levels) == 1:
                return position
            if tag >> 16 == 0xFFFE and tag != ITEM_END:
                raise _damaged(tag)
            inner = IMPLICIT_LE if encoding.explicit and vr == "UN" else encoding
        else:
            tag, length = item_header(buffer, position, end, encoding)
            value, inner = position + 8, encoding
        if tag in (ITEM_END, SEQUENCE_END):
            levels.pop()
            position = value
        elif length == UNDEFINED:
            levels.append((not in_item, inner))
            position = value
            if len(levels) > most:
                raise too_deep(budget.bounds)
        else:
            position = value + length
    return position


def item_header(buffer: bytes, position: int, end: int, encoding: Encoding) -> tuple[int, int]:
    """Return tag and length of an item or of the delimiter that ends its sequence (PS3.5 7.5)."""
    if position + 8 > end:
        raise ShortOfBytesError
    group, number, length = encoding.long.unpack_from(buffer, position)
    tag = group << 16 | number
    if tag not in (ITEM, SEQUENCE_END):
        raise _damaged(tag)
    return tag, length


def _damaged(tag: int) -> NonConformantError:
    return NonConformantError(
        f"{tag_text(tag)} stands where an item of a sequence, or its end, must be (PS3.5 7.5). "
        "The file is damaged: copy or retrieve it again.",
        reason="damaged-sequence",
        tag=tag,
        reference="PS3.5 7.5",
    )


def item_spans(
    ground: Ground, position: int, end: int, encoding: Encoding
) -> Iterator[tuple[int, int]]:
    """Yield start and stop of the content of each item of a sequence, up to its delimiter or `end`.

    Raises
    ------
    ShortOfBytesError
        The sequence ends beyond `end`.
    NonConformantError
        Something else stands where an item must begin.
    """
    while position + 8 <= end:
        tag, length = item_header(ground.buffer, position, end, encoding)
        if tag == SEQUENCE_END:
            return
        ground.budget.spend()
        start = position + ITEM_HEADER_BYTES
        if length == UNDEFINED:
            stop = skip_item(ground, start, end, encoding)
            position = stop + 8
        else:
            stop = position = start + length
        if position > end:
            raise ShortOfBytesError
        yield start, stop
