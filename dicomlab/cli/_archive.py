"""``dicomlab archive …``: looking after the archive."""

from __future__ import annotations

import sys

import click

from dicomlab.cli._frame import (
    FAILED,
    PARTLY,
    WRONG_CALL,
    ArchiveChoice,
    answer,
    archive_option,
    bar,
    command,
    fail,
    json_option,
    say,
)
from dicomlab.cli._quarantine import quarantine


@click.group("archive")
def archive_group() -> None:
    """Look after the archive."""


archive_group.add_command(quarantine)


@archive_group.command("check")
@click.option(
    "--repair", is_flag=True, help="Index whole files; set damaged ones aside; remove deleted ones."
)
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


@archive_group.command("backup")
@click.option("--to", "folder", required=True, type=click.Path(file_okay=False), help="Where to.")
@archive_option
@json_option
@command
def backup(folder: str, archive: ArchiveChoice, *, as_json: bool) -> int:
    """Copy the archive into a folder, while it is in use; only new files are copied."""
    with archive.open() as held, bar("copying", "files") as update:
        report = held.source.backup(folder, progress=update)
    answer(report.to_dict(), as_json=as_json, text=str(report))
    return 0 if report.is_complete else PARTLY


@archive_group.command("restore")
@click.option(
    "--from", "folder", required=True, type=click.Path(exists=True, file_okay=False),
    help="What backup wrote.",
)  # fmt: skip
@archive_option
@json_option
@command
def restore(folder: str, archive: ArchiveChoice, *, as_json: bool) -> int:
    """Fill an empty archive from a backup."""
    with archive.open() as held, bar("copying", "files") as update:
        report = held.source.restore(folder, progress=update)
    answer(report.to_dict(), as_json=as_json, text=str(report))
    return 0 if report.is_complete else PARTLY


@archive_group.command("delete")
@click.argument("uids", nargs=-1, required=True, metavar="UID...")
@click.option(
    "--level",
    default="study",
    show_default=True,
    type=click.Choice(["study", "series", "image"]),
    help="What the UIDs are.",
)
@click.option("--yes", is_flag=True, help="Delete without asking.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and end.")
@archive_option
@json_option
@command
def delete(
    uids: tuple[str, ...],
    level: str,
    archive: ArchiveChoice,
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Delete studies for good: from the index, then their files.

    What would go is listed first. On a terminal you are asked; elsewhere --yes is needed.
    """
    with archive.open() as held:
        listed = held.delete(*uids, level=level, dry_run=True)
        if dry_run:
            answer(listed.to_dict(), as_json=as_json, text=str(listed))
            return 0
        if not yes:
            say(str(listed))
            if not sys.stdin.isatty():
                fail("Nothing was deleted: --yes is needed where nobody can be asked.",
                     as_json=as_json, kind="NotConfirmed", code=WRONG_CALL)  # fmt: skip
            if not click.confirm("Delete this for good?", err=True):
                fail("Nothing was deleted.", as_json=as_json, kind="NotConfirmed")
        with bar("deleting", level) as update:
            report = held.delete(*uids, level=level, progress=update)
    answer(report.to_dict(), as_json=as_json, text=str(report))
    return 0 if report.is_complete else PARTLY


@archive_group.command("retention")
@click.option("--apply", "is_applied", is_flag=True, help="Delete what has expired.")
@archive_option
@json_option
@command
def retention(archive: ArchiveChoice, *, is_applied: bool, as_json: bool) -> int:
    """Say which studies have expired by the configured rules, and why.

    Nothing is deleted without --apply.
    """
    with archive.open() as held:
        if not is_applied:
            report = held.expired()
        else:
            with bar("deleting", "studies") as update:
                report = held.expire(progress=update)
    answer(report.to_dict(), as_json=as_json, text=str(report))
    return 0 if report.deletion is None or report.deletion.is_complete else PARTLY
