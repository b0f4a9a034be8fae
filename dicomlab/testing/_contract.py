"""What every source promises; subclass a suite once for each kind of source."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import TypeAlias

import pydicom
import pytest
from pydicom import Dataset

from dicomlab import phantoms
from dicomlab.catalog import Announces, Browsable, Query
from dicomlab.errors import NotFoundError
from dicomlab.standard import UNIQUE_KEY

SourceOf: TypeAlias = Callable[[Sequence[Dataset]], Browsable]
"""Returns a source that holds these instances."""
Announcer: TypeAlias = tuple[Announces, Callable[[Sequence[Dataset]], None]]
"""An empty source, and what brings instances into it."""


def contract_instances() -> list[Dataset]:
    """Return what the suites put into a source: four series of three patients, 11 instances.

    Two of the patients have one ID from two issuers; one has a name in three scripts.
    """
    first = _ct(1, 4, PatientID="1001", IssuerOfPatientID="NORTH", PatientName="Núñez^José",
                StudyDate="20240115", StudyTime="101500", AccessionNumber="A1")  # fmt: skip
    second = _ct(2, 3, PatientID="1001", IssuerOfPatientID="SOUTH",
                 PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう", StudyDate="20240229",
                 StudyTime="235959.5", AccessionNumber="A2")  # fmt: skip
    third = _ct(3, 2, PatientID="1002", PatientName="DOE^JANE", StudyDate="20230601",
                AccessionNumber="")  # fmt: skip
    other = [copy.deepcopy(one) for one in first[:2]]
    for number, one in enumerate(other, 1):
        one.SeriesInstanceUID += ".9"
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = (
            f"{one.SeriesInstanceUID}.{number}"
        )
        one.SeriesNumber, one.Modality = "9", "OT"
    return [*first, *second, *third, *other]


def _ct(seed: int, slices: int, **attributes: str) -> list[Dataset]:
    instances = list(phantoms.thorax_ct(seed=seed, slices=slices, rows=16, noise_hu=0.0))
    for instance in instances:
        instance.SpecificCharacterSet = "ISO_IR 192"
        for keyword, value in attributes.items():
            setattr(instance, keyword, value)
    return instances


class FindsContract:
    """What every source promises that answers queries.

    A subclass has one fixture, `source_of`, which returns how a source of some instances is made.
    """

    @pytest.fixture
    def held(self) -> list[Dataset]:
        """Return what the source holds."""
        return contract_instances()

    @pytest.fixture
    def source(self, source_of: SourceOf, held: list[Dataset]) -> Browsable:
        """Return the source under test."""
        return source_of(held)

    def test_no_match_is_an_empty_answer(self, source: Browsable) -> None:
        """A query that matches nothing is an answer, not an error."""
        assert list(source.records(Query("series", Modality="XX"))) == []
        assert list(source.records(Query("study", AccessionNumber=[]))) == []

    @pytest.mark.parametrize(
        ("level", "count"), [("patient", 3), ("study", 3), ("series", 4), ("instance", 11)]
    )
    def test_every_entity_is_answered_once(
        self, source: Browsable, held: list[Dataset], level: str, count: int
    ) -> None:
        """On each level; one ID of two issuers is two patients."""
        rows = list(source.records(Query(level)))
        key = UNIQUE_KEY[Query(level).level]

        assert len(rows) == count
        assert {row[key] for row in rows} == {one[key].value for one in held}

    @pytest.mark.parametrize("level", ["patient", "study", "series", "instance"])
    def test_an_answer_holds_the_querys_keywords(self, source: Browsable, level: str) -> None:
        """No more and no fewer, in the same order, ``None`` where there is no value."""
        query = Query(level)

        for row in source.records(query):
            assert tuple(row) == query.keywords

    def test_a_lower_level_answers_with_what_is_above(self, source: Browsable) -> None:
        """Attributes of patient and study may be asked of a series or an instance."""
        for level, count in (("series", 2), ("instance", 6)):
            rows = list(source.records(Query(level, AccessionNumber="A1")))

            assert len(rows) == count
            assert {row["PatientName"] for row in rows} == {"Núñez^José"}

    def test_a_study_counts_what_it_holds(self, source: Browsable) -> None:
        """Modalities, SOP classes, series and instances."""
        (study,) = source.records(Query("study", AccessionNumber="A1"))

        assert study["ModalitiesInStudy"] == ("CT", "OT")
        assert study["NumberOfStudyRelatedSeries"] == 2
        assert study["NumberOfStudyRelatedInstances"] == 6
        assert study["SOPClassesInStudy"] == ("1.2.840.10008.5.1.4.1.1.2",)

    @pytest.mark.parametrize(
        ("matches", "accessions"),
        [
            ({"PatientName": "nunez*"}, {"A1"}),
            ({"PatientName": "NUNEZ^JOSE"}, {"A1"}),
            ({"PatientName": "山田*"}, {"A2"}),
            ({"PatientName": "yamada^tarou"}, {"A2"}),
            ({"PatientName": "*o*"}, {"A1", "A2", None}),
            ({"PatientID": "1001"}, {"A1", "A2"}),
            ({"PatientID": "100?"}, {"A1", "A2", None}),
            ({"PatientID": "1001", "IssuerOfPatientID": "SOUTH"}, {"A2"}),
            ({"StudyDate": "20240101-"}, {"A1", "A2"}),
            ({"StudyDate": "-20240115"}, {"A1", None}),
            ({"StudyDate": "20240229"}, {"A2"}),
            ({"StudyTime": "10-1015"}, {"A1"}),
            ({"StudyTime": "235959"}, {"A2"}),
            ({"AccessionNumber": ["A1", "A2", "A9"]}, {"A1", "A2"}),
            ({"AccessionNumber": "a1"}, set()),
            ({"AccessionNumber": ""}, {"A1", "A2", None}),
            ({"AccessionNumber": '""'}, {None}),
            ({"ModalitiesInStudy": "OT"}, {"A1"}),
            ({"ModalitiesInStudy": ["OT", "MR"]}, {"A1"}),
            ({"NumberOfStudyRelatedInstances": (3, 6)}, {"A1", "A2"}),
        ],
    )
    def test_matching_is_the_standards(
        self, source: Browsable, matches: dict[str, object], accessions: set[str | None]
    ) -> None:
        """Single value, wildcard, range, list, universal, empty; names in any script (C.2.2.2)."""
        query = Query.of("study", matches)  # type: ignore[arg-type]

        assert {row["AccessionNumber"] for row in source.records(query)} == accessions

    @pytest.mark.parametrize(
        ("combined", "dates", "times", "accessions"),
        [
            (False, "20240114-20240229", "10-12", {"A1"}),
            (False, "20240115-20240229", "12-23", {"A2"}),
            (True, "20240114-20240229", "12-11", {"A1"}),
            (True, "20240115-20240228", "12-11", set()),
            (True, "20240115-20240301", "12-11", {"A2"}),
        ],
    )
    def test_date_and_time_are_combined_only_where_asked(
        self,
        source: Browsable,
        *,
        combined: bool,
        dates: str,
        times: str,
        accessions: set[str],
    ) -> None:
        """Apart they bound each day; together they bound one period (C.2.2.2.5)."""
        query = Query("study", StudyDate=dates, StudyTime=times, combined_datetime=combined)

        assert {row["AccessionNumber"] for row in source.records(query)} == accessions

    def test_answers_come_in_the_order_asked_for(self, source: Browsable) -> None:
        """Ascending, descending, by several keys; what has no value comes last."""

        def accessions(**options: object) -> list[object]:
            query = Query.of("study", {}, **options)
            return [row["AccessionNumber"] for row in source.records(query)]

        assert accessions(order_by="StudyDate") == [None, "A1", "A2"]
        assert accessions(order_by="-StudyDate") == ["A2", "A1", None]
        assert accessions(order_by="AccessionNumber") == ["A1", "A2", None]
        assert accessions(order_by="-AccessionNumber") == ["A2", "A1", None]
        assert accessions(order_by=("PatientID", "-IssuerOfPatientID")) == ["A2", "A1", None]
        assert accessions(order_by="StudyDate", offset=1, limit=1) == ["A1"]
        assert accessions(limit=0) == []

    def test_the_same_question_has_the_same_answer(self, source: Browsable) -> None:
        """Order is stable, so that pages of answers fit together."""
        whole = list(source.records(Query("instance")))
        pages = [
            row
            for offset in range(0, 12, 4)
            for row in source.records(Query("instance", offset=offset, limit=4))
        ]

        assert list(source.records(Query("instance"))) == whole
        assert pages == whole

    def test_further_attributes_may_be_asked_for(
        self, source: Browsable, held: list[Dataset]
    ) -> None:
        """What no level owns belongs to the instance, and is answered and matched there."""
        rows = list(source.records(Query("instance", include="SliceLocation")))
        by_uid = {one.SOPInstanceUID: float(one.ImagePositionPatient[2]) for one in held}
        positions = {one.SOPInstanceUID: one.get("SliceThickness") for one in held}
        thickness = float(positions[held[0].SOPInstanceUID])

        matching = list(source.records(Query("instance", SliceThickness=thickness)))

        assert all("SliceLocation" in row for row in rows)
        assert len(by_uid) == len(rows)
        assert {row["SOPInstanceUID"] for row in matching} == {
            uid for uid, value in positions.items() if float(value) == thickness
        }


class RetrievesContract(FindsContract):
    """What every source promises that gives whole instances."""

    def test_instances_come_back_as_they_went_in(
        self, source: Browsable, held: list[Dataset]
    ) -> None:
        """Each once, element for element, pixels included."""
        expected = {one.SOPInstanceUID: one for one in held}

        found = {
            uid: pydicom.dcmread(BytesIO(data.read_at(0, data.size)))
            for uid, data in source.retrieve(Query("instance"))
        }

        assert found == expected

    @pytest.mark.parametrize(
        ("level", "matches", "count"),
        [
            ("patient", {"PatientID": "1001", "IssuerOfPatientID": "NORTH"}, 6),
            ("study", {"AccessionNumber": "A2"}, 3),
            ("series", {"Modality": "OT"}, 2),
            ("study", {"AccessionNumber": "A9"}, 0),
        ],
    )
    def test_all_instances_of_what_matches_are_given(
        self, source: Browsable, level: str, matches: dict[str, str], count: int
    ) -> None:
        """Of a patient, a study, a series; none of what matches nothing."""
        given = [uid for uid, _data in source.retrieve(Query.of(level, matches))]

        assert len(given) == len(set(given)) == count


class ReadsHeadersContract(FindsContract):
    """What every source promises that gives attributes without pixels."""

    def test_a_series_gives_the_instance_that_is_named(
        self, source: Browsable, held: list[Dataset]
    ) -> None:
        """That one and no other; one that another series holds is not found."""
        first = held[0]
        other = next(one for one in held if one.SeriesInstanceUID != first.SeriesInstanceUID)

        found = source.instances(first.SeriesInstanceUID, sop_instance_uid=first.SOPInstanceUID)

        assert [one.sop_instance_uid for one in found] == [first.SOPInstanceUID]
        with pytest.raises(NotFoundError):
            source.instances(first.SeriesInstanceUID, sop_instance_uid=other.SOPInstanceUID)

    def test_a_series_gives_its_instances(self, source: Browsable, held: list[Dataset]) -> None:
        """All of them, with their attributes, and their frames for when they are wanted."""
        series = held[0].SeriesInstanceUID
        expected = {one.SOPInstanceUID: one for one in held if one.SeriesInstanceUID == series}

        found = source.instances(series)

        assert {one.sop_instance_uid for one in found} == set(expected)
        for one in found:
            truth = expected[one.sop_instance_uid]
            assert one.attributes.numbers("ImagePositionPatient") == pytest.approx(
                [float(value) for value in truth.ImagePositionPatient]
            )
            assert one.attributes.string("PatientName") == str(truth.PatientName)
            assert one.frames is not None
            assert len(one.frames) == 1
            assert one.frames.transfer_syntax_uid == truth.file_meta.TransferSyntaxUID
            assert one.frames.read(0) == truth.PixelData

    def test_a_located_frame_lies_where_it_says(
        self, source: Browsable, held: list[Dataset]
    ) -> None:
        """A local file, an offset and a length, or nothing."""
        for one in source.instances(held[0].SeriesInstanceUID):
            assert one.frames is not None
            where = one.frames.locate(0)
            if where is not None:
                with where.path.open("rb") as file:
                    file.seek(where.offset)
                    assert file.read(where.length) == one.frames.read(0)

    def test_a_frame_that_is_not_there_is_not_found(
        self, source: Browsable, held: list[Dataset]
    ) -> None:
        """Frames are counted from 0; what lies beyond is an error of its own."""
        one = source.instances(held[0].SeriesInstanceUID)[0]

        assert one.frames is not None
        with pytest.raises(NotFoundError):
            one.frames.read(1)

    def test_an_unknown_series_is_not_found(self, source: Browsable) -> None:
        """It is an error with a name, not an empty list."""
        with pytest.raises(NotFoundError):
            source.instances("1.2.3")


class SourceContract(RetrievesContract, ReadsHeadersContract):
    """What every local source promises: it finds, gives headers, and gives instances.

    A subclass has one fixture, `source_of`::

        class TestFolder(SourceContract):
            @pytest.fixture
            def source_of(self, tmp_path):
                def make(instances):
                    phantoms.write(instances, tmp_path)
                    return open_folder(tmp_path)
                return make
    """


class AnnouncesContract:
    """What every source promises that announces arrivals.

    A subclass has one fixture, `announcer`, which gives an empty source, and what brings instances
    into it and returns once they are there.
    """

    def test_what_came_is_announced_in_its_order(self, announcer: Announcer) -> None:
        """Each instance once, with its UIDs and the time at which it came."""
        source, bring = announcer
        first, *others = contract_instances()
        assert list(source.arrivals()) == []
        bring([first])
        bring(others)

        came = list(source.arrivals())

        assert came[0].sop_instance_uid == first.SOPInstanceUID
        assert {
            (one.study_instance_uid, one.series_instance_uid, one.sop_instance_uid) for one in came
        } == {
            (one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID)
            for one in (first, *others)
        }
        assert len(came) == 1 + len(others)
        assert all(one.received.tzinfo is not None for one in came)
        assert [one.received for one in came] == sorted(one.received for one in came)

    def test_a_reader_continues_where_it_stopped(self, announcer: Announcer) -> None:
        """After any arrival's cursor come the later ones, and after the last none."""
        source, bring = announcer
        bring(contract_instances())
        came = list(source.arrivals())

        for place, one in enumerate(came):
            assert list(source.arrivals(one.cursor)) == came[place + 1 :]

    def test_a_cursor_of_now_is_before_what_comes(self, announcer: Announcer) -> None:
        """Who wants the new alone begins there."""
        source, bring = announcer
        first, *others = contract_instances()
        begin = source.cursor()
        bring([first])
        now = source.cursor()
        assert list(source.arrivals(now)) == []
        bring(others[:2])

        assert next(iter(source.arrivals(begin))).sop_instance_uid == first.SOPInstanceUID
        assert {one.sop_instance_uid for one in source.arrivals(now)} == {
            one.SOPInstanceUID for one in others[:2]
        }

    def test_what_is_brought_again_is_no_arrival(self, announcer: Announcer) -> None:
        """The same bytes have not come anew."""
        source, bring = announcer
        bring(contract_instances()[:2])
        now = source.cursor()

        bring(contract_instances()[:2])

        assert list(source.arrivals(now)) == []

    def test_a_cursor_that_is_none_is_refused(self, announcer: Announcer) -> None:
        """It does not silently mean the beginning, or the end."""
        with pytest.raises(ValueError, match="cursor"):
            list(announcer[0].arrivals("yesterday"))
