"""Peers of others answer our queries as they answer everybody's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from pydicom import Dataset

import dicomlab as dl
from dicomlab import phantoms
from dicomlab.errors import AssociationError
from dicomlab.testing import contract_instances
from tests.conftest import peer_missing
from tests.dicom_peers import Running, dcmqrscp, orthanc
from tests.peers import Peers

KINDS = {"orthanc": orthanc, "dcmqrscp": dcmqrscp}


@pytest.fixture(scope="module")
def held() -> list[Dataset]:
    return contract_instances()


@pytest.fixture(scope="module", params=KINDS)
def started(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, held: list[Dataset]
) -> Iterator[Running]:
    """Run a PACS that holds the contract's instances."""
    folder = tmp_path_factory.mktemp(request.param)
    peers = Peers(missing=peer_missing, started=lambda _name: None)
    paths = phantoms.write(held, folder / "files")
    options = {"DefaultEncoding": "Utf8"} if request.param == "orthanc" else {}
    with KINDS[request.param](peers, folder / "pacs", **options) as server:
        peers.run("storescu", "-aec", server.aet, "127.0.0.1", str(server.port), *paths)
        yield server


@pytest.fixture
def pacs(request: pytest.FixtureRequest, started: Running) -> Running:
    """Note in the results which peer a test had."""
    name = "orthanc" if started.aet == "ORTHANC" else "dcmtk"
    request.node.user_properties.append(("peer", name))
    return started


def test_an_echo_is_answered(pacs: Running) -> None:
    """C-ECHO, and how long it took."""
    assert 0 < dl.connect(pacs.url).echo() < 40


@pytest.mark.parametrize(
    ("level", "key"),
    [
        ("study", "StudyInstanceUID"),
        ("series", "SeriesInstanceUID"),
        ("image", "SOPInstanceUID"),
    ],
)
def test_every_entity_is_found_once(
    pacs: Running, held: list[Dataset], level: str, key: str
) -> None:
    """On each level, without the caller naming what is above."""
    found = dl.connect(pacs.url).find(level)

    assert sorted(found[key]) == sorted({one[key].value for one in held})
    assert found.attrs["certificate"]["is_complete"]


@pytest.mark.parametrize(
    ("matches", "accessions"),
    [
        ({"PatientName": "Núñez*"}, ["A1"]),
        ({"PatientID": "1001"}, ["A1", "A2"]),
        ({"PatientID": "100?"}, ["A1", "A2", None]),
        ({"StudyDate": "20240101-"}, ["A1", "A2"]),
        ({"StudyDate": "-20240115"}, ["A1", None]),
        ({"StudyDate": "20240229"}, ["A2"]),
        ({"AccessionNumber": ["A2", "A1"]}, ["A1", "A2"]),
        ({"AccessionNumber": '""'}, [None]),
        ({"StudyDate": "20240101-", "AccessionNumber": "A*"}, ["A1", "A2"]),
    ],
)
def test_every_matching_type_is_asked_for(
    pacs: Running, matches: dict[str, object], accessions: list[str | None]
) -> None:
    """Single value, wildcard, range, list and no value."""
    found = dl.connect(pacs.url).find(**matches)["AccessionNumber"]

    assert sorted(found.fillna("")) == sorted(one or "" for one in accessions)


def test_a_table_looks_like_the_archives(
    pacs: Running, held: list[Dataset], tmp_path: Path
) -> None:
    """The same columns of the same kinds, and the same values where the peer has them."""
    with dl.open_archive(tmp_path / "archive") as archive:
        phantoms.write(held, tmp_path / "files")
        archive.import_(tmp_path / "files")
        ours = archive.find("study", order_by="StudyInstanceUID")
    theirs = dl.connect(pacs.url).find("study", order_by="StudyInstanceUID")

    same = ["PatientID", "StudyDate", "AccessionNumber", "StudyInstanceUID", "StudyDescription"]
    pd.testing.assert_frame_equal(theirs[same], ours[same], check_like=False)
    assert list(theirs.columns) == list(ours.columns)
    assert theirs.dtypes.to_dict() == ours.dtypes.to_dict()


def test_a_column_is_asked_for_value_by_value(pacs: Running) -> None:
    """Input order is kept; what matches nothing, or several, is told."""
    peer = dl.connect(pacs.url)

    accessions = peer.find(AccessionNumber=pd.Series(["A2", "A9", "A1"]))
    patients = peer.find(PatientID=["1002", "1001"])

    assert accessions["AccessionNumber"].tolist() == ["A2", "A1"]
    assert accessions.attrs["certificate"]["unmatched"] == {"AccessionNumber": ["A9"]}
    assert accessions.attrs["certificate"]["ambiguous"] == {}
    assert patients["PatientID"].tolist() == ["1002", "1001", "1001"]
    assert patients.attrs["certificate"]["ambiguous"] == {"PatientID": ["1001"]}


def test_a_list_of_uids_is_one_request(pacs: Running, held: list[Dataset]) -> None:
    """Thousands of UIDs are asked for in a few lists (PS3.4 C.2.2.2.2)."""
    uids = [f"1.2.3.{number}" for number in range(1200)]

    found = dl.connect(pacs.url).find(StudyInstanceUID=[*uids, held[0].StudyInstanceUID])

    assert found["StudyInstanceUID"].tolist() == [held[0].StudyInstanceUID]
    assert found.attrs["certificate"]["requests"] == 3


def test_nobody_listens() -> None:
    """One sentence says what to check."""
    with pytest.raises(AssociationError, match="takes no connection"):
        dl.connect("dicom://NOBODY@127.0.0.1:1").echo()


def test_the_called_title_is_checked(peers: Peers, tmp_path: Path) -> None:
    """A rejection says who refused what."""
    with (
        orthanc(peers, tmp_path, DicomCheckCalledAet=True) as server,
        pytest.raises(AssociationError, match="called ae title not recognised") as caught,
    ):
        dl.connect(f"dicom://OTHER@127.0.0.1:{server.port}").echo()

    assert (caught.value.source, caught.value.reason) == (1, 7)
