"""``dicomlab COMMAND``. Rooms are imported inside the commands, so that ``--help`` is quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dicomlab.cli._archive import archive_group
from dicomlab.cli._convert import convert
from dicomlab.cli._export import export
from dicomlab.cli._frame import (
    PARTLY,
    WRONG_CALL,
    ArchiveChoice,
    aet_option,
    answer,
    archive_option,
    bar,
    collection_of,
    command,
    fail,
    is_peer,
    json_option,
    machine,
    peer_of,
    plain,
    port_type,
    say,
    timeout_option,
    words_of,
)
from dicomlab.cli._journal import journal_group
from dicomlab.cli._network import echo, pull, push
from dicomlab.cli._serve import serve, view

if TYPE_CHECKING:
    from dicomlab._face import Collection, Peer

_LONGEST_UID = 64


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dicomlab")
def main() -> None:
    """Query, archive, open, de-identify and share DICOM studies."""


for _command in (
    archive_group, convert, echo, export, journal_group, pull, push, view, serve
):  # fmt: skip
    main.add_command(_command)


@main.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@archive_option
@json_option
@command
def import_(paths: tuple[str, ...], archive: ArchiveChoice, *, as_json: bool) -> int:
    """Bring files, folders, zips and tars into the archive, and report on each."""
    with archive.open() as held, bar("importing", "files") as update:
        report = held.import_(*paths, progress=lambda done: update(done.files, done.total_files))
    answer(report.to_dict(), as_json=as_json, text=str(report))
    return 0 if report.is_complete else PARTLY


@main.command()
@click.argument("words", nargs=-1, metavar="[SOURCE] [Keyword=Value]...")
@click.option(
    "--level",
    default="study",
    show_default=True,
    type=click.Choice(["patient", "study", "series", "image"]),
    help="What one row stands for.",
)
@click.option("--include", multiple=True, metavar="KEYWORD", help="Show this attribute as well.")
@click.option("--limit", type=click.IntRange(min=0), help="At the most so many rows.")
@click.option("--order-by", multiple=True, metavar="KEYWORD", help="Sort; -KEYWORD descends.")
@aet_option
@timeout_option
@archive_option
@json_option
@command
def find(
    words: tuple[str, ...],
    level: str,
    include: tuple[str, ...],
    limit: int | None,
    order_by: tuple[str, ...],
    archive: ArchiveChoice,
    *,
    aet: str | None,
    timeout_s: float,
    as_json: bool,
) -> int:
    """Query the archive, or the SOURCE given: a table, or JSON rows by DICOM keyword."""
    from dicomlab.catalog import Query  # noqa: PLC0415
    from dicomlab.errors import NotFoundError  # noqa: PLC0415

    source, matches = words_of(words)
    try:
        Query.of(level, matches, include=include, limit=limit, order_by=order_by)
    except (NotFoundError, ValueError) as error:
        fail(str(error), as_json=as_json, kind=type(error).__name__, code=WRONG_CALL)
    collection: Collection | Peer
    if source is not None and is_peer(source):
        collection = peer_of(source, aet, timeout_s)
    else:
        collection = collection_of(source, archive)
    found = collection.find(level, include=include, limit=limit, order_by=order_by, **matches)
    if as_json:
        for keyword in found.select_dtypes("datetime"):
            found[keyword] = found[keyword].dt.strftime("%Y-%m-%d")
        click.echo(machine(found.to_json(orient="records", indent=2, force_ascii=False)))
    elif found.empty:
        say("Nothing matches.")
    else:
        # A UID is cut nowhere: the next command takes it.
        click.echo(plain(found.to_string(index=False, na_rep="", max_colwidth=_LONGEST_UID)))
    certificate = found.attrs.get("certificate")
    if certificate is not None and not certificate["is_complete"]:
        say("The answer is not proved to be whole: " + ", ".join(certificate["findings"]) + ".")
        return PARTLY
    report = getattr(collection, "report", None)
    if report is None or report.is_complete:
        return 0
    say(str(report))
    return PARTLY


@main.command()
@click.option("--check", is_flag=True, help="Do it all, fetch the pages, print figures, and end.")
@click.option(
    "--http-port", default=0, type=port_type, show_default="any free one", help="Port on loopback."
)
@json_option
@command
def demo(http_port: int, *, check: bool, as_json: bool) -> None:
    """Do the main job on sample studies, end to end: import, find, convert, serve."""
    from dicomlab.cli._demo import run  # noqa: PLC0415

    run(check=check, port=http_port, as_json=as_json)
