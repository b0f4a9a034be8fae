"""Where the archive is, and what the configuration has to say about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomlab.archive import Archive
from dicomlab.catalog import Query
from dicomlab.errors import NotFoundError
from tests.postgres import Postgres
from tests.small import part10

URL = "postgresql+psycopg://user@127.0.0.1:1/name"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty home."""
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def configure(home: Path, **settings: str | int) -> None:
    """Write the table of the archive."""
    lines = (f"{key} = {value!r}" for key, value in settings.items())
    (home / "config.toml").write_text("\n".join(["[archive]", *lines]))


def test_without_configuration_it_is_in_the_home(home: Path) -> None:
    """A folder, SQLite, no quota."""
    with Archive.open() as archive:
        place = archive.place

    assert (place.location, place.index, place.quota_bytes) == (str(home / "archive"), None, None)


def test_what_the_caller_says_comes_first(home: Path, tmp_path: Path) -> None:
    """The configured quota holds for the configured archive unless another is given."""
    configure(home, location=str(tmp_path / "data"), quota_bytes=5)

    with Archive.open() as configured, Archive.open(quota_bytes=7) as own:
        assert (configured.place.location, configured.place.quota_bytes) == (
            str(tmp_path / "data"), 5
        )  # fmt: skip
        assert (own.place.location, own.place.quota_bytes) == (str(tmp_path / "data"), 7)


def test_another_archive_has_nothing_of_the_configured_one(home: Path, tmp_path: Path) -> None:
    """One database serves one archive: the index of one never becomes that of another."""
    configure(home, location=str(tmp_path / "data"), index=URL, quota_bytes=5)

    with Archive.open(tmp_path / "other") as archive:
        assert (archive.place.index, archive.place.quota_bytes) == (None, None)


def test_the_configured_archive_by_another_name_is_still_that_one(
    home: Path, tmp_path: Path
) -> None:
    """A link to its folder does not make a second index beside the first."""
    configure(home, location=str(tmp_path / "data"), quota_bytes=5)
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")

    with Archive.open(tmp_path / "link") as archive:
        assert archive.place.quota_bytes == 5


def test_the_environment_alone_configures(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable of a setting needs no file."""
    monkeypatch.setenv("DICOMLAB_ARCHIVE__LOCATION", str(tmp_path / "data"))

    with Archive.open() as archive:
        assert archive.place.location == str(tmp_path / "data")


def test_a_password_that_is_not_there_is_said(home: Path) -> None:
    """The message names the variable, never the URL."""
    configure(home, index=URL)
    with (home / "config.toml").open("a") as file:
        file.write('\nindex_password = { env = "DICOMLAB_TEST_NO_SUCH" }\n')

    with pytest.raises(NotFoundError, match="DICOMLAB_TEST_NO_SUCH"):
        Archive.open()


def test_the_configured_index_is_used(home: Path, tmp_path: Path, postgres: Postgres) -> None:
    """What is imported is found through the configured database, and no file of SQLite is made."""
    url = postgres.database().render_as_string(hide_password=False)
    configure(home, index=url)
    (tmp_path / "a").write_bytes(part10())

    with Archive.open() as archive:
        archive.import_([tmp_path / "a"])
    with Archive.open(index=url) as again:
        assert len(list(again.records(Query("image")))) == 1

    assert not (home / "archive" / "index.sqlite3").exists()
