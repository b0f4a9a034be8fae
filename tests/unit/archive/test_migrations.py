"""An archive of an older dicomlab opens, and holds what it held."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL, inspect, text

from dicomlab.archive import Archive
from dicomlab.archive._schema import SCHEMA_VERSION, metadata
from dicomlab.catalog import Query
from dicomlab.standard import Level
from tests.postgres import Postgres
from tests.small import part10, uid

BACKWARDS = {
    3: ("DROP TABLE deleted", "DROP TABLE last_id"),
    2: (
        'DROP INDEX "study_patient_id_StudyDate"',
        "CREATE INDEX study_patient_id ON study (patient_id)",
    ),
    1: ("DROP INDEX content_size",),
}
"""All that tells a schema from the one that follows it."""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("version", sorted(BACKWARDS))
def test_an_older_schema_is_upgraded(
    tmp_path: Path, kind: str, version: int, request: pytest.FixtureRequest
) -> None:
    """Its records are the same, its tables those of a new archive; it opens again and again."""
    index: URL | None = None
    if kind == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        index = server.database()
    (tmp_path / "a").write_bytes(part10())
    with Archive.open(tmp_path / "archive", index=index) as archive:
        archive.import_([tmp_path / "a"])
        before = [list(archive.records(Query(level))) for level in Level]
        with archive._database.writing() as connection:
            for older in range(SCHEMA_VERSION - 1, version - 1, -1):
                for statement in BACKWARDS[older]:
                    connection.execute(text(statement))
            connection.execute(
                text("UPDATE about SET value = :old WHERE name = 'schema'"), {"old": str(version)}
            )

    for _ in range(2):
        with Archive.open(tmp_path / "archive", index=index) as archive:
            assert [list(archive.records(Query(level))) for level in Level] == before
            with archive._database.reading() as connection:
                version = connection.scalar(text("SELECT value FROM about WHERE name = 'schema'"))
                assert version == str(SCHEMA_VERSION)
                for table in metadata.sorted_tables:
                    indexes = inspect(connection).get_indexes(table.name)
                    columns = inspect(connection).get_columns(table.name)
                    assert [one["name"] for one in columns] == [one.name for one in table.columns]
                    found = {one["name"] for one in indexes if "duplicates_constraint" not in one}
                    assert {one.name for one in table.indexes} == found
            assert archive.check().is_sound
    with Archive.open(tmp_path / "archive", index=index) as archive:
        archive.delete([uid(1)])
        assert list(archive.records(Query(Level.PATIENT))) == []
