"""Whether a file is one whole instance: told from all others, and with all its pixels."""

from __future__ import annotations

import re
import struct
from collections.abc import Collection
from typing import Final

from dicomlab.errors import HostileInputError, NonConformantError
from dicomlab.safety._bytes import ByteSource
from dicomlab.safety._header import Header
from dicomlab.standard import keyword_of, tag_of, tag_text, transfer_syntax

_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_UID = re.compile(r"[0-9.]{1,64}")
WAIVABLE: Final = frozenset(("executable-preamble", "truncated", "damaged-pixel-data"))
"""What may be waived for an instance: it can be told from others, and its header is whole."""
_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD


def check_instance(header: Header, source: ByteSource, *, waived: Collection[str] = ()) -> None:
    """Refuse what cannot be told from other instances, is not all there, or is a program too.

    Parameters
    ----------
    header, source
        What `read_header` gave, and the bytes that it gave it for.
    waived
        Members of `WAIVABLE` that are no reason to refuse: somebody looked at the file.

    Raises
    ------
    NonConformantError
        With ``reason`` ``"media-directory"``, ``"missing-uid"``, ``"invalid-uid"``,
        ``"truncated"`` or ``"damaged-pixel-data"``.
    HostileInputError
        Its preamble makes a program or a page of it.
    """
    if "executable-preamble" in header.findings and "executable-preamble" not in waived:
        raise HostileInputError(
            "The 128 bytes before the prefix DICM make a program, page or PDF of the file as well "
            "(CVE-2019-11687). Ask its source why; to import it, fill them with zeros first.",
            rule="executable-preamble",
        )
    _check_identity(header)
    try:
        check_pixel_data(header, source)
    except NonConformantError as error:
        if error.reason not in waived:
            raise


def _check_identity(header: Header) -> None:
    """Refuse what cannot be told from others, or is no instance at all (PS3.5 9, PS3.10 8)."""
    is_directory = "DirectoryRecordSequence" in header
    if is_directory or header.string("MediaStorageSOPClassUID") == _MEDIA_DIRECTORY:
        raise NonConformantError(
            "This is a media directory (DICOMDIR), which lists instances and is none (PS3.10 8). "
            "The files in its folder are looked at by themselves: take that folder.",
            reason="media-directory",
            reference="PS3.10 8",
        )
    for keyword in _UIDS:
        tag = tag_of(keyword)
        values = header.strings(keyword)
        if not any(values):
            raise NonConformantError(
                f"{keyword} {tag_text(tag)} is missing or empty, so the instance has no place "
                "among others (PS3.3 C.12.1 and C.7). Have its source write it again.",
                reason="missing-uid",
                tag=tag,
                reference="PS3.3 C.12.1",
            )
        if len(values) > 1 or not _UID.fullmatch(values[0]):
            raise NonConformantError(
                f"{keyword} {tag_text(tag)} is no UID: one value of at most 64 digits and dots "
                "(PS3.5 9.1). Have its source write it again.",
                reason="invalid-uid",
                tag=tag,
                reference="PS3.5 9.1",
            )


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
