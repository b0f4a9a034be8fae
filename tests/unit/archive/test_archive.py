"""The archive answers as a source does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from dicomlab.archive import Archive, ImportReport, ImportRow, Outcome
from dicomlab.archive._schema import about
from dicomlab.catalog import Query
from dicomlab.errors import NotFoundError, StorageError, UnsupportedError
from tests.small import part10, uid


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Give an archive of two studies with three series and four instances."""
    folder = tmp_path / "in"
    folder.mkdir()
    for study, series, instance in ((1, 1, 1), (1, 1, 2), (1, 2, 1), (2, 1, 1)):
        data = part10(study, series, instance, Modality="CT" if series == 1 else "MR",
                      WindowCenter="40", BodyPartExamined=f"PART{study}")  # fmt: skip
        (folder / f"{study}{series}{instance}").write_bytes(data)
    with Archive.open(tmp_path / "archive") as opened:
        opened.import_([folder])
        yield opened


def test_the_header_is_dicom_json(archive: Archive) -> None:
    """All attributes, by tag, with their VR; pixels are named, not held."""
    header = archive.header(uid(1, 1, 2))

    assert header["00080018"] == {"vr": "UI", "Value": [uid(1, 1, 2)]}
    assert header["00281050"] == {"vr": "DS", "Value": [40.0]}
    assert "InlineBinary" not in header["7FE00010"]
    json.dumps(header, allow_nan=False)


def test_instances_have_attributes_and_frames(archive: Archive) -> None:
    """A series opens for volumes: headers now, pixels when asked for."""
    first, second = archive.instances(uid(1, 1))

    assert (first.sop_instance_uid, second.sop_instance_uid) == (uid(1, 1, 1), uid(1, 1, 2))
    assert first.attributes.integer("Rows") == 4
    assert first.frames is not None
    assert first.frames.read(0) == bytes(range(16))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query("patient", PatientID="P1"), [(1, 1, 1), (1, 1, 2), (1, 2, 1)]),
        (Query("study", StudyInstanceUID=uid(2)), [(2, 1, 1)]),
        (Query("series", Modality="MR"), [(1, 2, 1)]),
        (Query("image", InstanceNumber=2), [(1, 1, 2)]),
        (Query("study", limit=1, offset=1), [(2, 1, 1)]),
        (Query("study", PatientID="nobody"), []),
    ],
)
def test_retrieve_gives_all_instances_below_what_matches(
    archive: Archive, query: Query, expected: list[tuple[int, int, int]]
) -> None:
    """A study that matches comes with all of its instances."""
    assert [found for found, _bytes in archive.retrieve(query)] == [uid(*one) for one in expected]


def test_counts_and_modalities_follow_from_what_is_there(archive: Archive) -> None:
    """Aggregates are kept on each level."""
    study = next(archive.records(Query("study", StudyInstanceUID=uid(1))))

    assert study["ModalitiesInStudy"] == ("CT", "MR")
    assert study["NumberOfStudyRelatedSeries"] == 2
    assert study["NumberOfStudyRelatedInstances"] == 3
    assert study["NumberOfPatientRelatedStudies"] == 1


def test_attributes_outside_the_index_are_found_in_the_headers(archive: Archive) -> None:
    """Any attribute may be asked for at the instance level, and be part of the answer."""
    found = list(archive.records(Query("image", WindowCenter=40, include=["HighBit"], limit=3)))

    assert [(row["WindowCenter"], row["HighBit"]) for row in found] == [(40.0, 7)] * 3
    assert list(archive.records(Query("image", WindowCenter=41))) == []


def test_five_thousand_uids_are_one_query(archive: Archive) -> None:
    """A list may be long (PS3.4 C.2.2.2.2)."""
    uids = [uid(7, 7, number) for number in range(4998)] + [uid(1, 1, 1), uid(2, 1, 1)]

    found = [row["SOPInstanceUID"] for row in archive.records(Query("image", SOPInstanceUID=uids))]

    assert found == [uid(1, 1, 1), uid(2, 1, 1)]


def test_a_list_beyond_what_a_statement_takes_is_matched_all_the_same(archive: Archive) -> None:
    """More values than the database takes as parameters."""
    uids = [uid(7, number) for number in range(40_000)] + [uid(2)]

    found = [row["StudyInstanceUID"] for row in archive.records(
        Query("study", StudyInstanceUID=uids))]  # fmt: skip

    assert found == [uid(2)]


def test_what_is_not_there_is_said_so(archive: Archive) -> None:
    """By UID, which is no patient data."""
    with pytest.raises(NotFoundError, match=uid(9)):
        archive.instances(uid(9))
    with pytest.raises(NotFoundError, match=uid(9)):
        archive.header(uid(9))


def test_another_schema_is_not_touched(archive: Archive, tmp_path: Path) -> None:
    """An index of another version is left alone, and the error says what to do."""
    with archive._database.writing() as connection:
        connection.execute(update(about).values(value="99"))
    archive.close()

    with pytest.raises(UnsupportedError, match="99"):
        Archive.open(tmp_path / "archive")


def test_a_damaged_index_is_a_storage_error(tmp_path: Path) -> None:
    """No traceback of the database's own."""
    (tmp_path / "index.sqlite3").write_bytes(b"this is no database" * 100)

    with pytest.raises(StorageError, match="index"):
        Archive.open(tmp_path)


def test_an_archive_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StorageError, match="cannot be made"):
        Archive.open(tmp_path / "file" / "archive")


def test_the_report_shows_no_markup_and_no_control_characters() -> None:
    """File names are others' text: they are escaped in HTML and made visible in a terminal."""
    row = ImportRow(
        "/in/<script>\x1b[2J", Outcome.REFUSED, reason="truncated", message="Cut <short>."
    )
    report = ImportReport([row, ImportRow("/in/b", Outcome.NEW, 10, "1.2")])

    page = report._repr_html_()

    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "Cut &lt;short&gt;." in page
    assert "\x1b" not in str(report)
    assert "/in/<script>" in str(report)


def test_the_report_is_json_with_counts_and_lines() -> None:
    """Machines get counts by outcome, and a row for each file that is not simply in place."""
    rows = [
        ImportRow("/in/a", Outcome.NEW, 10, "1.2"),
        ImportRow("/in/b", Outcome.NOT_DICOM, 5, reason="not-dicom", message="It is not."),
    ]
    report = ImportReport(rows, interrupted=True, seconds=1.5)

    found = json.loads(json.dumps(report.to_dict()))

    assert found["counts"] == {
        "new": 1, "already_there": 0, "other_content": 0, "not_dicom": 1, "refused": 0,
    }  # fmt: skip
    assert found["files"] == 2
    assert found["bytes"] == 10
    assert found["interrupted"] is True
    assert [one["path"] for one in found["rows"]] == ["/in/b"]
    assert not report.is_complete
