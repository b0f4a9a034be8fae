"""All of the real data is imported, or refused for a reason that a committed table gives."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from dicomlab.archive import Archive, ImportReport, Outcome
from dicomlab.catalog import Query
from tests.peers import Peers

TABLE = Path(__file__).parents[1] / "data" / "import_refusals.csv"
_UNREAD = {
    "fo-dicom__fo-dicom/Tests/FO-DICOM.Tests/Test Data/"
    "GH177_D_CLUNIE_CT1_IVRLE_BigEndian_undefined_length.dcm": (
        "1.2.276.0.7230010.3.1.4.1787205428.2345.1071048146.1"
    ),
}
"""SOP Instance UIDs that pydicom, and so the manifest, does not get at; dcmdump shows them."""
UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


def listed() -> dict[str, str]:
    """Return path and reason of each file that is expected to be refused."""
    with TABLE.open(newline="") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def manifest(real_data: Path) -> dict[str, dict[str, str]]:
    """Return what the data's own manifest says of each file."""
    with (real_data / "manifest.csv").open(newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Give an archive for all tests of this module."""
    with Archive.open(tmp_path_factory.mktemp("real") / "archive") as opened:
        yield opened


@pytest.fixture(scope="module")
def report(archive: Archive, real_data: Path) -> ImportReport:
    """Import everything once."""
    return archive.import_([real_data])


def outcomes(report: ImportReport, real_data: Path) -> dict[str, Outcome]:
    """Return the outcome of each file by its path within the data."""
    return {str(Path(row.path).relative_to(real_data)): row.outcome for row in report.rows}


def test_nothing_is_refused_but_what_the_table_lists(
    report: ImportReport, manifest: dict[str, dict[str, str]], real_data: Path
) -> None:
    """A new refusal fails, and so does a listed file that is accepted now."""
    refused = {
        path: row.reason
        for row in report.rows
        if row.outcome in (Outcome.REFUSED, Outcome.NOT_DICOM)
        and manifest.get(path := str(Path(row.path).relative_to(real_data)), {}).get("kind")
        in ("dicom", "dicomdir")
    }

    assert refused == listed()


def test_what_the_manifest_calls_no_dicom_is_not_dicom(
    report: ImportReport, manifest: dict[str, dict[str, str]], real_data: Path
) -> None:
    """Reference files and texts among the data are told apart, every one."""
    found = outcomes(report, real_data)
    others = [
        path
        for path, row in manifest.items()
        if row["kind"] not in ("dicom", "dicomdir") and not path.endswith(".zip")
    ]

    assert others
    assert {path: found[path] for path in others} == dict.fromkeys(others, Outcome.NOT_DICOM)


def test_counts_are_those_of_the_manifest(
    report: ImportReport, manifest: dict[str, dict[str, str]], real_data: Path
) -> None:
    """New is one for each UID, other content one for each further hash, the rest is there."""
    accepted = [
        (row["sop_uid"] or _UNREAD[path], row["sha256"])
        for path, row in manifest.items()
        if row["kind"] == "dicom" and path not in listed()
    ]
    contents = set(accepted)
    uids = {uid for uid, _hash in contents}

    counts = report.counts

    assert counts[Outcome.NEW] == len(uids)
    assert counts[Outcome.OTHER_CONTENT] == len(contents) - len(uids)
    # The one zip of the data holds two of its files once more.
    assert counts[Outcome.ALREADY_THERE] == len(accepted) - len(contents) + 2


def test_what_comes_back_is_what_the_manifest_hashes(
    report: ImportReport, archive: Archive, manifest: dict[str, dict[str, str]]
) -> None:
    """Every instance is retrieved byte for byte, under the UID that the manifest has for it."""
    known = {(row["sop_uid"], row["sha256"]) for row in manifest.values()}

    found = [
        (uid, hashlib.sha256(source.read_at(0, source.size)).hexdigest())
        for uid, source in archive.retrieve(Query("image"))
    ]

    assert len(found) == report.counts[Outcome.NEW]
    assert set(found) <= known


@pytest.mark.filterwarnings("ignore")  # pydicom warns of what these files get wrong
def test_the_missing_uids_are_missing_for_pydicom_too(real_data: Path) -> None:
    """Another reader finds the same fault in each of them."""
    files = [path for path, reason in listed().items() if reason == "missing-uid"]

    complete = []
    for path in files:
        data = pydicom.dcmread(real_data / path, force=True, stop_before_pixels=True)
        if all(data.get(keyword) for keyword in UIDS):
            complete.append(path)

    assert complete == []


def test_the_truncated_are_refused_by_dcmtk_too(real_data: Path, peers: Peers) -> None:
    """Another reader fails on each of them."""
    files = [path for path, reason in listed().items() if reason == "truncated"]

    codes = [peers.run("dcmdump", real_data / path, check=False).returncode for path in files]

    assert files
    assert 0 not in codes
