"""What is acknowledged is on disk: the order of file operations, and what a crash leaves."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from dicomlab.archive import Archive, ImportProgress, ImportReport, Outcome, _files
from dicomlab.catalog import Query
from dicomlab.errors import IncompleteError
from tests.small import part10, uid


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with four files to import."""
    made = tmp_path / "in"
    made.mkdir()
    for number in range(4):
        (made / str(number)).write_bytes(part10(1, 1, number))
    return made


def stored(home: Path) -> list[Path]:
    """Return the files that the store shows."""
    return sorted(path for path in (home / "instances").rglob("*") if path.is_file())


def indexed(archive: Archive) -> set[object]:
    """Return the SOP Instance UIDs that the index shows."""
    return {row["SOPInstanceUID"] for row in archive.records(Query("image"))}


def test_files_are_on_disk_before_the_index_says_so(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Write, sync the file, rename, sync the folder, commit, and only then acknowledge."""
    trace: list[tuple[str, Any]] = []
    fsync, replace = os.fsync, os.replace

    def traced_fsync(descriptor: int) -> None:
        path = Path("/proc/self/fd", str(descriptor)).readlink()
        size = None if path.is_dir() else os.fstat(descriptor).st_size
        trace.append(("sync", (path, size)))
        fsync(descriptor)

    def traced_replace(source: Path, target: Path) -> None:
        trace.append(("rename", (source, target)))
        replace(source, target)

    def committed(_connection: object) -> None:
        trace.append(("commit", None))

    home = tmp_path / "archive"
    with Archive.open(home) as archive:
        monkeypatch.setattr(os, "fsync", traced_fsync)
        monkeypatch.setattr(os, "replace", traced_replace)
        event.listen(Engine, "commit", committed)
        try:
            archive.import_([folder], progress=lambda _: trace.append(("acknowledge", None)))
        finally:
            event.remove(Engine, "commit", committed)

    names = [name for name, _ in trace]
    commit = names.index("commit")
    renames = [(at, *what) for at, (name, what) in enumerate(trace) if name == "rename"]
    assert len(renames) == len(stored(home)) == 4
    for at, source, target in renames:
        written = trace.index(("sync", (source, target.stat().st_size)))
        named = trace.index(("sync", (target.parent, None)), at)
        assert written < at < named < commit
        assert trace.index(("sync", (target.parent.parent, None))) < at
    assert commit < names.index("acknowledge")


def test_a_crash_before_the_commit_loses_nothing_that_was_said(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are there, unknown to the index; the next import finds and indexes them."""

    def crash(*_: object) -> None:
        raise MemoryError

    home = tmp_path / "archive"
    with Archive.open(home) as archive, monkeypatch.context() as patched:
        patched.setattr("dicomlab.archive._import.add", crash)
        with pytest.raises(MemoryError):
            archive.import_([folder])
        assert indexed(archive) == set()
    assert len(stored(home)) == 4

    with Archive.open(home) as archive:
        report = archive.import_([folder])

        assert report.counts[Outcome.NEW] == 4
        assert len(indexed(archive)) == 4
    assert len(stored(home)) == 4


KILLED = """
import os, sys
from dicomlab.archive import Archive, _files, _import
_import._GROUP_FILES = 2
calls = 0
rename = _files.rename
def killed(source, target):
    global calls
    calls += 1
    if calls == int(sys.argv[3]):
        os.kill(os.getpid(), 9)
    rename(source, target)
_files.rename = killed
def tell(progress):
    print(progress.files, flush=True)
with Archive.open(sys.argv[1]) as archive:
    archive.import_([sys.argv[2]], progress=tell)
"""


@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_killed_import_leaves_no_half_file(tmp_path: Path, folder: Path, at: int) -> None:
    """What was told is there, each visible file is whole, and the next import does the rest."""
    home = tmp_path / "archive"

    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(home), str(folder), str(at)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3],
    )  # fmt: skip

    told = max((int(line) for line in child.stdout.split()), default=0)
    assert child.returncode == -9, child.stderr
    for path in stored(home):
        assert path.stem == hashlib.sha256(path.read_bytes()).hexdigest()
    with Archive.open(home) as archive:
        assert len(indexed(archive)) >= told
        report = archive.import_([folder])
        assert len(indexed(archive)) == 4
        assert report.is_complete
    assert list((home / "incoming").iterdir()) == []


def test_a_full_disk_ends_the_import_with_a_report(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error holds the report; what it calls new is in the archive."""
    monkeypatch.setattr("dicomlab.archive._import._GROUP_FILES", 1)
    monkeypatch.setattr("dicomlab.archive._import._AHEAD", 0)
    written = 0
    write: Callable[[int, bytes], None] = _files.write

    def full(descriptor: int, data: bytes) -> None:
        nonlocal written
        written += 1
        if written > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(descriptor, data)

    with Archive.open(tmp_path / "archive") as archive:
        monkeypatch.setattr(_files, "write", full)
        with pytest.raises(IncompleteError, match="No space left") as caught:
            archive.import_([folder])

        report = caught.value.report
        assert isinstance(report, ImportReport)
        assert report.interrupted
        assert {row.sop_instance_uid for row in report.of(Outcome.NEW)} == indexed(archive)
        assert len(indexed(archive)) == 2


def test_a_lost_file_is_healed_by_importing_it_again(tmp_path: Path, folder: Path) -> None:
    """The index knows it; its bytes come back."""
    home = tmp_path / "archive"
    with Archive.open(home) as archive:
        archive.import_([folder])
        lost, cut, *_ = stored(home)
        lost.unlink()
        cut.write_bytes(cut.read_bytes()[:100])

        report = archive.import_([folder])

        assert report.counts[Outcome.ALREADY_THERE] == 4
    for path in stored(home):
        assert path.stem == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(stored(home)) == 4


def test_many_threads_import_and_ask_at_once(tmp_path: Path, folder: Path) -> None:
    """Each instance is new for one of them, and readers see whole groups only."""
    reports: list[ImportReport] = []
    with Archive.open(tmp_path / "archive") as archive:

        def work() -> None:
            reports.append(archive.import_([folder]))

        def look(_: ImportProgress) -> None:
            (study,) = archive.records(Query("study"))
            assert study["NumberOfStudyRelatedInstances"] == len(indexed(archive))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        archive.import_([folder], progress=look)

        assert sum(report.counts[Outcome.NEW] for report in reports) == 4
        assert indexed(archive) == {uid(1, 1, number) for number in range(4)}
    assert list((tmp_path / "archive" / "incoming").iterdir()) == []


def test_the_archive_is_for_its_owner_alone(tmp_path: Path, folder: Path) -> None:
    """Patients' data is not readable for other users of the machine."""
    home = tmp_path / "archive"
    with Archive.open(home) as archive:
        archive.import_([folder])

    assert home.stat().st_mode & 0o077 == 0
    assert (home / "index.sqlite3").stat().st_mode & 0o077 == 0
