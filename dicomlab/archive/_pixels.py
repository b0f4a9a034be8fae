"""Whether the pixel data of an instance is all there."""

from __future__ import annotations

import struct

from dicomlab.errors import NonConformantError
from dicomlab.safety import ByteSource, Header
from dicomlab.standard import keyword_of, tag_text, transfer_syntax

_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD


def check_pixel_data(header: Header, source: ByteSource) -> None:
    """Refuse an instance whose pixel data breaks off (PS3.5 8.1 and A.4).

    Native pixels must be as long as they declare. Fragments must be whole; the delimiter behind the
    last one may be missing, as some writers leave it out and no pixel is lost by that.

    Raises
    ------
    NonConformantError
        With ``reason="truncated"``.
    """
    pixels = header.pixel_data
    if pixels is None:
        return
    is_deflated = transfer_syntax(header.transfer_syntax_uid).is_deflated
    size = len(header.buffer) if is_deflated else source.size
    if pixels.length is not None:
        _check_end(pixels.offset + pixels.length, size, pixels.tag)
        return
    position = pixels.offset
    unpack = struct.Struct("<HHI" if header.is_little_endian else ">HHI").unpack
    while position < size:
        raw = source.read_at(position, 8)
        if len(raw) < 8:
            _check_end(position + 8, size, pixels.tag)
        group, element, length = unpack(raw)
        tag = group << 16 | element
        if tag == _SEQUENCE_END:
            return
        if tag != _ITEM:
            raise NonConformantError(
                f"{tag_text(tag)} stands where a fragment of the pixel data must begin "
                "(PS3.5 A.4). The file is damaged: copy or retrieve it again.",
                reason="damaged-pixel-data",
                tag=pixels.tag,
                reference="PS3.5 A.4",
            )
        position += 8 + length
        _check_end(position, size, pixels.tag)


def _check_end(end: int, size: int, tag: int) -> None:
    if end > size:
        raise NonConformantError(
            f"{keyword_of(tag)} {tag_text(tag)} breaks off: {end - size} of its bytes are missing "
            "(PS3.5 7.1). The file was cut short: copy or retrieve it again.",
            reason="truncated",
            tag=tag,
            reference="PS3.5 7.1",
        )
