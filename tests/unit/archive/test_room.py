"""An archive says no before it is too large or its disk is full; its studies have sizes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dicomlab.archive import Archive, Outcome
from dicomlab.archive._room import Room
from dicomlab.catalog import Query
from dicomlab.errors import RefusedError
from tests.postgres import Postgres
from tests.small import part10, uid


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with three files of one size."""
    made = tmp_path / "in"
    made.mkdir()
    for number in range(3):
        (made / str(number)).write_bytes(part10(1, 1, number))
    return made


def test_what_goes_beyond_the_quota_is_refused(tmp_path: Path, folder: Path) -> None:
    """What fits is in; the report says why the rest is not, and what is there needs no room."""
    size = (folder / "0").stat().st_size

    with Archive.open(tmp_path / "archive", quota_bytes=2 * size + 1) as archive:
        first = archive.import_([folder])
        again = archive.import_([folder])

        assert (first.counts[Outcome.NEW], first.counts[Outcome.REFUSED]) == (2, 1)
        assert {row.reason for row in first.of(Outcome.REFUSED)} == {"quota"}
        assert not first.is_complete
        assert (again.counts[Outcome.ALREADY_THERE], again.counts[Outcome.REFUSED]) == (2, 1)
        assert archive.check().is_sound
    with Archive.open(tmp_path / "archive", quota_bytes=3 * size) as archive:
        assert archive.import_([folder]).counts[Outcome.NEW] == 1
        assert len(list(archive.records(Query("image")))) == 3


def test_a_disk_that_is_nearly_full_is_not_filled(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index keeps room to write that it is so."""
    nearly_full = shutil.disk_usage(tmp_path)._replace(free=64 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: nearly_full)

    with Archive.open(tmp_path / "archive") as archive:
        report = archive.import_([folder])

        assert {row.reason for row in report.of(Outcome.REFUSED)} == {"disk"}
        assert archive.check().files == 0
    assert not list((tmp_path / "archive").rglob("*.dcm"))


def test_a_refusal_has_its_figures(tmp_path: Path) -> None:
    """Nobody has to read the message for them."""
    room = Room(tmp_path, 90, 100)
    room.take(10)

    with pytest.raises(RefusedError, match="quota") as caught:
        room.take(1)

    assert (caught.value.rule, caught.value.limit, caught.value.found) == ("quota", 100, 101)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_studies_have_sizes(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    """The bytes of all their files, also of a second content of one SOP Instance UID."""
    files = {
        uid(1): [part10(1, 1, 1), part10(1, 2, 1), part10(1, 1, 1, StudyDescription="another")],
        uid(2): [part10(2, 1, 1)],
    }
    folder = tmp_path / "in"
    folder.mkdir()
    for study, contents in files.items():
        for number, data in enumerate(contents):
            (folder / f"{study}-{number}").write_bytes(data)
    index = None
    if kind == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        index = server.database()

    with Archive.open(tmp_path / "archive", index=index) as archive:
        archive.import_([folder])

        assert archive.study_sizes() == {
            study: sum(map(len, contents)) for study, contents in files.items()
        }
