"""Holds what a file says against the settings there are: all problems at once, nothing dropped."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, get_args, get_origin

from pydantic import ValidationError

from dicomlab.config._home import PREFIX
from dicomlab.config._settings import Settings, Viewing
from dicomlab.config._values import Section

Table: TypeAlias = Mapping[str, object]
Path: TypeAlias = tuple[str, ...]
Parts: TypeAlias = tuple[str | int, ...]

_EXPECTED = {
    "string_type": "a text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "tuple_type": "a list in square brackets",
    "dict_type": "a table",
    "mapping_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "missing": "a value",
    "too_short": "at least {min_length} of them",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "enum": "one of {expected}",
    "value_error": "{error}",
    "string_pattern_mismatch": (
        "a name of lower-case letters, digits, - and _ (a variable's name for env)"
    ),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that cannot be used.

    Attributes
    ----------
    key
        Where it stands: ``"peers.pacs.port"``; empty where it is the file as a whole.
    found, expected
        What is there (a text only by its length: it may be a secret) and what should be.
    line
        Line of the file, from 1; ``None`` where it is not in the file.
    variable
        Environment variable that it came from, ``None`` where it came from the file.
    """

    key: str
    found: str
    expected: str
    line: int | None = None
    variable: str | None = None

    def __str__(self) -> str:
        where = self.variable or (f"line {self.line}" if self.line else "")
        place = " ".join(filter(None, (self.key, f"({where})" if where else "")))
        return f"{place or 'The file'}: found {self.found}, expected {self.expected}."


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """A key that no setting has: kept in the file, without effect.

    Attributes
    ----------
    key
        Where it stands: ``"server.prot"``.
    nearest
        The known key that is spelled most alike, ``None`` where none is near.
    line, variable
        As for `Problem`.
    """

    key: str
    nearest: str | None = None
    line: int | None = None
    variable: str | None = None

    def __str__(self) -> str:
        where = self.variable or (f"line {self.line}" if self.line else "")
        text = f"{self.key}{f' ({where})' if where else ''} is no setting and has no effect."
        return text + (f" Is {self.nearest} meant?" if self.nearest else " Remove it.")


class _Nothing:
    """Stands for a value that is not there."""


_NOTHING = _Nothing()


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a configuration: settings, or problems; and unknown keys beside either.

    Attributes
    ----------
    settings
        ``None`` where there are problems.
    problems, unknown
        Every one of them.
    """

    settings: Settings | None
    problems: tuple[Problem, ...]
    unknown: tuple[UnknownKey, ...]


def _dotted(path: Sequence[str | int]) -> str:
    """Return the path of a key as a person writes it; an item of a list by its place from 1."""
    return ".".join(f"[{part + 1}]" if isinstance(part, int) else part for part in path)


def check_document(
    document: Table, environ: Mapping[str, str], lines: Mapping[Path, int]
) -> Checked:
    """Return settings, or what is wrong with them, and every key that is none of them.

    Parameters
    ----------
    document
        What the file says.
    environ
        Environment: ``DICOMLAB_SERVER__PORT=8081`` comes before ``port`` in ``[server]``.
    lines
        Line of each key in the file.
    """
    overlay = _overlay(environ)
    table = document
    for path, (_variable, value) in overlay.items():
        table = _placed(table, path, value)

    def source(path: Path) -> tuple[int | None, str | None]:
        for end in range(len(path), 0, -1):
            if path[:end] in overlay:
                return None, overlay[path[:end]][0]
            if path[:end] in lines:
                return lines[path[:end]], None
        inner = (name for inner, (name, _value) in overlay.items() if inner[: len(path)] == path)
        return None, next(inner, None)

    unknown = []
    for path, nearest in _unknown(table, Settings, ()):
        line, variable = source(path)
        unknown.append(UnknownKey(_dotted(path), nearest, line, variable))
    found = [*_wrong_values(table), *_wrong_names(table)]
    problems = []
    for parts, expected in found:
        line, variable = source(tuple(part for part in parts if isinstance(part, str)))
        problems.append(
            Problem(_dotted(parts), _described(_value_at(table, parts)), expected, line, variable)
        )
    settings = None if problems else Settings.model_validate_json(_json(table))
    return Checked(settings, tuple(problems), tuple(unknown))


def _json(table: Table) -> str:
    # JSON, because only there do pydantic's strict rules take a list for a tuple and a text for an
    # enumeration. What TOML has and JSON has not (dates, times) becomes a table: no setting is one.
    return json.dumps(table, default=lambda value: {type(value).__name__: str(value)})


def _wrong_values(table: Table) -> Iterator[tuple[Parts, str]]:
    try:
        Settings.model_validate_json(_json(table))
    except ValidationError as exc:
        for error in exc.errors(include_url=False, include_input=False):
            text = _EXPECTED.get(error["type"])
            expected = error["msg"] if text is None else text.format_map(error.get("ctx", {}))
            yield tuple(part for part in error["loc"] if part != "[key]"), expected


def _wrong_names(table: Table) -> Iterator[tuple[Parts, str]]:
    """Yield each name that points to no table, and each that two tables share."""
    names = {key: set(_table(table.get(key))) for key in ("aes", "locations", "peers", "dicomweb")}
    if "aes" not in table:
        names["aes"] = {"main"}
    elif "main" not in names["aes"]:
        yield ("aes", "main"), "a table: the AE that we are where no other is named"
    for kind in ("peers", "dicomweb"):
        for name, peer in _table(table.get(kind)).items():
            for key, target in (("location", "locations"), ("local", "aes")):
                value = _table(peer).get(key)
                known = key != "local" or kind == "peers"
                if known and isinstance(value, str) and value not in names[target]:
                    choices = ", ".join(sorted(names[target])) or "none is there yet"
                    yield (kind, name, key), f"the name of a table in {target} ({choices})"
    for name in sorted(names["peers"] & names["dicomweb"]):
        yield ("dicomweb", name), "a name that no table in peers has"
    viewing = _table(_table(table.get("images")).get("viewing"))
    presets = viewing.get("windows", Viewing().windows)
    preset = viewing.get("preset")
    if isinstance(preset, str) and isinstance(presets, Mapping) and preset not in presets:
        yield ("images", "viewing", "preset"), f"one of {', '.join(sorted(presets)) or 'none'}"
    if viewing.get("initial_window") == "preset" and preset is None:
        yield ("images", "viewing", "preset"), 'a name, because initial_window is "preset"'


def _table(value: object) -> Table:
    return value if isinstance(value, Mapping) else {}


def _unknown(
    table: Table, section: type[Section], above: Path
) -> Iterator[tuple[Path, str | None]]:
    """Yield the path of each key that no setting has, with the nearest that one has."""
    known = section.model_fields
    for key, value in table.items():
        path = (*above, key)
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            yield path, _dotted((*above, *near)) if near else None
            continue
        inner, is_named = section_in(known[key].annotation)
        if inner is not None and is_named:
            for name, item in _table(value).items():
                yield from _unknown(_table(item), inner, (*path, name))
        elif inner is not None:
            yield from _unknown(_table(value), inner, path)


def section_in(annotation: object) -> tuple[type[Section] | None, bool]:
    """Return the section that a setting holds, and whether it holds several by name."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation, False
    arguments = get_args(annotation)
    is_named = get_origin(annotation) is Mapping
    inner = (section_in(argument)[0] for argument in arguments)
    return next(filter(None, inner), None), is_named


def _overlay(environ: Mapping[str, str]) -> dict[Path, tuple[str, object]]:
    """Return the settings that the environment names, by path, each with its variable.

    Only names with a double underscore are settings: every setting is in a section, and so other
    variables (``DICOMLAB_HOME``, ``DICOMLAB_PEERS``) cannot be taken for one.
    """
    overlay: dict[Path, tuple[str, object]] = {}
    for variable, text in sorted(environ.items()):
        path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        if variable.startswith(PREFIX) and len(path) > 1 and all(path):
            overlay[path] = variable, _environment_value(text)
    return overlay


def _environment_value(text: str) -> object:
    """Return a value written as in the file; what is not written so is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _placed(table: Table, path: Path, value: object) -> Table:
    """Return a table with one value put in its place; the table given stays as it is."""
    head, *rest = path
    return {**table, head: _placed(_table(table.get(head)), tuple(rest), value) if rest else value}


def _value_at(table: Table, parts: Parts) -> object:
    value: object = table
    for part in parts:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) else _NOTHING
        else:
            value = _table(value).get(part, _NOTHING)
    return value


def _described(value: object) -> str:
    """Return what a value is; of a text only how long it is, for it may be a secret."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    kinds = {list: "a list", dict: "a table", _Nothing: "nothing"}
    return kinds.get(type(value), "a date or time")


def lines_of(text: str) -> dict[Path, int]:
    """Return the line of each key and table of a TOML text, from 1.

    One statement is a whole document too: lines are added until one is complete.
    """
    lines: dict[Path, int] = {}
    table: Path = ()
    statement, start = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        if not statement:
            start = number
        statement += line + "\n"
        try:
            said = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if statement.lstrip().startswith("["):
            table = max(_paths(said), key=len)
            lines.setdefault(table, start)
        else:
            for path in _paths(said):
                lines.setdefault((*table, *path), start)
        statement = ""
    return lines


def _paths(value: object) -> Iterator[Path]:
    if isinstance(value, list) and value:
        yield from _paths(value[-1])
    for key, inner in _table(value).items():
        yield (key,)
        for path in _paths(inner):
            yield (key, *path)
