"""What a user may not read or write is said in one sentence, and loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import as_nobody
from tests.as_nobody import Nobody
from tests.small import part10


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a folder of nobody's own, with three files to import."""
    with as_nobody.folder_of_nobody() as folder:
        (folder / "in").mkdir()
        for number in range(3):
            (folder / "in" / str(number)).write_bytes(part10(1, 1, number))
        yield folder


def test_what_may_not_be_read_is_a_line_in_the_report(place: Path, nobody: Nobody) -> None:
    """The rest is imported; given the right to read, the next import does the rest."""
    closed, hidden = place / "in" / "1", place / "in" / "hidden"
    hidden.mkdir()
    (hidden / "9").write_bytes(part10(1, 1, 9))
    closed.chmod(0)
    hidden.chmod(0)

    first = nobody.call(as_nobody.import_, place / "archive", place / "in")
    closed.chmod(0o600)
    hidden.chmod(0o700)
    second = nobody.call(as_nobody.import_, place / "archive", place / "in")

    assert first == {"0": "new", "1": "unreadable", "2": "new", "hidden": "unreadable"}
    assert second == {"0": "already there", "1": "new", "2": "already there", "9": "new"}


def test_an_archive_that_may_not_be_made_is_one_sentence(place: Path, nobody: Nobody) -> None:
    """No folder, no index, no traceback."""
    (place / "locked").mkdir()
    (place / "locked").chmod(0o500)

    said = nobody.call(as_nobody.import_, place / "locked" / "archive", place / "in")

    assert said["error"] == "StorageError"
    assert "Permission denied" in said["message"]
    assert str(place) not in said["message"]


@pytest.mark.parametrize("name", ["instances", "incoming"])
def test_an_archive_that_may_not_be_written_loses_nothing(
    place: Path, nobody: Nobody, name: str
) -> None:
    """The import ends with the reason; given the right to write, it completes."""
    home = place / "archive"
    (place / "one").mkdir()
    (place / "one" / "0").write_bytes(part10(1, 1, 0))
    nobody.call(as_nobody.import_, home, place / "one")
    (home / name).chmod(0o500)

    refused = nobody.call(as_nobody.import_, home, place / "in")
    (home / name).chmod(0o700)
    healed = nobody.call(as_nobody.import_, home, place / "in")

    assert refused["error"] == "IncompleteError"
    assert "Permission denied" in refused["message"]
    assert set(healed.values()) == {"new", "already there"}
    assert nobody.call(as_nobody.look, home) == {"problems": [], "message": ""}


def test_a_stored_file_that_may_not_be_read_is_named(place: Path, nobody: Nobody) -> None:
    """The check goes on with the others, and a repair leaves it where it is."""
    home = place / "archive"
    nobody.call(as_nobody.import_, home, place / "in")
    closed = next((home / "instances").rglob("*.dcm"))
    closed.chmod(0)

    said = nobody.call(as_nobody.look, home)

    assert said["problems"] == ["unreadable"]
    assert "Reading a stored instance failed: Permission denied" in said["message"]
    assert closed.exists()
    closed.chmod(0o600)
    assert nobody.call(as_nobody.look, home) == {"problems": [], "message": ""}


def test_an_index_that_may_not_be_read_is_one_sentence(place: Path, nobody: Nobody) -> None:
    """The archive does not make a new one beside it."""
    home = place / "archive"
    nobody.call(as_nobody.import_, home, place / "in")
    (home / "index.sqlite3").chmod(0)

    said = nobody.call(as_nobody.look, home)

    assert said["error"] == "StorageError"
    assert "index cannot be used" in said["message"]
