"""Who was away finds what came meanwhile, whatever was deleted, repaired or rebuilt."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomlab.archive import Archive
from tests.small import part10, uid


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Give an empty archive."""
    with Archive.open(tmp_path / "archive") as opened:
        yield opened


def bring(archive: Archive, folder: Path, *places: tuple[int, int, int], **more: str) -> None:
    """Import instances."""
    for place in places:
        path = folder / "-".join(map(str, place))
        path.write_bytes(part10(*place, **more))
        archive.import_([path])


def came(archive: Archive, after: str | None = None) -> list[str]:
    """Return the SOP Instance UIDs of what came."""
    return [one.sop_instance_uid for one in archive.arrivals(after)]


def test_a_deletion_does_not_break_a_cursor(archive: Archive, tmp_path: Path) -> None:
    """Neither of what the cursor stands at, nor of what followed: no number is given twice."""
    bring(archive, tmp_path, (1, 1, 1), (2, 1, 1), (3, 1, 1))
    first, second, third = archive.arrivals()

    archive.delete([uid(3), uid(2)])
    bring(archive, tmp_path, (4, 1, 1))

    assert came(archive, first.cursor) == [uid(4, 1, 1)]
    assert came(archive, second.cursor) == [uid(4, 1, 1)]
    assert came(archive, third.cursor) == [uid(4, 1, 1)]


def test_what_was_deleted_and_comes_again_is_announced_again(
    archive: Archive, tmp_path: Path
) -> None:
    """It was gone, and is new."""
    bring(archive, tmp_path, (1, 1, 1))
    now = archive.cursor()
    archive.delete([uid(1)])

    bring(archive, tmp_path, (1, 1, 1))

    assert came(archive, now) == [uid(1, 1, 1)]


def test_another_content_is_an_arrival(archive: Archive, tmp_path: Path) -> None:
    """Somebody has to look at two contents of one UID."""
    bring(archive, tmp_path, (1, 1, 1))
    now = archive.cursor()

    bring(archive, tmp_path, (1, 1, 1), StudyDescription="other")

    assert came(archive, now) == [uid(1, 1, 1)]


def test_a_rebuild_keeps_cursors(archive: Archive, tmp_path: Path) -> None:
    """What was read is not announced again, and what follows is."""
    bring(archive, tmp_path, (1, 1, 1), (2, 1, 1), (3, 1, 1))
    archive.delete([uid(1)])
    second, third = archive.arrivals()

    archive.check(rebuild=True)

    assert list(archive.arrivals()) == [second, third]
    assert list(archive.arrivals(second.cursor)) == [third]
    bring(archive, tmp_path, (4, 1, 1))
    assert came(archive, third.cursor) == [uid(4, 1, 1)]


def test_an_index_made_anew_announces_everything(archive: Archive, tmp_path: Path) -> None:
    """A cursor of the lost index means nothing there: twice told is better than never."""
    bring(archive, tmp_path, (1, 1, 1), (2, 1, 1))
    cursor = archive.cursor()
    archive.close()
    for path in (tmp_path / "archive").glob("index.sqlite3*"):
        path.unlink()

    with Archive.open(tmp_path / "archive") as again:
        again.check(repair=True)

        assert sorted(came(again, cursor)) == [uid(1, 1, 1), uid(2, 1, 1)]


def test_more_than_a_page_is_announced_once(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages join without a gap, where contents were deleted too."""
    monkeypatch.setattr("dicomlab.archive._arrivals._PAGE", 2)
    bring(archive, tmp_path, *((study, 1, 1) for study in range(1, 8)))
    archive.delete([uid(3), uid(4), uid(7)])

    assert came(archive) == [uid(study, 1, 1) for study in (1, 2, 5, 6)]


OTHER = """
import sys
from dicomlab.archive import Archive
with Archive.open(sys.argv[1]) as archive:
    print([one.sop_instance_uid for one in archive.arrivals(sys.argv[2])], end="")
"""


def test_a_cursor_is_good_in_another_process(archive: Archive, tmp_path: Path) -> None:
    """It is a text that can be kept in a file."""
    bring(archive, tmp_path, (1, 1, 1))
    cursor = archive.cursor()
    bring(archive, tmp_path, (2, 1, 1))

    done = subprocess.run(
        [sys.executable, "-c", OTHER, str(tmp_path / "archive"), cursor],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout == repr([uid(2, 1, 1)])


def test_one_can_wait_for_what_comes(archive: Archive, tmp_path: Path) -> None:
    """The thread wakes when the import has committed, and not before."""
    cursor = archive.cursor()
    assert archive.wait_for_arrivals(cursor, timeout_s=0) is False
    found: list[list[str]] = []

    def wait() -> None:
        assert archive.wait_for_arrivals(cursor, timeout_s=60)
        found.append(came(archive, cursor))

    thread = threading.Thread(target=wait)
    thread.start()
    bring(archive, tmp_path, (1, 1, 1))
    thread.join(60)

    assert found == [[uid(1, 1, 1)]]
    assert archive.wait_for_arrivals(cursor, timeout_s=0)
