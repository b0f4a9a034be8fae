"""``dicomlab export``: instances as files, in another transfer syntax where asked for."""

from __future__ import annotations

from pathlib import Path

import click

from dicomlab.cli._frame import (
    PARTLY,
    WRONG_CALL,
    ArchiveChoice,
    answer,
    archive_option,
    bar,
    collection_of,
    command,
    fail,
    json_option,
    words_of,
)


@click.command()
@click.argument("words", nargs=-1, metavar="[SOURCE] [Keyword=Value]...")
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path), help="DIR")
@click.option(
    "--level",
    default="study",
    show_default=True,
    type=click.Choice(["patient", "study", "series", "image"]),
    help="What must match; all instances of it are written.",
)
@click.option(
    "--transfer-syntax",
    metavar="UID",
    help="How they shall be coded; by default what the configuration prefers, or as they are.",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    help="Allow loss, of JPEG; the result is a derived instance.",
)
@click.option(
    "--max-error",
    type=click.IntRange(1, 255),
    help="Allow loss, of JPEG-LS: by so much at the most.",
)
@click.option(
    "--psnr-db",
    type=click.IntRange(20, 100),
    help="Allow loss, of JPEG 2000; what signal to noise ratio to aim at.",
)
@archive_option
@json_option
@command
def export(
    words: tuple[str, ...],
    folder: Path,
    level: str,
    transfer_syntax: str | None,
    quality: int | None,
    max_error: int | None,
    psnr_db: int | None,
    archive: ArchiveChoice,
    *,
    as_json: bool,
) -> int:
    """Write instances of the archive, or of SOURCE, as files: study/series/instance.dcm.

    Nothing is lost unless --quality, --max-error or --psnr-db allows it. What was written before is
    left: an export that was stopped goes on.
    """
    from dicomlab.catalog import Query  # noqa: PLC0415
    from dicomlab.errors import NotFoundError  # noqa: PLC0415
    from dicomlab.media import export as write  # noqa: PLC0415
    from dicomlab.pixels import Loss, can_encode  # noqa: PLC0415

    source, matches = words_of(words)
    try:
        query = Query.of(level, matches)
    except (NotFoundError, ValueError) as error:
        fail(str(error), as_json=as_json, kind=type(error).__name__, code=WRONG_CALL)
    if transfer_syntax is not None and not can_encode(transfer_syntax):
        raise click.UsageError(f"{transfer_syntax} is no transfer syntax that can be written.")
    loss = None
    if any(measure is not None for measure in (quality, max_error, psnr_db)):
        if transfer_syntax is None:
            raise click.UsageError("Loss needs a --transfer-syntax that allows it.")
        plain = Loss()
        loss = Loss(
            quality=quality or plain.quality,
            max_error=max_error or plain.max_error,
            psnr_db=psnr_db or plain.psnr_db,
        )
    if transfer_syntax is None:
        transfer_syntax = _preferred()
    collection = collection_of(source, archive)
    with bar("exporting", "instances") as update:
        report = write(
            collection.source,
            query,
            folder,
            transfer_syntax_uid=transfer_syntax,
            loss=loss,
            progress=update,
        )
    answer(report.to_dict(), as_json=as_json, text=str(report))
    return 0 if report.is_complete else PARTLY


def _preferred() -> str | None:
    """Return the first transfer syntax of ``images.storing`` that can be written here."""
    from dicomlab import config  # noqa: PLC0415
    from dicomlab.pixels import can_encode  # noqa: PLC0415

    if not config.is_set():
        return None
    preferred = config.load().images.storing.transfer_syntaxes
    return next((uid for uid in preferred if can_encode(uid)), None)
