"""``dicomlab convert``: a series as one OME-Zarr volume."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dicomlab.cli._frame import (
    FAILED,
    ArchiveChoice,
    answer,
    archive_option,
    bar,
    collection_of,
    command,
    json_option,
)

if TYPE_CHECKING:
    from dicomlab.volume import Volume


@click.command()
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
    archive: ArchiveChoice,
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
    what: str,
    series: str | None,
    part: int | None,
    archive: ArchiveChoice,
    remedies: dict[str, Any],
) -> Volume:
    """Return the one volume that the words of a command name, or list what there is."""
    from dicomlab.errors import GeometryError, NotFoundError  # noqa: PLC0415

    if re.fullmatch(r"[0-9.]+", what) and not Path(what).exists():
        chosen = collection_of(None, archive).series(what)
    else:
        collection = collection_of(what, archive)
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
