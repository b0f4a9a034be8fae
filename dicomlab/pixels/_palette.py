"""The colours of PALETTE COLOR objects, plain or in segments (PS3.3 C.7.6.3.1.5, C.7.9.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import NonConformantError
from dicomlab.pixels._voi import LookupTable, lookup_table
from dicomlab.safety import Attributes
from dicomlab.standard import tag_of, tag_text

_COLOURS = ("Red", "Green", "Blue")
_MOST_ENTRIES = 65536


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """What stored values look like.

    Attributes
    ----------
    red, green, blue
        One table a colour; a value beyond their ends takes the colour at the end.
    """

    red: LookupTable
    green: LookupTable
    blue: LookupTable

    def apply(self, stored: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Return the colours of stored values, shape (…, 3), 8 bits each."""
        shades = [
            np.rint(table.entries * (255 / ((1 << table.bits) - 1))).astype(np.uint8)
            for table in (self.red, self.green, self.blue)
        ]
        picture = np.empty((*stored.shape, 3), np.uint8)
        for place, table in enumerate((self.red, self.green, self.blue)):
            index = stored.astype(np.int64) - table.first
            np.clip(index, 0, len(table.entries) - 1, out=index)
            picture[..., place] = shades[place][index]
        return picture


def read_palette(attributes: Attributes, *, is_signed: bool = False) -> Palette | None:
    """Return the palette of a data set, ``None`` where it has none that is whole.

    Parameters
    ----------
    is_signed
        Whether stored values are: the first mapped value then is too.

    Raises
    ------
    NonConformantError
        Segmented tables cannot be followed.
    """
    tables = [_table(attributes, colour, is_signed=is_signed) for colour in _COLOURS]
    red, green, blue = tables
    return None if red is None or green is None or blue is None else Palette(red, green, blue)


def _table(attributes: Attributes, colour: str, *, is_signed: bool) -> LookupTable | None:
    plain = lookup_table(attributes, f"{colour}PaletteColorLookupTable", is_signed=is_signed)
    keyword = f"Segmented{colour}PaletteColorLookupTableData"
    words = attributes.numbers(keyword) if plain is None else ()
    descriptor = attributes.numbers(f"{colour}PaletteColorLookupTableDescriptor")
    if plain is not None or not words or len(descriptor) != 3:
        return plain
    bits = int(descriptor[2])
    values = np.array(words, dtype=np.int64) & 0xFFFF
    if bits == 8:
        # Segments of 8-bit entries are of bytes, two in a word.
        values = np.stack((values & 0xFF, values >> 8), axis=1).reshape(-1)
    count = int(descriptor[0]) & 0xFFFF or _MOST_ENTRIES
    try:
        entries = _expanded(values.tolist(), 1 if bits == 8 else 2)
    except (IndexError, RecursionError) as error:
        raise _damaged(keyword, "its segments lead nowhere") from error
    if len(entries) < count:
        raise _damaged(keyword, f"its segments hold {len(entries)} entries of {count}")
    first = int(descriptor[1])
    if is_signed and first > 0x7FFF:
        first -= 0x10000
    return LookupTable(first, np.array(entries[:count], dtype=np.uint16), bits)


def _expanded(words: Sequence[int], word_bytes: int) -> list[int]:
    """Return the entries that discrete, linear and indirect segments stand for (C.7.9.2)."""
    entries: list[int] = []
    place = 0
    while place < len(words) and len(entries) <= _MOST_ENTRIES:
        if place == len(words) - 1 and words[place] == 0:
            break  # padding
        place = _segment(words, place, entries, word_bytes, is_indirect=False)
    return entries


def _segment(
    words: Sequence[int], place: int, entries: list[int], word_bytes: int, *, is_indirect: bool
) -> int:
    """Add the entries of one segment, and return where the next begins."""
    kind, length = words[place], words[place + 1]
    if kind == 0:
        if place + 2 + length > len(words):
            raise IndexError
        entries.extend(words[place + 2 : place + 2 + length])
        return place + 2 + length
    if kind == 1:
        last, end = entries[-1], words[place + 2]
        entries.extend(round(last + (end - last) * step / length) for step in range(1, length + 1))
        return place + 3
    if kind != 2 or is_indirect:
        raise IndexError
    # A byte offset, its lower half first; segments that are pointed at point no further.
    target = (words[place + 2] | words[place + 3] << 8 * word_bytes) // word_bytes
    for _ in range(length):
        target = _segment(words, target, entries, word_bytes, is_indirect=True)
    return place + 4


def _damaged(keyword: str, why: str) -> NonConformantError:
    tag = tag_of(keyword)
    return NonConformantError(
        f"{keyword} {tag_text(tag)} cannot be expanded: {why} (PS3.3 C.7.9.2). Correct the "
        "instance at its source.",
        reason="bad-palette",
        tag=tag,
        reference="PS3.3 C.7.9.2",
    )
