"""A content tree as HTML that people can read; every text is escaped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape

from dicomlab.iod._codes import Code
from dicomlab.iod._content import ContentItem
from dicomlab.standard import sop_class_name

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:50em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}th{text-align:left;padding-right:1.5em;font-weight:600}"
    "section{margin-left:1em}.context{color:#555;font-size:.9em}.concept{font-weight:600}"
)
_DEEPEST_HEADING = 6
_MOST_NUMBERS = 12


def document(root: ContentItem, facts: Sequence[tuple[str, str]], title: str) -> str:
    """Return a whole HTML document."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>{body(root, facts)}</body></html>"
    )


def body(root: ContentItem, facts: Sequence[tuple[str, str]]) -> str:
    """Return what is known of the document as a table, and its content."""
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts
    )
    return f"<table>{rows}</table><hr>{_item(root, 1, is_continuous=False)}"


def _item(item: ContentItem, level: int, *, is_continuous: bool) -> str:
    if item.value_type == "CONTAINER":
        return _container(item, level)
    concept = f"{_coded(item.concept, 'concept')}: " if item.concept else ""
    said = f"{concept}{value(item)}"
    if item.relationship in ("HAS OBS CONTEXT", "HAS ACQ CONTEXT", "HAS CONCEPT MOD"):
        said = f'<span class="context">{said}</span>'
    below = "".join(
        f"<li>{_item(child, level + 1, is_continuous=False)}</li>" for child in item.children
    )
    nested = f"<ul>{below}</ul>" if below else ""
    return f"<span>{said}</span> {nested}" if is_continuous else f"<div>{said}{nested}</div>"


def _container(item: ContentItem, level: int) -> str:
    heading = min(level, _DEEPEST_HEADING)
    title = f"<h{heading}>{escape(str(item.concept))}</h{heading}>" if item.concept else ""
    is_continuous = item.continuity == "CONTINUOUS"
    inside = "".join(
        _item(child, level + 1, is_continuous=is_continuous) for child in item.children
    )
    return f"{title}<section>{inside}</section>"


def value(item: ContentItem) -> str:
    """Return what an item says, escaped."""
    if item.target:
        return escape(f"see item {'.'.join(map(str, item.target))}")
    said = _SAID.get(item.value_type)
    if item.value_type == "CODE" and item.code is not None:
        return _coded(item.code, "code")
    if said is not None:
        return escape(said(item))
    lines = item.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "<br>".join(map(escape, lines))


def _coded(code: Code, kind: str) -> str:
    """Return a code's meaning; its value and scheme show where the pointer rests."""
    title = escape(f"{code.value}, {code.scheme}")
    return f'<span class="{kind}" title="{title}">{escape(str(code))}</span>'


def _number(item: ContentItem) -> str:
    if not item.text:
        return str(item.qualifier or "no value")
    return f"{item.text} {_units(item.code)}".strip()


def _graphic(item: ContentItem) -> str:
    shown = ", ".join(f"{number:g}" for number in item.graphic_data[:_MOST_NUMBERS])
    more = ", …" if len(item.graphic_data) > _MOST_NUMBERS else ""
    return f"{item.graphic_type} ({shown}{more})"


def _units(units: Code | None) -> str:
    if units is None or units.value == "1":
        return ""
    # UCUM writes {counts} where it has no unit: people read the meaning.
    return units.meaning if units.value.startswith("{") else units.value


def _referred(item: ContentItem) -> str:
    reference = item.reference
    if reference is None:
        return "nothing"
    name = sop_class_name(reference.sop_class_uid).removesuffix(" Storage")
    said = f"{name} {reference.sop_instance_uid}"
    if reference.frame_numbers:
        said += f", frame {', '.join(map(str, reference.frame_numbers))}"
    if reference.segment_numbers:
        said += f", segment {', '.join(map(str, reference.segment_numbers))}"
    return said


def person(name: str) -> str:
    """Return a person's name in the order in which it is said (PS3.5 6.2.1)."""
    groups = [group for group in name.split("=") if group.strip("^ ")]
    return " / ".join(map(_said, groups))


def _said(group: str) -> str:
    family, given, middle, prefix, suffix = (
        part.strip() for part in (group.split("^") + [""] * 5)[:5]
    )
    said = " ".join(part for part in (prefix, given, middle, family) if part)
    return f"{said}, {suffix}" if suffix else said


def date(text: str) -> str:
    """Return a DICOM date as ISO 8601 writes it; what is none as it is."""
    found = re.fullmatch(r"(\d{4})(\d{2})(\d{2})", text)
    return "-".join(found.groups()) if found else text


def time(text: str) -> str:
    """Return a DICOM time as ISO 8601 writes it; what is none as it is."""
    found = re.fullmatch(r"(\d{2})(\d{2})?(\d{2})?(\.\d+)?([+-]\d{4})?", text)
    if not found:
        return text
    hours, minutes, seconds, fraction, zone = found.groups()
    clock = ":".join(part for part in (hours, minutes, seconds) if part)
    return f"{clock}{fraction or ''}{' ' + zone if zone else ''}"


_SAID: Mapping[str, Callable[[ContentItem], str]] = {
    "NUM": _number,
    "PNAME": lambda item: person(item.text),
    "DATE": lambda item: date(item.text),
    "TIME": lambda item: time(item.text),
    "DATETIME": lambda item: f"{date(item.text[:8])} {time(item.text[8:])}".strip(),
    "SCOORD": _graphic,
    "SCOORD3D": _graphic,
    "TCOORD": _graphic,
    "IMAGE": _referred,
    "WAVEFORM": _referred,
    "COMPOSITE": _referred,
}
