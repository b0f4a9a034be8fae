"""The DICOM JSON model (PS3.18 annex F): written from a header, read as attributes."""

from __future__ import annotations

import itertools
import json
import math
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeAlias, cast

from dicomlab.catalog._seen import Seen
from dicomlab.errors import HostileInputError, NotFoundError
from dicomlab.safety import ByteSource, FirstValues, Header, not_a_number
from dicomlab.standard import tag_of

Json: TypeAlias = str | int | float | list["Json"] | dict[str, "Json"] | None
JsonElement: TypeAlias = dict[str, Json]
JsonObject: TypeAlias = dict[str, JsonElement]
"""A data set in the DICOM JSON model: elements by eight hexadecimal digits."""

INLINE_BYTES: Final = 1024
"""Binary values up to this length stand in the JSON itself; longer ones are referred to."""

_BULK: Final = "bulkdata/"
_WORD_BYTES: Final = {"OB": 1, "UN": 1, "OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
_NUMBERS: Final = frozenset(("US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"))
_ONE_TEXT: Final = frozenset(("LT", "ST", "UT", "UR"))
_NAME_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_CHARACTER_SET: Final = 0x00080005
_EXACT: Final = 2**53
_DECIMAL_CHARACTERS: Final = 16
_SAFE_DIGITS: Final = 15


def dicom_json(
    header: Header, *, inline_bytes: int = INLINE_BYTES, numbers_as_text: bool = False
) -> JsonObject:
    """Return a header in the DICOM JSON model (PS3.18 annex F), all depths and private ones too.

    File meta information and group lengths are left out, as the model has it; text is Unicode, and
    Specific Character Set (0008,0005) says so where it is present. Binary values longer than
    `inline_bytes`, pixel data always, are left out, but named: their ``BulkDataURI`` is
    ``bulkdata/`` and the path of tags and item numbers, from 1, that leads to them; `bulk_value`
    gives what it stands for. Numbers that are not finite are the strings ``"NaN"``, ``"Infinity"``
    and ``"-Infinity"``, as JSON has no number for them. Decimal and Integer Strings stay text
    where no JSON number is exactly theirs; with `numbers_as_text` all of them do, so that trailing
    zeros are kept too. 64-bit integers stay text where a double cannot hold them (F.2.3).
    `part10` makes the data set of a document again.

    Raises
    ------
    NonConformantError, HostileInputError
        An item within a sequence is damaged or breaks a bound.
    """
    found = _Writer(header.bounds.elements, inline_bytes, numbers_as_text).data_set(header, _BULK)
    return found | _pixels(header)


def dicom_json_text(header: Header) -> str:
    """Return `dicom_json` as text, as short as JSON can be.

    What an earlier header had alike is not written anew: of a series that is nearly all.
    """
    writer = _Writer(header.bounds.elements, INLINE_BYTES, numbers_as_text=False)
    writer.count(header)

    def write(tag: int) -> str:
        element = writer.element(header, tag, f"{_BULK}{tag:08X}")
        return f'"{tag:08X}":{_dumps(element)}'

    parts = _seen.each(header, _shown(header), write)
    parts += [f'"{key}":{_dumps(element)}' for key, element in _pixels(header).items()]
    return f"{{{','.join(parts)}}}"


_dumps: Final = json.JSONEncoder(separators=(",", ":")).encode
_seen: Final[Seen[str]] = Seen()


def _shown(header: Header) -> list[int]:
    """Return the tags of a data set that the model has, in their order."""
    return [tag for tag in sorted(header.elements) if tag >> 16 != 2 and tag & 0xFFFF]


def _pixels(header: Header) -> JsonObject:
    pixels = header.pixel_data
    if pixels is None:
        return {}
    key = f"{pixels.tag:08X}"
    element: JsonElement = {"vr": pixels.vr}
    return {key: element | ({} if pixels.length == 0 else {"BulkDataURI": _BULK + key})}


class _Writer:
    """Writes data sets within one bound on elements, all depths together."""

    def __init__(self, elements: int, inline_bytes: int, numbers_as_text: bool) -> None:  # noqa: FBT001  one caller
        self.elements = self.left = elements
        self.inline_bytes = inline_bytes
        self.one_value = {"PN": _name} if numbers_as_text else _ONE_VALUE

    def count(self, header: Header) -> None:
        """Count the elements of one more data set, or refuse them."""
        self.left -= len(header.elements)
        if self.left < 0:
            raise HostileInputError(
                f"The data set holds more than {self.elements} elements.",
                rule="elements",
                limit=self.elements,
                found=self.elements + 1,
            )

    def data_set(self, header: Header, path: str) -> JsonObject:
        self.count(header)
        return {
            f"{tag:08X}": self.element(header, tag, f"{path}{tag:08X}") for tag in _shown(header)
        }

    def element(self, header: Header, tag: int, path: str) -> JsonElement:
        vr, _offset, length = header.elements[tag]
        if header.is_sequence(tag):
            return self._sequence(header, tag, f"{path}/")
        if vr in _WORD_BYTES:
            return {"vr": vr} if not length else self._binary(header, tag, vr, path)
        values = _values(header, tag, vr, self.one_value)
        return {"vr": vr, "Value": values} if values else {"vr": vr}

    def _sequence(self, header: Header, tag: int, path: str) -> JsonElement:
        items: list[Json] = [
            cast("Json", self.data_set(item, f"{path}{number}/"))
            for number, item in enumerate(header.items_of(tag), 1)
        ]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}

    def _binary(self, header: Header, tag: int, vr: str, path: str) -> JsonElement:
        length = header.elements[tag][2]
        raw = header.raw(tag)
        if raw is None or length > self.inline_bytes:
            return {"vr": vr, "BulkDataURI": path}
        inline = b64encode(_little(header, raw, vr)).decode("ascii")
        return {"vr": vr, "InlineBinary": inline}


def bulk_value(header: Header, source: ByteSource, uri: str) -> bytes:
    """Return the value that a ``BulkDataURI`` of `dicom_json` stands for.

    Parameters
    ----------
    header
        What the document was made from.
    source
        The bytes that the header was read from; for the pixels of a deflated instance, its buffer.
    uri
        ``bulkdata/`` and the path of tags and item numbers, from 1. Pixel data of undefined length
        is given as it stands: the items of its fragments, up to the end of the source.

    Raises
    ------
    NotFoundError
        The path leads nowhere.
    """
    missing = NotFoundError(f"There is no bulk data at {uri!r} in this instance.")
    parts = uri.removeprefix("bulkdata/").split("/")
    if len(parts) % 2 == 0 or not all(part.isalnum() for part in parts):
        raise missing
    try:
        tags = [int(part, 16) for part in parts[::2]]
        numbers = [int(part) for part in parts[1::2]]
    except ValueError:
        raise missing from None
    pixels = header.pixel_data
    if pixels is not None and tags == [pixels.tag]:
        length = source.size - pixels.offset if pixels.length is None else pixels.length
        return source.read_at(pixels.offset, length)
    found: Header | None = header
    for tag, number in zip(tags, numbers, strict=False):
        if found is None or number < 1:
            raise missing
        found = next(itertools.islice(found.items_of(tag), number - 1, None), None)
    raw = None if found is None else found.raw(tags[-1])
    if found is None or raw is None:
        raise missing
    return _little(found, raw, found.elements[tags[-1]][0])


def _little(header: Header, raw: bytes, vr: str) -> bytes:
    """Return binary values as little endian, as F.2.7 has them."""
    width = _WORD_BYTES.get(vr, 1)
    if width == 1 or header.is_little_endian:
        return raw
    return b"".join(raw[at : at + width][::-1] for at in range(0, len(raw), width))


def _values(
    header: Header, tag: int, vr: str, one_values: Mapping[str, Callable[[str], Json]]
) -> list[Json]:
    if vr in _NUMBERS:
        return [_number(one) for one in header.binary(tag)]
    if vr == "AT":
        return [f"{int(value):08X}" for value in header.binary(tag)]
    text = "ISO_IR 192" if tag == _CHARACTER_SET else header.text_of(tag)
    if vr in _ONE_TEXT:
        return [text] if text else []
    if not text.strip(" \0"):
        return []
    one_value = one_values.get(vr, _text_value)
    if vr == "UC":  # Spaces before the text are part of it (PS3.5 6.2).
        return [one_value(part.rstrip(" \0")) for part in text.split("\\")]
    return [one_value(part.strip(" \0")) for part in text.split("\\")]


def _number(number: float) -> Json:
    if isinstance(number, int):
        return number if abs(number) <= _EXACT else str(number)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return number


def _text_value(text: str) -> Json:
    return text or None


def _integer(text: str) -> Json:
    if "_" in text:  # Python reads it, DICOM does not.
        return text
    try:
        return int(text)
    except ValueError:
        return text or None


def _decimal(text: str) -> Json:
    if "_" in text:
        return text
    try:
        number = float(text)
    except ValueError:
        return text or None
    written = repr(number)
    if not math.isfinite(number) or len(written) > _DECIMAL_CHARACTERS:
        return text
    # Up to 15 digits a double is the decimal that was written (PS3.5 6.2 allows 16 characters).
    if len(text) <= _SAFE_DIGITS or Decimal(written) == Decimal(text):
        return number
    return text


def _name(text: str) -> Json:
    groups = zip(_NAME_GROUPS, text.split("="), strict=False)
    return {name: group for name, part in groups if (group := part.strip(" \0"))} or None


_ONE_VALUE: Final[Mapping[str, Callable[[str], Json]]] = {
    "DS": _decimal,
    "IS": _integer,
    "PN": _name,
}


class JsonAttributes(FirstValues):
    """The attributes of a data set in the DICOM JSON model: the same answers as its header's.

    Parameters
    ----------
    data
        As `dicom_json` writes it, or a DICOMweb server answers it.
    """

    __slots__ = ("_data",)

    def __init__(self, data: Mapping[str, Mapping[str, Json]]) -> None:
        self._data = data

    @property
    def document(self) -> Mapping[str, Mapping[str, Json]]:
        """The data set in the model."""
        return self._data

    def __contains__(self, keyword: str) -> bool:
        return f"{tag_of(keyword):08X}" in self._data

    def _values(self, keyword: str) -> Sequence[Json]:
        element = self._data.get(f"{tag_of(keyword):08X}", {})
        values = element.get("Value")
        return values if isinstance(values, list) else ()

    def strings(self, keyword: str) -> tuple[str, ...]:
        """Return the values of a text attribute, ``()`` where it is absent or empty."""
        return tuple(_text(value) for value in self._values(keyword))

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Return the values of a numeric attribute, ``()`` where it is absent or empty.

        Raises
        ------
        NonConformantError
            A Decimal or Integer String is no number (PS3.5 6.2).
        """
        try:
            return tuple(float(cast("float", value)) for value in self._values(keyword))
        except (TypeError, ValueError):
            raise not_a_number(keyword, "holds what is no number") from None

    def items(self, keyword: str) -> tuple[JsonAttributes, ...]:
        """Return the items of a sequence, ``()`` where it is absent or empty."""
        return tuple(
            JsonAttributes(cast("JsonObject", value))
            for value in self._values(keyword)
            if isinstance(value, dict)
        )


def _text(value: Json) -> str:
    if isinstance(value, dict):
        groups = [str(value.get(name) or "") for name in _NAME_GROUPS]
        return "=".join(groups).rstrip("=")
    return "" if value is None else str(value)
