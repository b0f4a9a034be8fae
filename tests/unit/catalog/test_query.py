"""Queries are parsed by the standard's rules, and wrong ones say what would be right."""

import datetime as dt

import pandas as pd
import pytest

from dicomlab.catalog import AnyOf, Empty, Equals, Items, NameGroups, Query, Range, Universal
from dicomlab.errors import NotFoundError
from dicomlab.standard import Level


def criterion(keyword, match, level="instance"):
    return Query(level, **{keyword: match}).criteria[keyword]


@pytest.mark.parametrize(
    ("match", "low", "high", "text"),
    [
        ("20240101-", "20240101", None, "20240101-"),
        ("-20240131", None, "20240131", "-20240131"),
        ("20240101-20240131", "20240101", "20240131", "20240101-20240131"),
        ("2024-01-01-2024.01.31", "20240101", "20240131", "20240101-20240131"),
        ((dt.date(2024, 1, 1), None), "20240101", None, "20240101-"),
        (slice("20240101", pd.Timestamp(2024, 1, 31)), "20240101", "20240131", "20240101-20240131"),
    ],
)  # fmt: skip
def test_a_date_range_can_be_written_in_several_ways(match, low, high, text):
    """Text, tuple and slice say the same; the request carries the standard's form."""
    found = criterion("StudyDate", match)

    assert found == Range(text, low, high)
    assert found.text == text


def test_a_date_may_be_pythons_own_or_have_hyphens():
    """A date is a date, however it is written."""
    for match in ("20240229", "2024-02-29", "2024.02.29", dt.date(2024, 2, 29)):
        assert criterion("StudyDate", match) == Equals("20240229", "20240229")


def test_a_time_that_leaves_parts_out_means_all_it_names():
    """10 o'clock is the hour, and a range to 11:30 holds that whole minute."""
    assert criterion("StudyTime", "10") == Range("10", "100000.000000", "105959.999999")
    assert criterion("StudyTime", "10-1130") == Range("10-1130", "100000.000000", "113059.999999")


@pytest.mark.parametrize(
    ("match", "low", "high"),
    [
        ("2024-2025", "20240101000000.000000", "20251231235959.999999"),
        ("2024-0500", "20240101000000.000000", "20241231235959.999999"),
        ("202402-202402", "20240201000000.000000", "20240229235959.999999"),
        ("202401011200-0500-202401011300-0500", "20240101120000.000000", "20240101130059.999999"),
    ],
)
def test_a_hyphen_in_a_date_time_is_a_range_or_an_offset(match, low, high):
    """Four digits after a hyphen are an offset from UTC where they can be one (PS3.4 C.2.2.2.5)."""
    found = criterion("AcquisitionDateTime", match)

    assert (found.low, found.high) == (low, high)


def test_lists_columns_and_backslashes_are_any_of_several():
    """A UID list is written in three ways; all mean the same."""
    expected = AnyOf((Equals("1.2", "1.2"), Equals("1.3", "1.3")))

    for match in (["1.2", "1.3"], "1.2\\1.3", pd.Series(["1.2", "1.3", "1.2"]), ("1.2", "1.3")):
        assert criterion("StudyInstanceUID", match) == expected


def test_an_empty_list_matches_nothing():
    """Nothing wanted is not everything wanted."""
    assert not Query(AccessionNumber=[]).matches({"AccessionNumber": "A"})


@pytest.mark.parametrize("match", [None, "", "*", "**", " "])
def test_universal_matching_takes_what_has_no_value(match):
    """An empty key only asks for the attribute (PS3.4 C.2.2.2.3)."""
    query = Query(AccessionNumber=match)

    assert query.criteria["AccessionNumber"] == Universal()
    assert query.matches({"AccessionNumber": None})


def test_two_double_quotes_ask_for_what_has_no_value():
    """Empty value matching, for one attribute and for a sequence."""
    query = Query(AccessionNumber='""', ProcedureCodeSequence='""')

    assert query.criteria["AccessionNumber"] == Empty()
    assert query.matches({"AccessionNumber": " ", "ProcedureCodeSequence": None})
    assert not query.matches({"ProcedureCodeSequence": ({"CodeValue": "1"},)})


def test_a_list_may_hold_the_sign_for_no_value():
    """One of these, or none at all."""
    query = Query(AccessionNumber=["A", '""'])

    assert query.matches({"AccessionNumber": "A"})
    assert query.matches({})
    assert not query.matches({"AccessionNumber": "B"})


def test_one_item_of_a_sequence_matches_all_of_its_keys():
    """Two items that match half each are no match (PS3.4 C.2.2.2.6)."""
    query = Query(ProcedureCodeSequence={"CodeValue": "X", "CodingSchemeDesignator": "L*"})
    split = ({"CodeValue": "X", "CodingSchemeDesignator": "S"}, {"CodingSchemeDesignator": "LN"})
    whole = (*split, {"CodeValue": "X", "CodingSchemeDesignator": "LN"})

    assert not query.matches({"ProcedureCodeSequence": split})
    assert query.matches({"ProcedureCodeSequence": whole})


def test_keys_in_sequences_may_be_named_by_path():
    """As DICOMweb names them."""
    path = Query.of("study", {"ProcedureCodeSequence.CodeValue": "X"}, limit=3)

    assert path == Query("study", ProcedureCodeSequence={"CodeValue": "X"}, limit=3)
    assert isinstance(path.criteria["ProcedureCodeSequence"], Items)


def test_names_match_by_group_where_the_request_has_groups():
    """The ideographic group asked for is not found in the alphabetic one (PS3.5 6.2.1)."""
    record = {"PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう"}

    assert isinstance(criterion("PatientName", "=山田*"), NameGroups)
    assert Query(PatientName="=山田*").matches(record)
    assert Query(PatientName="yamada*=山田^太郎").matches(record)
    assert not Query(PatientName="山田*=").matches(record)
    assert Query(PatientName="山田*").matches(record)


def test_text_matches_exactly_and_code_strings_in_any_case():
    """Case counts in descriptions, not in names and codes (PS3.4 C.2.2.2.1)."""
    record = {"StudyDescription": "Thorax", "ModalitiesInStudy": ("CT", "PT")}

    assert Query(ModalitiesInStudy="pt").matches(record)
    assert not Query(StudyDescription="thorax").matches(record)
    assert Query(StudyDescription="?horax").matches(record)


def test_numbers_compare_as_numbers():
    """+7 and 007 are 7."""
    assert Query("series", SeriesNumber="007").matches({"SeriesNumber": 7})
    assert Query("series", SeriesNumber=(None, 7)).matches({"SeriesNumber": 7})
    assert not Query("series", SeriesNumber=[1, 2]).matches({"SeriesNumber": 12})


def test_nonsense_in_a_record_is_in_no_range():
    """A date that is none is not before everything."""
    assert not Query(StudyDate="-20240101").matches({"StudyDate": "unknown"})
    assert not Query(StudyDate="20240101-").matches({"StudyDate": "unknown"})
    assert Query(StudyDate="").matches({"StudyDate": "unknown"})


@pytest.mark.parametrize(
    ("keyword", "match"),
    [
        ("StudyDate", "202401"),
        ("StudyDate", "20240230"),
        ("StudyDate", "20240201-20240101"),
        ("StudyDate", ("20240101",)),
        ("StudyDate", (None, None)),
        ("StudyDate", slice("20240101", None, 2)),
        ("StudyDate", dt.time(10)),
        ("StudyTime", "2500"),
        ("StudyInstanceUID", "1.2.*"),
        ("AccessionNumber", [None]),
        ("AccessionNumber", ["A", ""]),
        ("AccessionNumber", [float("nan")]),
        ("AccessionNumber", slice("A", "B")),
        ("AccessionNumber", {"CodeValue": "A"}),
        ("AccessionNumber", b"A"),
        ("AccessionNumber", True),
        ("NumberOfStudyRelatedSeries", "many"),
        ("NumberOfStudyRelatedSeries", "nan"),
        ("ProcedureCodeSequence", "A"),
        ("Modality", "CT"),
        ("SOPInstanceUID", "1.2"),
    ],
)
def test_what_cannot_be_asked_is_a_value_error_that_names_the_attribute(keyword, match):
    """The message names keyword and tag, and never the value, which may be a patient's."""
    with pytest.raises(ValueError, match=rf"{keyword} \([0-9A-F]{{4}},[0-9A-F]{{4}}\)"):
        Query("study", **{keyword: match})


def test_an_attribute_of_a_lower_level_names_the_one_to_ask_for():
    """Modality belongs to the series; a study has ModalitiesInStudy."""
    with pytest.raises(ValueError, match="ModalitiesInStudy"):
        Query("study", Modality="CT")


def test_an_unknown_keyword_names_the_near_ones():
    """A slip of the pen is answered with the right word."""
    with pytest.raises(NotFoundError, match="PatientName"):
        Query(PatientNme="DOE")


def test_an_unknown_level_is_refused():
    """The four levels are named."""
    with pytest.raises(ValueError, match="patient, study, series and instance"):
        Query("slice")


def test_image_and_instance_are_one_level():
    """The standard says IMAGE, everybody says instance."""
    assert Query("instance").level is Query("image").level is Level.IMAGE


def test_records_are_arranged_by_several_keys_with_missing_last():
    """Descending or not, what has no value comes last; offset and limit count after sorting."""
    rows = [
        {"StudyDate": day, "StudyID": name}
        for day, name in (("20240101", "b"), (None, "a"), ("20240301", "c"), ("20240101", "a"))
    ]
    query = Query(order_by=("-StudyDate", "StudyID"), offset=1)

    found = [(row["StudyDate"], row["StudyID"]) for row in query.arrange(rows)]

    assert found == [("20240101", "a"), ("20240101", "b"), (None, "a")]
    assert len(list(Query(limit=2).arrange(rows))) == 2


def test_an_answer_holds_the_levels_attributes_and_those_asked_for():
    """A series answers with its study's and patient's attributes too."""
    keywords = Query("series").keywords

    assert {"PatientID", "StudyDate", "SeriesNumber"} <= set(keywords)
    assert "SOPInstanceUID" not in keywords
    assert Query("instance", include="SliceThickness").keywords[-1] == "SliceThickness"


@pytest.mark.parametrize(
    ("keyword", "column"),
    [
        ("StudyDate", pd.to_datetime(pd.Series(["20240115", None]), format="%Y%m%d")),
        ("SeriesNumber", pd.Series([1, None], dtype="Int64")),
        ("PatientWeight", pd.Series([70.5, None])),
        ("AccessionNumber", pd.Series(["A", None], dtype="str")),
    ],
)
def test_a_column_with_a_missing_value_is_refused_by_name(keyword, column):
    """Nothing in a table means nothing known, not anything at all."""
    with pytest.raises(ValueError, match=f"{keyword}.*empty value.*leave it out"):
        Query("series", **{keyword: column})
    with pytest.raises(ValueError, match=f"{keyword}.*(missing value|NAType)"):
        Query("series", **{keyword: column[1]})

    assert Query("series", **{keyword: column.dropna()}).criteria[keyword] is not None
