"""The DICOM JSON model (PS3.18 annex F): written from a header, read as attributes."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, cast

from dicomlab.errors import HostileInputError
from dicomlab.safety import FirstValues, Header, not_a_number
from dicomlab.standard import tag_of

Json: TypeAlias = str | int | float | list["Json"] | dict[str, "Json"] | None
JsonElement: TypeAlias = dict[str, Json]
JsonObject: TypeAlias = dict[str, JsonElement]
"""A data set in the DICOM JSON model: elements by eight hexadecimal digits."""

INLINE_BYTES: Final = 1024
"""Binary values up to this length stand in the JSON itself; longer ones are referred to."""

_WORD_BYTES: Final = {"OB": 1, "UN": 1, "OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
_NUMBERS: Final = frozenset(("US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"))
_ONE_TEXT: Final = frozenset(("LT", "ST", "UT", "UR"))
_NAME_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_CHARACTER_SET: Final = 0x00080005


def dicom_json(header: Header, *, inline_bytes: int = INLINE_BYTES) -> JsonObject:
    """Return a header in the DICOM JSON model (PS3.18 annex F), all depths and private ones too.

    File meta information and group lengths are left out, as the model has it; text is Unicode, and
    Specific Character Set (0008,0005) says so where it is present. Binary values longer than
    `inline_bytes`, pixel data always, are left out, but named: their ``BulkDataURI`` is
    ``bulkdata/`` and the path of tags and item numbers, from 1, that leads to them. Decimal and
    Integer Strings that are no numbers stay text; numbers that are not finite are the strings
    ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``, as JSON has no number for them.

    Raises
    ------
    NonConformantError, HostileInputError
        An item within a sequence is damaged or breaks a bound.
    """
    found = _Writer(header.bounds.elements, inline_bytes).data_set(header, "bulkdata/")
    pixels = header.pixel_data
    if pixels is not None:
        key = f"{pixels.tag:08X}"
        element: JsonElement = {"vr": pixels.vr}
        found[key] = element | ({} if pixels.length == 0 else {"BulkDataURI": f"bulkdata/{key}"})
    return found


class _Writer:
    """Writes data sets within one bound on elements, all depths together."""

    def __init__(self, elements: int, inline_bytes: int) -> None:
        self.elements = self.left = elements
        self.inline_bytes = inline_bytes

    def data_set(self, header: Header, path: str) -> JsonObject:
        self.left -= len(header.elements)
        if self.left < 0:
            raise HostileInputError(
                f"The data set holds more than {self.elements} elements.",
                rule="elements",
                limit=self.elements,
                found=self.elements + 1,
            )
        found: JsonObject = {}
        for tag in sorted(header.elements):
            if tag >> 16 == 2 or not tag & 0xFFFF:
                continue
            key = f"{tag:08X}"
            vr, _offset, length = header.elements[tag]
            if header.is_sequence(tag):
                found[key] = self._sequence(header, tag, f"{path}{key}/")
            elif vr in _WORD_BYTES:
                found[key] = {"vr": vr} if not length else self._binary(header, tag, vr, path + key)
            else:
                values = _values(header, tag, vr)
                found[key] = {"vr": vr, "Value": values} if values else {"vr": vr}
        return found

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
        width = _WORD_BYTES[vr]
        if width > 1 and not header.is_little_endian:
            # F.2.7 encodes little endian.
            raw = b"".join(raw[at : at + width][::-1] for at in range(0, len(raw), width))
        return {"vr": vr, "InlineBinary": b64encode(raw).decode("ascii")}


def _values(header: Header, tag: int, vr: str) -> list[Json]:
    if vr in _NUMBERS:
        return [one if math.isfinite(one) else _not_finite(one) for one in header.binary(tag)]
    if vr == "AT":
        return [f"{int(value):08X}" for value in header.binary(tag)]
    text = "ISO_IR 192" if tag == _CHARACTER_SET else header.text_of(tag)
    if vr in _ONE_TEXT:
        return [text] if text else []
    if not text.strip(" \0\\"):
        return []
    one_value = _ONE_VALUE.get(vr, _text_value)
    return [one_value(part.strip(" \0")) for part in text.split("\\")]


def _not_finite(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


def _text_value(text: str) -> Json:
    return text or None


def _integer(text: str) -> Json:
    try:
        return int(text)
    except ValueError:
        return text or None


def _decimal(text: str) -> Json:
    try:
        number = float(text)
    except ValueError:
        return text or None
    return number if math.isfinite(number) else text


def _name(text: str) -> Json:
    groups = zip(_NAME_GROUPS, text.split("="), strict=False)
    return {name: group for name, part in groups if (group := part.strip(" \0"))} or None


_ONE_VALUE: Final = {"DS": _decimal, "IS": _integer, "PN": _name}


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
