"""A data set written again in another encoding, value by value, nothing interpreted (PS3.5 7)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from dicomlab.errors import UnsupportedError
from dicomlab.pixels._decode import decode_frame
from dicomlab.pixels._description import FrameDescription
from dicomlab.pixels._frames import index_frames
from dicomlab.pixels._native import encode_native
from dicomlab.safety import Header, MemoryBytes, PixelDataLocation
from dicomlab.standard import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    TransferSyntax,
    transfer_syntax,
)

Changes: TypeAlias = Mapping[int, "tuple[str, bytes | Sequence[Header | Changes]] | None"]
"""Tag to VR and value: bytes, little endian, or items; ``None`` leaves an element out."""

_UNITS: Final = {
    **dict.fromkeys(("US", "SS", "OW", "AT"), 2),
    **dict.fromkeys(("UL", "SL", "FL", "OL", "OF"), 4),
    **dict.fromkeys(("FD", "OD", "SV", "UV", "OV"), 8),
}
_BINARY: Final = frozenset((*_UNITS, "OB", "UN", "UI", "SQ"))
_LONG: Final = frozenset(
    ("OB", "OW", "OF", "SQ", "UT", "UN", "OD", "OL", "UC", "UR", "OV", "SV", "UV")
)
_LONGEST_SHORT: Final = 0xFFFE
_PIXEL_DATA: Final = 0x7FE00010
_NESTED_PIXELS: Final = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
_KEPT_META: Final = (0x00020016, 0x00020017, 0x00020018, 0x00020100, 0x00020102)


class DataSetWriter:
    """Writes data sets in the encoding of a transfer syntax.

    Items get a defined length, group lengths are left out (PS3.5 7.2). Pixel data within sequences,
    which are icons, become native: their coding belongs to the transfer syntax that is left.
    """

    def __init__(self, syntax: TransferSyntax, source_uid: str) -> None:
        self._explicit = syntax.is_explicit_vr
        self._order = "<" if syntax.is_little_endian else ">"
        self._source_uid = source_uid

    def data_set(self, header: Header, changes: Changes) -> bytes:
        """Return a data set with some of its elements changed."""
        written: dict[int, bytes] = {}
        for tag in header.elements:
            is_left_out = tag >> 16 == 2 or tag & 0xFFFF == 0
            if not is_left_out and tag not in changes:
                written[tag] = self._element(header, tag)
        written |= self._changed(changes)
        return b"".join(written[tag] for tag in sorted(written))

    def _changed(self, changes: Changes) -> dict[int, bytes]:
        written = {}
        for tag, change in changes.items():
            if change is not None:
                vr, value = change
                if isinstance(value, bytes):
                    written[tag] = self.element(tag, vr, value)
                else:
                    written[tag] = self._items(tag, value)
        return written

    def element(self, tag: int, vr: str, value: bytes, *, is_little_endian: bool = True) -> bytes:
        """Return one element of a value in either byte order."""
        unit = _UNITS.get(vr, 1)
        if unit > 1 and is_little_endian != (self._order == "<"):
            whole = len(value) // unit * unit
            value = np.frombuffer(value[:whole], f"u{unit}").byteswap().tobytes()
        if len(value) % 2:
            value += b"\0" if vr in _BINARY else b" "
        return self.head(tag, vr, len(value)) + value

    def head(self, tag: int, vr: str, length: int) -> bytes:
        """Return what stands before a value."""
        order = self._order
        if not self._explicit:
            return struct.pack(order + "HHI", tag >> 16, tag & 0xFFFF, length)
        if vr not in _LONG and length > _LONGEST_SHORT:
            vr = "OW" if vr in ("US", "SS") else "UN"  # PS3.5 6.2.2
        name = vr.encode("ascii")
        if vr in _LONG:
            return struct.pack(order + "HH2sHI", tag >> 16, tag & 0xFFFF, name, 0, length)
        return struct.pack(order + "HH2sH", tag >> 16, tag & 0xFFFF, name, length)

    def _element(self, header: Header, tag: int) -> bytes:
        vr, offset, length = header.elements[tag]
        raw = header.raw(tag)
        if not header.is_sequence(tag):
            if raw is None:
                return self._nested_pixels(header, tag, offset)
            return self.element(tag, vr, raw, is_little_endian=header.is_little_endian)
        is_alike = (
            header.is_explicit_vr == self._explicit
            and header.is_little_endian == (self._order == "<")
            and raw is not None
            and not any(pixels in raw for pixels in _NESTED_PIXELS)
        )
        if raw is not None and is_alike:
            return self.head(tag, vr, length) + raw
        return self._items(tag, header.items_of(tag))

    def _items(self, tag: int, items: Iterable[Header | Changes]) -> bytes:
        written = []
        for item in items:
            if isinstance(item, Header):
                data = self.data_set(item, {})
            else:
                data = b"".join(value for _, value in sorted(self._changed(item).items()))
            written.append(struct.pack(self._order + "HHI", 0xFFFE, 0xE000, len(data)) + data)
        value = b"".join(written)
        return self.head(tag, "SQ", len(value)) + value

    def _nested_pixels(self, header: Header, tag: int, offset: int) -> bytes:
        if tag != _PIXEL_DATA or not transfer_syntax(self._source_uid).is_encapsulated:
            raise UnsupportedError(
                "An element other than Pixel Data has undefined length and is no sequence."
            )
        description = FrameDescription.from_attributes(header, self._source_uid)
        source = MemoryBytes(header.buffer)
        index = index_frames(source, PixelDataLocation(tag, offset, None, "OB"), description)
        frames = b"".join(
            encode_native(
                decode_frame(index.read(source, number), description),
                bits_allocated=description.bits_allocated,
            )
            for number in range(len(index))
        )
        return self.element(tag, "OW" if description.bits_allocated > 8 else "OB", frames)


def file_meta(header: Header, transfer_syntax_uid: str, sop_instance_uid: str) -> bytes:
    """Return preamble and File Meta Information of a file that we write (PS3.10 7.1)."""
    writer = DataSetWriter(transfer_syntax("1.2.840.10008.1.2.1"), "")
    elements: dict[int, tuple[str, bytes]] = {
        0x00020001: ("OB", b"\0\1"),
        0x00020002: ("UI", (header.string("SOPClassUID") or "").encode()),
        0x00020003: ("UI", sop_instance_uid.encode()),
        0x00020010: ("UI", transfer_syntax_uid.encode()),
        0x00020012: ("UI", IMPLEMENTATION_CLASS_UID.encode()),
        0x00020013: ("SH", IMPLEMENTATION_VERSION_NAME.encode()),
    }
    for tag in _KEPT_META:
        raw = header.raw(tag)
        if raw is not None:
            elements[tag] = (header.elements[tag][0], raw)
    group = b"".join(writer.element(tag, *elements[tag]) for tag in sorted(elements))
    length = writer.element(0x00020000, "UL", struct.pack("<I", len(group)))
    return bytes(128) + b"DICM" + length + group
