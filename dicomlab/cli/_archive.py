"""``dicomlab archive …``: looking after the archive."""

from __future__ import annotations

import click

from dicomlab.cli._frame import (
    FAILED,
    PARTLY,
    ArchiveChoice,
    answer,
    archive_option,
    bar,
    command,
    json_option,
)
from dicomlab.cli._quarantine import quarantine


@click.group("archive")
def archive_group() -> None:
    """Look after the archive."""


archive_group.add_command(quarantine)


@archive_group.command("check")
@click.option("--repair", is_flag=True, help="Index whole files; set damaged ones aside.")
@click.option("--rebuild", is_flag=True, help="Repair, and make the index anew from the files.")
@archive_option
@json_option
@command
def check_archive(archive: ArchiveChoice, *, repair: bool, rebuild: bool, as_json: bool) -> int:
    """Compare every stored file with its SHA-256 and with the index."""
    with archive.open() as held, bar("checking", "files") as update:
        report = held.source.check(repair=repair, rebuild=rebuild, progress=update)
    answer(report.to_dict(), as_json=as_json, text=str(report))
    if report.is_sound:
        return 0
    return PARTLY if report.is_repaired_in_part else FAILED
