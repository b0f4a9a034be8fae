"""Our DICOMweb root, asked by dicomweb-client; and our client, asking Orthanc's plugin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_client import DICOMwebClient

from dicomlab import phantoms
from dicomlab.archive import Archive
from dicomlab.catalog import Query
from dicomlab.dicomweb import DicomWebSource
from dicomlab.errors import NotFoundError
from dicomlab.safety import MemoryBytes
from dicomlab.server import serve
from dicomlab.volume import volume
from tests.conftest import peer_missing
from tests.dicom_peers import orthanc
from tests.peers import PeerMissingError, Peers

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    phantoms.write(phantoms.thorax_ct(slices=6, rows=64), folder / "ct")
    phantoms.write(phantoms.thorax_pet(slices=4, rows=32), folder / "pet")
    jls = phantoms.head_mr(slices=3, rows=32, transfer_syntax_uid="1.2.840.10008.1.2.4.80")
    phantoms.write(jls, folder / "mr")
    phantoms.write(phantoms.enhanced_ct(slices=4, rows=24, seed=4), folder / "enhanced")
    return folder


@pytest.fixture(scope="module")
def instances(folder: Path) -> dict[str, pydicom.Dataset]:
    read = [pydicom.dcmread(path) for path in folder.rglob("*.dcm")]
    return {one.SOPInstanceUID: one for one in read}


@pytest.fixture(scope="module")
def client(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DICOMwebClient]:
    with Archive.open(tmp_path_factory.mktemp("archive")) as archive:
        archive.import_([folder])
        volumes = tmp_path_factory.mktemp("volumes")
        with (
            archive.receiver() as receiver,
            serve(archive, folder=volumes, stores=receiver) as server,
        ):
            yield DICOMwebClient(f"{server.address}/dicom-web")


def test_searches_answer_on_every_level(client, instances):
    studies = [pydicom.Dataset.from_json(one) for one in client.search_for_studies()]
    assert {one.StudyInstanceUID for one in studies} == {
        one.StudyInstanceUID for one in instances.values()
    }
    (ct,) = client.search_for_series(search_filters={"Modality": "MR"})
    found = client.search_for_instances(
        pydicom.Dataset.from_json(ct).StudyInstanceUID,
        pydicom.Dataset.from_json(ct).SeriesInstanceUID,
        fields=["ImagePositionPatient"],
        get_remaining=True,
    )
    assert {one["00080018"]["Value"][0] for one in found} == {
        uid for uid, one in instances.items() if one.Modality == "MR"
    }


def test_a_study_is_retrieved_whole(client, instances):
    study = next(one for one in instances.values() if one.Modality == "PT").StudyInstanceUID

    got = client.retrieve_study(study)

    expected = {u: one for u, one in instances.items() if one.StudyInstanceUID == study}
    assert {one.SOPInstanceUID for one in got} == set(expected)
    assert all(one == expected[one.SOPInstanceUID] for one in got)


def test_metadata_frames_and_bulk_data(client, instances):
    for one in instances.values():
        uids = one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID
        metadata = client.retrieve_instance_metadata(*uids)
        read = pydicom.Dataset.from_json(metadata, bulk_data_uri_handler=lambda _uri: b"")
        assert read.PatientName == one.PatientName
        (frame,) = client.retrieve_instance_frames(*uids, [1])
        pixels = one.pixel_array if one.get("NumberOfFrames", 1) == 1 else one.pixel_array[0]
        assert np.array_equal(np.frombuffer(frame, pixels.dtype).reshape(pixels.shape), pixels)
        if not one["PixelData"].is_undefined_length:
            (bulk,) = client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"])
            assert bulk == one.PixelData


def test_compressed_frames_come_as_they_are_stored(client, instances):
    one = next(one for one in instances.values() if one.Modality == "MR")
    uids = one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID

    (frame,) = client.retrieve_instance_frames(
        *uids, [1], media_types=(("image/jls", "1.2.840.10008.1.2.4.80"),)
    )

    (stored,) = pydicom.encaps.generate_frames(one.PixelData, number_of_frames=1)
    assert frame.rstrip(b"\0") == stored.rstrip(b"\0")


@pytest.fixture(scope="module")
def at_orthanc(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DicomWebSource]:
    """Our client of an Orthanc that holds the same files."""
    peers = Peers(missing=peer_missing, started=lambda _name: None)
    if not PLUGIN.exists():
        peers.missing(PeerMissingError("Orthanc's plugin is missing: package orthanc-dicomweb."))
    place = tmp_path_factory.mktemp("orthanc")
    with orthanc(peers, place, Plugins=[str(PLUGIN)], OverwriteInstances=True) as server:
        address = f"http://127.0.0.1:{server.http_port}"
        with httpx.Client(base_url=address, timeout=30) as client:
            for path in sorted(folder.rglob("*.dcm")):
                client.post("/instances", content=path.read_bytes()).raise_for_status()
        with DicomWebSource(f"{address}/dicom-web") as source:
            yield source


@pytest.mark.parametrize(
    ("level", "matches"),
    [
        ("study", {}),
        ("study", {"ModalitiesInStudy": "PT"}),
        ("study", {"PatientName": "*"}),
        ("study", {"StudyDate": "19000101-"}),
        ("series", {}),
        ("series", {"Modality": ["CT", "MR"]}),
        ("image", {}),
        ("patient", {}),
    ],
)
def test_orthanc_answers_as_our_archive_does(at_orthanc, folder, tmp_path, level, matches):
    query = Query.of(level, matches)
    key = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID",
           "image": "SOPInstanceUID", "patient": "PatientID"}[level]  # fmt: skip
    with Archive.open(tmp_path / "archive") as archive:
        archive.import_([folder])
        expected = {str(one[key]): one for one in archive.records(query)}

    found = {str(one[key]): one for one in at_orthanc.records(query)}

    assert found.keys() == expected.keys() != set()
    for uid, one in found.items():
        for keyword in ("PatientID", "PatientName", "StudyDate", "Modality", "InstanceNumber"):
            assert one.get(keyword) == expected[uid].get(keyword), keyword


def test_what_orthanc_gives_is_what_it_was_given(at_orthanc, instances):
    study = next(one for one in instances.values() if one.Modality == "PT").StudyInstanceUID

    given = dict(at_orthanc.retrieve(Query("study", StudyInstanceUID=study)))

    expected = {uid for uid, one in instances.items() if one.StudyInstanceUID == study}
    assert given.keys() == expected


def test_a_volume_opens_at_orthanc_without_fetching_its_files(at_orthanc, instances):
    for modality in ("PT", "MR"):
        some = [one for one in instances.values() if one.Modality == modality]
        opened = volume(at_orthanc.instances(some[0].SeriesInstanceUID))

        by_uid = {one.SOPInstanceUID: one for one in some}
        for place, uid in enumerate(opened.sop_instance_uids):
            assert np.array_equal(opened.reader.read(place), by_uid[uid].pixel_array)


def test_what_orthanc_does_not_have_is_not_found(at_orthanc):
    with pytest.raises(NotFoundError):
        at_orthanc.instances("1.2.3")
    assert list(at_orthanc.records(Query("study", StudyInstanceUID="1.2.3"))) == []


def test_instances_are_stored_with_us_by_dicomweb_client(client):
    sent = list(phantoms.thorax_ct(slices=3, rows=16, seed=77))

    response = client.store_instances(sent)

    assert "FailedSOPSequence" not in response
    assert len(response.ReferencedSOPSequence) == 3
    got = client.retrieve_study(sent[0].StudyInstanceUID)
    assert {one.SOPInstanceUID: one.PixelData for one in got} == {
        one.SOPInstanceUID: one.PixelData for one in sent
    }


def test_instances_are_stored_at_orthanc_by_us(at_orthanc, tmp_path):
    paths = phantoms.write(phantoms.thorax_ct(slices=3, rows=16, seed=78), tmp_path)

    report = at_orthanc.store(MemoryBytes(path.read_bytes()) for path in paths)

    assert report.is_complete
    uids = {pydicom.dcmread(path).SOPInstanceUID for path in paths}
    assert set(report.stored) == uids
    study = pydicom.dcmread(paths[0]).StudyInstanceUID
    found = at_orthanc.records(Query("image", StudyInstanceUID=study))
    assert {one["SOPInstanceUID"] for one in found} == uids
