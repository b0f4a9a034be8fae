"""Small tables and pictures for notebooks. Every text is escaped: names come from strangers."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape

_TABLE = "border-collapse:collapse;font-size:13px;line-height:1.45"
_HEAD = "text-align:left;padding:3px 12px 3px 0;border-bottom:1px solid #8886;font-weight:600"
_CELL = "text-align:left;padding:3px 12px 3px 0;vertical-align:top"
_PICTURE = "display:block;border-radius:4px;background:#000"


def text(value: object) -> str:
    """Return a value as escaped text; several values are separated as in DICOM."""
    if value is None:
        return ""
    if isinstance(value, tuple | list):
        return escape("\\".join(str(part) for part in value))
    return escape(str(value))


def picture(png: bytes | None, *, alt: str, size: int) -> str:
    """Return a PNG as an inline picture, or an empty frame where there is none."""
    if png is None:
        return (
            f'<span role="img" aria-label="no picture" style="display:inline-block;width:{size}px;'
            f'height:{size}px;border:1px dashed #8888;border-radius:4px"></span>'
        )
    data = b64encode(png).decode("ascii")
    return (
        f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}" width="{size}"'
        f' style="{_PICTURE}">'
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are escaped already (`text`, `picture`)."""
    head = "".join(f'<th style="{_HEAD}">{escape(column)}</th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def titled(title: str, *parts: str) -> str:
    """Return parts under a title, which is escaped here."""
    return (
        '<div style="font-family:system-ui,sans-serif">'
        f'<div style="font-weight:600;margin:2px 0 6px">{escape(title)}</div>{"".join(parts)}</div>'
    )
