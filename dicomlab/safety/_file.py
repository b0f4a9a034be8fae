"""A file's header: where the data set begins, how it is written, and its walk (PS3.10 7).

One read of 8 KiB holds most headers. pydicom is not needed here: it has no bounds, and a walk in
place is an order of magnitude quicker.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from dicomlab.errors import HostileInputError, NonConformantError
from dicomlab.safety._bounds import DEFAULT_BOUNDS, Bounds
from dicomlab.safety._bytes import ByteSource, MemoryBytes
from dicomlab.safety._header import Header, PixelDataLocation, truncated
from dicomlab.safety._layout import known_layout, remember_layout
from dicomlab.safety._preamble import preamble_finding
from dicomlab.safety._walk import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    LONG_VRS,
    PIXEL_TAGS,
    SHORT_VRS,
    UNDEFINED,
    Budget,
    Element,
    Encoding,
    Ground,
    ShortOfBytesError,
    one_element,
    walk,
)
from dicomlab.standard import keyword_of, transfer_syntax

_FIRST_READ: Final = 8192
_META_START: Final = 132
_TRANSFER_SYNTAX: Final = 0x00020010
_UIDS: Final = {
    IMPLICIT_LE: "1.2.840.10008.1.2",
    EXPLICIT_LE: "1.2.840.10008.1.2.1",
    EXPLICIT_BE: "1.2.840.10008.1.2.2",
}
_FIRST_GROUPS: Final = (0x0008, 0x0010)
"""Where a data set of any information object begins."""


def read_header(source: ByteSource | bytes, *, bounds: Bounds = DEFAULT_BOUNDS) -> Header:
    """Read the header of an instance, with or without a preamble and meta information (PS3.10 7).

    Parameters
    ----------
    source
        The file's bytes, by range. Only its beginning is read, up to the pixel data.
    bounds
        What the input may ask for.

    Returns
    -------
    Header
        Elements of group 0002 and the data set together, up to the pixel data. Sequences of
        defined length are looked into when their items are asked for.

    Raises
    ------
    NonConformantError
        Not DICOM (``reason="not-dicom"``), cut off within the header (``"truncated"``), or damaged
        (``"damaged-sequence"``, ``"damaged-deflate"``).
    HostileInputError
        A bound is broken.
    """
    if isinstance(source, bytes):
        source = MemoryBytes(source)
    wanted = _FIRST_READ
    buffer = source.read_at(0, wanted)
    while True:
        is_whole = len(buffer) >= source.size
        try:
            return _Reading(buffer, source.size, is_whole, bounds).header()
        except ShortOfBytesError:
            if is_whole:
                raise truncated() from None
        if wanted >= bounds.header_bytes:
            raise HostileInputError(
                f"The header is longer than {bounds.header_bytes} bytes. "
                "Raise Bounds.header_bytes if this instance is to be trusted.",
                rule="header_bytes",
                limit=bounds.header_bytes,
                found=wanted,
            )
        wanted = min(wanted * 4, bounds.header_bytes)
        more = source.read_at(len(buffer), wanted - len(buffer))
        if not more:
            raise truncated()
        buffer += more


def read_rest(data: bytes, header: Header) -> Header:
    """Read the elements that follow the pixel data of an instance, whose header is known.

    Raises
    ------
    NonConformantError
        They are damaged.
    HostileInputError
        A bound is broken.
    """
    encoding = IMPLICIT_LE
    if header.is_explicit_vr:
        encoding = EXPLICIT_LE if header.is_little_endian else EXPLICIT_BE
    ground = Ground(data, len(data), Budget(header.bounds))
    try:
        elements, _stop = walk(ground, 0, len(data), encoding)
    except ShortOfBytesError:
        raise truncated() from None
    return Header(
        data, elements, encoding, header.transfer_syntax_uid, bounds=header.bounds, parent=header
    )


def _not_dicom(why: str) -> NonConformantError:
    return NonConformantError(
        f"Not a DICOM file: {why} (PS3.10 7.1). If it should be one, copy or retrieve it again.",
        reason="not-dicom",
        reference="PS3.10 7.1",
    )


class _Reading:
    """One attempt to read a header from the bytes at hand."""

    def __init__(self, buffer: bytes, file_size: int, is_whole: bool, bounds: Bounds) -> None:  # noqa: FBT001
        self.buffer = buffer
        self.file_size = file_size
        self.is_whole = is_whole
        self.bounds = bounds
        self.budget = Budget(bounds)
        self.elements: dict[int, Element] = {}
        self.findings: list[str] = []

    def header(self) -> Header:
        known = known_layout(self.buffer, self.bounds)
        if known is not None:
            self._note_preamble()
            return self._header(
                known.elements,
                EXPLICIT_LE,
                known.transfer_syntax_uid,
                self._location(known.pixels),
            )
        position, uid = self._meta()
        syntax = transfer_syntax(uid)
        if syntax.is_deflated:
            self._inflate(position)
        claimed = IMPLICIT_LE
        if syntax.is_explicit_vr:
            claimed = EXPLICIT_LE if syntax.is_little_endian else EXPLICIT_BE
        encoding = shown_encoding(self.buffer, position) or claimed
        if encoding is not claimed:
            self.findings.append("transfer-syntax-contradicted")
        ground = Ground(self.buffer, self.file_size, self.budget)
        data_set, stop = walk(ground, position, len(self.buffer), encoding, stop_at_pixels=True)
        if not data_set:
            if not self.is_whole:
                raise ShortOfBytesError
            raise _not_dicom("it holds no data set")
        location = self._pixels(data_set)
        if location is None:
            self._check_end(stop)
        elements = self.elements | data_set
        header = self._header(elements, encoding, uid, location)
        if location is not None and not self.findings:
            remember_layout(self.buffer, header)
        return header

    def _header(
        self,
        elements: dict[int, Element],
        encoding: Encoding,
        uid: str,
        location: PixelDataLocation | None,
    ) -> Header:
        # Pixels that were read along are not kept; those of a deflated data set lie nowhere else.
        is_apart = location is not None and not transfer_syntax(uid).is_deflated
        return Header(
            self.buffer[: location.offset] if location is not None and is_apart else self.buffer,
            elements,
            encoding,
            uid,
            pixel_data=location,
            findings=tuple(self.findings),
            bounds=self.bounds,
        )

    def _pixels(self, data_set: dict[int, Element]) -> PixelDataLocation | None:
        tag = next(reversed(data_set))
        if tag not in PIXEL_TAGS:
            return None
        element = data_set.pop(tag)
        if not data_set:
            raise _not_dicom("it holds pixels alone")
        return self._location((tag, element))

    def _location(self, pixels: tuple[int, Element]) -> PixelDataLocation:
        tag, (vr, offset, length) = pixels
        if length == UNDEFINED:
            return PixelDataLocation(tag, offset, None, vr)
        if offset + length > self.file_size:
            self.findings.append("truncated-pixels")
        return PixelDataLocation(tag, offset, length, vr)

    def _check_end(self, stop: int) -> None:
        """Make sure that the data set ends with the file; zeros after it are padding."""
        if not self.is_whole:
            raise ShortOfBytesError
        rest = self.buffer[stop:]
        if rest.strip(b"\0"):
            raise truncated()
        if rest:
            self.findings.append("trailing-bytes")

    def _meta(self) -> tuple[int, str]:
        """Return where the data set begins and its transfer syntax; note the meta elements."""
        start, encoding = self._start()
        if encoding is None:
            self.findings.append("no-meta")
            found = shown_encoding(self.buffer, start)
            if found is None:
                raise _not_dicom("it has neither the prefix DICM nor a data set at its start")
            return start, _UIDS[found]
        position = self._meta_elements(start, encoding)
        element = self.elements.get(_TRANSFER_SYNTAX)
        if element is not None:
            raw = self.buffer[element[1] : element[1] + element[2]]
            uid = raw.decode("latin-1").strip(" \0")
            if uid:
                return position, uid
        self.findings.append("no-transfer-syntax")
        return position, _UIDS[shown_encoding(self.buffer, position) or IMPLICIT_LE]

    def _start(self) -> tuple[int, Encoding | None]:
        """Return where elements begin and how meta information is written, if there is any."""
        buffer = self.buffer
        if not buffer:
            raise _not_dicom("it is empty")
        if buffer[128:132] == b"DICM":
            meta = meta_encoding(buffer, _META_START)
            # A data set without preamble may hold the four letters at this place by chance.
            if meta is not None or not shown_encoding(buffer, 0):
                self._note_implicit(meta)
                self._note_preamble()
                return _META_START, meta
        self.findings.append("no-preamble")
        start = 4 if buffer[:4] == b"DICM" else 0
        meta = meta_encoding(buffer, start)
        self._note_implicit(meta)
        return start, meta

    def _note_preamble(self) -> None:
        strange = preamble_finding(self.buffer[:128])
        if strange is not None:
            self.findings.append(strange)

    def _note_implicit(self, meta: Encoding | None) -> None:
        if meta is IMPLICIT_LE:
            self.findings.append("implicit-meta")

    def _meta_elements(self, position: int, encoding: Encoding) -> int:
        while position + 2 <= len(self.buffer) and self.buffer[position : position + 2] == b"\2\0":
            tag, element = one_element(self.buffer, position, len(self.buffer), encoding)
            position = element[1] + element[2]
            if position > len(self.buffer):
                raise ShortOfBytesError
            self.budget.spend()
            self.elements[tag] = element
        if position + 8 > len(self.buffer) and not self.is_whole:
            raise ShortOfBytesError
        return position

    def _inflate(self, position: int) -> None:
        """Inflate a deflated data set in place (PS3.5 A.5): never more than the bound in memory."""
        if self.file_size > self.bounds.inflated_bytes:
            raise self._inflates_too_far(self.bounds.inflated_bytes, self.file_size)
        if not self.is_whole:
            raise ShortOfBytesError
        compressed = memoryview(self.buffer)[position:]
        limit = self.bounds.inflated(len(compressed))
        inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        try:
            data = inflater.decompress(compressed, limit + 1)
        except zlib.error as error:
            raise NonConformantError(
                f"The deflated data set is damaged: {error} (PS3.5 A.5). "
                "Copy or retrieve the file again.",
                reason="damaged-deflate",
                reference="PS3.5 A.5",
            ) from error
        if len(data) > limit:
            raise self._inflates_too_far(limit, len(data))
        self.buffer = self.buffer[:position] + data
        self.file_size = len(self.buffer)

    @staticmethod
    def _inflates_too_far(limit: int, found: int) -> HostileInputError:
        return HostileInputError(
            f"The deflated data set grows beyond {limit} bytes. "
            "Raise Bounds.inflated_bytes if this instance is to be trusted.",
            rule="inflated_bytes",
            limit=limit,
            found=found,
        )


def meta_encoding(buffer: bytes, start: int) -> Encoding | None:
    """Return how meta information at a place is written, ``None`` where there is none.

    It must be explicit (PS3.10 7.1); some write it implicit.
    """
    if buffer[start : start + 2] != b"\2\0" or len(buffer) < start + 8:
        return None
    if buffer[start + 4 : start + 6] in SHORT_VRS.keys() | LONG_VRS.keys():
        return EXPLICIT_LE
    return IMPLICIT_LE if buffer[start + 6 : start + 8] == b"\0\0" else None


def shown_encoding(buffer: bytes, position: int) -> Encoding | None:
    """Return the encoding that the first element of a data set shows, ``None`` if it shows none."""
    if position + 8 > len(buffer):
        return None
    group, number, vr, _length = struct.unpack_from("<HH2sH", buffer, position)
    is_vr = vr in SHORT_VRS or vr in LONG_VRS
    if group in (0x0800, 0x1000):
        return EXPLICIT_BE if is_vr else None
    if group not in _FIRST_GROUPS:
        return None
    if is_vr:
        return EXPLICIT_LE
    length = struct.unpack_from("<I", buffer, position + 4)[0]
    known = number == 0 or keyword_of(group << 16 | number) is not None
    # The first elements of a data set are short: group length, character set, image type, dates.
    return IMPLICIT_LE if known and length < 1024 else None
