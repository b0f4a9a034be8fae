"""What is particular to an index in PostgreSQL."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from dicomlab.archive import Archive, ImportReport, Outcome
from dicomlab.catalog import Query
from dicomlab.errors import StorageError, UnsupportedError
from dicomlab.journal import Journal
from tests.postgres import Postgres
from tests.small import part10, uid


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with six files to import."""
    made = tmp_path / "in"
    made.mkdir()
    for number in range(6):
        (made / str(number)).write_bytes(part10(1, 1, number))
    return made


def test_writers_of_several_connections_take_turns(
    tmp_path: Path, folder: Path, postgres: Postgres
) -> None:
    """Each has its own pool, as processes have; an instance is new for one of them."""
    url = postgres.database()
    reports: list[ImportReport] = []

    def work() -> None:
        with Archive.open(tmp_path / "archive", index=url) as archive:
            reports.append(archive.import_([folder]))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(report.counts[Outcome.NEW] for report in reports) == 6
    with Archive.open(tmp_path / "archive", index=url) as archive:
        (study,) = archive.records(Query("study"))
        assert study["NumberOfStudyRelatedInstances"] == 6
        assert archive.check().rows == []
    assert not (tmp_path / "archive" / "index.sqlite3").exists()


def test_a_lost_index_comes_back_from_the_files(
    tmp_path: Path, folder: Path, postgres: Postgres
) -> None:
    """A new database is filled by a rebuild, and a full one rebuilt to the same."""
    with Archive.open(tmp_path / "archive", index=postgres.database()) as archive:
        archive.import_([folder])
        before = list(archive.records(Query("image")))
    with Archive.open(tmp_path / "archive", index=postgres.database()) as archive:
        assert archive.check(rebuild=True).is_sound
        assert list(archive.records(Query("image"))) == before
        assert archive.check(rebuild=True).is_sound
        assert list(archive.records(Query("image"))) == before
        assert archive.header(uid(1, 1, 3))["00080018"]["Value"] == [uid(1, 1, 3)]


def test_long_and_odd_text_is_kept_and_found(tmp_path: Path, postgres: Postgres) -> None:
    """Text that PostgreSQL could not index as it is: 4,000 characters where 64 are allowed."""
    (tmp_path / "in").mkdir()
    long = "".join(chr(0x4E00 + (number * 7919) % 20000) for number in range(4000))
    with pytest.warns(UserWarning, match="length"):
        data = part10(SpecificCharacterSet="ISO_IR 192", StudyDescription=long)
    (tmp_path / "in" / "a").write_bytes(data)

    with Archive.open(tmp_path / "archive", index=postgres.database()) as archive:
        assert archive.import_([tmp_path / "in"]).counts[Outcome.NEW] == 1
        for asked in (long, long[:20] + "*", "*" + long[100:110] + "*"):
            (found,) = archive.records(Query("study", StudyDescription=asked))
            assert found["StudyDescription"] == long
        assert not list(archive.records(Query("study", StudyDescription="a\0b*")))


def test_a_wildcard_in_the_middle_uses_trigrams(tmp_path: Path, postgres: Postgres) -> None:
    """The server's own plan says so, once looking at every text would cost more."""
    url = postgres.database()
    with Archive.open(tmp_path / "archive", index=url):
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("SET enable_seqscan = off"))
            plan = connection.execute(text(
                "EXPLAIN SELECT rowid FROM dicomlab_archive.study_text WHERE text LIKE '%head%'"
            ))  # fmt: skip
            assert "study_text_trigrams" in "\n".join(plan.scalars())
        engine.dispose()


def test_a_journal_may_share_the_database(tmp_path: Path, folder: Path, postgres: Postgres) -> None:
    """Both have a table of facts about themselves; neither sees the other's."""
    url = postgres.database()

    with Archive.open(tmp_path / "archive", index=url) as archive, Journal.open(url):
        assert archive.import_([folder]).is_complete
    with Archive.open(tmp_path / "archive", index=url) as archive:
        assert archive.check().is_sound


def test_a_server_that_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    """The message names no host, user or password."""
    url = f"postgresql+psycopg://someone:secret@/x?host={tmp_path}"

    with pytest.raises(StorageError, match="PostgreSQL server") as caught:
        Archive.open(tmp_path / "archive", index=url)

    assert "secret" not in str(caught.value)


def test_another_kind_of_database_is_refused(tmp_path: Path) -> None:
    """Only what is proved is offered."""
    with pytest.raises(UnsupportedError, match="postgresql\\+psycopg"):
        Archive.open(tmp_path / "archive", index="mysql://host/name")
    with pytest.raises(ValueError, match="postgresql\\+psycopg"):
        Archive.open(tmp_path / "archive", index="no url")
