"""Where a stored instance's data set begins, and what it is (PS3.10 7.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from dicomlab.catalog import data_set_start
from dicomlab.safety import ByteSource, read_header

_FIRST_READ: Final = 2048
_PREAMBLE: Final = 132
_SHORT: Final = struct.Struct("<HH2sH")
_LONG: Final = struct.Struct("<I")
_LONG_VRS: Final = frozenset((b"OB", b"OW", b"SQ", b"UN", b"UT", b"OF", b"OD", b"OL", b"UC", b"UR"))


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """An instance that can be sent.

    Attributes
    ----------
    start
        Where its data set begins in `source`.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    source: ByteSource
    start: int


def stored_instance(source: ByteSource) -> StoredInstance:
    """Return what a stored file is, from its File Meta Information; from its header without one.

    Raises
    ------
    NonConformantError, HostileInputError
        It cannot be read.
    """
    start, meta = _meta(source.read_at(0, _FIRST_READ))
    if start is not None and {0x0002, 0x0003, 0x0010} <= meta.keys():
        return StoredInstance(meta[0x0002], meta[0x0003], meta[0x0010], source, start)
    header = read_header(source)
    return StoredInstance(
        header.string("SOPClassUID") or "",
        header.string("SOPInstanceUID") or "",
        header.transfer_syntax_uid,
        source,
        data_set_start(header, source) if start is None else start,
    )


def _meta(data: bytes) -> tuple[int | None, dict[int, str]]:
    """Return where the data set begins, ``None`` where that cannot be told, and the meta's UIDs."""
    found: dict[int, str] = {}
    if data[128:_PREAMBLE] != b"DICM":
        return None, found
    at = _PREAMBLE
    while at + 8 <= len(data):
        group, element, vr, length = _SHORT.unpack_from(data, at)
        if group != 0x0002:
            return at, found
        at += 8
        if vr in _LONG_VRS:
            if at + 4 > len(data):
                break
            (length,) = _LONG.unpack_from(data, at)
            at += 4
        if vr == b"UI":
            found[element] = data[at : at + length].decode("ascii", "replace").rstrip(" \0")
        at += length
    return None, found
