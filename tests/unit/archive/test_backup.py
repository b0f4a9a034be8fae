"""A backup of an archive in use, the loss of the archive, and its return."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from dicomlab.archive import Archive, Outcome, Problem
from dicomlab.catalog import Query
from dicomlab.cli import main
from dicomlab.errors import IncompleteError, RefusedError, StorageError
from dicomlab.standard import Level
from tests.postgres import Postgres
from tests.small import part10, uid
from tests.stores import S3

FIRST, LATER = 10, 6


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a DICOMLAB_HOME, where the index of a store is."""
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy a few files at a time, as a large archive would."""
    monkeypatch.setattr("dicomlab.archive._backup._GROUP_FILES", 3)


def files(folder: Path, numbers: range) -> Path:
    """Write instances of three studies, the last of them first."""
    folder.mkdir()
    for place, number in enumerate(reversed(numbers)):
        data = part10(1 + number % 3, 1, number, PatientComments=f"number {number}")
        (folder / f"{place:03d}").write_bytes(data)
    return folder


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """Give the files of the first import."""
    return files(tmp_path / "first", range(FIRST))


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """Give the files of a later import."""
    return files(tmp_path / "later", range(100, 100 + LATER))


@pytest.fixture
def archive(tmp_path: Path, first: Path) -> Iterator[Archive]:
    """Give an archive of the first files."""
    with Archive.open(tmp_path / "archive") as opened:
        opened.import_([first])
        yield opened


def everything(archive: Archive) -> dict[str, Any]:
    """Return all that an archive answers: records in their order, headers, bytes."""
    said: dict[str, Any] = {level: list(archive.records(Query(level))) for level in Level}
    said["headers"] = {
        str(row["SOPInstanceUID"]): archive.header(str(row["SOPInstanceUID"]))
        for row in said[Level.IMAGE]
    }
    said["bytes"] = {
        uid: source.read_at(0, source.size) for uid, source in archive.retrieve(Query("image"))
    }
    said["sizes"] = archive.study_sizes()
    return said


def restored(place: Path | str, backup: Path, **options: Any) -> dict[str, Any]:
    """Restore a backup into an empty archive, check it, and return what it answers."""
    with Archive.open(place, **options) as archive:
        assert archive.restore(backup).is_complete
        assert archive.check().rows == []
        return everything(archive)


def test_the_drill(archive: Archive, tmp_path: Path, later: Path) -> None:
    """Back up while files come in, lose the archive, restore it: nothing is missing."""
    backup = tmp_path / "backup"
    importing = threading.Thread(target=archive.import_, args=([later],))

    importing.start()
    during = archive.backup(backup)
    importing.join()
    after = archive.backup(backup)
    expected = everything(archive)
    archive.close()
    shutil.rmtree(tmp_path / "archive")

    assert during.is_complete
    assert after.is_complete
    assert during.copied + after.copied == FIRST + LATER
    assert after.present == during.copied
    assert restored(tmp_path / "archive", backup) == expected


def test_what_comes_after_the_snapshot_is_in_the_next_backup(
    archive: Archive, tmp_path: Path, later: Path
) -> None:
    """Each backup is one state of the archive, whole in itself: an archive that can be opened."""
    backup = tmp_path / "backup"
    before = everything(archive)
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        if not told:
            archive.import_([later])
        told.append((done, total))

    report = archive.backup(backup, progress=progress)

    assert report.copied == FIRST
    assert told == [(3, FIRST), (6, FIRST), (9, FIRST), (FIRST, FIRST)]
    with Archive.open(backup) as copy:
        assert everything(copy) == before
        assert copy.check().rows == []
    again = archive.backup(backup)
    assert (again.copied, again.present) == (LATER, FIRST)
    assert restored(tmp_path / "other", backup) == everything(archive)


def test_an_interrupted_backup_goes_on(archive: Archive, tmp_path: Path) -> None:
    """Control-C: what was copied is whole and kept, and the rest is copied by the next call."""
    backup = tmp_path / "backup"

    def interrupt(done: int, _total: int) -> None:
        if done >= 6:
            raise KeyboardInterrupt

    stopped = archive.backup(backup, progress=interrupt)
    left = list((backup / "incoming").iterdir())
    rest = archive.backup(backup)

    assert stopped.interrupted
    assert not stopped.is_complete
    assert (stopped.copied, rest.copied, rest.present) == (6, FIRST - 6, 6)
    assert left == []
    assert restored(tmp_path / "other", backup) == everything(archive)


def test_an_interrupted_restore_goes_on(archive: Archive, tmp_path: Path) -> None:
    """The index comes last: what is half restored is empty, and can be restored."""
    archive.backup(tmp_path / "backup")

    def interrupt(done: int, _total: int) -> None:
        if done >= 3:
            raise KeyboardInterrupt

    with Archive.open(tmp_path / "other") as other:
        assert other.restore(tmp_path / "backup", progress=interrupt).interrupted
        assert not list(other.records(Query("image")))
        report = other.restore(tmp_path / "backup")

        assert (report.copied, report.present) == (FIRST - 3, 3)
        assert everything(other) == everything(archive)
        assert other.check().rows == []


def test_a_damaged_file_is_not_copied(archive: Archive, tmp_path: Path, first: Path) -> None:
    """It is named, the others are copied; healed, it is copied too."""
    backup = tmp_path / "backup"
    bad, lost, *_ = sorted((tmp_path / "archive" / "instances").rglob("*.dcm"))
    bad.write_bytes(bad.read_bytes()[:-1] + b"\x55")
    lost.unlink()

    report = archive.backup(backup)

    assert not report.is_complete
    assert {(row.problem, Path(row.name).name) for row in report.rows} == {
        (Problem.DAMAGED, bad.name), (Problem.MISSING, lost.name),
    }  # fmt: skip
    assert report.copied == FIRST - 2
    archive.check(repair=True)
    archive.import_([first])
    assert archive.backup(backup).is_complete
    assert restored(tmp_path / "other", backup) == everything(archive)


def test_a_study_that_is_deleted_meanwhile_is_not_missed(archive: Archive, tmp_path: Path) -> None:
    """Another snapshot is taken, which does not know it; what was copied of it can be removed."""
    backup = tmp_path / "backup"
    deleted = False

    def progress(_done: int, _total: int) -> None:
        nonlocal deleted
        if not deleted:
            deleted = True
            archive.delete([uid(1)])

    report = archive.backup(backup, progress=progress)

    assert report.is_complete
    with Archive.open(backup) as copy:
        assert everything(copy) == everything(archive)
        assert {row.problem for row in copy.check(repair=True).rows} <= {Problem.DELETED}
        assert copy.check().rows == []


def test_refused_files_come_back(archive: Archive, tmp_path: Path) -> None:
    """The quarantine is part of the archive."""
    (tmp_path / "bad").write_bytes(part10(9, 1, 1)[:-4])
    (row,) = archive.import_([tmp_path / "bad"]).rows
    assert row.outcome is Outcome.REFUSED
    archive.backup(tmp_path / "backup")

    with Archive.open(tmp_path / "other") as other:
        other.restore(tmp_path / "backup")

        (entry,) = other.quarantine
        assert entry.id == row.quarantine
        assert other.check().rows == []


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_the_index_of_postgresql_comes_back_from_the_files(
    tmp_path: Path, first: Path, later: Path, postgres: Postgres, kind: str
) -> None:
    """The database is lost with the rest; order and times of arrival are those of before."""
    with Archive.open(tmp_path / "archive", index=postgres.database()) as archive:
        archive.import_([first])
        archive.backup(tmp_path / "backup")
        archive.import_([later])
        report = archive.backup(tmp_path / "backup")
        expected = everything(archive)
    shutil.rmtree(tmp_path / "archive")
    index: URL | None = postgres.database() if kind == "postgresql" else None

    assert (report.copied, report.present) == (LATER, FIRST)
    assert not (tmp_path / "backup" / "index.sqlite3").exists()
    assert restored(tmp_path / "archive", tmp_path / "backup", index=index) == expected


def test_a_store_is_backed_up_to_a_folder_and_restored_to_another(
    tmp_path: Path, first: Path, s3: S3
) -> None:
    """Wherever the files were, and wherever they go."""
    options = s3.options()
    with Archive.open(f"s3://{s3.bucket()}/a", storage_options=options) as archive:
        archive.import_([first])
        assert archive.backup(tmp_path / "backup").copied == FIRST
        expected = everything(archive)
    other = f"s3://{s3.bucket()}/a"

    assert restored(other, tmp_path / "backup", storage_options=options) == expected
    shutil.rmtree(tmp_path / "home")
    with Archive.open(other, storage_options=options) as archive:
        assert archive.check(rebuild=True).is_sound
        assert everything(archive) == expected


def test_a_full_disk_ends_the_backup_with_a_report(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was copied before is kept."""
    from dicomlab.archive import _folder_store

    take_in = _folder_store.FolderStore.take_in
    calls = 0

    def full(self: Any, *args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise StorageError("Writing files failed: No space left on device.")
        take_in(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(_folder_store.FolderStore, "take_in", full)
        with pytest.raises(IncompleteError, match="No space left") as caught:
            archive.backup(tmp_path / "backup")

    assert caught.value.report.copied == 6
    assert archive.backup(tmp_path / "backup").copied == FIRST - 6


def test_wrong_calls_are_refused(archive: Archive, tmp_path: Path) -> None:
    """Nothing is overwritten, and nothing is taken for a backup that is none."""
    archive.backup(tmp_path / "backup")

    with pytest.raises(RefusedError, match="into an empty one"):
        archive.restore(tmp_path / "backup")
    with pytest.raises(ValueError, match="own folder"):
        archive.backup(tmp_path / "archive")
    (tmp_path / "empty").mkdir()
    with Archive.open(tmp_path / "other") as other, pytest.raises(StorageError, match="no backup"):
        other.restore(tmp_path / "empty")


def test_the_commands_do_the_same(
    archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One JSON document each, and exit codes that are true."""
    expected = everything(archive)
    archive.close()

    def run(*words: str) -> tuple[object, dict[str, Any]]:
        with pytest.raises(SystemExit) as ended:
            main(["archive", *words, "--json"])
        return ended.value.code, json.loads(capsys.readouterr().out)

    old, new, backup = (str(tmp_path / name) for name in ("archive", "new", "backup"))
    code, said = run("backup", "--to", backup, "--archive", old)
    assert (code, said["copied"], said["present"]) == (0, FIRST, 0)
    code, said = run("restore", "--from", backup, "--archive", new)
    assert (code, said["copied"]) == (0, FIRST)
    code, said = run("restore", "--from", backup, "--archive", new)
    assert (code, said["error"]["type"]) == (1, "RefusedError")
    with Archive.open(new) as restored_archive:
        assert everything(restored_archive) == expected
