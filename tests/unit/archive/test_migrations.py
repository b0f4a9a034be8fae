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
from tests.small import part10

TO_SCHEMA_1 = (
    "DROP INDEX content_size",
    "UPDATE about SET value = '1' WHERE name = 'schema'",
)
"""All that tells schema 1 from schema 2, backwards."""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_schema_1_is_upgraded(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
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
            for statement in TO_SCHEMA_1:
                connection.execute(text(statement))

    for _ in range(2):
        with Archive.open(tmp_path / "archive", index=index) as archive:
            assert [list(archive.records(Query(level))) for level in Level] == before
            with archive._database.reading() as connection:
                version = connection.scalar(text("SELECT value FROM about"))
                assert version == str(SCHEMA_VERSION)
                for table in metadata.sorted_tables:
                    found = {one["name"] for one in inspect(connection).get_indexes(table.name)}
                    assert {one.name for one in table.indexes} <= found
            assert archive.check().is_sound
