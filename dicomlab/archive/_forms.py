"""What the index keeps of a record: normal forms, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from dicomlab.archive._schema import Key, LevelTables
from dicomlab.catalog import Record, Value, name_forms, normal_form, values_of
from dicomlab.standard import attribute

TEXT_VRS: Final = frozenset(("LO", "PN", "SH", "LT", "ST", "UC", "UT"))
"""Text that wildcards beginning with ``*`` are looked for in."""


class Form(NamedTuple):
    """One row of a table of values, without its owner."""

    keyword: str
    place: int
    form: str | None
    number: float | None


@dataclass
class Indexed:
    """What the index keeps of one record.

    Attributes
    ----------
    columns
        The normal form of the first value of each key that has a column; ``None`` also for a
        number that is none.
    forms
        The rows of the table of values.
    odd
        Keys of one value that have several here, or nonsense where a number belongs.
    text
        All text that a wildcard may be looked for in, a line each.
    """

    columns: dict[str, str | float | None]
    forms: list[Form]
    odd: set[str]
    text: str


def index(tables: LevelTables, record: Record) -> Indexed:
    """Return what the index keeps of a record of one level."""
    columns: dict[str, str | float | None] = dict.fromkeys(tables.columns)
    made = Indexed(columns, [], set(), "")
    lines: list[str] = []
    for keyword, value in record.items():
        if value is None:
            continue
        key = tables.columns.get(keyword)
        if key is None:
            made.forms += [
                Form(path, place, form, number)
                for place, (path, form, number) in enumerate(_within(keyword, value))
            ]
            continue
        forms = (
            _forms_of_one(key.vr, value)
            if isinstance(value, str | int | float)
            else tuple(_forms(key.vr, value))
        )
        first = _first(key, value, forms)
        columns[keyword] = first
        is_odd = len(forms) > 1 or (first is None and bool(forms))
        if key.has_several or is_odd:
            made.forms += [Form(keyword, place, *both) for place, both in enumerate(forms)]
            if not key.has_several:
                made.odd.add(keyword)
        if key.vr in TEXT_VRS:
            lines += [form for form, _number in forms if form]
    made.text = "\n".join(lines)
    return made


def _first(
    key: Key, value: Value, forms: Sequence[tuple[str | None, float | None]]
) -> str | float | None:
    if key.vr == "PN":
        # Its groups are forms of their own; what names are sorted by has all of them.
        values = values_of(value)
        return normal_form("PN", values[0]) if values else None
    if not forms:
        return None
    form, number = forms[0]
    return number if key.is_number else form


def _forms(vr: str, value: Value) -> Iterator[tuple[str | None, float | None]]:
    """Yield what a criterion may meet in a value: each form, as text or as a number."""
    for one in values_of(value):
        if vr == "PN":
            yield from ((form, None) for form in name_forms(str(one)) if form)
            continue
        form = normal_form(vr, one)
        yield (form, None) if isinstance(form, str) else (None, form)


@lru_cache(maxsize=8192, typed=True)
def _forms_of_one(vr: str, value: str | float) -> tuple[tuple[str | None, float | None], ...]:
    """Return the forms of one value: the instances of a series have most of them alike."""
    return tuple(_forms(vr, value))


def _within(path: str, value: Value) -> Iterator[tuple[str, str | None, float | None]]:
    """Yield the forms within a sequence, by path; the sequence itself stands for each item."""
    vr = attribute(path.rpartition(".")[2]).vr
    if vr != "SQ":
        yield from ((path, form, number) for form, number in _forms(vr, value))
        return
    for item in value if isinstance(value, tuple) else ():
        if isinstance(item, Mapping):
            yield path, "", None
            for inner, inside in item.items():
                if inside is not None:
                    yield from _within(f"{path}.{inner}", inside)
