"""After any imports and deletions, the index is the one that a rebuild from scratch would make."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dicomlab.archive import Archive
from dicomlab.archive._schema import TABLES
from dicomlab.catalog import Query
from dicomlab.errors import NotFoundError
from dicomlab.standard import UNIQUE_KEY, Level
from tests.small import part10, uid

ABSENT_OR = [None, "one", "another"]


@st.composite
def instances(draw: st.DrawFn) -> tuple[tuple[int, int, int], bytes]:
    """Draw an instance of few studies, whose attributes contradict each other or are absent."""
    place = (draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    return place, part10(
        *place,
        PatientID=draw(st.sampled_from(["A", "B", None])),
        PatientName=draw(st.sampled_from(["Doe^Jane", "Roe^Rita", None])),
        PatientComments=draw(st.sampled_from(ABSENT_OR)),
        OtherPatientNames=draw(st.sampled_from([None, ["X^Y", "Z"]])),
        StudyDescription=draw(st.sampled_from(ABSENT_OR)),
        SeriesDescription=draw(st.sampled_from(ABSENT_OR)),
        Modality=draw(st.sampled_from(["CT", "MR", None])),
        SOPClassUID=draw(st.sampled_from(["1.2.840.10008.5.1.4.1.1.7", "1.2.3.4"])),
    )


deletions = st.tuples(
    st.sampled_from([Level.STUDY, Level.SERIES, Level.IMAGE]),
    st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 2)),
)
steps = st.lists(st.one_of(st.lists(instances(), min_size=1, max_size=6), deletions), max_size=6)


def everything(archive: Archive) -> dict[str, object]:
    """Return all that queries see, without the order of what came in no order."""
    found: dict[str, object] = {}
    for level in Level:
        found[level] = sorted(map(repr, map(sorted_items, archive.records(Query(level)))))
        tables = TABLES[level]
        with archive._database.reading() as connection:
            rows = connection.execute(
                tables.values.join(tables.entity).select().with_only_columns(
                    tables.entity.c[UNIQUE_KEY[level]], tables.values.c.keyword,
                    tables.values.c.place, tables.values.c.form, tables.values.c.number,
                )
            )  # fmt: skip
            found[f"{level} values"] = sorted(map(repr, map(tuple, rows)))
            if level is not Level.IMAGE:
                texts = connection.exec_driver_sql(f"SELECT text FROM {level.lower()}_text")
                found[f"{level} texts"] = sorted(texts.scalars())
    return found


def sorted_items(record: object) -> list[object]:
    """Return a record in the order of its keywords."""
    assert isinstance(record, dict)
    return sorted(record.items())


@pytest.fixture(scope="module")
def archive() -> Iterator[Archive]:
    """Give an archive; each example deletes what the one before left."""
    with TemporaryDirectory() as name, Archive.open(Path(name, "archive")) as opened:
        yield opened


def import_all(archive: Archive, files: list[bytes]) -> None:
    """Import files that lie in a folder."""
    with TemporaryDirectory() as name:
        for place, data in enumerate(files):
            Path(name, str(place)).write_bytes(data)
        archive.import_([name])


@settings(max_examples=12)
@given(steps)
@example([
    [((1, 1, 1), part10(1, 1, 1, PatientID="A", PatientComments="gone", StudyDescription="x")),
     ((1, 1, 2), part10(1, 1, 2, PatientID="B", Modality="CT"))],
    (Level.IMAGE, (1, 1, 1)),
])  # fmt: skip
def test_the_index_after_deletions_is_that_of_a_rebuild(
    archive: Archive,
    done: list[list[tuple[tuple[int, int, int], bytes]] | tuple[Level, tuple[int, int, int]]],
) -> None:
    """Counts, values that only deleted instances gave, names in texts: all as if never there."""
    archive.delete([str(row["StudyInstanceUID"]) for row in archive.records(Query("study"))])
    assert not any(everything(archive).values())
    for step in done:
        if isinstance(step, list):
            import_all(archive, [data for _, data in step])
            continue
        level, place = step
        with suppress(NotFoundError):
            archive.delete([uid(*place[: level.depth])], level=level)
    assert archive.check().rows == []
    before = everything(archive)

    archive.check(rebuild=True)

    assert everything(archive) == before
