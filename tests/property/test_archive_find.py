"""The archive's SQL finds what the reference finds, and what a plain pandas filter finds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomlab.archive._check import clear
from dicomlab.archive._database import Database
from dicomlab.archive._select import find
from dicomlab.archive._writer import Entry, add
from dicomlab.catalog import OWN_KEYS, Query, Record, Value, patient_key, summarise
from dicomlab.standard import Level, level_of
from dicomlab.testing import Asked, asked, series_records
from tests.conftest import peer_missing
from tests.peers import PeerMissingError
from tests.plain_filter import chosen

ORDERS = {
    Level.PATIENT: ("PatientName", "-PatientID"),
    Level.STUDY: ("StudyDate", "-StudyTime", "PatientName"),
    Level.SERIES: ("-SeriesNumber", "Modality", "StudyDate"),
    Level.IMAGE: ("InstanceNumber", "-ImageType", "SeriesNumber"),
}
ODD_ASKS: tuple[Mapping[str, object], ...] = (
    {"PatientName": "yamada*=山田*"},
    {"PatientName": "=山田^太郎"},
    {"PatientName": ["DOE^J*", '""']},
    {"OtherPatientNames": "*JANE"},
    {"PatientComments": "*[a]*"},
    {"PatientComments": "100%_?"},
    {"PatientComments": "*omment*"},
    {"StudyDescription": ["a*", "b", '""']},
    {"StudyDescription": "*B"},
    {"StudyDescription": "*ong text*"},
    {"StudyDescription": "*TEXT?long*", "StudyDate": "20240101-"},
    {"StudyDescription": "*long te*", "SeriesNumber": (None, 5)},
    {"StudyDate": "20240101-20240131", "StudyTime": "10-12", "combined_datetime": True},
    {"StudyDate": "-20240131", "StudyTime": "-12", "combined_datetime": True},
    {"PatientWeight": (None, 70)},
    {"PatientWeight": '""'},
    {"PatientWeight": [70, 80.5]},
    {"ProcedureCodeSequence": {"CodeValue": "P1"}},
    {"ProcedureCodeSequence": {"CodeValue": "P*", "CodingSchemeDesignator": "L"}},
    {"ProcedureCodeSequence": {"CodeMeaning": '""'}},
    {"ProcedureCodeSequence": {"CodeMeaning": ["Knee", '""']}},
    {"ProcedureCodeSequence": {"CodeMeaning": ""}},
    {"ProcedureCodeSequence": {"CodeMeaning": None, "CodeValue": "P2"}},
    {"ProcedureCodeSequence": '""'},
    {"SeriesNumber": (None, 5)},
    {"SeriesNumber": '""'},
    {"SeriesNumber": [3, '""']},
    {"ImageType": "DERIVED"},
    {"ImageType": ["*IMARY", "AXIAL"]},
    {"InstanceNumber": (2, None)},
    {"NumberOfStudyRelatedInstances": (2, None)},
    {"NumberOfPatientRelatedStudies": 1},
)
"""What `asked` does not draw: names by group, sequences, values where one or a number belongs."""

odd_values = st.fixed_dictionaries(
    {},
    optional={
        "StudyDescription": st.sampled_from(
            (("a", "b"), ("B", "aB"), "x", "long text", "text long te", ("TEXT long", "long te"))
        ),
        "PatientWeight": st.sampled_from((70.0, 80.5, "heavy", (60.0, 70.0), ("x", 70.0))),
        "SeriesNumber": st.sampled_from((3, "three", (3, 4), ("x", 5))),
        "StudyDate": st.sampled_from(("2024.01.15", "yesterday", "20240131")),
        "OtherPatientNames": st.sampled_from((("Roe^Jane", "Poe^J=山田"), "Moe")),
        "PatientComments": st.sampled_from(("x[a]y", "100%_1", "100%x1", "Comment\nmore", "[[")),
        "ProcedureCodeSequence": st.sampled_from((
            ({"CodeValue": "P1", "CodingSchemeDesignator": "L", "CodeMeaning": "Knee"},),
            ({"CodeValue": "P1", "CodingSchemeDesignator": "X", "CodeMeaning": None},
             {"CodeValue": "Q", "CodingSchemeDesignator": "L", "CodeMeaning": "Hip"}),
            ({"CodeValue": None, "CodingSchemeDesignator": None, "CodeMeaning": None},),
        )),
    },
)  # fmt: skip


@st.composite
def instances(draw: st.DrawFn, *, odd: bool = False) -> list[Record]:
    """Draw the instances of some series; those that share a parent agree about it."""
    patients: dict[tuple[str, ...], dict[str, Value]] = {}
    studies: dict[Value, dict[str, Value]] = {}
    found: list[Record] = []
    series = draw(st.lists(series_records(), min_size=1, max_size=10,
                           unique_by=lambda row: str(row["SeriesInstanceUID"])))  # fmt: skip
    for row in series:
        said = {**row, **draw(odd_values)} if odd else dict(row)
        study = studies.setdefault(said["StudyInstanceUID"], said)
        patient = patients.setdefault(patient_key(study), study)
        for number in range(draw(st.integers(1, 3))):
            instance = {key: said.get(key) for key in OWN_KEYS[Level.SERIES]}
            instance |= {key: study.get(key) for key in OWN_KEYS[Level.STUDY]}
            instance |= {key: patient.get(key) for key in OWN_KEYS[Level.PATIENT]}
            instance |= {
                "SOPInstanceUID": f"{said['SeriesInstanceUID']}.{number}",
                "SOPClassUID": draw(st.sampled_from(("1.2.3", "1.2.4"))),
                "InstanceNumber": draw(st.none() | st.integers(1, 4)),
                "ImageType": draw(
                    st.sampled_from((None, ("ORIGINAL", "PRIMARY", "AXIAL"), "DERIVED"))
                ),
            }
            found.append(instance)
    return draw(st.permutations(found))


def fill(database: Database, rows: Sequence[Record], *, groups: int) -> None:
    """Index instances in several transactions, so that later ones meet what is there."""
    for start in range(groups):
        with database.writing() as connection:
            entries = [
                Entry(hashlib.sha256(str(row["SOPInstanceUID"]).encode()).hexdigest(), 1, row, b"")
                for row in rows[start::groups]
            ]
            add(connection, entries)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest) -> Callable[[Path], Database]:
    """Return what gives an empty index, in the folder or in one PostgreSQL database for all."""
    if request.param == "sqlite":
        return lambda folder: Database(folder / "index.sqlite3")
    server = request.getfixturevalue("postgres_session")
    if isinstance(server, PeerMissingError):
        peer_missing(server)
    url = server.database()

    def emptied(_folder: Path) -> Database:
        database = Database(url)
        with database.writing() as connection:
            clear(connection)
        return database

    return emptied


def level_query(level: Level, asks: Sequence[Asked], **options: object) -> Query:
    """Return a query with those keys that the level takes."""
    fitting = {ask.keyword: ask.match for ask in asks if level_of(ask.keyword).depth <= level.depth}
    return Query.of(level, fitting, **options)


def ordered(records: Sequence[Record]) -> list[str]:
    """Return records in an order and a form that can be compared."""
    return sorted(
        repr(sorted((key, value) for key, value in record.items() if value is not None))
        for record in records
    )


@settings(max_examples=25)
@pytest.mark.filterwarnings("ignore::FutureWarning")  # pandas' own, on explode of objects
@given(
    rows=instances(),
    groups=st.integers(1, 3),
    asks=st.lists(
        st.lists(asked(), min_size=1, max_size=3, unique_by=lambda ask: ask.keyword),
        min_size=4,
        max_size=4,
    ),
    limit=st.none() | st.integers(0, 4),
    offset=st.integers(0, 3),
)
def test_the_index_finds_what_the_reference_and_pandas_find(
    opened: Callable[[Path], Database],
    rows: list[Record],
    groups: int,
    asks: list[list[Asked]],
    limit: int | None,
    offset: int,
) -> None:
    """At all four levels, with and without limit and order."""
    truth = summarise(rows)
    with TemporaryDirectory() as folder:
        database = opened(Path(folder))
        fill(database, rows, groups=groups)
        for level, some in zip(Level, asks, strict=True):
            everything = list(find(database, Query(level)))
            assert ordered(everything) == ordered(truth[level])

            query = level_query(level, some)
            found = list(find(database, query))
            assert found == [one for one in everything if query.matches(one)]

            frame = pd.DataFrame(everything).astype(object)
            frame = frame.where(frame.notna(), None)
            hits = pd.Series([True] * len(frame))
            for ask in some:
                if ask.keyword in query.criteria:
                    hits &= chosen(frame, ask).astype(bool)
            expected = [one for one, hit in zip(everything, hits, strict=True) if hit]
            assert found == expected

            arranged = level_query(level, some, limit=limit, offset=offset, order_by=ORDERS[level])
            assert list(find(database, arranged)) == list(arranged.arrange(expected))
            cut = level_query(level, some, limit=limit, offset=offset)
            assert list(find(database, cut)) == list(cut.arrange(expected))
        database.close()


@settings(max_examples=25)
@given(
    rows=instances(odd=True),
    groups=st.integers(1, 3),
    asks=st.lists(st.sampled_from(ODD_ASKS), min_size=6, max_size=6),
    limit=st.none() | st.integers(0, 4),
)
def test_what_real_data_does_wrong_is_found_as_the_reference_finds_it(
    opened: Callable[[Path], Database],
    rows: list[Record],
    groups: int,
    asks: list[Mapping[str, object]],
    limit: int | None,
) -> None:
    """Several values where one belongs, text where a number belongs, dates that are none."""
    with TemporaryDirectory() as folder:
        database = opened(Path(folder))
        fill(database, rows, groups=groups)
        for ask in asks:
            level = max((level_of(key) for key in ask if key[0].isupper()), key=lambda x: x.depth)
            everything = list(find(database, Query(level)))
            for options in ({}, {"limit": limit, "order_by": ORDERS[level]}, {"limit": limit}):
                query = Query(level, **ask, **options)
                expected = query.arrange(one for one in everything if query.matches(one))
                assert list(find(database, query)) == list(expected)
        database.close()
