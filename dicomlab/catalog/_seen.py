"""What elements mean, kept for those that are written alike: most of a series are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeAlias, TypeVar

from dicomlab.safety import Header

_T = TypeVar("_T")
_Context: TypeAlias = tuple[tuple[str, ...], bool]
_Written: TypeAlias = tuple[int, str, bytes]

_LONGEST: Final = 64
_MOST: Final = 8192
_MOST_CONTEXTS: Final = 16


class Seen(Generic[_T]):
    """Results by what they were made from: tag, VR, bytes, character sets and order of bytes.

    Only what these say alone is kept: short values, no sequences. Any thread may ask.
    """

    def __init__(self) -> None:
        self._kept: dict[_Context, dict[_Written, _T]] = {}

    def each(self, header: Header, tags: Iterable[int], make: Callable[[int], _T]) -> list[_T]:
        """Return what elements of a header were made into, or make it."""
        kept = self._context(header)
        elements, buffer = header.elements, header.buffer
        results = []
        for tag in tags:
            vr, offset, length = elements[tag]
            if length > _LONGEST or vr in ("SQ", "UN"):
                results.append(make(tag))
                continue
            written = (tag, vr, buffer[offset : offset + length])
            result = kept.get(written)
            if result is None:
                if len(kept) >= _MOST:
                    kept.clear()
                result = kept[written] = make(tag)
            results.append(result)
        return results

    def _context(self, header: Header) -> dict[_Written, _T]:
        if len(self._kept) >= _MOST_CONTEXTS:
            self._kept.clear()
        return self._kept.setdefault((header.character_sets, header.is_little_endian), {})
