"""What the index keeps of a record: normal forms, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from dicomlab.archive._schema import LevelTables, has_several, is_number
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


def columns_of(tables: LevelTables, record: Record) -> dict[str, str | float | None]:
    """Return the normal form of the first value of each key that has a column."""
    return {key: _first_form(key, record.get(key)) for key in sorted(tables.columns)}


def _first_form(keyword: str, value: Value) -> str | float | None:
    values = values_of(value)
    if not values:
        return None
    form = normal_form(attribute(keyword).vr, values[0])
    return None if isinstance(form, str) and is_number(keyword) else form


def forms_of(tables: LevelTables, record: Record) -> tuple[list[Form], set[str]]:
    """Return the rows of the table of values, and which keys are odd: several where one belongs."""
    found: list[Form] = []
    odd = set()
    for keyword, value in record.items():
        if keyword not in tables.columns:
            found += [Form(path, place, *both) for place, (path, both) in
                      enumerate(_within(keyword, value))]  # fmt: skip
            continue
        forms = list(_forms(keyword, value))
        is_odd = len(forms) > 1 or any(form is not None for form, _ in forms if is_number(keyword))
        if has_several(keyword) or is_odd:
            found += [Form(keyword, place, *both) for place, both in enumerate(forms)]
            if not has_several(keyword):
                odd.add(keyword)
    return found, odd


def _forms(keyword: str, value: Value) -> Iterator[tuple[str | None, float | None]]:
    """Yield what a criterion may meet in a value: each form, as text or as a number."""
    vr = attribute(keyword).vr
    for one in values_of(value):
        if vr == "PN":
            yield from ((form, None) for form in name_forms(str(one)) if form)
            continue
        form = normal_form(vr, one)
        if isinstance(form, str):
            yield form, None
        else:
            yield None, form


def _within(path: str, value: Value) -> Iterator[tuple[str, tuple[str | None, float | None]]]:
    """Yield the forms within a sequence, by path; the sequence itself stands for its presence."""
    keyword = path.rpartition(".")[2]
    if attribute(keyword).vr != "SQ":
        yield from ((path, both) for both in _forms(keyword, value))
        return
    for item in value if isinstance(value, tuple) else ():
        if isinstance(item, Mapping):
            yield path, ("", None)
            for inner, inside in item.items():
                yield from _within(f"{path}.{inner}", inside)


def searchable_text(tables: LevelTables, record: Record) -> str:
    """Return all text of a record that a wildcard may be looked for in, a line each."""
    lines = [
        form
        for keyword in sorted(tables.columns & record.keys())
        if attribute(keyword).vr in TEXT_VRS
        for form, _ in _forms(keyword, record[keyword])
        if form
    ]
    return "\n".join(lines)
