"""Settings as TOML text: a new file with a comment for each, or an old one with its own kept."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, MutableMapping
from enum import StrEnum
from typing import cast

import tomlkit
from tomlkit.items import InlineTable, Table

from dicomlab.config._check import section_in
from dicomlab.config._settings import Settings
from dicomlab.config._values import Section

_HEAD = """\
# Configuration of dicomlab. What is commented out has the value that it shows.
# The environment comes first: DICOMLAB_SERVER__PORT=8081 is port in [server].
# Secrets do not belong here: name where they are, as { env = "NAME" } or { file = "PATH" }.
"""


def as_text(settings: Settings) -> str:
    """Return a whole file: each setting with what it means, those at their default commented."""
    return _HEAD + "".join(f"{line}\n" for line in _lines(settings, ()))


def _lines(section: Section, path: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a table: plain values first, then the tables within, as TOML wants it."""
    fields = type(section).model_fields
    values = {key: getattr(section, key) for key in fields}
    tables = {key: value for key, value in values.items() if isinstance(value, Section | Mapping)}
    for key in [key for key in fields if key not in tables]:
        yield from _comment(fields[key].description)
        value = values[key]
        mark = "# " if value == fields[key].default else ""
        text = "" if value is None else f" {tomlkit.item(_plain(value)).as_string()}"
        yield f"{mark}{key} ={text}"
    for key, value in tables.items():
        place = (*path, key)
        yield ""
        yield from _comment(fields[key].description)
        if isinstance(value, Section):
            yield f"[{'.'.join(place)}]"
            yield from _lines(value, place)
        else:
            mark = "# " if value == fields[key].default else ""
            inner, _ = section_in(fields[key].annotation)
            lines = _named_lines(value, place, inner)
            yield from (f"{mark}{line}" if line else "" for line in lines)


def _named_lines(
    named: Mapping[str, Section], path: tuple[str, ...], kind: type[Section] | None
) -> Iterator[str]:
    """Yield the lines of tables by name; where there is none, what one may hold."""
    if not named:
        yield f"[{'.'.join(path)}]"
        yield from _comment(f"{'.'.join(path)}.NAME may hold: {', '.join(_keys(kind))}.")
    for name, item in named.items():
        yield f"[{'.'.join((*path, name))}]"
        yield from _lines(item, (*path, name))


def _keys(kind: type[Section] | None) -> Iterator[str]:
    for key, field in () if kind is None else kind.model_fields.items():
        inner = list(_keys(section_in(field.annotation)[0]))
        yield from (f"{key}.{name}" for name in inner) if inner else [key]


def _comment(text: str | None) -> Iterator[str]:
    yield from textwrap.wrap(
        text or "", 98, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )


def with_settings(text: str, settings: Settings) -> str:
    """Return a file's text brought to the settings; what need not change is as it was."""
    document = tomlkit.parse(text)
    _put(document, settings)
    return tomlkit.dumps(document)


def _put(table: MutableMapping[str, object], section: Section) -> None:
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if key not in table and value == field.default:
            continue
        if value is None:
            table.pop(key, None)
        elif isinstance(value, Section):
            _put(_inner(table, key), value)
            _keep_heading(table, key)
        elif isinstance(value, Mapping):
            named = _inner(table, key)
            for gone in set(named) - set(value):
                del named[gone]
            for name, item in value.items():
                _put(_inner(named, name), item)
                _keep_heading(named, name)
            _keep_heading(table, key)
        elif table.get(key) != _plain(value):
            table[key] = _plain(value)


def _keep_heading(table: MutableMapping[str, object], key: str) -> None:
    """Give an empty table a heading: one that had none of its own would vanish when emptied."""
    inner = table[key]
    if isinstance(inner, Table) and not inner and inner.is_super_table():
        table[key] = tomlkit.table()


def _inner(table: MutableMapping[str, object], key: str) -> MutableMapping[str, object]:
    if key not in table:
        is_inline = isinstance(table, InlineTable)
        table[key] = tomlkit.inline_table() if is_inline else tomlkit.table()
    return cast("MutableMapping[str, object]", table[key])


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, StrEnum) else value
