"""What is deleted is gone, stays gone, and comes back when it is imported again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from dicomlab.archive import Archive, Outcome, Problem, _import
from dicomlab.archive._folder_store import StoredBytes
from dicomlab.catalog import Query
from dicomlab.errors import IncompleteError, NotFoundError
from dicomlab.standard import Level
from tests.postgres import Postgres
from tests.small import part10, uid


@pytest.fixture(params=["sqlite", "postgresql"])
def index(request: pytest.FixtureRequest) -> URL | None:
    """Give the URL of an index, none for SQLite."""
    if request.param == "sqlite":
        return None
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Give two studies of one patient and one of another; one instance has two contents."""
    folder = tmp_path / "in"
    folder.mkdir()
    for study, series, instance in ((1, 1, 1), (1, 1, 2), (1, 2, 1), (2, 1, 1), (3, 1, 1)):
        name = f"{study}{series}{instance}"
        patient = "P2" if study == 3 else "P1"
        (folder / name).write_bytes(part10(study, series, instance, PatientID=patient))
    (folder / "other").write_bytes(part10(1, 1, 1, PatientID="P1", StudyDescription="other"))
    return folder


@pytest.fixture
def archive(tmp_path: Path, scans: Path, index: URL | None) -> Iterator[Archive]:
    """Give an archive of them."""
    with Archive.open(tmp_path / "archive", index=index) as opened:
        opened.import_([scans])
        yield opened


def uids(archive: Archive, level: str) -> set[object]:
    """Return the UIDs of a level."""
    keyword = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID"}
    keyword |= {"image": "SOPInstanceUID", "patient": "PatientID"}
    return {row[keyword[level]] for row in archive.records(Query(level))}


def stored(home: Path) -> list[Path]:
    """Return the files of the store."""
    return sorted(path for path in (home / "instances").rglob("*") if path.is_file())


def test_a_study_goes_with_all_that_it_holds(archive: Archive, tmp_path: Path) -> None:
    """Rows and files, every content; the other study of the patient stays, and is counted."""
    before = archive.study_sizes()

    report = archive.delete([uid(1)])

    assert uids(archive, "study") == {uid(2), uid(3)}
    assert uids(archive, "image") == {uid(2, 1, 1), uid(3, 1, 1)}
    assert len(stored(tmp_path / "archive")) == 2
    (row,) = report.rows
    assert (row.uid, row.study_instance_uid) == (uid(1), uid(1))
    assert (row.series, row.instances, row.files) == (2, 3, 4)
    assert row.bytes == before[uid(1)]
    (patient,) = archive.records(Query("patient", PatientID="P1"))
    assert patient["NumberOfPatientRelatedStudies"] == 1
    assert patient["NumberOfPatientRelatedInstances"] == 1
    assert archive.study_sizes() == {key: before[key] for key in (uid(2), uid(3))}
    assert archive.check().rows == []


def test_the_last_study_takes_its_patient_along(archive: Archive) -> None:
    """No empty patient is left, neither to be found by a wildcard on the name."""
    archive.delete([uid(3)])

    assert uids(archive, "patient") == {"P1"}
    assert list(archive.records(Query("patient", PatientName="*number3*"))) == []


def test_series_and_instances_can_be_deleted(archive: Archive) -> None:
    """What stays of the study is counted anew; the last instance takes its series along."""
    archive.delete([uid(1, 1, 2)], level=Level.IMAGE)
    archive.delete([uid(1, 2)], level=Level.SERIES)

    (study,) = archive.records(Query("study", StudyInstanceUID=uid(1)))
    assert study["NumberOfStudyRelatedSeries"] == 1
    assert study["NumberOfStudyRelatedInstances"] == 1
    archive.delete([uid(1, 1, 1)], level=Level.IMAGE)
    assert uid(1) not in uids(archive, "study")
    assert archive.check().rows == []


def test_a_dry_run_deletes_nothing(archive: Archive, tmp_path: Path) -> None:
    """It says the same as the run that follows it."""
    dry = archive.delete([uid(1), uid(2)], dry_run=True)

    assert dry.is_dry_run
    assert len(stored(tmp_path / "archive")) == 6
    wet = archive.delete([uid(1), uid(2)])
    assert dry.rows == wet.rows


def test_an_unknown_uid_deletes_nothing(archive: Archive) -> None:
    """A slip of the pen among several does no half of the work."""
    with pytest.raises(NotFoundError, match=rf"{uid(9)}\. Nothing was deleted"):
        archive.delete([uid(1), uid(9)])

    assert len(uids(archive, "study")) == 3


def test_no_repair_and_no_rebuild_brings_it_back(
    archive: Archive, scans: Path, tmp_path: Path
) -> None:
    """A file that a backup put back is named as deleted, and removed."""
    home = tmp_path / "archive"
    kept = {path: path.read_bytes() for path in stored(home)}
    archive.delete([uid(1)])
    for path, data in kept.items():
        path.write_bytes(data)

    found = archive.check()
    assert {row.problem for row in found.rows} == {Problem.DELETED}
    assert len(found.rows) == 4
    assert len(stored(home)) == 6

    rebuilt = archive.check(rebuild=True)
    assert rebuilt.is_sound
    assert len(rebuilt.of(Problem.DELETED)) == 4
    assert len(stored(home)) == 2
    assert uids(archive, "study") == {uid(2), uid(3)}
    assert archive.check().rows == []


def test_importing_again_brings_it_back_for_good(archive: Archive, scans: Path) -> None:
    """The tombstones are lifted: a rebuild keeps what came again."""
    archive.delete([uid(1)])

    report = archive.import_([scans])

    assert report.counts[Outcome.NEW] == 3
    assert report.counts[Outcome.OTHER_CONTENT] == 1
    assert archive.check(rebuild=True).rows == []
    assert uids(archive, "study") == {uid(1), uid(2), uid(3)}


def test_copies_that_were_set_aside_go_too(archive: Archive, tmp_path: Path) -> None:
    """A damaged copy holds the patient's data as well."""
    for path in stored(tmp_path / "archive"):
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    archive.check(repair=True)
    damaged = tmp_path / "archive" / "damaged"
    assert len(list(damaged.iterdir())) == 6

    archive.delete([uid(1), uid(2)])

    assert len(list(damaged.iterdir())) == 1


def test_ids_are_not_given_twice(archive: Archive, tmp_path: Path) -> None:
    """Who lists rows and reads them in parts finds nothing else in the place of what is gone."""
    listed = archive.records(Query("image"))
    first = next(listed)
    archive.delete([uid(3)])
    (tmp_path / "new").write_bytes(part10(4, 1, 1))
    archive.import_([tmp_path / "new"])

    with archive._database.reading() as connection:
        ids = connection.exec_driver_sql("SELECT id FROM image ORDER BY id").scalars().all()

    assert first["SOPInstanceUID"] == uid(1, 1, 1)
    assert ids == [1, 2, 3, 4, 6]


MEANWHILE = """
import sys
from dicomlab.archive import Archive
with Archive.open(sys.argv[1], index=sys.argv[2] or None) as archive:
    archive.delete(sys.argv[3:])
"""


@pytest.mark.parametrize("moment", ["before the files", "before the index", "after the index"])
def test_a_deletion_while_the_same_is_imported_ends_right(
    archive: Archive,
    scans: Path,
    tmp_path: Path,
    index: URL | None,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    """Wherever another process deletes it: what the import called new has its file and its row.

    Before the import the study's file was lost, so that the import writes it.
    """
    home, only = tmp_path / "archive", scans / "311"
    ((_, source),) = archive.retrieve(Query("image", SOPInstanceUID=uid(3, 1, 1)))
    assert isinstance(source, StoredBytes)
    source._path.unlink()
    once: list[int] = []

    def delete() -> None:
        if not once:
            once.append(1)
            url = index.render_as_string(hide_password=False) if index else ""
            subprocess.run([sys.executable, "-c", MEANWHILE, str(home), url, uid(3)], check=True)

    def around(name: str, owner: object, *, before: bool) -> None:
        function: Callable[..., object] = getattr(owner, name)

        def wrapped(*arguments: object) -> object:
            if before:
                delete()
            result = function(*arguments)
            if not before:
                delete()
            return result

        monkeypatch.setattr(owner, name, wrapped)

    if moment == "before the files":
        around("_take_in", _import, before=True)
    elif moment == "before the index":
        around("_take_in", _import, before=False)
    else:
        around("_commit", _import._Importer, before=False)

    report = archive.import_([only])

    assert once
    assert archive.check().rows == []
    if moment == "after the index":
        assert uid(3) not in uids(archive, "study")
    else:
        assert report.counts[Outcome.NEW] == 1
        assert uid(3) in uids(archive, "study")
        ((_, source),) = archive.retrieve(Query("image", SOPInstanceUID=uid(3, 1, 1)))
        assert source.read_at(0, source.size) == only.read_bytes()


def test_files_that_cannot_be_removed_are_said_and_removed_later(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instances are in no query any more; a repair finishes what the disk refused."""

    def refuse(_path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr("dicomlab.archive._files.unlink", refuse)
        with pytest.raises(IncompleteError, match="Permission denied") as caught:
            archive.delete([uid(1)])

    assert caught.value.report.left == 4
    assert uid(1) not in uids(archive, "study")
    assert len(archive.check().of(Problem.DELETED)) == 4
    assert archive.check(repair=True).is_sound
    assert len(stored(tmp_path / "archive")) == 2


def test_patients_are_deleted_by_their_studies(archive: Archive) -> None:
    """A patient has no UID."""
    with pytest.raises(ValueError, match="patient"):
        archive.delete(["P1"], level=Level.PATIENT)
