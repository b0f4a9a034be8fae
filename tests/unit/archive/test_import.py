"""What is imported is in the archive; what is not is in the report, with its reason."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomlab.archive import Archive, ImportProgress, Outcome
from dicomlab.catalog import Query
from dicomlab.safety import Bounds
from tests.small import part10, uid


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Give an empty archive."""
    with Archive.open(tmp_path / "archive") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give an empty folder to import."""
    made = tmp_path / "in"
    made.mkdir()
    return made


def reasons(archive: Archive, *paths: Path) -> dict[str, str]:
    """Import, and return the reason code of each file by its name."""
    report = archive.import_(paths)
    return {row.path.rpartition("/")[2]: row.reason for row in report.rows}


def test_bytes_are_kept_as_received(archive: Archive, folder: Path) -> None:
    """What comes back is what went in, byte for byte."""
    data = part10()
    (folder / "a").write_bytes(data)

    report = archive.import_([folder])

    ((found, source),) = archive.retrieve(Query("image"))
    assert report.counts[Outcome.NEW] == 1
    assert found == uid(1, 1, 1)
    assert source.read_at(0, source.size) == data


def test_names_in_the_store_are_hashes(archive: Archive, folder: Path, tmp_path: Path) -> None:
    """No sender can choose a name: it is the SHA-256 of the bytes."""
    data = part10()
    (folder / "a").write_bytes(data)

    archive.import_([folder])

    stored = [path for path in (tmp_path / "archive" / "instances").rglob("*") if path.is_file()]
    assert [path.name for path in stored] == [hashlib.sha256(data).hexdigest() + ".dcm"]
    assert stored[0].stat().st_mode & 0o077 == 0


def test_a_second_import_changes_nothing(archive: Archive, folder: Path) -> None:
    """The same bytes are already there, however they are named."""
    (folder / "a").write_bytes(part10())
    archive.import_([folder])
    before = list(archive.records(Query("image")))
    (folder / "b").write_bytes(part10())

    report = archive.import_([folder])

    assert report.counts[Outcome.ALREADY_THERE] == 2
    assert {row.sop_instance_uid for row in report.rows} == {uid(1, 1, 1)}
    assert list(archive.records(Query("image"))) == before


def test_other_content_of_a_uid_is_kept_and_reported(
    archive: Archive, folder: Path, tmp_path: Path
) -> None:
    """Both are on disk, the first stays the one that is seen, and the report says so."""
    (folder / "a").write_bytes(part10(StudyDescription="first"))
    (folder / "b").write_bytes(part10(StudyDescription="second"))

    found = reasons(archive, folder)

    (record,) = archive.records(Query("image"))
    stored = [path for path in (tmp_path / "archive" / "instances").rglob("*") if path.is_file()]
    assert found == {"a": "", "b": "same-uid-other-content"}
    assert record["StudyDescription"] == "first"
    assert record["NumberOfStudyRelatedInstances"] == 1
    assert len(stored) == 2


@pytest.mark.parametrize(
    ("reason", "data"),
    [
        ("not-dicom", b""),
        ("not-dicom", b"hello, I am a text file"),
        ("truncated", part10()[:-60]),
        ("truncated", part10()[:-1]),
        ("missing-uid", part10(StudyInstanceUID=None)),
        ("missing-uid", part10(SeriesInstanceUID="")),
        ("invalid-uid", part10().replace(uid(1, 1, 1).encode(), b"/" * len(uid(1, 1, 1)))),
        ("invalid-uid", part10().replace(b"1.2.826.0.1.3680043", b"1.2.826\\0.1.3680043")),
    ],
)
def test_what_cannot_be_an_instance_is_refused_with_a_reason(
    archive: Archive, folder: Path, tmp_path: Path, reason: str, data: bytes
) -> None:
    """The report has a line with code and sentence, and nothing is stored."""
    (folder / "a").write_bytes(data)

    report = archive.import_([folder])

    (row,) = report.rows
    assert row.reason == reason
    assert row.message.endswith(".")
    assert row.outcome == (Outcome.NOT_DICOM if reason == "not-dicom" else Outcome.REFUSED)
    assert not (tmp_path / "archive" / "instances").exists()
    assert list((tmp_path / "archive" / "incoming").iterdir()) == []


def test_zips_are_read_in_place(archive: Archive, folder: Path, tmp_path: Path) -> None:
    """Members are imported whatever their names say, and nothing is written under those."""
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("../../outside.dcm", part10(1, 1, 1))
        file.writestr("/etc/absolute.dcm", part10(1, 1, 2))
        file.writestr("notes.txt", "no DICOM")
    (folder / "b").write_bytes(part10(1, 1, 3))

    report = archive.import_([folder])

    assert [row.outcome for row in report.rows] == [
        Outcome.NEW, Outcome.NEW, Outcome.NOT_DICOM, Outcome.NEW,
    ]  # fmt: skip
    assert report.rows[0].path.endswith("a.zip!/../../outside.dcm")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "in"]


def test_a_zip_that_grows_too_far_is_refused(archive: Archive, folder: Path) -> None:
    """Bounds hold for the number of members and for what they grow to."""
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(1 << 20))
        file.writestr("more", b"")

    grown = archive.import_([folder], bounds=Bounds(archive_ratio=10, inflation_slack_bytes=0))
    many = archive.import_([folder], bounds=Bounds(archive_entries=1))

    assert [row.reason for row in grown.rows] == ["archive-ratio"]
    assert [row.reason for row in many.rows] == ["archive-entries"]


def test_damaged_and_encrypted_zips_are_reported(archive: Archive, folder: Path) -> None:
    """A zip that cannot be read is a line in the report, and so is each member that cannot."""
    with zipfile.ZipFile(folder / "a.zip", "w") as file:
        file.writestr("member", part10())
    whole = (folder / "a.zip").read_bytes()
    (folder / "b.zip").write_bytes(whole[: len(whole) // 2])
    flipped = bytearray(whole)
    flipped[200] ^= 0xFF
    (folder / "c.zip").write_bytes(flipped)
    central = whole.rindex(b"PK\x01\x02")
    locked = bytearray(whole)
    locked[6] |= 1
    locked[central + 8] |= 1
    (folder / "d.zip").write_bytes(locked)

    report = archive.import_([folder])

    assert [row.reason for row in report.rows] == [
        "", "damaged-zip", "damaged-zip", "encrypted",
    ]  # fmt: skip


def test_links_are_not_followed_out_of_a_folder(
    archive: Archive, folder: Path, tmp_path: Path
) -> None:
    """A link inside a folder may lead anywhere: it is reported, unless it stays inside."""
    (tmp_path / "secret").write_bytes(part10())
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    (folder / "real").write_bytes(part10(2))
    (folder / "inside").symlink_to(folder / "real")
    (folder / "gone").symlink_to(folder / "nothing")

    found = reasons(archive, folder)

    assert found == {"out": "link", "up": "link", "real": ""}
    assert reasons(archive, folder / "out") == {"secret": ""}


def test_what_is_no_file_is_not_opened(archive: Archive, folder: Path) -> None:
    """A pipe would block for ever; a path that is not there is a line."""
    os.mkfifo(folder / "pipe")

    assert reasons(archive, folder, folder / "absent") == {
        "pipe": "not-a-file",
        "absent": "unreadable",
    }


def test_progress_ends_at_the_total(archive: Archive, folder: Path) -> None:
    """Files and bytes are counted when they are done with."""
    sizes = []
    for number in range(5):
        data = part10(1, 1, number)
        (folder / str(number)).write_bytes(data)
        sizes.append(len(data))
    seen: list[ImportProgress] = []

    archive.import_([folder], progress=seen.append)

    assert seen[-1] == ImportProgress(5, sum(sizes), 5, sum(sizes))


def test_an_interrupt_keeps_what_was_acknowledged(
    archive: Archive, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control-C ends the import, the report tells what is in, and the rest comes next time."""
    monkeypatch.setattr("dicomlab.archive._import._GROUP_FILES", 2)
    for number in range(9):
        (folder / str(number)).write_bytes(part10(1, 1, number))

    def stop(progress: ImportProgress) -> None:
        if progress.files >= 4:
            raise KeyboardInterrupt

    report = archive.import_([folder], progress=stop)

    there = {row["SOPInstanceUID"] for row in archive.records(Query("image"))}
    assert report.interrupted
    assert not report.is_complete
    assert 4 <= len(report.rows) < 9
    assert there == {row.sop_instance_uid for row in report.of(Outcome.NEW)}
    assert archive.import_([folder]).counts[Outcome.NEW] == 9 - len(there)


def test_long_files_pass_through_in_blocks(
    archive: Archive, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file longer than a block is treated alike: new, there, not DICOM, cut short."""
    for module in ("_staging", "_inlet"):
        monkeypatch.setattr(f"dicomlab.archive.{module}.BLOCK", 200)
    (folder / "a").write_bytes(part10())
    (folder / "b").write_bytes(part10())
    (folder / "c").write_bytes(b"text" * 100)
    (folder / "d").write_bytes(part10()[:-1])

    found = reasons(archive, folder)
    again = reasons(archive, folder)

    assert found == {"a": "", "b": "", "c": "not-dicom", "d": "truncated"}
    assert again == found
    assert len(list(archive.records(Query("image")))) == 1
