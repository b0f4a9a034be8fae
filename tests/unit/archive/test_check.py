"""What is wrong with an archive is found and said; what can be put right is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from dicomlab.archive import Archive, Outcome, Problem
from dicomlab.archive._schema import TABLES
from dicomlab.catalog import Query, Record
from dicomlab.errors import NotFoundError
from dicomlab.standard import Level
from tests.small import part10, uid


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Give an archive of two studies, one instance of which came with two contents."""
    folder = tmp_path / "in"
    folder.mkdir()
    for place, (study, series, instance) in enumerate(((2, 1, 1), (1, 1, 2), (1, 1, 1), (1, 2, 1))):
        (folder / f"{place}").write_bytes(part10(study, series, instance, PatientComments="*x*"))
    (folder / "other").write_bytes(part10(1, 1, 1, StudyDescription="the other content"))
    with Archive.open(tmp_path / "archive") as opened:
        opened.import_([folder])
        yield opened


def everything(archive: Archive) -> dict[Level, list[Record]]:
    """Return all records, in their order, and all headers."""
    return {level: list(archive.records(Query(level))) for level in Level}


def stored(archive: Archive) -> list[Path]:
    """Return the files of the store."""
    folder = archive._store.staging / "instances"
    return sorted(path for path in folder.rglob("*") if path.is_file())


def file_of(archive: Archive, sop_instance_uid: str) -> Path:
    """Return the file of an instance."""
    ((_, source),) = archive.retrieve(Query("image", SOPInstanceUID=sop_instance_uid))
    return source._path


def flip(path: Path) -> None:
    """Change one bit near the end of a file, and nothing else."""
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def test_a_sound_archive_is_said_to_be_sound(archive: Archive) -> None:
    """Every file was read, all of it, and the progress came to its end."""
    told: list[tuple[int, int]] = []

    report = archive.check(progress=lambda *done: told.append(done))

    files = stored(archive)
    assert report.is_sound
    assert report.rows == []
    assert (report.files, report.indexed) == (5, 5)
    assert report.bytes == sum(path.stat().st_size for path in files)
    assert told[-1] == (5, 5)
    assert "everything is sound" in str(report)


def test_a_flipped_bit_is_found_and_the_instance_can_be_brought_back(
    archive: Archive, tmp_path: Path
) -> None:
    """Repair sets the bad bytes aside and keeps them; the next import heals the archive."""
    bad = file_of(archive, uid(1, 1, 2))
    flip(bad)
    wrong = bad.read_bytes()

    (found,) = archive.check().rows
    (set_aside,) = archive.check(repair=True).rows
    (lost,) = archive.check().rows
    report = archive.import_([tmp_path / "in"])

    assert found.problem is set_aside.problem is Problem.DAMAGED
    assert found.sop_instance_uid == lost.sop_instance_uid == uid(1, 1, 2)
    assert lost.problem is Problem.MISSING
    (kept,) = (tmp_path / "archive" / "damaged").iterdir()
    assert kept.read_bytes() == wrong
    assert report.counts[Outcome.ALREADY_THERE] == 5
    assert archive.check().is_sound


def test_a_removed_file_is_found(archive: Archive) -> None:
    """The index keeps what it knows of it, through a rebuild as well."""
    before = everything(archive)
    file_of(archive, uid(1, 1, 1)).unlink()

    for options in ({}, {"repair": True}, {"rebuild": True}):
        report = archive.check(**options)

        (row,) = report.rows
        assert (row.problem, row.sop_instance_uid) == (Problem.MISSING, uid(1, 1, 1))
        assert not report.is_sound
        assert everything(archive) == before


def test_a_file_that_the_index_does_not_know_is_found_and_indexed(archive: Archive) -> None:
    """As after a crash between the files and the commit."""
    new = part10(3, 1, 1)
    other = Archive.open(archive._store.staging.parent / "other")
    with other:
        (archive._store.staging.parent / "new").write_bytes(new)
        other.import_([archive._store.staging.parent / "new"])
        (source,) = stored(other)
    target = archive._store.path_of(source.stem)
    target.parent.mkdir(exist_ok=True)
    source.rename(target)

    (found,) = archive.check().rows
    with pytest.raises(NotFoundError):
        archive.header(uid(3, 1, 1))
    report = archive.check(repair=True)

    assert found.problem is Problem.NOT_INDEXED
    assert not found.is_repaired
    assert report.is_sound
    (row,) = report.rows
    assert (row.sop_instance_uid, row.is_repaired) == (uid(3, 1, 1), True)
    assert archive.header(uid(3, 1, 1))["00100020"]["Value"] == ["P3"]
    assert archive.check().rows == []


@pytest.mark.parametrize("option", ["repair", "rebuild"])
def test_a_lost_index_comes_back_from_the_files(
    archive: Archive, tmp_path: Path, option: str
) -> None:
    """The same records, in the same order, with the same content of two as the current one."""
    before = everything(archive)
    headers = [archive.header(str(row["SOPInstanceUID"])) for row in before[Level.IMAGE]]
    archive.close()
    for part in (tmp_path / "archive").glob("index.sqlite3*"):
        part.unlink()

    with Archive.open(tmp_path / "archive") as again:
        assert everything(again)[Level.IMAGE] == []
        report = again.check(**{option: True})

        assert report.is_sound
        assert len(report.of(Problem.NOT_INDEXED)) == 5
        assert everything(again) == before
        assert [again.header(str(row["SOPInstanceUID"])) for row in before[Level.IMAGE]] == headers
        assert list(again.records(Query("patient", PatientComments="*x*")))
        assert again.check().rows == []


def test_rebuilding_a_sound_index_changes_nothing(archive: Archive) -> None:
    """The order of arrival stays."""
    before = everything(archive)

    report = archive.check(rebuild=True)

    assert report.is_sound
    assert report.is_rebuilt
    assert everything(archive) == before
    assert archive.check().rows == []


def test_a_wrong_count_is_found_and_rebuilt(archive: Archive) -> None:
    """The counts that queries answer are those of the rows."""
    study = TABLES[Level.STUDY].entity
    with archive._database.writing() as connection:
        connection.execute(update(study).values(NumberOfStudyRelatedSeries=7))

    found = archive.check()

    assert {row.problem for row in found.rows} == {Problem.MISCOUNTED}
    assert {row.name for row in found.rows} == {
        f"NumberOfStudyRelatedSeries {uid(1)}", f"NumberOfStudyRelatedSeries {uid(2)}",
    }  # fmt: skip
    archive.check(rebuild=True)
    assert archive.check().is_sound


def test_what_is_not_ours_is_named_and_left_alone(archive: Archive) -> None:
    """Files of others in the store, a link, and a name that is no instance."""
    folder = archive._store.staging / "instances"
    (folder / "note.txt").write_text("hello")
    shard = stored(archive)[0].parent
    (shard / "x.dcm").write_bytes(b"")
    fake = shard / f"{shard.name}{'0' * 62}.dcm"
    fake.symlink_to(folder / "note.txt")

    report = archive.check(repair=True)

    assert {row.name for row in report.of(Problem.STRANGE)} == {
        path.relative_to(folder.parent).as_posix()
        for path in (folder / "note.txt", shard / "x.dcm", fake)
    }
    assert (folder / "note.txt").read_text() == "hello"
    assert fake.is_symlink()


def test_an_unknown_file_that_is_no_instance_is_not_indexed(archive: Archive) -> None:
    """Its hash is its name, but no import would take it: it stays, with its reason."""
    sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    path = archive._store.path_of(sha256)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"hello")

    report = archive.check(repair=True)

    (row,) = report.rows
    assert (row.problem, row.detail) == (Problem.UNREADABLE, "not-dicom")
    assert path.read_bytes() == b"hello"
    assert not report.is_sound


def test_the_quarantine_is_checked_too(archive: Archive, tmp_path: Path) -> None:
    """Bytes without a note, a note without bytes, bytes that changed, and what is not ours."""
    cut = [part10(7, 1, number)[:-3] for number in range(4)]
    (tmp_path / "refused").mkdir()
    for number, data in enumerate(cut):
        (tmp_path / "refused" / str(number)).write_bytes(data)
    archive.import_([tmp_path / "refused"])
    assert archive.check().is_sound
    assert archive.check().quarantined == 4
    place = tmp_path / "archive" / "quarantine"
    unnoted, gone, changed, unreadable = (hashlib.sha256(data).hexdigest() for data in cut)
    (place / f"{unnoted}.json").unlink()
    (place / f"{gone}.bin").unlink()
    (place / f"{changed}.bin").write_bytes(b"another")
    (place / f"{unreadable}.json").write_text("[" * 100_000)
    (place / "note.txt").write_text("hello")

    found = archive.check()
    repaired = archive.check(repair=True)

    assert {(row.problem, row.name) for row in found.rows} == {
        (Problem.QUARANTINE_UNNOTED, f"quarantine/{unnoted}.bin"),
        (Problem.QUARANTINE_MISSING, f"quarantine/{gone}.bin"),
        (Problem.QUARANTINE_DAMAGED, f"quarantine/{changed}.bin"),
        (Problem.QUARANTINE_UNNOTED, f"quarantine/{unreadable}.bin"),
        (Problem.STRANGE, "quarantine/note.txt"),
    }
    assert {row.problem for row in repaired.rows if row.is_repaired} == {Problem.QUARANTINE_UNNOTED}
    entry = archive.quarantine.entry(unnoted)
    assert (entry.reason, entry.uids["StudyInstanceUID"]) == ("truncated", uid(7))
    assert (place / f"{unnoted}.bin").read_bytes() == cut[0]
    assert (place / "note.txt").read_text() == "hello"
    for left in (gone, changed):
        archive.quarantine.discard(left)
    (place / "note.txt").unlink()
    assert archive.check().is_sound
