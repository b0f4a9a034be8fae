"""``dicomlab COMMAND``. Rooms are imported inside the commands, so that ``--help`` is quick."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dicomlab.cli._frame import (
    FAILED,
    PARTLY,
    WRONG_CALL,
    answer,
    archive_option,
    bar,
    command,
    fail,
    json_option,
    plain,
    say,
)

if TYPE_CHECKING:
    from dicomlab._face import Collection
    from dicomlab.volume import Volume

_MATCH = re.compile(r"[A-Z][A-Za-z0-9.]*=")
_PORT = click.IntRange(0, 65535)
_LONGEST_UID = 64


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dicomlab")
def main() -> None:
    """Query, archive, open, de-identify and share DICOM studies."""


def _collection(source: str | None, archive: str | None) -> Collection:
    """Return what a SOURCE names: a path, or by default the archive."""
    from dicomlab._face import open as open_path  # noqa: PLC0415
    from dicomlab._face import open_archive  # noqa: PLC0415

    return open_path(source) if source else open_archive(archive)


@main.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@archive_option
@json_option
@command
def import_(paths: tuple[str, ...], archive: str | None, *, as_json: bool) -> int:
    """Bring files, folders, zips and tars into the archive, and report on each."""
    from dicomlab._face import open_archive  # noqa: PLC0415

    with open_archive(archive) as held, bar("importing", "files") as update:
        report = held.import_(*paths, progress=lambda done: update(done.files, done.total_files))
    answer(report.to_dict(), as_json=as_json, text=str(report))
    return 0 if report.is_complete else PARTLY


@main.group("archive")
def archive_group() -> None:
    """Look after the archive."""


@archive_group.command("check")
@click.option("--repair", is_flag=True, help="Index whole files; set damaged ones aside.")
@click.option("--rebuild", is_flag=True, help="Repair, and make the index anew from the files.")
@archive_option
@json_option
@command
def check_archive(archive: str | None, *, repair: bool, rebuild: bool, as_json: bool) -> int:
    """Compare every stored file with its SHA-256 and with the index."""
    from dicomlab._face import open_archive  # noqa: PLC0415

    with open_archive(archive) as held, bar("checking", "files") as update:
        report = held.source.check(repair=repair, rebuild=rebuild, progress=update)
    answer(report.to_dict(), as_json=as_json, text=str(report))
    if report.is_sound:
        return 0
    return PARTLY if report.is_repaired_in_part else FAILED


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
@archive_option
@json_option
@command
def find(
    words: tuple[str, ...],
    level: str,
    include: tuple[str, ...],
    limit: int | None,
    order_by: tuple[str, ...],
    archive: str | None,
    *,
    as_json: bool,
) -> int:
    """Query the archive, or the SOURCE given: a table, or JSON rows by DICOM keyword."""
    from dicomlab.catalog import Query  # noqa: PLC0415
    from dicomlab.errors import NotFoundError  # noqa: PLC0415

    source, matches = _words(words)
    try:
        Query.of(level, matches, include=include, limit=limit, order_by=order_by)
    except (NotFoundError, ValueError) as error:
        fail(str(error), as_json=as_json, kind=type(error).__name__, code=WRONG_CALL)
    collection = _collection(source, archive)
    found = collection.find(level, include=include, limit=limit, order_by=order_by, **matches)
    if as_json:
        click.echo(found.to_json(orient="records", date_format="iso", indent=2, force_ascii=False))
    elif found.empty:
        say("Nothing matches.")
    else:
        # A UID is cut nowhere: the next command takes it.
        click.echo(plain(found.to_string(index=False, na_rep="", max_colwidth=_LONGEST_UID)))
    report = getattr(collection, "report", None)
    if report is None or report.is_complete:
        return 0
    say(str(report))
    return PARTLY


def _words(words: tuple[str, ...]) -> tuple[str | None, dict[str, Any]]:
    """Tell the SOURCE from the Keyword=Value pairs."""
    matches = dict(word.split("=", 1) for word in words if _MATCH.match(word))
    sources = [word for word in words if not _MATCH.match(word)]
    if len(sources) > 1:
        raise click.UsageError(f"One SOURCE at the most, not {len(sources)}.")
    return (sources[0] if sources else None), matches


@main.command()
@click.argument("what", metavar="SERIES_UID|PATH")
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="OUT.ome.zarr")
@click.option("--series", help="Which series of the PATH, by UID.")
@click.option("--part", type=click.IntRange(min=1), help="Which volume of the series, from 1.")
@click.option("--allow-tilt", is_flag=True, help="Take a tilted stack, with its exact affine.")
@click.option("--gaps", type=click.Choice(["split"]), help="Open what lies between as parts.")
@click.option("--duplicates", type=click.Choice(["first"]), help="Keep one plane of each place.")
@click.option("--split-by", metavar="KEYWORD", help="What tells planes in one place apart.")
@click.option("--tolerance-mm", type=click.FloatRange(min=0), help="What counts as rounding.")
@click.option(
    "--slice-spacing-mm", type=click.FloatRange(min=0, min_open=True), help="Of one slice."
)
@click.option("--overwrite", is_flag=True, help="Replace a volume that is there already.")
@click.option("--check", is_flag=True, help="Read it back and compare, voxel for voxel.")
@archive_option
@json_option
@command
def convert(
    what: str,
    target: Path,
    series: str | None,
    part: int | None,
    archive: str | None,
    *,
    overwrite: bool,
    check: bool,
    as_json: bool,
    **remedies: Any,
) -> int:
    """Write a series as one OME-Zarr volume with a pyramid.

    What forms no regular grid is refused with the reason; the options that name a remedy are those
    of `series.volume()`.
    """
    from dicomlab.omezarr import verify, write  # noqa: PLC0415

    asked = {name: value for name, value in remedies.items() if value not in (None, False)}
    volume = _volume(what, series, part, archive, asked)
    with bar("converting", "slices") as progress:
        written = write(volume, target, overwrite=overwrite, progress=progress)
    facts: dict[str, Any] = {
        "path": str(written),
        "shape": list(volume.shape),
        "spacing_mm": list(volume.spacing_mm),
        "units": volume.units,
    }
    lines = [f"{written}: {volume!r}"]
    if check:
        with bar("checking", "slices") as progress:
            found = verify(written, volume, progress=progress)
        facts["check"] = {"voxels": found.voxels, "unequal_voxels": found.unequal_voxels,
                          "affine_difference": found.affine_difference,
                          "unequal_attributes": list(found.unequal_attributes)}  # fmt: skip
        lines.append(f"Read back: {found.voxels:,} voxels, {found.unequal_voxels} unequal.")
    answer(facts, as_json=as_json, text="\n".join(lines))
    return FAILED if check and not found.is_equal else 0


def _volume(
    what: str, series: str | None, part: int | None, archive: str | None, remedies: dict[str, Any]
) -> Volume:
    """Return the one volume that the words of a command name, or list what there is."""
    from dicomlab.errors import GeometryError, NotFoundError  # noqa: PLC0415

    if re.fullmatch(r"[0-9.]+", what) and not Path(what).exists():
        chosen = _collection(None, archive).series(what)
    else:
        collection = _collection(what, None)
        table = collection.find("series")
        uids = table["SeriesInstanceUID"].tolist()
        if not uids:
            raise NotFoundError(
                "PATH holds no series: `dicomlab find PATH` says what was left out."
            )
        if series is None and len(uids) != 1:
            shown = zip(
                uids, table["Modality"], table["NumberOfSeriesRelatedInstances"], strict=True
            )
            listed = "".join(f"\n  {uid}  {kind}, {n} instances" for uid, kind, n in [*shown][:20])
            raise NotFoundError(f"PATH holds {len(uids)} series; choose one by --series:{listed}")
        chosen = collection.series(series or uids[0])
    if part is None:
        try:
            return chosen.volume(**remedies)
        except GeometryError as error:
            if error.reason == "several-volumes":
                error.args = (f"{error} Choose one by --part, from 1.",)
            raise
    volumes = chosen.volumes(skip_refused=True, **remedies)
    if part > len(volumes):
        raise NotFoundError(f"The series has {len(volumes)} volume(s): no part {part}.")
    return volumes[part - 1]


@main.command()
@click.argument("source", required=False)
@click.option(
    "--http-port", default=0, type=_PORT, show_default="any free one", help="Port on loopback."
)
@click.option("--no-browser", is_flag=True, help="Print the address only.")
@archive_option
@json_option
@command
def view(
    source: str | None, http_port: int, archive: str | None, *, no_browser: bool, as_json: bool
) -> None:
    """Look at the studies of the archive, or of SOURCE, in the browser."""
    _serve(_collection(source, archive), port=http_port, browse=not no_browser, as_json=as_json)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--http-port", default=8080, type=_PORT, show_default=True, help="Port; 0 for any free one."
)
@click.option("--dashboards", is_flag=True, help="Panel dashboards too, on a port of their own.")
@archive_option
@json_option
@command
def serve(
    host: str, http_port: int, archive: str | None, *, dashboards: bool, as_json: bool
) -> None:
    """Serve the archive's pages until Ctrl-C."""
    _serve(
        _collection(None, archive),
        host=host,
        port=http_port,
        browse=False,
        as_json=as_json,
        dashboards=_archive_folder(archive) if dashboards else None,
    )


def _archive_folder(archive: str | None) -> Path:
    from dicomlab.config import home  # noqa: PLC0415

    return Path(archive) if archive else home() / "archive"


def _serve(
    collection: Collection,
    *,
    port: int,
    browse: bool,
    as_json: bool,
    host: str = "127.0.0.1",
    dashboards: Path | None = None,
) -> None:
    import webbrowser  # noqa: PLC0415

    from dicomlab.server import serve as start  # noqa: PLC0415

    with start(collection.source, host=host, port=port, dashboards=dashboards) as server:
        answer({"address": server.address}, as_json=as_json, text=server.address)
        say("Serving until Ctrl-C.")
        if browse:
            webbrowser.open(server.address)
        try:
            server.wait()
        except KeyboardInterrupt:
            say("Stopped.")


@main.command()
@click.option("--check", is_flag=True, help="Do it all, fetch the pages, print figures, and end.")
@click.option(
    "--http-port", default=0, type=_PORT, show_default="any free one", help="Port on loopback."
)
@json_option
@command
def demo(http_port: int, *, check: bool, as_json: bool) -> None:
    """Do the main job on sample studies, end to end: import, find, convert, serve."""
    from dicomlab.cli._demo import run  # noqa: PLC0415

    run(check=check, port=http_port, as_json=as_json)
