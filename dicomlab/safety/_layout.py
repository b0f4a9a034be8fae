"""Headers that are laid out alike, recognised as a whole instead of element by element.

The slices of a series differ in values, seldom in which elements there are and how long. A layout
is what the walk met once: where each element's tag, VR and length stand. A buffer with the very
same bytes in all those places would be walked to the very same elements, so it need not be.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from dicomlab.safety._bounds import Bounds
from dicomlab.safety._header import Header
from dicomlab.safety._walk import LONG_VRS, SHORT_VRS, UNDEFINED, Element
from dicomlab.standard import transfer_syntax

_START: Final = 132
_PREFIX: Final = slice(128, _START)
_PIXEL_DATA: Final = b"\xe0\x7f\x10\x00O"
_TRANSFER_SYNTAX: Final = 0x00020010
_SHORT_HEAD, _LONG_HEAD = 8, 12
_MOST: Final = 128
_MOST_ALIKE: Final = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout, from the first element of the meta information to the pixel data's length.

    Attributes
    ----------
    elements
        All before the pixel data; headers share them, nobody changes them.
    pixels
        Tag and place of the pixel data.
    places
        Reads what `written` is compared with: the bytes before each value, and the transfer syntax.
    """

    elements: dict[int, Element]
    pixels: tuple[int, Element]
    transfer_syntax_uid: str
    places: struct.Struct
    written: tuple[bytes, ...]


_known: dict[int, tuple[Layout, ...]] = {}
"""By where the pixel data begin."""
_met: set[int] = set()
"""Where pixel data began once: making a layout is worth its while from the second time on."""


def known_layout(buffer: bytes, bounds: Bounds) -> Layout | None:
    """Return the layout that the beginning of a file has, ``None`` for one that is new."""
    for layout in _known.get(buffer.find(_PIXEL_DATA, _START), ()):
        if (
            len(buffer) >= layout.places.size
            and layout.places.unpack_from(buffer) == layout.written
            and len(layout.elements) <= bounds.elements
        ):
            return layout
    return None


def remember_layout(buffer: bytes, header: Header) -> None:
    """Keep the layout of a header that the walk found nothing odd about.

    Only what is written explicit, little endian and without undefined lengths is plain to see, and
    never a data set that was inflated: its bytes are not those of the file.
    """
    place = buffer.find(_PIXEL_DATA, _START)
    location = header.pixel_data
    is_plain = header.is_explicit_le and not transfer_syntax(header.transfer_syntax_uid).is_deflated
    if location is None or place + _LONG_HEAD != location.offset or not is_plain:
        return
    if place not in _met:
        if len(_met) >= _MOST:
            _met.clear()
        _met.add(place)
        return
    length = UNDEFINED if location.length is None else location.length
    pixels = (location.tag, (location.vr, location.offset, length))
    places = _places(buffer, header.elements, location.offset)
    if places is None:
        return
    layout = Layout(
        header.elements,
        pixels,
        header.transfer_syntax_uid,
        places,
        places.unpack_from(buffer),
    )
    if place not in _known and len(_known) >= _MOST:
        _known.clear()
    _known[place] = (layout, *_known.get(place, ())[: _MOST_ALIKE - 1])


def _places(buffer: bytes, elements: dict[int, Element], end: int) -> struct.Struct | None:
    """Return what reads every byte that the walk looked at, ``None`` where that is not so plain."""
    starts = [_START]
    form = [f"<{_PREFIX.start}x{_START - _PREFIX.start}s"]
    for tag, (_vr, value, length) in elements.items():
        head = value - starts[-1]
        code = buffer[starts[-1] + 4 : starts[-1] + 6]
        if length == UNDEFINED or head != (_SHORT_HEAD if code in SHORT_VRS else _LONG_HEAD):
            return None
        if head == _LONG_HEAD and code not in LONG_VRS:
            return None
        kept = "s" if tag == _TRANSFER_SYNTAX else "x"
        form.append(f"{head}s{length}{kept}")
        starts.append(value + length)
    if starts[-1] + _LONG_HEAD != end or any(after <= before for before, after in pairwise(starts)):
        return None
    return struct.Struct("".join([*form, f"{_LONG_HEAD}s"]))
