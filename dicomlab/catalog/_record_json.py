"""Records in the DICOM JSON model (PS3.18 F.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from dicomlab.catalog._json import Json, JsonElement, JsonObject
from dicomlab.catalog._source import Record, Scalar, Value
from dicomlab.standard import attribute

_NAME_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


def record_json(record: Record, keywords: Iterable[str]) -> JsonObject:
    """Return attributes of a record as elements, in the order of their tags.

    What has no value is an element without one, as a search has to answer it (PS3.18 10.6.3).
    """
    found = []
    for keyword in keywords:
        row = attribute(keyword)
        found.append((row.tag, _element(row.vr, record.get(keyword))))
    return {f"{tag:08X}": element for tag, element in sorted(found, key=lambda one: one[0])}


def _element(vr: str, value: Value) -> JsonElement:
    values = value if isinstance(value, tuple) else () if value is None else (value,)
    given = [_json(vr, one) for one in values]
    return {"vr": vr, "Value": given} if given else {"vr": vr}


def _json(vr: str, value: Scalar | Mapping[str, Value]) -> Json:
    if isinstance(value, Mapping):
        return dict(record_json(value, value))
    if value == "":
        return None
    if vr == "PN":
        groups = str(value).split("=")
        return {name: text for name, text in zip(_NAME_GROUPS, groups, strict=False) if text}
    return value
