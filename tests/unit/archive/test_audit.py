"""What the archive did is on record: what, when, how much, and nothing of a patient."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.config import disable_value_validation

from dicomlab.archive import Archive, Rule
from dicomlab.catalog import Query
from dicomlab.errors import HostileInputError, IncompleteError, StorageError
from dicomlab.journal import Count, Entry, EventKind, Journal, Outcome
from dicomlab.standard import Level
from tests.small import part10, uid


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Give two studies and a text."""
    folder = tmp_path / "in"
    folder.mkdir()
    for study in (1, 2):
        (folder / f"{study}").write_bytes(part10(study, 1, 1))
    (folder / "other").write_bytes(part10(1, 1, 1, StudyDescription="other"))
    (folder / "text").write_text("no DICOM")
    (folder / "cut").write_bytes(part10(3, 1, 1)[:-4])
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Give an archive with a journal."""
    opened = Archive.open(
        tmp_path / "archive", journal=lambda: Journal.open(tmp_path / "journal.sqlite")
    )
    with opened:
        yield opened


@pytest.fixture
def entries(tmp_path: Path) -> Callable[[], list[Entry]]:
    """Return what reads the journal, once it is verified."""

    def read() -> list[Entry]:
        with Journal.open(tmp_path / "journal.sqlite") as journal:
            assert journal.verify().is_whole
            return list(journal.events())

    return read


def test_an_import_is_on_record(
    archive: Archive, scans: Path, entries: Callable[[], list[Entry]]
) -> None:
    """Its beginning, and its end with what became of the files."""
    archive.import_([scans])
    archive.import_([scans])

    first, alert, end, _, again = entries()
    assert (alert.kind, alert.code) == (EventKind.SECURITY_ALERT, "truncated")
    assert [first.code, end.code] == ["import-begun", "import-ended"]
    assert first.subject == end.subject != again.subject
    assert end.outcome is Outcome.MINOR_FAILURE  # one was refused
    size = sum((scans / name).stat().st_size for name in ("1", "2"))
    assert end.counts == {
        Count.BYTES: size, Count.FILES: 5, Count.NEW: 2, Count.ALREADY_THERE: 0,
        Count.CONFLICTING: 1, Count.REFUSED: 1,
    }  # fmt: skip
    assert again.counts[Count.ALREADY_THERE] == 3


def test_a_deletion_is_on_record_by_uid(
    archive: Archive, scans: Path, entries: Callable[[], list[Entry]]
) -> None:
    """Each study, series or instance, with what went; a dry run is nothing."""
    archive.import_([scans])
    archive.delete([uid(1)], dry_run=True)
    dry = len(entries())
    sizes = archive.study_sizes()

    archive.delete([uid(1)])
    archive.delete([uid(2, 1)], level=Level.SERIES)

    begun, ended, _, series = entries()[dry:]
    assert (begun.code, ended.code) == ("deletion-begun", "deletion-ended")
    assert begun.study_instance_uid == ended.study_instance_uid == uid(1)
    assert ended.counts == {
        Count.SERIES: 1, Count.INSTANCES: 1, Count.FILES: 2, Count.BYTES: sizes[uid(1)]
    }  # fmt: skip
    assert series.series_instance_uid == uid(2, 1)


def test_retention_and_checks_are_on_record(
    archive: Archive, scans: Path, entries: Callable[[], list[Entry]]
) -> None:
    """What was deleted by rule stands between its beginning and its end."""
    archive.import_([scans])
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=5)
    archive.expire([Rule.of("x", {"PatientID": "P1"}, arrived_days=1)], now=later)
    archive.check()
    archive.check(repair=True)
    archive.check(rebuild=True)

    codes = [entry.code for entry in entries()[3:]]

    assert codes == [
        "retention-begun", "deletion-begun", "deletion-ended", "retention-ended",
        "check-begun", "check-ended", "repair-begun", "repair-ended",
        "rebuild-begun", "rebuild-ended",
    ]  # fmt: skip


def test_a_check_that_finds_something_says_so(
    archive: Archive, scans: Path, tmp_path: Path, entries: Callable[[], list[Entry]]
) -> None:
    """As a failure, which raises an alert where one listens."""
    archive.import_([scans])
    path = next((tmp_path / "archive" / "instances").rglob("*.dcm"))
    path.unlink()

    archive.check()

    end = entries()[-1]
    assert end.outcome is Outcome.MINOR_FAILURE
    assert end.counts[Count.FAILED] == 1


def test_a_uid_that_is_none_stands_as_its_digest(
    archive: Archive, tmp_path: Path, entries: Callable[[], list[Entry]]
) -> None:
    """The journal takes UIDs only; what a sender wrote in the place of one can still be deleted."""
    with disable_value_validation():
        (tmp_path / "x").write_bytes(part10(StudyInstanceUID="20.."))
    archive.import_([tmp_path / "x"])

    archive.delete(["20.."])

    end = entries()[-1]
    assert end.study_instance_uid is None
    assert end.digest == hashlib.sha256(b"20..").hexdigest()
    assert list(archive.records(Query("study"))) == []


def broken() -> Journal:
    """Open no journal."""
    raise StorageError("The journal's database failed.")


def test_an_import_goes_on_without_the_journal(
    tmp_path: Path, scans: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was sent may not be sent again: it is kept, and the log says what is not on record."""
    with (
        Archive.open(tmp_path / "archive", journal=broken) as archive,
        caplog.at_level(logging.ERROR),
    ):
        archive.import_([scans])

        assert len(list(archive.records(Query("image")))) == 2
    assert "import-begun" in caplog.text
    assert "import-ended" in caplog.text


@pytest.mark.parametrize(
    "work",
    [
        lambda archive: archive.delete([uid(1)]),
        lambda archive: archive.expire([Rule.of("x", {}, study_days=1)]),
        lambda archive: archive.check(repair=True),
        lambda archive: archive.check(rebuild=True),
    ],
    ids=["delete", "expire", "repair", "rebuild"],
)
def test_nothing_is_taken_away_without_the_journal(
    tmp_path: Path, scans: Path, work: Callable[[Archive], object]
) -> None:
    """What cannot be recorded is not done, and the message says so."""
    with Archive.open(tmp_path / "archive") as archive:
        archive.import_([scans])
    with Archive.open(tmp_path / "archive", journal=broken) as archive:
        with pytest.raises(StorageError, match=r"Nothing was done.*journal"):
            work(archive)

        assert len(list(archive.records(Query("study")))) == 2
        assert archive.check().files == 3  # a check changes nothing and goes on


def test_a_deletion_that_leaves_files_is_on_record(
    archive: Archive,
    scans: Path,
    monkeypatch: pytest.MonkeyPatch,
    entries: Callable[[], list[Entry]],
) -> None:
    """How many are left, for whoever reads the journal."""
    archive.import_([scans])

    def refuse(_path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("dicomlab.archive._files.unlink", refuse)
    with pytest.raises(IncompleteError):
        archive.delete([uid(1)])

    end = entries()[-1]
    assert (end.code, end.outcome) == ("deletion-ended", Outcome.MINOR_FAILURE)
    assert end.counts[Count.FAILED] == 2


def test_what_goes_into_quarantine_is_an_alert_and_what_leaves_it_is_on_record(
    archive: Archive, scans: Path, entries: Callable[[], list[Entry]]
) -> None:
    """By the digest of the file, its code and its UIDs; a second import alerts nobody again."""
    program = b"MZ" + part10(4, 1, 1)[2:]
    (scans / "program").write_bytes(program)
    archive.import_([scans])
    archive.import_([scans])
    cut, exe = (hashlib.sha256(data).hexdigest() for data in (part10(3, 1, 1)[:-4], program))

    with pytest.raises(HostileInputError):
        archive.quarantine.release(exe)
    archive.quarantine.release(exe, waive=["executable-preamble"])
    archive.quarantine.discard(cut)

    found = entries()
    alerts = {one.digest: one for one in found if one.kind is EventKind.SECURITY_ALERT}
    assert {one.code for one in alerts.values()} == {"truncated", "executable-preamble"}
    assert sum(one.kind is EventKind.SECURITY_ALERT for one in found) == 2
    assert alerts[cut].study_instance_uid == uid(3)
    assert alerts[cut].counts == {Count.BYTES: len(part10(3, 1, 1)) - 4}
    assert [
        (one.code, one.digest, one.outcome)
        for one in found
        if one.kind in (EventKind.QUARANTINE_RELEASED, EventKind.QUARANTINE_DISCARDED)
    ] == [
        ("release-begun", exe, Outcome.SUCCESS),
        ("release-ended", exe, Outcome.SERIOUS_FAILURE),
        ("release-begun", exe, Outcome.SUCCESS),
        ("release-ended", exe, Outcome.SUCCESS),
        ("discard-begun", cut, Outcome.SUCCESS),
        ("discard-ended", cut, Outcome.SUCCESS),
    ]


def test_what_cannot_be_recorded_does_not_leave_the_quarantine(tmp_path: Path, scans: Path) -> None:
    """An import goes on and keeps what it refused; releasing and discarding do not begin."""

    def broken() -> Journal:
        raise StorageError("no journal")

    with Archive.open(tmp_path / "archive", journal=broken) as archive:
        archive.import_([scans])
        (entry,) = archive.quarantine

        for leave in (archive.quarantine.discard, archive.quarantine.release):
            with pytest.raises(StorageError, match="Nothing was done"):
                leave(entry.id)
        assert [one.id for one in archive.quarantine] == [entry.id]
