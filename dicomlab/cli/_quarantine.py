"""``dicomlab archive quarantine …``: files that were refused."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicomlab.cli._frame import (
    PARTLY,
    ArchiveChoice,
    answer,
    archive_option,
    command,
    json_option,
)

if TYPE_CHECKING:
    from dicomlab.archive import QuarantineEntry
    from dicomlab.safety import Bounds

_SHORT = 12


@click.group()
def quarantine() -> None:
    """Look at files that were refused, and release or discard them."""


_id = click.argument("id_", metavar="ID")


@quarantine.command("list")
@archive_option
@json_option
@command
def list_(archive: ArchiveChoice, *, as_json: bool) -> None:
    """List the files in quarantine, the oldest first."""
    with archive.open() as held:
        entries = held.quarantine.list()
    lines = [
        f"{one.id[:_SHORT]}  {one.received}  {one.size:>11,}  {one.reason:22}  "
        f"{_one_line(one.source)}"
        for one in entries
    ]
    documents = [one.to_dict() for one in entries]
    answer(documents, as_json=as_json, text="\n".join(lines) or "The quarantine is empty.")


@quarantine.command("show")
@_id
@click.option("--hex", "what", flag_value="hex", help="Its bytes.")
@click.option("--tags", "what", flag_value="tags", help="Its elements, as far as they go.")
@click.option("--offset", default=0, type=click.IntRange(min=0), help="First byte of --hex.")
@click.option(
    "--length", default=512, show_default=True, type=click.IntRange(0, 65536), help="Of --hex."
)
@click.option(
    "--limit", default=1000, show_default=True, type=click.IntRange(min=1), help="Most of --tags."
)
@archive_option
@json_option
@command
def show(
    id_: str,
    what: str | None,
    offset: int,
    length: int,
    limit: int,
    archive: ArchiveChoice,
    *,
    as_json: bool,
) -> None:
    """Show what is known of a file, or its bytes, or its elements."""
    with archive.open() as held:
        if what == "hex":
            dump = held.quarantine.hex(id_, offset, length)
            answer(dump.to_dict(), as_json=as_json, text=str(dump))
        elif what == "tags":
            listing = held.quarantine.tags(id_, limit=limit)
            answer(listing.to_dict(), as_json=as_json, text=str(listing))
        else:
            entry = held.quarantine.entry(id_)
            answer(entry.to_dict(), as_json=as_json, text=_shown(entry))


def _shown(entry: QuarantineEntry) -> str:
    lines = [
        f"id        {entry.id}",
        f"reason    {entry.reason}",
        f"          {entry.message}",
        f"from      {_one_line(entry.source)}",
        f"received  {entry.received}",
        f"size      {entry.size:,} bytes",
    ]
    if entry.limit is not None or entry.found is not None:
        lines.append(f"bound     {entry.limit}, found {entry.found}")
    return "\n".join([*lines, *(f"{keyword}  {uid}" for keyword, uid in entry.uids.items())])


def _one_line(text: str) -> str:
    return text.replace("\n", "\ufffd")


def _bounds(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> Bounds:
    from dicomlab.safety import DEFAULT_BOUNDS  # noqa: PLC0415

    known = [field.name for field in fields(DEFAULT_BOUNDS)]
    wider: dict[str, int] = {}
    for one in given:
        name, _equals, value = one.partition("=")
        if name not in known or not value.isdecimal():
            raise click.BadParameter(f"give NAME=NUMBER; the names are {', '.join(known)}.")
        wider[name] = int(value)
    return replace(DEFAULT_BOUNDS, **wider)


def _waived(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[str, ...]:
    from dicomlab.safety import WAIVABLE  # noqa: PLC0415

    if not set(given) <= WAIVABLE:
        raise click.BadParameter(f"these can be waived: {', '.join(sorted(WAIVABLE))}.")
    return given


@quarantine.command("release")
@_id
@click.option(
    "--bound", "bounds", multiple=True, callback=_bounds, metavar="NAME=NUMBER",
    help="A wider bound, such as depth=200.",
)  # fmt: skip
@click.option(
    "--waive", multiple=True, callback=_waived, metavar="RULE",
    help="A rule that shall not hold, such as executable-preamble.",
)  # fmt: skip
@archive_option
@json_option
@command
def release(
    id_: str, bounds: Bounds, waive: tuple[str, ...], archive: ArchiveChoice, *, as_json: bool
) -> int:
    """Bring a file into the archive, on wider terms."""
    with archive.open() as held:
        report = held.quarantine.release(id_, bounds=bounds, waive=waive)
    answer(report.to_dict(), as_json=as_json, text=str(report))
    return 0 if report.is_complete else PARTLY


@quarantine.command("save")
@_id
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="A new file.")
@archive_option
@json_option
@command
def save(id_: str, target: Path, archive: ArchiveChoice, *, as_json: bool) -> None:
    """Write a file's bytes to a new file."""
    with archive.open() as held:
        entry = held.quarantine.entry(id_)
        saved = held.quarantine.save(entry.id, target)
    document = {"id": entry.id, "path": str(saved), "size": entry.size}
    answer(document, as_json=as_json, text=f"{saved}: {entry.size:,} bytes")


@quarantine.command("discard")
@_id
@archive_option
@json_option
@command
def discard(id_: str, archive: ArchiveChoice, *, as_json: bool) -> None:
    """Delete a file from the quarantine for good."""
    with archive.open() as held:
        entry = held.quarantine.discard(id_)
    answer(entry.to_dict(), as_json=as_json, text=f"Discarded {entry.id} ({entry.reason}).")
