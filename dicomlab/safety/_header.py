"""The header of an instance: its data set up to the pixel data, walked within bounds (PS3.5 7).

One read of 8 KiB holds most headers. The walk notes where each element lies and decodes nothing; a
value is decoded when it is asked for. pydicom is not needed here: it has no bounds, and a walk in
place is an order of magnitude quicker.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dicomlab.errors import HostileInputError, NonConformantError
from dicomlab.safety._bounds import DEFAULT_BOUNDS, Bounds
from dicomlab.safety._bytes import ByteSource, MemoryBytes
from dicomlab.safety._text import decode_text
from dicomlab.standard import keyword_of, tag_of, tag_text, transfer_syntax, vr_of

UNDEFINED = 0xFFFFFFFF
_FIRST_READ = 8192
_META_START = 132
_PIXEL_TAGS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG = frozenset(b"OB OW OF SQ UT UN OD OL UC UR OV SV UV".split())
_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_BINARY = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d",
    "UV": "Q", "SV": "q", "AT": "I", "OW": "H", "OL": "I", "OF": "f", "OD": "d", "OV": "Q",
}  # fmt: skip
_IMPLICIT_LE = "1.2.840.10008.1.2"
_EXPLICIT_LE = "1.2.840.10008.1.2.1"
_EXPLICIT_BE = "1.2.840.10008.1.2.2"

Element: TypeAlias = tuple[str, int, int]
"""VR, offset of the value field in the buffer, its length (`UNDEFINED` for a sequence)."""


@dataclass(frozen=True, slots=True)
class PixelDataLocation:
    """Where the pixel data element lies (PS3.5 8 and A.4).

    Attributes
    ----------
    tag, vr
        (7FE0,0010), or (7FE0,0008) and (7FE0,0009) for float pixels; OB, OW, OF or OD.
    offset
        Of the value field: in the file, or in the inflated data set where that was deflated.
    length
        In bytes, ``None`` for undefined length: fragments follow.
    """

    tag: int
    offset: int
    length: int | None
    vr: str = "OW"


@dataclass(frozen=True, slots=True)
class _Encoding:
    """How elements are written, with the unpackers that read them."""

    explicit: bool
    order: Literal["<", ">"]

    @property
    def short(self) -> struct.Struct:
        return struct.Struct(self.order + "HH2sH")

    @property
    def long(self) -> struct.Struct:
        return struct.Struct(self.order + "HHI")

    @property
    def word(self) -> struct.Struct:
        return struct.Struct(self.order + "I")


class _ShortOfBytesError(Exception):
    """The walk needs bytes that have not been read yet."""


class Header:
    """The attributes of one data set, decoded when asked for.

    Nested data sets are headers too. Values are named by keyword.

    Attributes
    ----------
    transfer_syntax_uid
        From the file meta information, or inferred where there is none.
    pixel_data
        Where the pixels lie, ``None`` for an object without them.
    findings
        What was tolerated on the way, as short codes: ``"no-preamble"``, ``"no-meta"``,
        ``"transfer-syntax-contradicted"``, ``"truncated-header"``.
    buffer
        The bytes that the offsets of `elements` count from.
    """

    __slots__ = (
        "_bounds",
        "_charset",
        "_depth",
        "_encoding",
        "buffer",
        "elements",
        "findings",
        "pixel_data",
        "transfer_syntax_uid",
    )

    def __init__(
        self,
        buffer: bytes,
        elements: dict[int, Element],
        encoding: _Encoding,
        transfer_syntax_uid: str,
        *,
        pixel_data: PixelDataLocation | None = None,
        findings: tuple[str, ...] = (),
        bounds: Bounds = DEFAULT_BOUNDS,
        inherited_charset: tuple[str, ...] = (),
        depth: int = 0,
    ) -> None:
        self.buffer = buffer
        self.elements = elements
        self.transfer_syntax_uid = transfer_syntax_uid
        self.pixel_data = pixel_data
        self.findings = findings
        self._encoding = encoding
        self._bounds = bounds
        self._depth = depth
        self._charset = inherited_charset
        if 0x00080005 in elements:
            self._charset = self.strings("SpecificCharacterSet")

    def __contains__(self, keyword: str) -> bool:
        return tag_of(keyword) in self.elements

    @property
    def is_little_endian(self) -> bool:
        """Whether binary values are little endian."""
        return self._encoding.order == "<"

    @property
    def character_sets(self) -> tuple[str, ...]:
        """Specific Character Set (0008,0005) in force, empty for the default repertoire."""
        return self._charset

    def is_sequence(self, tag: int) -> bool:
        """Whether an element has items, be it of VR SQ or a sequence of unknown VR."""
        element = self.elements.get(tag)
        return element is not None and (element[0] == "SQ" or element[2] == UNDEFINED)

    def raw(self, tag: int) -> bytes | None:
        """Return a value field as it stands, ``None`` where the element is absent or a sequence."""
        element = self.elements.get(tag)
        if element is None or element[2] == UNDEFINED:
            return None
        return self.buffer[element[1] : element[1] + element[2]]

    def text_of(self, tag: int) -> str:
        """Return the whole value field of a text element, ``""`` where absent or empty."""
        raw = self.raw(tag)
        return decode_text(raw, self.elements[tag][0], self._charset) if raw else ""

    def strings(self, keyword: str) -> tuple[str, ...]:
        """Return the values of a text attribute, ``()`` where it is absent or empty.

        Leading and trailing spaces are gone where they are not significant (PS3.5 6.2); values of
        numeric VRs are given as text.
        """
        tag = tag_of(keyword)
        element = self.elements.get(tag)
        if element is None or element[2] in (0, UNDEFINED):
            return ()
        vr = element[0]
        if vr in _BINARY and vr[0] != "O":
            return tuple(f"{value:g}" if vr in ("FL", "FD") else str(value)
                         for value in self._binary(tag, vr))  # fmt: skip
        text = self.text_of(tag)
        if vr in ("LT", "ST", "UT", "UR"):
            return (text,) if text else ()
        values = tuple(value.strip(" \0") for value in text.split("\\"))
        return values if any(values) else ()

    def string(self, keyword: str) -> str | None:
        """Return the first value of a text attribute, ``None`` where it is absent or empty."""
        values = self.strings(keyword)
        return values[0] if values and values[0] else None

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Return the values of a numeric attribute as floats, ``()`` where absent or empty.

        Raises
        ------
        NonConformantError
            A Decimal or Integer String is no number (PS3.5 6.2).
        """
        tag = tag_of(keyword)
        element = self.elements.get(tag)
        if element is None or element[2] in (0, UNDEFINED):
            return ()
        if element[0] in _BINARY:
            return tuple(float(value) for value in self._binary(tag, element[0]))
        raw = self.buffer[element[1] : element[1] + element[2]]
        if not raw.strip(b" \0\\"):
            return ()
        try:
            return tuple(float(part) for part in raw.strip(b" \0").split(b"\\"))
        except ValueError:
            raise NonConformantError(
                f"{keyword} {tag_text(tag)} holds text that is no number (VR {element[0]}). "
                "Correct the attribute at its source, or leave the instance out.",
                reason="not-a-number",
                tag=tag,
                reference="PS3.5 6.2",
            ) from None

    def number(self, keyword: str) -> float | None:
        """Return the first value of a numeric attribute, ``None`` where it is absent or empty."""
        values = self.numbers(keyword)
        return values[0] if values else None

    def integer(self, keyword: str) -> int | None:
        """Return the first value of an integer attribute, ``None`` where it is absent or empty.

        Raises
        ------
        NonConformantError
            The value is not whole.
        """
        value = self.number(keyword)
        if value is None:
            return None
        if value != int(value) if abs(value) < float("inf") else True:
            raise NonConformantError(
                f"{keyword} {tag_text(tag_of(keyword))} must be a whole number (PS3.5 6.2).",
                reason="not-a-number",
                tag=tag_of(keyword),
                reference="PS3.5 6.2",
            )
        return int(value)

    def items(self, keyword: str) -> tuple[Header, ...]:
        """Return the items of a sequence, ``()`` where it is absent or empty (PS3.5 7.5)."""
        element = self.elements.get(tag_of(keyword))
        return () if element is None else tuple(self.items_at(element))

    def items_at(self, element: Element) -> Iterator[Header]:
        """Yield the items of one of `elements` as headers."""
        if element[0] not in ("SQ", "UN"):
            return
        try:
            yield from self._items(element)
        except _ShortOfBytesError:
            raise _truncated(len(self.buffer)) from None

    def _items(self, element: Element) -> Iterator[Header]:
        vr, offset, length = element
        # PS3.5 6.2.2 note: a sequence of VR UN is Implicit VR Little Endian inside.
        encoding = _Encoding(explicit=False, order="<") if vr == "UN" else self._encoding
        end = len(self.buffer) if length == UNDEFINED else offset + length
        budget = [self._bounds.elements]
        for start, stop in _items(self.buffer, offset, end, encoding, self._depth, self._bounds):
            elements: dict[int, Element] = {}
            _walk(self.buffer, start, stop, encoding, elements,
                  depth=self._depth + 1, bounds=self._bounds, budget=budget)  # fmt: skip
            yield Header(
                self.buffer,
                elements,
                encoding,
                self.transfer_syntax_uid,
                bounds=self._bounds,
                inherited_charset=self._charset,
                depth=self._depth + 1,
            )

    def binary(self, tag: int) -> tuple[float, ...]:
        """Return the values of a binary number or AT, ``()`` where absent; AT as 0xGGGGEEEE."""
        element = self.elements.get(tag)
        if element is None or element[2] == UNDEFINED or element[0] not in _BINARY:
            return ()
        return self._binary(tag, element[0])

    def _binary(self, tag: int, vr: str) -> tuple[float, ...]:
        raw = self.raw(tag) or b""
        code = _BINARY[vr]
        size = struct.calcsize(code)
        count = len(raw) // size
        values = struct.unpack_from(f"{self._encoding.order}{count}{code}", raw)
        if vr != "AT":
            return values
        pairs = struct.unpack_from(f"{self._encoding.order}{2 * count}H", raw)
        return tuple(pairs[i] << 16 | pairs[i + 1] for i in range(0, 2 * count, 2))


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
        Elements of group 0002 and the data set together.

    Raises
    ------
    NonConformantError
        Not DICOM (``reason="not-dicom"``), or cut off within the header (``"truncated"``).
    HostileInputError
        A bound is broken.
    """
    if isinstance(source, bytes):
        source = MemoryBytes(source)
    size = _FIRST_READ
    buffer = source.read_at(0, size)
    start, findings = _find_start(buffer)
    while True:
        whole = len(buffer) >= source.size
        try:
            return _parse(buffer, start, findings, source.size, whole, bounds)
        except _ShortOfBytesError:
            if whole:
                raise _truncated(len(buffer)) from None
            if size >= bounds.header_bytes:
                raise HostileInputError(
                    f"The header is longer than {bounds.header_bytes} bytes. "
                    "Raise Bounds.header_bytes if this instance is to be trusted.",
                    rule="header_bytes",
                    limit=bounds.header_bytes,
                    found=size,
                ) from None
            size *= 4
            more = source.read_at(len(buffer), size - len(buffer))
            if not more:
                raise _truncated(len(buffer)) from None
            buffer += more


def _truncated(at: int) -> NonConformantError:
    return NonConformantError(
        f"The data set breaks off within an element after {at} bytes (PS3.5 7.1). "
        "The file was cut short: copy or retrieve it again.",
        reason="truncated",
        reference="PS3.5 7.1",
    )


def _not_dicom(why: str) -> NonConformantError:
    return NonConformantError(
        f"Not a DICOM file: {why} (PS3.10 7.1).", reason="not-dicom", reference="PS3.10 7.1"
    )


def _find_start(buffer: bytes) -> tuple[int, tuple[str, ...]]:
    """Return where the elements begin, and what was tolerated to find that."""
    if buffer[128:132] == b"DICM":
        return _META_START, ()
    if not buffer:
        raise _not_dicom("it is empty")
    if buffer[:4] == b"DICM":
        return 4, ("no-preamble",)
    if buffer[:4] == b"\x02\x00\x00\x00" and buffer[4:6] == b"UL":
        return 0, ("no-preamble",)
    return 0, ("no-preamble", "no-meta")


def _parse(
    buffer: bytes,
    start: int,
    findings: tuple[str, ...],
    file_size: int,
    whole: bool,  # noqa: FBT001
    bounds: Bounds,
) -> Header:
    elements: dict[int, Element] = {}
    budget = [bounds.elements]
    little = _Encoding(explicit=True, order="<")
    if "no-meta" in findings:
        uid = _infer(buffer, file_size)
        position = start
    else:
        position = _walk(buffer, start, len(buffer), little, elements, depth=0, bounds=bounds,
                         budget=budget, only_group=2)  # fmt: skip
        if position >= len(buffer) and not whole:
            raise _ShortOfBytesError
        raw = elements.get(0x00020010)
        uid = "" if raw is None else buffer[raw[1] : raw[1] + raw[2]].decode("latin-1").strip(" \0")
        if not uid:
            findings = (*findings, "no-transfer-syntax")
            uid = _infer(buffer[position:], file_size - position)
    syntax = transfer_syntax(uid)
    if syntax.is_deflated:
        if not whole:
            raise _ShortOfBytesError
        buffer, elements, position = _inflate(buffer, elements, position, bounds)
        file_size = len(buffer)
    encoding = _Encoding(syntax.is_explicit_vr, "<" if syntax.is_little_endian else ">")
    actual = _really(buffer, position, encoding)
    if actual != encoding:
        findings = (*findings, "transfer-syntax-contradicted")
    end = file_size if whole or syntax.is_deflated else len(buffer)
    stop = _walk(buffer, position, min(end, len(buffer)), actual, elements,
                 depth=0, bounds=bounds, budget=budget, to_pixels=True,
                 remaining=file_size)  # fmt: skip
    pixel = next((tag for tag in _PIXEL_TAGS if tag in elements), None)
    if pixel is None and stop < file_size and not whole and not syntax.is_deflated:
        raise _ShortOfBytesError
    location = None
    if pixel is not None:
        vr, offset, length = elements.pop(pixel)
        location = PixelDataLocation(pixel, offset, None if length == UNDEFINED else length, vr)
    if not any(tag >> 16 != 2 for tag in elements):
        raise _not_dicom("it holds no data set")
    return Header(
        buffer, elements, actual, uid, pixel_data=location, findings=findings, bounds=bounds
    )


def _infer(buffer: bytes, size: int) -> str:
    """Return the transfer syntax that a data set without meta information must have."""
    if len(buffer) < 8:
        raise _not_dicom("it is too short for one element")
    group, element, vr, _short = struct.unpack_from("<HH2sH", buffer)
    length = struct.unpack_from("<I", buffer, 4)[0]
    if group in (0x0008, 0x0010, 0x0002) and vr in _LONG | _SHORT:
        return _EXPLICIT_LE
    if group in (0x0800, 0x1000) and vr in _LONG | _SHORT:
        return _EXPLICIT_BE
    known = keyword_of(group << 16 | element) is not None
    if known and group in (0x0008, 0x0010) and length <= max(0, size - 8):
        return _IMPLICIT_LE
    raise _not_dicom("it has neither the prefix DICM nor a data set at its start")


def _really(buffer: bytes, position: int, claimed: _Encoding) -> _Encoding:
    """Return the encoding that the first element of the data set shows, where it can be told."""
    if position + 8 > len(buffer):
        return claimed
    vr = buffer[position + 4 : position + 6]
    is_vr = vr in _LONG or vr in _SHORT
    group = struct.unpack_from("<H", buffer, position)[0]
    if claimed.order == "<" and group in (0x0800, 0x1000) and is_vr:
        return _Encoding(explicit=True, order=">")
    if claimed.order == ">" and group in (0x0008, 0x0010):
        return _Encoding(explicit=is_vr, order="<")
    if claimed.explicit != is_vr and group in (0x0008, 0x0010):
        return _Encoding(explicit=is_vr, order=claimed.order)
    return claimed


def _inflate(
    buffer: bytes, elements: dict[int, Element], position: int, bounds: Bounds
) -> tuple[bytes, dict[int, Element], int]:
    """Inflate a deflated data set; the meta elements move into the new buffer (PS3.5 A.5)."""
    compressed = buffer[position:]
    limit = bounds.inflated(len(compressed))
    inflater = zlib.decompressobj(wbits=-15)
    try:
        data = inflater.decompress(compressed, limit + 1)
    except zlib.error as error:
        raise NonConformantError(
            f"The deflated data set is damaged: {error} (PS3.5 A.5). Copy or retrieve it again.",
            reason="damaged-deflate",
            reference="PS3.5 A.5",
        ) from error
    if len(data) > limit:
        raise HostileInputError(
            f"The deflated data set of {len(compressed)} bytes grows beyond {limit} bytes. "
            "Raise Bounds.inflated_bytes if this instance is to be trusted.",
            rule="inflated_bytes",
            limit=limit,
            found=len(data),
        )
    return buffer[:position] + data, elements, position


def _walk(  # noqa: C901, PLR0912  the one hot loop: calls would cost more than the work
    buffer: bytes,
    position: int,
    end: int,
    encoding: _Encoding,
    elements: dict[int, Element],
    *,
    depth: int,
    bounds: Bounds,
    budget: list[int],
    only_group: int | None = None,
    to_pixels: bool = False,
    remaining: int | None = None,
) -> int:
    """Note where each element from `position` to `end` lies; return where the walk ended.

    Stops at an item delimiter, at the first element outside `only_group`, or, with `to_pixels`,
    after noting the pixel data.
    """
    explicit = encoding.explicit
    short, long, word = (
        encoding.short.unpack_from, encoding.long.unpack_from, encoding.word.unpack_from,
    )  # fmt: skip
    while position + 8 <= end:
        if explicit:
            group, element, code, length = short(buffer, position)
            value = position + 8
            if code in _LONG:
                if position + 12 > end:
                    raise _ShortOfBytesError
                length = word(buffer, value)[0]
                value += 4
            elif code not in _SHORT:
                if group == 0xFFFE:
                    break
                code, length, value = _odd_vr(buffer, position, code)
            vr = code.decode("latin-1")
            tag = group << 16 | element
            if vr == "UN" and not group & 1:
                vr = _known(tag, length)
        else:
            group, element, length = long(buffer, position)
            if group == 0xFFFE:
                break
            value = position + 8
            tag = group << 16 | element
            vr = _implicit_vr(tag, length)
        if only_group is not None and group != only_group:
            return position
        budget[0] -= 1
        if budget[0] < 0:
            raise HostileInputError(
                f"The data set holds more than {bounds.elements} elements.",
                rule="elements",
                limit=bounds.elements,
                found=bounds.elements + 1,
            )
        if tag in _PIXEL_TAGS and to_pixels:
            elements[tag] = (vr, value, length)
            return value
        if length == UNDEFINED:
            inner = _Encoding(explicit=False, order="<") if explicit and vr == "UN" else encoding
            position = _skip_sequence(buffer, value, end, inner, depth, bounds, budget)
            elements.setdefault(tag, ("SQ" if vr != "UN" else vr, value, UNDEFINED))
            continue
        position = value + length
        if position > end:
            if remaining is not None and position > remaining:
                raise _overlong(tag, length, remaining - value)
            raise _ShortOfBytesError
        elements.setdefault(tag, (vr, value, length))
    return position


def _overlong(tag: int, length: int, left: int) -> NonConformantError:
    name = keyword_of(tag) or "The element"
    return NonConformantError(
        f"{name} {tag_text(tag)} declares {length} bytes where {max(left, 0)} are left "
        "(PS3.5 7.1). The file was cut short or is damaged: copy or retrieve it again.",
        reason="truncated",
        tag=tag,
        reference="PS3.5 7.1",
    )


def _odd_vr(buffer: bytes, position: int, code: bytes) -> tuple[bytes, int, int]:
    """Read an element whose VR is unknown: new with a long header, or implicit in disguise."""
    if code.isalpha() and code.isupper() and buffer[position + 6 : position + 8] == b"\0\0":
        if position + 12 > len(buffer):
            raise _ShortOfBytesError
        return b"UN", struct.unpack_from("<I", buffer, position + 8)[0], position + 12
    return b"UN", struct.unpack_from("<I", buffer, position + 4)[0], position + 8


def _known(tag: int, length: int) -> str:
    """Return the dictionary's VR for a standard element of VR UN (PS3.5 6.2.2)."""
    vr = _implicit_vr(tag, length)
    return "UN" if vr == "SQ" else vr


def _implicit_vr(tag: int, length: int) -> str:
    vr = vr_of(tag)
    if len(vr) > 2:
        vr = "US" if vr.startswith("US") else "OW"
    return "SQ" if vr == "UN" and length == UNDEFINED else vr


def _skip_sequence(
    buffer: bytes, position: int, end: int, encoding: _Encoding, depth: int, bounds: Bounds,
    budget: list[int],
) -> int:  # fmt: skip
    """Return where a sequence of undefined length ends (PS3.5 7.5.2)."""
    for _start, _stop, after in _item_spans(buffer, position, end, encoding, depth, bounds, budget):
        position = after
    if position + 8 > end:
        raise _ShortOfBytesError
    return position + 8


def _items(
    buffer: bytes, position: int, end: int, encoding: _Encoding, depth: int, bounds: Bounds
) -> Iterator[tuple[int, int]]:
    """Yield start and stop of each item's content."""
    budget = [bounds.elements]
    for start, stop, _after in _item_spans(buffer, position, end, encoding, depth, bounds, budget):
        yield start, stop


def _item_spans(
    buffer: bytes, position: int, end: int, encoding: _Encoding, depth: int, bounds: Bounds,
    budget: list[int],
) -> Iterator[tuple[int, int, int]]:  # fmt: skip
    """Yield start, stop and the position after each item, up to the sequence's delimiter or end."""
    if depth >= bounds.depth:
        raise HostileInputError(
            f"Sequences are nested deeper than {bounds.depth}.",
            rule="depth",
            limit=bounds.depth,
            found=depth + 1,
        )
    unpack = encoding.long.unpack_from
    while position + 8 <= end:
        group, element, length = unpack(buffer, position)
        tag = group << 16 | element
        if tag == _SEQUENCE_END:
            return
        if tag != _ITEM:
            raise NonConformantError(
                f"{tag_text(tag)} stands where an item of a sequence must begin (PS3.5 7.5).",
                reason="damaged-sequence",
                tag=tag,
                reference="PS3.5 7.5",
            )
        start = position + 8
        if length != UNDEFINED:
            stop = after = start + length
            if stop > end:
                raise _ShortOfBytesError
        else:
            stop = _walk(buffer, start, end, encoding, {}, depth=depth + 1, bounds=bounds,
                         budget=budget)  # fmt: skip
            if stop + 8 > end:
                raise _ShortOfBytesError
            after = stop + 8
        yield start, stop, after
        position = after
