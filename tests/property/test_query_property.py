"""A query finds what a plain pandas filter of the same table finds."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomlab.catalog import Query
from dicomlab.testing import asked, series_records
from tests.plain_filter import chosen


@pytest.mark.filterwarnings("ignore::FutureWarning")  # pandas' own, on explode of objects
@given(
    rows=st.lists(series_records(), min_size=1, max_size=12),
    asks=st.lists(asked(), min_size=1, max_size=3, unique_by=lambda ask: ask.keyword),
)
def test_a_query_finds_what_a_plain_filter_finds(rows, asks):
    """Value, wildcard, range, list, empty, universal and names, one key or several."""
    frame = pd.DataFrame(rows).astype(object)
    frame = frame.where(frame.notna(), None)
    expected = pd.concat([chosen(frame, ask).astype(bool) for ask in asks], axis=1).all(axis=1)

    query = Query("series", **{ask.keyword: ask.match for ask in asks})

    assert [query.matches(row) for row in rows] == expected.tolist()


@given(
    rows=st.lists(series_records(), min_size=1, max_size=12),
    days=st.tuples(st.dates(), st.dates()).map(sorted),
    times=st.tuples(st.times(), st.times()).map(sorted),
)
def test_date_and_time_bound_one_period_where_asked_to(rows, days, times):
    """Combined: from the first day at the first time to the last day at the last time."""
    first = pd.Timestamp.combine(days[0], times[0])
    last = pd.Timestamp.combine(days[1], times[1])
    expected = []
    for row in rows:
        day, time = row["StudyDate"], row["StudyTime"] or "000000.000000"
        found = day and pd.Timestamp.combine(
            pd.Timestamp(year=int(day[:4]), month=int(day[4:6]), day=int(day[6:])).date(),
            pd.Timestamp(f"2000-01-01 {time[:2]}:{time[2:4]}:{time[4:]}").time(),
        )
        expected.append(bool(day) and first <= found <= last)

    query = Query("study", StudyDate=tuple(days), StudyTime=tuple(times), combined_datetime=True)

    assert [query.matches(row) for row in rows] == expected
