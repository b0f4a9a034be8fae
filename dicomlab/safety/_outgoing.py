"""Instances on their way out: nobody is handed a program in a preamble (CVE-2019-11687)."""

from __future__ import annotations

from functools import cached_property

from dicomlab.safety._bytes import ByteSource
from dicomlab.safety._file import meta_encoding, shown_encoding
from dicomlab.safety._preamble import preamble_finding

_PREAMBLE = 128
_PREFIX_END = 132


class Outgoing:
    """The bytes of an instance as they are handed on: as stored, with a preamble that is harmless.

    A preamble that is neither zeros nor the start of a TIFF (PS3.10 7.1) becomes zeros; everything
    else, and the length, stays.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self.size = source.size

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end."""
        data = self._source.read_at(offset, size)
        if offset >= _PREAMBLE or not self._is_foreign:
            return data
        zeros = min(len(data), _PREAMBLE - offset)
        return bytes(zeros) + data[zeros:]

    @cached_property
    def _is_foreign(self) -> bool:
        head = self._source.read_at(0, _PREFIX_END + 8)
        if head[_PREAMBLE:_PREFIX_END] != b"DICM":
            return False
        # A data set without preamble may hold the four letters at this place by chance.
        is_preamble = meta_encoding(head, _PREFIX_END) is not None or not shown_encoding(head, 0)
        return is_preamble and preamble_finding(head[:_PREAMBLE]) is not None
