"""Refused files are kept with the reason, looked at, and released; nothing of them is lost."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from dicomlab.archive import Archive, Outcome, QuarantineBounds
from dicomlab.archive._place import Place
from dicomlab.archive._receive import Receiver
from dicomlab.catalog import Query
from dicomlab.errors import (
    DicomlabError,
    HostileInputError,
    NonConformantError,
    NotFoundError,
    RefusedError,
    StorageError,
)
from dicomlab.safety import Bounds
from tests.hostile.parts import element, item
from tests.small import part10, uid

PROGRAM = b"MZ" + part10()[2:]
CUT = part10(2, 1, 1)[:-3]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give where the archive is."""
    return tmp_path / "archive"


@pytest.fixture
def archive(home: Path) -> Iterator[Archive]:
    """Give an empty archive."""
    with Archive.open(home) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give an empty folder to import."""
    made = tmp_path / "in"
    made.mkdir()
    return made


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def kept(home: Path) -> dict[str, bytes]:
    """Return the files of the quarantine by name."""
    place = home / "quarantine"
    return {
        path.relative_to(place).as_posix(): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file()
    }


def nested(depth: int, number: int = 3) -> bytes:
    """Return a sound instance whose sequences are nested so deep."""
    content = element(0x00080060, "CS", b"OT")
    for _ in range(depth):
        content = element(0x00081032, "SQ", item(content))
    whole = part10(number, 1, 1)
    at = whole.index(b"\x10\0\x10\0PN")
    return whole[:at] + content + whole[at:]


def test_a_refused_file_is_kept_as_it_came(archive: Archive, folder: Path, home: Path) -> None:
    """Bytes, reason, sentence, where from, when, how long, and the UIDs; under its hash alone."""
    (folder / "cut.dcm").write_bytes(CUT)

    (row,) = archive.import_([folder]).rows

    (entry,) = archive.quarantine
    assert row.quarantine == entry.id == digest(CUT)
    assert (entry.reason, entry.message) == (row.reason, row.message) == ("truncated", row.message)
    assert entry.source == str(folder / "cut.dcm")
    assert entry.size == len(CUT)
    assert entry.received.endswith("+00:00")
    assert entry.uids == {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7",
        "SOPInstanceUID": uid(2, 1, 1),
        "StudyInstanceUID": uid(2),
        "SeriesInstanceUID": uid(2, 1),
    }
    assert kept(home)[f"{digest(CUT)}.bin"] == CUT
    assert "Doe" not in kept(home)[f"{digest(CUT)}.json"].decode()
    for path in (home / "quarantine").iterdir():
        assert path.stat().st_mode & 0o177 == 0
    assert (home / "quarantine").stat().st_mode & 0o077 == 0


def test_the_same_bytes_are_one_entry_and_a_second_import_changes_nothing(
    archive: Archive, folder: Path, home: Path
) -> None:
    """However they are named, and however often they come."""
    (folder / "a").write_bytes(CUT)
    (folder / "b").write_bytes(CUT)
    first = archive.import_([folder])
    before = kept(home)

    again = archive.import_([folder])

    assert len(archive.quarantine) == 1
    assert {row.quarantine for row in (*first.rows, *again.rows)} == {digest(CUT)}
    assert kept(home) == before
    assert len(before) == 2


def test_what_is_not_dicom_or_sound_is_not_kept(folder: Path, home: Path, tmp_path: Path) -> None:
    """A text is not; nor is an instance for which there is no room, which the row says."""
    (folder / "notes.txt").write_text("hello")
    (folder / "sound").write_bytes(part10())
    (folder / "up").symlink_to(tmp_path)
    with Archive.open(home, quota_bytes=10) as archive:
        report = archive.import_([folder])

        rows = {row.path.rpartition("/")[2]: row for row in report.rows}
        assert rows["notes.txt"].not_kept == ""
        assert rows["sound"].reason == "quota"
        assert rows["sound"].not_kept == "There is nothing wrong with it; it only lacks room."
        assert rows["up"].not_kept == "It has no bytes that can be read."
        assert list(archive.quarantine) == []


def test_the_report_says_where_refused_files_are(archive: Archive, folder: Path) -> None:
    """In text, in a notebook and for machines; and what was odd about one that is taken."""
    (folder / "cut.dcm").write_bytes(CUT)
    (folder / "odd.dcm").write_bytes(b"made by some machine" + part10()[20:])

    report = archive.import_([folder])

    assert f"cut.dcm  [quarantine {digest(CUT)[:12]}]" in str(report)
    assert f"[quarantine {digest(CUT)[:12]}]" in report._repr_html_()
    assert "foreign-preamble (1): The 128 bytes before the prefix DICM" in str(report)
    assert "odd.dcm" in str(report)
    assert "foreign-preamble (1)" in report._repr_html_()
    rows = {row["outcome"]: row for row in report.to_dict()["rows"]}
    assert rows["refused"]["quarantine"] == digest(CUT)
    assert rows["new"]["findings"] == ["foreign-preamble"]
    assert report.counts[Outcome.NEW] == 1


def test_long_files_are_kept_too(
    archive: Archive, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file longer than a block: refused at its beginning, or at its end."""
    for module in ("_staging", "_inlet"):
        monkeypatch.setattr(f"dicomlab.archive.{module}.BLOCK", 256)
    deep = nested(101)
    (folder / "cut").write_bytes(CUT)
    (folder / "deep").write_bytes(deep)
    (folder / "text").write_bytes(b"text" * 100)
    (folder / "sound").write_bytes(part10())

    archive.import_([folder])

    assert {entry.id for entry in archive.quarantine} == {digest(CUT), digest(deep)}
    assert len(list(archive.records(Query("image")))) == 1


def test_members_and_containers_are_kept(archive: Archive, folder: Path) -> None:
    """A refused member by its own bytes; a zip or tar that is refused whole as it is."""
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("../../cut.dcm", CUT)
    with tarfile.open(folder / "b.tar", "w") as tar:
        head = tarfile.TarInfo("/etc/passwd")
        head.size = len(PROGRAM)
        tar.addfile(head, BytesIO(PROGRAM))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    (folder / "c.zip").write_bytes(b"PK\x03\x04" + b"nonsense" * 9)
    broken = (folder / "b.tar").read_bytes()[:700]
    (folder / "d.tar").write_bytes(broken)

    report = archive.import_([folder])

    reasons = {entry.id: entry.reason for entry in archive.quarantine}
    assert reasons == {
        digest(CUT): "truncated",
        digest(PROGRAM): "executable-preamble",
        digest((folder / "c.zip").read_bytes()): "damaged-zip",
        digest(broken): "damaged-tar",
    }
    containers = {entry.reason for entry in archive.quarantine if entry.is_container}
    assert containers == {"damaged-zip", "damaged-tar"}
    (row,) = [row for row in report.rows if row.path.endswith("!/link")]
    assert row.not_kept == "It has no bytes that can be read."


def test_the_quarantine_is_bounded_and_says_so(folder: Path, home: Path) -> None:
    """Too long, or too much, or too many: the row says not kept and why; nothing is evicted."""
    cuts = [part10(1, 1, number)[:-3] for number in range(3)]
    for number, data in enumerate(cuts):
        (folder / str(number)).write_bytes(data)

    def not_kept(bounds: QuarantineBounds, name: str) -> list[str]:
        with Archive(Place(str(home / name), quarantine=bounds)) as archive:
            rows = archive.import_([folder]).rows
            assert {row.quarantine for row in rows} - {None} == {
                entry.id for entry in archive.quarantine
            }
            assert archive.check().is_sound
            return [row.not_kept for row in rows]

    long = not_kept(QuarantineBounds(file_bytes=len(cuts[0]) - 1), "long")
    full = not_kept(QuarantineBounds(bytes=2 * len(cuts[0]) + 10), "full")
    many = not_kept(QuarantineBounds(entries=1), "many")

    assert all("keeps files up to" in why and "quarantine_file_bytes" in why for why in long)
    assert sorted(map(bool, full)) == [False, False, True]
    assert any("The quarantine is full" in why for why in full)
    assert sorted(map(bool, many)) == [False, True, True]


def test_bounds_count_what_is_there_already(folder: Path, home: Path) -> None:
    """A later import finds the quarantine as full as the one before left it."""
    place = Place(str(home), quarantine=QuarantineBounds(entries=1))
    (folder / "a").write_bytes(CUT)
    with Archive(place) as archive:
        archive.import_([folder])
    (folder / "b").write_bytes(CUT[:-1])

    with Archive(place) as archive:
        rows = archive.import_([folder]).rows

    assert [row.quarantine for row in rows] == [digest(CUT), None]
    assert "full" in rows[1].not_kept


def test_room_that_somebody_makes_is_used(home: Path) -> None:
    """By a node that takes instances for days, too."""
    place = Place(str(home), quarantine=QuarantineBounds(entries=1))

    def refused(receiver: Receiver, data: bytes) -> None:
        arrival = receiver.begin()
        arrival.write(data)
        with pytest.raises(NonConformantError):
            arrival.finish()

    with Archive(place) as archive, archive.receiver() as receiver:
        refused(receiver, CUT)
        refused(receiver, CUT[:-1])
        assert [entry.id for entry in archive.quarantine] == [digest(CUT)]

        archive.quarantine.discard(digest(CUT))
        refused(receiver, CUT[:-1])

        assert [entry.id for entry in archive.quarantine] == [digest(CUT[:-1])]


def test_the_last_of_the_disk_is_not_for_the_quarantine(
    archive: Archive, folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reserve holds for refused files as well, and the row says so."""
    (folder / "a").write_bytes(CUT)
    (folder / "b.zip").write_bytes(b"PK\x03\x04" + b"nonsense" * 9)
    nearly_full = shutil.disk_usage(folder)._replace(free=64 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: nearly_full)

    rows = archive.import_([folder]).rows

    assert all("bytes free" in row.not_kept for row in rows)
    assert kept(home) == {}


def test_files_come_before_their_note_and_both_before_the_row(
    archive: Archive, folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Write, sync the file, rename, sync the folder; bytes, then the note, then the report."""
    (folder / "a").write_bytes(CUT)
    trace: list[tuple[str, Any]] = []
    fsync, replace = os.fsync, os.replace

    def traced_fsync(descriptor: int) -> None:
        path = Path("/proc/self/fd", str(descriptor)).readlink()
        trace.append(("sync", path if path.is_dir() else (path, os.fstat(descriptor).st_size)))
        fsync(descriptor)

    def traced_replace(source: Path, target: Path) -> None:
        trace.append(("rename", (source, target)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "replace", traced_replace)
    archive.import_([folder], progress=lambda _: trace.append(("acknowledge", None)))

    place = home / "quarantine"
    renames = [(at, *what) for at, (name, what) in enumerate(trace) if name == "rename"]
    assert [target.name for _, _, target in renames] == [
        f"{digest(CUT)}.bin", f"{digest(CUT)}.json",
    ]  # fmt: skip
    for at, source, target in renames:
        written = trace.index(("sync", (source, target.stat().st_size)))
        named = trace.index(("sync", place), at)
        assert written < at < named
    assert renames[0][0] < trace.index(("sync", place), renames[0][0]) < renames[1][0]
    assert trace.index(("sync", place), renames[1][0]) < trace.index(("acknowledge", None))


def test_the_quarantine_does_not_need_the_index(archive: Archive, folder: Path, home: Path) -> None:
    """A lost index that is made anew loses nothing of it."""
    (folder / "a").write_bytes(CUT)
    (folder / "b").write_bytes(part10())
    archive.import_([folder])
    before = [entry.to_dict() for entry in archive.quarantine]
    archive.close()
    for part in home.glob("index.sqlite3*"):
        part.unlink()

    with Archive.open(home) as again:
        assert again.check(rebuild=True).is_sound
        assert [entry.to_dict() for entry in again.quarantine] == before


def test_entries_are_found_by_the_beginning_of_their_id(archive: Archive, folder: Path) -> None:
    """Six digits will do; anything else is no id, and names no file."""
    (folder / "a").write_bytes(CUT)
    archive.import_([folder])

    assert archive.quarantine.entry(digest(CUT)[:6]).id == digest(CUT)
    for wrong in ("", "abc", "0" * 64, "../../index.sqlite3", "*", digest(CUT).upper()):
        with pytest.raises(NotFoundError, match="no file of this id"):
            archive.quarantine.entry(wrong)


def test_bytes_and_tags_can_be_looked_at(archive: Archive, folder: Path) -> None:
    """A stretch of bytes by offset and length, and the elements up to where they break off."""
    (folder / "a").write_bytes(CUT)
    archive.import_([folder])
    quarantine = archive.quarantine

    shown = quarantine.hex(digest(CUT), 128, 4)
    listing = quarantine.tags(digest(CUT))

    assert (shown.offset, shown.data) == (128, b"DICM")
    assert "|DICM|" in str(shown)
    assert {one.keyword: one.value for one in listing.elements}["PatientID"] == "P2"
    assert listing.reason == "truncated"
    for offset, length in ((-1, 1), (0, -1), (0, 1 << 20)):
        with pytest.raises(ValueError, match="offset must be"):
            quarantine.hex(digest(CUT), offset, length)


def test_a_program_in_the_preamble_is_released_when_that_is_waived(
    archive: Archive, folder: Path, home: Path
) -> None:
    """It is in the archive then, its bytes as they came, and no longer in quarantine."""
    (folder / "a").write_bytes(PROGRAM)
    archive.import_([folder])
    with pytest.raises(HostileInputError, match="program") as caught:
        archive.quarantine.release(digest(PROGRAM))
    assert caught.value.rule == "executable-preamble"
    assert len(archive.quarantine) == 1

    report = archive.quarantine.release(digest(PROGRAM)[:8], waive=["executable-preamble"])

    (row,) = report.rows
    ((found, source),) = archive.retrieve(Query("image"))
    assert (row.outcome, row.path) == (Outcome.NEW, str(folder / "a"))
    assert (found, source.read_at(0, source.size)) == (uid(1, 1, 1), PROGRAM)
    assert len(archive.quarantine) == 0
    assert list(kept(home)) == [f"released/{digest(PROGRAM)}.json"]
    assert archive.import_([folder]).counts[Outcome.ALREADY_THERE] == 1


@pytest.mark.parametrize("is_released", [True, False])
def test_what_wider_bounds_let_in_opens_and_survives_a_new_index(
    archive: Archive, folder: Path, home: Path, *, is_released: bool
) -> None:
    """The bounds stay with the file, whether it was released or imported by them."""
    deep = nested(105)
    (folder / "a").write_bytes(deep)
    wide = Bounds(depth=200)
    if is_released:
        archive.import_([folder])
        with pytest.raises(HostileInputError, match="nested"):
            archive.quarantine.release(digest(deep))
        archive.quarantine.release(digest(deep), bounds=wide)
    else:
        archive.import_([folder], bounds=wide)
    before = list(archive.records(Query("image")))
    (instance,) = archive.instances(uid(3, 1))
    assert instance.attributes.string("PatientID") == "P3"
    archive.close()
    for part in home.glob("index.sqlite3*"):
        part.unlink()

    with Archive.open(home) as again:
        assert again.check(rebuild=True).is_sound
        assert list(again.records(Query("image"))) == before
        assert len(before) == 1


def test_what_misses_pixels_is_released_when_that_is_waived(archive: Archive, folder: Path) -> None:
    """Its header can be searched, and asking for its pixels is a typed refusal."""
    (folder / "a").write_bytes(CUT)
    archive.import_([folder])
    with pytest.raises(NonConformantError, match="breaks off"):
        archive.quarantine.release(digest(CUT))

    archive.quarantine.release(digest(CUT), waive=["truncated"])

    (record,) = archive.records(Query("image"))
    (instance,) = archive.instances(uid(2, 1))
    assert record["PatientID"] == "P2"
    assert instance.frames is not None
    with pytest.raises(DicomlabError):
        instance.frames.read(0)
    assert archive.check().is_sound


@pytest.mark.parametrize(
    ("reason", "data"),
    [
        ("missing-uid", part10(StudyInstanceUID=None)),
        ("truncated", part10()[:300]),
    ],
)
def test_what_can_be_no_instance_stays(
    archive: Archive, folder: Path, reason: str, data: bytes
) -> None:
    """Without UIDs or a header that can be read no waiver helps: a typed error, and it stays."""
    (folder / "a").write_bytes(data)
    archive.import_([folder])

    with pytest.raises(NonConformantError) as caught:
        archive.quarantine.release(
            digest(data), waive=["truncated", "executable-preamble", "damaged-pixel-data"]
        )

    assert caught.value.reason == reason
    assert [entry.id for entry in archive.quarantine] == [digest(data)]
    with pytest.raises(ValueError, match="cannot be waived"):
        archive.quarantine.release(digest(data), waive=["missing-uid"])


def test_a_zip_is_released_with_wider_bounds(archive: Archive, folder: Path) -> None:
    """Its members come in under the name that it had; without them it stays."""
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("one.dcm", part10())
        file.writestr("zeros", bytes(1 << 20))
    data = (folder / "a.zip").read_bytes()
    tight = Bounds(archive_ratio=1, inflation_slack_bytes=0)
    (row,) = archive.import_([folder], bounds=tight).rows
    (entry,) = archive.quarantine
    assert (row.quarantine, entry.reason) == (digest(data), "archive-ratio")
    assert (entry.limit, entry.found) == (len(data), (1 << 20) + len(part10()))
    with pytest.raises(HostileInputError) as caught:
        archive.quarantine.release(digest(data), bounds=tight)
    assert caught.value.rule == "archive-ratio"
    assert len(archive.quarantine) == 1

    report = archive.quarantine.release(digest(data))

    assert {row.path: row.outcome for row in report.rows} == {
        f"{folder}/a.zip!/one.dcm": Outcome.NEW,
        f"{folder}/a.zip!/zeros": Outcome.NOT_DICOM,
    }
    assert len(archive.quarantine) == 0


def test_release_needs_room(folder: Path, home: Path) -> None:
    """A quota that is full keeps it where it is."""
    (folder / "a").write_bytes(PROGRAM)
    with Archive.open(home, quota_bytes=10) as archive:
        archive.import_([folder])

        with pytest.raises(RefusedError) as caught:
            archive.quarantine.release(digest(PROGRAM), waive=["executable-preamble"])

        assert caught.value.rule == "quota"
        assert len(archive.quarantine) == 1


def test_a_file_is_saved_under_a_name_of_ones_own(
    archive: Archive, folder: Path, tmp_path: Path
) -> None:
    """For its owner alone, never over another; the entry stays until it is discarded."""
    (folder / "a").write_bytes(CUT)
    archive.import_([folder])

    saved = archive.quarantine.save(digest(CUT), tmp_path / "saved.bin")
    with pytest.raises(StorageError, match="File exists"):
        archive.quarantine.save(digest(CUT), tmp_path / "saved.bin")
    discarded = archive.quarantine.discard(digest(CUT))

    assert saved.read_bytes() == CUT
    assert saved.stat().st_mode & 0o177 == 0
    assert discarded.id == digest(CUT)
    assert len(archive.quarantine) == 0
    with pytest.raises(NotFoundError):
        archive.quarantine.discard(digest(CUT))


def test_names_from_strangers_run_and_steer_nothing(archive: Archive, folder: Path) -> None:
    """Markup and escape sequences in file names are text, in HTML and in the note."""
    names = ("<script>alert(1)<script>.dcm", "a\x1b[2J\u202e.dcm", os.fsdecode(b"\xff\xfe.dcm"))
    for number, name in enumerate(names):
        (folder / name).write_bytes(part10(1, 1, number)[:-3])

    report = archive.import_([folder])

    for shown in (archive.quarantine._repr_html_(), report._repr_html_(), str(report)):
        assert shown.replace("\n", "").isprintable()
    for page in (archive.quarantine._repr_html_(), report._repr_html_()):
        assert "<script>" not in page
    sources = {entry.source.rpartition("/")[2] for entry in archive.quarantine}
    assert sources == set(names)
    json.dumps([entry.to_dict() for entry in archive.quarantine])
