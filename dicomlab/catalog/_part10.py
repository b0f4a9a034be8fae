"""From the DICOM JSON model (PS3.18 annex F) back to a data set."""

from __future__ import annotations

import binascii
import json
import struct
from base64 import b64decode
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Final, cast

from dicomlab.catalog._json import Json, JsonElement, JsonObject
from dicomlab.errors import HostileInputError, NonConformantError, NotFoundError
from dicomlab.safety import DEFAULT_BOUNDS, Bounds, ByteSource, Header, read_header
from dicomlab.standard import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    keyword_of,
    tag_text,
    transfer_syntax,
    vr_of,
)

if TYPE_CHECKING:
    from pydicom import Dataset

EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"

_NUMBERS: Final = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q",
}  # fmt: skip
_BYTES: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_TEXTS: Final = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR",
     "UT")
)  # fmt: skip
_LONG: Final = _BYTES | {"SQ", "SV", "UC", "UR", "UT", "UV"}
_NOT_FINITE: Final = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
_CHARACTER_SET: Final = 0x00080005
_PIXEL_DATA: Final = 0x7FE00010
_SHORT_BYTES: Final = 0xFFFE
_UNDEFINED: Final = b"\xff\xff\xff\xff"
_DELIMITER: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"
_NAME_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_PREFIX_END: Final = 132
_DECIMAL_CHARACTERS: Final = 16

BulkData = Callable[[str], bytes]
"""Gives the value, little endian, that a ``BulkDataURI`` stands for."""


def read_dicom_json(text: str | bytes, *, bounds: Bounds = DEFAULT_BOUNDS) -> list[JsonObject]:
    """Return the data sets of a DICOM JSON document, one or a list of them (PS3.18 F.2).

    Raises
    ------
    NonConformantError
        It is no JSON, or no data set of the model.
    HostileInputError
        It is larger or deeper than `bounds` allow.
    """
    if len(text) > bounds.header_bytes:
        raise _too_much("header_bytes", bounds.header_bytes, len(text))
    try:
        document: Json = json.loads(text)
    except RecursionError:
        raise _too_much("depth", bounds.depth, bounds.depth + 1) from None
    except ValueError:  # Of JSON, and of bytes that are no Unicode.
        raise _not_the_model("The document is no JSON") from None
    found = document if isinstance(document, list) else [document]
    for one in found:
        if not isinstance(one, dict):
            raise _not_the_model("The document holds something else than data sets")
    return cast("list[JsonObject]", found)


def part10(
    document: Mapping[str, JsonElement],
    *,
    bulk_data: BulkData | None = None,
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> bytes:
    """Return a data set of the DICOM JSON model as a Part 10 file (PS3.18 annex F, PS3.10 7).

    Text is encoded as UTF-8, Specific Character Set (0008,0005) says so. The document has no group
    lengths and no File Meta Information; the latter is made from its SOP Class and Instance UIDs.

    Parameters
    ----------
    document
        As `dicom_json` writes it, or a DICOMweb peer sends it.
    bulk_data
        Gives the value of each ``BulkDataURI``.
    transfer_syntax_uid
        Explicit VR Little Endian, or the one that encapsulated pixel data is encoded in: its bulk
        data are the items of its fragments.
    bounds
        What the document may ask for.

    Raises
    ------
    NonConformantError
        The document breaks the model; the message names the attribute.
    NotFoundError
        It refers to bulk data, and `bulk_data` is not given.
    HostileInputError
        It breaks a bound.
    """
    is_encapsulated = transfer_syntax(transfer_syntax_uid).is_encapsulated
    if not is_encapsulated and transfer_syntax_uid != EXPLICIT_VR_LITTLE_ENDIAN:
        raise ValueError("transfer_syntax_uid is Explicit VR Little Endian or an encapsulated one")
    body = _Writer(bulk_data, bounds, is_encapsulated).data_set(document, 0)
    uids = [_first_text(document, tag) for tag in (0x00080016, 0x00080018)]
    return _beginning(uids[0], uids[1], transfer_syntax_uid) + body


def _beginning(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Return what a file begins with: preamble, prefix and File Meta Information (PS3.10 7.1)."""
    meta = [(0x00020001, "OB", b"\0\1")]
    meta += [
        (tag, "UI", _padded(value.encode("ascii", "replace"), "UI"))
        for tag, value in (
            (0x00020002, sop_class_uid),
            (0x00020003, sop_instance_uid),
            (0x00020010, transfer_syntax_uid),
            (0x00020012, IMPLEMENTATION_CLASS_UID),
        )
    ]
    meta.append((0x00020013, "SH", _padded(IMPLEMENTATION_VERSION_NAME.encode("ascii"), "SH")))
    group = b"".join(_element(*element) for element in meta)
    length = _element(0x00020000, "UL", struct.pack("<I", len(group)))
    return b"".join((bytes(128), b"DICM", length, group))


def data_set_start(header: Header, source: ByteSource) -> int:
    """Return where the data set of an instance begins: after all that is about the file."""
    ends = [
        offset + length for tag, (_vr, offset, length) in header.elements.items() if tag >> 16 == 2
    ]
    if ends:
        return max(ends)
    first = source.read_at(0, _PREFIX_END)
    if first[-4:] == b"DICM" and len(first) == _PREFIX_END:
        return _PREFIX_END
    return 4 if first.startswith(b"DICM") else 0


def whole_file(source: ByteSource) -> ByteSource:
    """Return an instance as a Part 10 file (PS3.10 7.1), as it is where it is one already.

    Some are sent, and kept, as a data set without what a file begins with; that is put before it.
    """
    if source.read_at(0, _PREFIX_END)[_PREFIX_END - 4 :] == b"DICM":
        return source
    header = read_header(source)
    beginning = _beginning(
        header.string("SOPClassUID") or "",
        header.string("SOPInstanceUID") or "",
        header.transfer_syntax_uid,
    )
    return _Begun(beginning, source, data_set_start(header, source))


class _Begun:
    """Bytes that begin with others than those of their source."""

    def __init__(self, beginning: bytes, source: ByteSource, start: int) -> None:
        self._beginning = beginning
        self._source = source
        self._start = start
        self.size = len(beginning) + source.size - start

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end."""
        found = self._beginning[offset : offset + size]
        if len(found) == size:
            return found
        place = offset + len(found) - len(self._beginning)
        return found + self._source.read_at(self._start + place, size - len(found))


def dataset_from_json(
    document: Mapping[str, JsonElement],
    *,
    bulk_data: BulkData | None = None,
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN,
) -> Dataset:
    """Return a data set of the DICOM JSON model as pydicom has it; see `part10`."""
    from pydicom import dcmread  # noqa: PLC0415  slow to import, and servers never need it

    written = part10(document, bulk_data=bulk_data, transfer_syntax_uid=transfer_syntax_uid)
    return dcmread(BytesIO(written))


class _Writer:
    """Writes data sets within one bound on elements, all depths together."""

    def __init__(self, bulk_data: BulkData | None, bounds: Bounds, is_encapsulated: bool) -> None:  # noqa: FBT001  one caller
        self.bulk_data = bulk_data
        self.bounds = bounds
        self.left = bounds.elements
        self.is_encapsulated = is_encapsulated
        self.is_ascii = True

    def data_set(self, document: Mapping[str, JsonElement], depth: int) -> bytes:
        if depth > self.bounds.depth:
            raise _too_much("depth", self.bounds.depth, depth)
        self.left -= len(document)
        if self.left < 0:
            raise _too_much("elements", self.bounds.elements, self.bounds.elements + 1)
        elements = {_tag(key): element for key, element in document.items()}
        written = [
            (tag, self._element(tag, element, depth)) for tag, element in sorted(elements.items())
        ]
        if not self.is_ascii and _CHARACTER_SET not in elements and depth == 0:
            written.append((_CHARACTER_SET, _element(_CHARACTER_SET, "CS", b"ISO_IR 192")))
            written.sort()
        return b"".join(piece for _, piece in written)

    def _element(self, tag: int, element: JsonElement, depth: int) -> bytes:
        if not isinstance(element, dict):
            raise _bad(tag, "is no object with a vr")
        vr = _vr(tag, element)
        values = element.get("Value", [])
        if not isinstance(values, list):
            raise _bad(tag, "has a Value that is no array")
        if vr == "SQ":
            return _element(tag, vr, self._items(tag, values, depth))
        if "InlineBinary" in element or "BulkDataURI" in element:
            return self._binary(tag, vr, element)
        if vr in _BYTES:
            if values:
                raise _bad(tag, f"of VR {vr} has a Value, not InlineBinary or BulkDataURI")
            return _element(tag, vr, b"")
        if tag == _CHARACTER_SET and values:
            return _element(tag, vr, b"ISO_IR 192")
        value = _encoded(tag, vr, values)
        self.is_ascii = self.is_ascii and (vr not in _TEXTS or value.isascii())
        return _element(tag, vr, value)

    def _items(self, tag: int, values: list[Json], depth: int) -> bytes:
        items = []
        for value in values:
            if value is not None and not isinstance(value, dict):
                raise _bad(tag, "has an item that is no object")
            item = self.data_set(cast("JsonObject", value or {}), depth + 1)
            items.append(b"\xfe\xff\x00\xe0" + _length(tag, item) + item)
        return b"".join(items)

    def _binary(self, tag: int, vr: str, element: JsonElement) -> bytes:
        if "InlineBinary" in element:
            text = element["InlineBinary"]
            try:
                value = b64decode(text if isinstance(text, str) else "!", validate=True)
            except (binascii.Error, ValueError):
                raise _bad(tag, "has InlineBinary that is no Base64") from None
        else:
            uri = element["BulkDataURI"]
            if self.bulk_data is None or not isinstance(uri, str):
                raise NotFoundError(
                    f"{_name_of(tag)} stands outside the document, as bulk data. Give bulk_data, "
                    "a function that returns its bytes for the BulkDataURI."
                )
            value = self.bulk_data(uri)
        if tag == _PIXEL_DATA and self.is_encapsulated:
            if not value.endswith(_DELIMITER):
                value += _DELIMITER
            return struct.pack("<HH", tag >> 16, tag & 0xFFFF) + b"OB\0\0" + _UNDEFINED + value
        return _element(tag, vr, _padded(value, vr))


def _encoded(tag: int, vr: str, values: list[Json]) -> bytes:
    if vr == "AT":
        try:
            tags = [int(str(value), 16) for value in values if value is not None]
            return b"".join(struct.pack("<HH", value >> 16, value & 0xFFFF) for value in tags)
        except (ValueError, struct.error):
            raise _bad(tag, "of VR AT holds what is no tag") from None
    if vr in _NUMBERS:
        code = "<" + _NUMBERS[vr]
        try:
            return b"".join(
                struct.pack(code, _number(value, vr)) for value in values if value is not None
            )
        except (ValueError, TypeError, OverflowError, struct.error):
            raise _bad(tag, f"holds what is no number of VR {vr}") from None
    if vr not in _TEXTS:
        raise _bad(tag, "has a vr that PS3.5 6.2 does not know")
    text = "\\".join(_text(tag, vr, value) for value in values)
    try:
        return _padded(text.encode("utf-8"), vr)
    except UnicodeEncodeError:
        raise _bad(tag, "holds half of a surrogate pair, which is no character") from None


def _number(value: Json, vr: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    if vr in ("FL", "FD"):
        return float(_NOT_FINITE.get(value, value)) if isinstance(value, str) else float(value)
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError
        return int(value)
    return int(value)


def _text(tag: int, vr: str, value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        if vr != "PN":
            raise _bad(tag, f"of VR {vr} holds an object")
        return "=".join(str(value.get(group) or "") for group in _NAME_GROUPS).rstrip("=")
    if isinstance(value, (bool, list)):
        raise _bad(tag, f"of VR {vr} holds what is no text or number")
    if vr == "IS" and isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _decimal(value) if isinstance(value, float) else str(value)


def _decimal(value: float) -> str:
    """Return a number as a Decimal String, as exactly as 16 characters can (PS3.5 6.2)."""
    shortest = repr(value)
    if len(shortest) <= _DECIMAL_CHARACTERS:
        return shortest.removesuffix(".0")
    return next(
        text
        for text in (f"{value:.{digits}g}" for digits in range(17, 0, -1))
        if len(text) <= _DECIMAL_CHARACTERS
    )


def _element(tag: int, vr: str, value: bytes) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if vr in _LONG:
        return head + vr.encode() + b"\0\0" + _length(tag, value) + value
    if len(value) > _SHORT_BYTES:  # PS3.5 6.2.2: a value too long for its VR goes as UN.
        return head + b"UN\0\0" + _length(tag, value) + value
    return head + vr.encode() + struct.pack("<H", len(value)) + value


def _length(tag: int, value: bytes) -> bytes:
    if len(value) >= 0xFFFFFFFF:
        raise _bad(tag, "is longer than an element can be")
    return struct.pack("<I", len(value))


def _padded(value: bytes, vr: str) -> bytes:
    pad = b"\0" if vr == "UI" or vr in _BYTES else b" "
    return value + pad * (len(value) % 2)


def _tag(key: str) -> int:
    if len(key) != 8 or not key.isascii():
        raise _not_the_model("The name of an element is no tag of eight hexadecimal digits")
    try:
        return int(key, 16)
    except ValueError:
        raise _not_the_model("The name of an element is no tag of hexadecimal digits") from None


def _vr(tag: int, element: JsonElement) -> str:
    vr = element.get("vr") or vr_of(tag)
    if not isinstance(vr, str) or vr not in _TEXTS | _NUMBERS.keys() | _BYTES | {"SQ", "AT"}:
        raise _bad(tag, "has a vr that PS3.5 6.2 does not know, or none")
    return vr


def _first_text(document: Mapping[str, JsonElement], tag: int) -> str:
    values = document.get(f"{tag:08X}", {}).get("Value")
    return str(values[0]) if isinstance(values, list) and values else ""


def _name_of(tag: int) -> str:
    return f"{keyword_of(tag) or 'The element'} {tag_text(tag)}"


def _bad(tag: int, problem: str) -> NonConformantError:
    return NonConformantError(
        f"{_name_of(tag)} {problem} (PS3.18 F.2). Correct the document where it was made.",
        reason="bad-model",
        tag=tag,
        reference="PS3.18 F.2",
    )


def _not_the_model(problem: str) -> NonConformantError:
    return NonConformantError(
        f"{problem} (PS3.18 F.2). Correct the document where it was made.",
        reason="bad-model",
        reference="PS3.18 F.2",
    )


def _too_much(rule: str, limit: int, found: int) -> HostileInputError:
    return HostileInputError(
        f"The document breaks the bound on {rule}: {limit} allowed.",
        rule=rule,
        limit=limit,
        found=found,
    )
