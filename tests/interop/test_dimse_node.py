"""Our node as other programs meet it: echo, store, find, get and move."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE

from dicomlab import phantoms
from dicomlab.archive import Archive
from dicomlab.catalog import Query
from dicomlab.dimse import Node, Service, remote_ae
from dicomlab.standard import STORAGE_CLASSES
from dicomlab.testing import contract_instances
from tests.dicom_peers import Running, free_port, orthanc, storescp
from tests.peers import Peers
from tests.small import data_set


@dataclass(frozen=True)
class Ours:
    """An archive and the node that serves it."""

    archive: Archive
    node: Node

    @property
    def called(self) -> list[str]:
        return ["-aec", self.node.aet, "127.0.0.1", str(self.node.port)]

    def count(self) -> int:
        return len(list(self.archive.records(Query("image"))))


@pytest.fixture
def third(peers: Peers, tmp_path: Path) -> Iterator[Running]:
    """Run a third application entity, to move to."""
    with storescp(peers, tmp_path / "third") as running:
        yield running


@pytest.fixture
def ours(tmp_path: Path, third: Running) -> Iterator[Ours]:
    """Serve an empty archive."""
    destinations = {third.aet: remote_ae(third.url)}
    with (
        Archive.open(tmp_path / "archive") as archive,
        archive.receiver() as stores,
        Node(Service(archive, stores, destinations=destinations)) as node,
    ):
        yield Ours(archive, node)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return phantoms.write(contract_instances(), tmp_path / "files")


def data_sets(folder: Path) -> dict[str, Dataset]:
    """Return what a peer wrote, by SOP Instance UID."""
    read = [pydicom.dcmread(path) for path in folder.iterdir() if path.is_file()]
    return {one.SOPInstanceUID: one for one in read}


def test_an_echo_is_answered(ours: Ours, peers: Peers) -> None:
    """C-ECHO by echoscu."""
    peers.run("echoscu", *ours.called)


def test_what_is_sent_is_in_the_archive_bit_by_bit(
    ours: Ours, peers: Peers, files: list[Path]
) -> None:
    """Success means: on disk and indexed. Sent again, nothing changes."""
    for _ in range(2):
        peers.run("storescu", *ours.called, *files)

    held = {
        uid: source.read_at(0, source.size) for uid, source in ours.archive.retrieve(Query("image"))
    }
    assert ours.count() == len(files)
    for path in files:
        sent = pydicom.dcmread(path)
        meta = 144 + sent.file_meta.FileMetaInformationGroupLength
        assert held[sent.SOPInstanceUID].endswith(path.read_bytes()[meta:])


@pytest.mark.parametrize("model", ["-S", "-P"])
@pytest.mark.parametrize("syntax", ["-xi", "-xe", "-xb"])
def test_findscu_finds(
    ours: Ours, peers: Peers, files: list[Path], tmp_path: Path, model: str, syntax: str
) -> None:
    """In both information models and in each transfer syntax the same rows."""
    peers.run("storescu", *ours.called, *files)
    answers = tmp_path / "answers"
    answers.mkdir()

    peers.run(
        "findscu", model, syntax, "-X", "-od", answers, *ours.called,
        "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyDate=20240101-", "-k", "PatientName",
        "-k", "StudyInstanceUID", "-k", "NumberOfStudyRelatedInstances", "-k", "ModalitiesInStudy",
    )  # fmt: skip

    found = {
        (str(one.PatientName), one.NumberOfStudyRelatedInstances)
        for one in (pydicom.dcmread(path, force=True) for path in answers.iterdir())
    }
    assert found == {("Núñez^José", 6), ("Yamada^Tarou=山田^太郎=やまだ^たろう", 3)}


@pytest.mark.parametrize("model", ["-S", "-P"])
def test_getscu_gets(
    ours: Ours, peers: Peers, files: list[Path], tmp_path: Path, model: str
) -> None:
    """C-GET on the same association, with role selection."""
    peers.run("storescu", *ours.called, *files)
    every = data_sets(files[0].parent)
    sent = {uid: one for uid, one in every.items() if one.AccessionNumber == "A1"}
    one = next(iter(sent.values()))
    target = tmp_path / "got"
    target.mkdir()

    peers.run(
        "getscu", model, "-od", target, *ours.called, "-k", "QueryRetrieveLevel=STUDY",
        "-k", f"PatientID={one.PatientID}", "-k", f"StudyInstanceUID={one.StudyInstanceUID}",
    )  # fmt: skip

    assert data_sets(target) == sent


def test_movescu_moves_to_a_third(
    ours: Ours, peers: Peers, files: list[Path], third: Running
) -> None:
    """C-MOVE to a destination of the configuration; to another one it is refused (A801)."""
    peers.run("storescu", *ours.called, *files)
    sent = {uid: one for uid, one in data_sets(files[0].parent).items() if one.Modality == "OT"}
    one = next(iter(sent.values()))
    keys = ["-k", "QueryRetrieveLevel=SERIES", "-k", f"StudyInstanceUID={one.StudyInstanceUID}",
            "-k", f"SeriesInstanceUID={one.SeriesInstanceUID}"]  # fmt: skip

    peers.run("movescu", "-S", "-aem", third.aet, *ours.called, *keys)
    refused = peers.run("movescu", "-S", "-aem", "NOBODY", *ours.called, *keys, check=False)

    assert data_sets(third.folder) == sent
    assert refused.returncode != 0
    assert b"MoveDestinationUnknown" in refused.stderr


def test_a_bad_identifier_is_refused(ours: Ours, peers: Peers) -> None:
    """A level that there is not: A900, and the node lives on."""
    done = peers.run(
        "findscu", "-v", "-S", *ours.called, "-k", "QueryRetrieveLevel=NOWHERE", check=False
    )

    assert b"DoesNotMatchSOPClass" in done.stderr
    peers.run("echoscu", *ours.called)


def test_orthanc_sends_finds_and_retrieves(peers: Peers, tmp_path: Path, files: list[Path]) -> None:
    """Orthanc's C-STORE, C-FIND and C-MOVE against us, and its C-STORE to be moved to."""
    port = free_port()
    with (
        orthanc(peers, tmp_path / "orthanc", {"ours": ["DICOMLAB", "127.0.0.1", port]}) as server,
        Archive.open(tmp_path / "archive") as archive,
        archive.receiver() as stores,
        Node(Service(archive, stores, destinations={"ORTHANC": remote_ae(server.url)}), port=port),
    ):
        peers.run("storescu", "-aec", "ORTHANC", "127.0.0.1", str(server.port), *files)

        def call(path: str, data: object = None, method: str | None = None) -> object:
            request = urllib.request.Request(
                f"http://127.0.0.1:{server.http_port}{path}",
                None if data is None else json.dumps(data).encode(),
                method=method,
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)

        studies = call("/studies")
        assert isinstance(studies, list)
        call("/modalities/ours/echo", {})
        call("/modalities/ours/store", studies)
        assert len(list(archive.records(Query("image")))) == len(files)
        for study in studies:
            call(f"/studies/{study}", method="DELETE")

        asked = {"Level": "Study", "Query": {"AccessionNumber": "A1"}}
        query = call("/modalities/ours/query", asked)
        assert isinstance(query, dict)
        call(f"{query['Path']}/answers/0/retrieve", {"TargetAet": "ORTHANC", "Synchronous": True})

        assert len(call("/instances")) == 6  # type: ignore[arg-type]


def test_every_storage_class_is_taken(ours: Ours, peers: Peers, tmp_path: Path) -> None:
    """Those of PS3.6, retired ones too, and a private one, bit by bit."""
    private = generate_uid()
    classes = [*STORAGE_CLASSES, private]
    folder = tmp_path / "classes"
    folder.mkdir()
    for number, sop_class in enumerate(classes, 1):
        one = data_set(1, 1, number, SOPClassUID=sop_class)
        one.save_as(folder / f"{number}.dcm", enforce_file_format=True)

    _send_with_pynetdicom(ours.node, sorted(folder.iterdir()))

    held = {row["SOPClassUID"] for row in ours.archive.records(Query("image"))}
    assert held == set(classes)


def _send_with_pynetdicom(node: Node, paths: list[Path]) -> None:
    """Send with pynetdicom: DCMTK's programs know no private class without a configuration."""
    for at in range(0, len(paths), 128):
        files = [pydicom.dcmread(path) for path in paths[at : at + 128]]
        entity = AE("PLAIN")
        for one in files:
            entity.add_requested_context(one.SOPClassUID, one.file_meta.TransferSyntaxUID)
        association = entity.associate("127.0.0.1", node.port, ae_title=node.aet)
        assert association.is_established
        statuses = {association.send_c_store(one).Status for one in files}
        association.release()
        assert statuses == {0x0000}
