"""Identifiers are what others read, in every encoding."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import Dataset
from pydicom.filereader import read_dataset

from dicomlab.catalog import Query, value_of
from dicomlab.dimse._identifier import QUERY_SYNTAXES, decode, encode, sets_for
from dicomlab.dimse._levels import keys_at, matches_at
from dicomlab.dimse._split import looks_capped, split
from dicomlab.standard import Level, transfer_syntax

VALUES = {
    "QueryRetrieveLevel": "STUDY",
    "PatientName": "Doe^Jane",
    "PatientID": "",
    "StudyInstanceUID": ("1.2.3", "1.2.34"),
    "ModalitiesInStudy": ("CT", "MR"),
    "NumberOfStudyRelatedInstances": 12,
    "PatientWeight": 70.5,
    "Rows": 512,
    "StudyDescription": None,
    "ProcedureCodeSequence": ({"CodeValue": "113", "CodeMeaning": "Chest"},),
}


def read(data: bytes, syntax: str) -> Dataset:
    known = transfer_syntax(syntax)
    return read_dataset(
        BytesIO(data),
        is_implicit_VR=not known.is_explicit_vr,
        is_little_endian=known.is_little_endian,
    )


@pytest.mark.parametrize("syntax", QUERY_SYNTAXES)
def test_what_we_write_others_read(syntax: str) -> None:
    """Implicit, explicit, and big endian; pydicom is the reader."""
    found = read(encode(VALUES, syntax), syntax)

    assert found.PatientName == "Doe^Jane"
    assert list(found.StudyInstanceUID) == ["1.2.3", "1.2.34"]
    assert list(found.ModalitiesInStudy) == ["CT", "MR"]
    assert (found.NumberOfStudyRelatedInstances, found.Rows) == (12, 512)
    assert found.PatientWeight == 70.5
    assert found["StudyDescription"].is_empty
    assert found.ProcedureCodeSequence[0].CodeMeaning == "Chest"
    assert "SpecificCharacterSet" not in found
    tags = [element.tag for element in found]
    assert tags == sorted(tags)


@pytest.mark.parametrize("syntax", QUERY_SYNTAXES)
def test_what_we_write_we_read(syntax: str) -> None:
    """A value comes back as a record has it."""
    header = decode(encode(VALUES, syntax), syntax)

    assert value_of(header, "NumberOfStudyRelatedInstances") == 12
    assert value_of(header, "ModalitiesInStudy") == ("CT", "MR")
    assert value_of(header, "StudyDescription") is None


@pytest.mark.parametrize(
    ("name", "declared", "written"),
    [
        ("Doe^Jane", (), ""),
        ("Núñez^José", (), "ISO_IR 100"),
        ("山田^太郎", (), "ISO_IR 192"),
    ],
)
def test_a_question_is_written_in_the_simplest_set(
    name: str, declared: tuple[str, ...], written: str
) -> None:
    """ASCII where it can hold the text, then Latin 1, then Unicode."""
    found = read(encode({"PatientName": name}, QUERY_SYNTAXES[0]), QUERY_SYNTAXES[0])

    assert found.get("SpecificCharacterSet", "") == written
    assert str(found.PatientName) == name


@pytest.mark.parametrize(
    ("name", "asked", "written"),
    [
        ("Люксембург", "ISO_IR 144", "ISO_IR 144"),
        ("Люксембург", "ISO_IR 100", "ISO_IR 192"),
        ("Люксембург", "", "ISO_IR 192"),
        ("Doe", "ISO_IR 144", None),
    ],
)
def test_an_answer_is_in_the_set_of_the_question(
    name: str, asked: str, written: str | None
) -> None:
    """If that can hold it; else in Unicode."""
    data = encode({"PatientName": name}, QUERY_SYNTAXES[0], sets_for((asked,)))
    found = read(data, QUERY_SYNTAXES[0])

    assert found.get("SpecificCharacterSet") == written
    assert str(found.PatientName) == name


def test_a_list_is_asked_value_by_value_but_for_uids() -> None:
    """PS3.4 C.2.2.2.2 has lists of UIDs alone."""
    query = Query("study", AccessionNumber=["A", "B"], StudyInstanceUID=["1.2", "1.3"])

    asked = list(matches_at(query, keys_at(query, Level.STUDY, is_first=True)))

    assert [one["AccessionNumber"] for one in asked] == ["A", "B"]
    assert [one["StudyInstanceUID"] for one in asked] == [("1.2", "1.3")] * 2


@pytest.mark.parametrize(
    ("answers", "is_suspicious"),
    [(0, False), (99, False), (100, True), (101, False), (128, True), (250, False), (500, True),
     (512, True), (2000, True)],
)  # fmt: skip
def test_round_numbers_of_answers_are_suspicious(answers: int, *, is_suspicious: bool) -> None:
    """An administrator sets a round limit."""
    assert looks_capped(answers) is is_suspicious


def test_a_period_is_cut_in_the_middle_of_what_was_answered() -> None:
    """The parts cover it without overlapping; a day is cut by its hours."""
    days = ["20240101", "20240105", "20240110"]

    open_ = split({"StudyDate": None}, days, [])
    day = split({"StudyDate": "20240105"}, days, ["100000", "110000", "120000"])
    second = split({"StudyDate": "20240105", "StudyTime": "110000-110000"}, days, [])

    assert open_ is not None
    assert [one["StudyDate"] for one in open_] == ["-20240104", "20240105", "20240106-"]
    assert day is not None
    assert [one["StudyTime"] for one in day] == ["000000-110000.999999", "110001-235959.999999"]
    assert second is None
