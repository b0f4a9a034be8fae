"""A small archive of phantoms for the tests of pages and viewers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.config import disable_value_validation

from dicomlab import phantoms
from dicomlab.archive import Archive

HOSTILE = "<script>alert(1)</script>"
HOSTILE_ATTRIBUTE = "\"><img src=x onerror=alert(2)>'"
HOSTILE_TEMPLATE = "{{7*7}}${7*7}<svg onload=alert(3)>"


@dataclass(frozen=True)
class Samples:
    """An archive and the series in it, by what they are for."""

    archive: Archive
    folder: Path
    ct: str
    echoes: str
    gap: str
    colour: str
    hostile: str
    hostile_study: str


@contextmanager
def samples(folder: Path, *, slices: int = 20, rows: int = 64) -> Iterator[Samples]:
    """Make an archive with a CT, two echoes, a CT with a gap, colour, and hostile texts."""
    series: dict[str, Dataset] = {}

    def keep(name: str, made: Iterator[Dataset]) -> None:
        place = folder / "files" / name
        place.mkdir(parents=True)
        for number, one in enumerate(made):
            series[name] = one
            one.save_as(place / f"{number}.dcm", enforce_file_format=True)

    small = {"slices": slices, "rows": rows}
    hostile = {
        "PatientName": HOSTILE,
        "PatientID": HOSTILE_ATTRIBUTE,
        "StudyDescription": HOSTILE_TEMPLATE,
        "SeriesDescription": HOSTILE_ATTRIBUTE,
        "BodyPartExamined": "<B>CHEST",
        "AccessionNumber": "<i>1</i>",
        "StudyID": "<u>",
        "ReferringPhysicianName": HOSTILE,
    }
    with disable_value_validation():
        keep("hostile", phantoms.thorax_ct(seed=5, slices=6, rows=48, **hostile))
    keep("ct", phantoms.thorax_ct(**small))
    keep("echoes", phantoms.head_mr(slices=6, rows=48, echoes=2, seed=2))
    keep("gap", phantoms.with_gap(phantoms.thorax_ct(seed=3, slices=10, rows=48)))
    keep("colour", phantoms.colour(seed=4))
    with Archive.open(folder / "archive") as archive:
        archive.import_([folder / "files"])
        yield Samples(
            archive,
            folder / "archive",
            **{name: one.SeriesInstanceUID for name, one in series.items()},
            hostile_study=series["hostile"].StudyInstanceUID,
        )
