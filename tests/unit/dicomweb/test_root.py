"""A DICOMweb root over a small archive: what pydicom and Python's e-mail parser make of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import HTTP
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from dicomlab import phantoms
from dicomlab.archive import Archive
from dicomlab.catalog import Query
from dicomlab.dicomweb import Answer, DicomWebRoot, Request
from dicomlab.errors import NotFoundError, RequestError
from dicomlab.media import open_folder

BASE = "http://127.0.0.1:1/dicom-web"
JLS = "1.2.840.10008.1.2.4.80"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT, a PET in the same study, a compressed CT of another patient, and a multi-frame one."""
    folder = tmp_path_factory.mktemp("root")
    phantoms.write(phantoms.thorax_ct(slices=5, rows=32), folder / "ct")
    phantoms.write(phantoms.thorax_pet(slices=3, rows=16), folder / "pet")
    other = {"PatientName": "Ångström^Åsa", "PatientID": "Å1"}
    phantoms.write(
        phantoms.thorax_ct(slices=2, rows=32, seed=3, transfer_syntax_uid=JLS, **other),
        folder / "other",
    )
    phantoms.write(phantoms.enhanced_ct(slices=4, rows=24, seed=4), folder / "enhanced")
    return folder


@pytest.fixture(scope="module", params=["archive", "folder"])
def root(request, folder: Path, tmp_path_factory) -> Iterator[DicomWebRoot]:
    """The same services over an archive and over a folder."""
    if request.param == "folder":
        yield DicomWebRoot(open_folder(folder))
        return
    with Archive.open(tmp_path_factory.mktemp("archive")) as archive:
        archive.import_([folder])
        yield DicomWebRoot(archive)


@pytest.fixture(scope="module")
def instances(folder: Path) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]


def ask(root: DicomWebRoot, path: str, accept: str = "", **parameters: str) -> Answer:
    path, _, query = path.partition("?")
    pairs = [tuple(one.split("=", 1)) for one in query.split("&") if one]
    headers = {"accept": accept} if accept else {}
    return root.answer(Request("GET", path, [*pairs, *parameters.items()], headers, BASE))


def body(answer: Answer) -> bytes:
    data = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
    assert int(answer.headers.get("Content-Length", len(data))) == len(data)
    return data


def parts(answer: Answer) -> list[tuple[str, bytes]]:
    """Return media type and content of each part, as Python's e-mail parser sees them."""
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + body(answer))
    return [(one.get_content_type(), one.get_payload(decode=True)) for one in message.iter_parts()]


def document(answer: Answer) -> list[dict]:
    return json.loads(body(answer))


def values(answers: list[dict], tag: str) -> list:
    return [one[tag].get("Value", [None])[0] for one in answers]


def address(data: Dataset) -> str:
    return (
        f"studies/{data.StudyInstanceUID}/series/{data.SeriesInstanceUID}"
        f"/instances/{data.SOPInstanceUID}"
    )


def test_studies_are_found_as_pydicom_reads_them(root, instances):
    found = document(ask(root, "studies"))

    expected = {one.StudyInstanceUID: one for one in instances}
    assert set(values(found, "0020000D")) == set(expected)
    for one in found:
        read = Dataset.from_json(one)
        assert read.PatientID == expected[read.StudyInstanceUID].PatientID
        assert read.PatientName == expected[read.StudyInstanceUID].PatientName
        same = [i for i in instances if i.StudyInstanceUID == read.StudyInstanceUID]
        assert read.NumberOfStudyRelatedInstances == len(same)
        assert read.RetrieveURL == f"{BASE}/studies/{read.StudyInstanceUID}"


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("PatientName=ANGSTROM*", 1),
        ("00100010=angstrom*", 1),
        ("PatientName=sa&fuzzymatching=true", 1),
        ("PatientName=sa", 0),
        ("ModalitiesInStudy=PT", 1),
        ("PatientID=nobody", 0),
        ("limit=1", 1),
        ("offset=100", 0),
    ],
)
def test_keys_match_as_the_standard_says(root, asked, count):
    assert len(document(ask(root, f"studies?{asked}"))) == count


def test_series_and_instances_are_found_at_every_path(root, instances):
    one = next(i for i in instances if i.Modality == "PT")
    study, series = one.StudyInstanceUID, one.SeriesInstanceUID
    in_study = [i for i in instances if i.StudyInstanceUID == study]
    in_series = [i for i in instances if i.SeriesInstanceUID == series]

    assert set(values(document(ask(root, f"studies/{study}/series")), "0020000E")) == {
        i.SeriesInstanceUID for i in in_study
    }
    assert len(document(ask(root, "series"))) == len({i.SeriesInstanceUID for i in instances})
    assert len(document(ask(root, f"studies/{study}/instances"))) == len(in_study)
    assert len(document(ask(root, "instances"))) == len(instances)
    found = document(ask(root, f"studies/{study}/series/{series}/instances?InstanceNumber=2"))
    assert values(found, "00080018") == [
        i.SOPInstanceUID for i in in_series if i.InstanceNumber == 2
    ]
    assert found[0]["00081190"]["Value"] == [f"{BASE}/{address(Dataset.from_json(found[0]))}"]


def test_several_uids_and_fields_may_be_listed(root, instances):
    uids = sorted({i.StudyInstanceUID for i in instances})[:2]

    found = document(ask(root, f"studies?StudyInstanceUID={','.join(uids)}&includefield=00081030"))

    assert sorted(values(found, "0020000D")) == uids
    every = document(ask(root, "studies?includefield=all&orderby=-PatientName"))
    assert every[0].keys() > found[0].keys() - {"00081030"}


def test_more_results_than_may_be_are_announced(root, monkeypatch):
    monkeypatch.setattr("dicomlab.dicomweb._qido.MOST_ANSWERS", 2)

    answer = ask(root, "instances")

    assert len(document(answer)) == 2
    assert answer.headers["Warning"].startswith("299")
    assert "Warning" not in ask(root, "instances?limit=2").headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("studies?Nonsense=1", 400),
        ("studies?FFFFFFFF=1", 400),
        ("studies?Modality=CT", 400),
        ("studies?limit=-1", 400),
        ("studies?limit=1&limit=2", 400),
        ("studies?StudyDate=20240230-20240101", 400),
        ("studies?PatientName=a&00100010=b", 400),
        ("studies?fuzzymatching=maybe", 400),
        ("studies/..%2f/series", 400),
        ("studies/1.2/series?StudyInstanceUID=1.3", 400),
    ],
)
def test_a_search_that_cannot_be_is_refused(root, path, status):
    with pytest.raises(RequestError) as caught:
        ask(root, path)
    assert caught.value.status == status


def test_a_search_comes_as_json_only(root):
    assert ask(root, "studies", "application/json").headers["Content-Type"] == "application/json"
    with pytest.raises(RequestError) as caught:
        ask(root, "studies", "text/html")
    assert caught.value.status == 406


def test_instances_come_as_they_are_stored(root, folder, instances):
    files = {pydicom.dcmread(p).SOPInstanceUID: p.read_bytes() for p in folder.rglob("*.dcm")}
    study = instances[0].StudyInstanceUID
    wanted = [i.SOPInstanceUID for i in instances if i.StudyInstanceUID == study]

    got = parts(ask(root, f"studies/{study}", 'multipart/related; type="application/dicom"'))

    assert {kind for kind, _ in got} == {"application/dicom"}
    assert sorted(content for _, content in got) == sorted(files[uid] for uid in wanted)
    one = instances[0]
    assert body(ask(root, address(one), "application/dicom")) == files[one.SOPInstanceUID]
    series = f"studies/{study}/series/{one.SeriesInstanceUID}"
    assert len(parts(ask(root, series))) == sum(
        i.SeriesInstanceUID == one.SeriesInstanceUID for i in instances
    )


def test_a_transfer_syntax_that_is_not_the_stored_one_is_406(root, instances):
    one = next(i for i in instances if i.file_meta.TransferSyntaxUID == JLS)
    form = 'multipart/related; type="application/dicom"; transfer-syntax='

    assert parts(ask(root, address(one), form + JLS))
    assert parts(ask(root, address(one), form + "*"))
    with pytest.raises(RequestError) as caught:
        ask(root, address(one), form + "1.2.840.10008.1.2.4.90")
    assert caught.value.status == 406


def test_metadata_is_the_data_set_and_its_bulk_data_can_be_had(root, instances):
    study = instances[0].StudyInstanceUID
    by_uid = {i.SOPInstanceUID: i for i in instances if i.StudyInstanceUID == study}

    found = document(ask(root, f"studies/{study}/metadata"))

    assert sorted(values(found, "00080018")) == sorted(by_uid)
    for one in found:
        expected = by_uid[one["00080018"]["Value"][0]]
        assert one["00083002"]["Value"] == [expected.file_meta.TransferSyntaxUID]
        uri = one["7FE00010"]["BulkDataURI"]
        assert uri == f"{BASE}/{address(expected)}/bulkdata/7FE00010"
        bulk = ask(root, uri.removeprefix(f"{BASE}/"), "application/octet-stream")
        assert body(bulk) == expected.PixelData
        del one["00083002"], one["7FE00010"]
        read = Dataset.from_json(one)
        assert read == Dataset({e.tag: e for e in expected if e.keyword != "PixelData"})


def test_metadata_comes_as_xml_too(root, instances):
    got = parts(
        ask(root, f"{address(instances[0])}/metadata",
            'multipart/related; type="application/dicom+xml"')
    )  # fmt: skip

    assert [kind for kind, _ in got] == ["application/dicom+xml"]
    assert instances[0].SOPInstanceUID.encode() in got[0][1]


def test_frames_are_those_that_were_asked_for(root, instances):
    one = next(i for i in instances if "NumberOfFrames" in i)
    size = one.Rows * one.Columns * one.BitsAllocated // 8

    got = parts(ask(root, f"{address(one)}/frames/3,1"))

    assert [content for _, content in got] == [
        one.PixelData[2 * size : 3 * size],
        one.PixelData[:size],
    ]
    alone = ask(root, f"{address(one)}/frames/2", "application/octet-stream")
    assert body(alone) == one.PixelData[size : 2 * size]


def test_compressed_frames_come_decoded_or_as_they_stand(root, instances):
    one = next(i for i in instances if i.file_meta.TransferSyntaxUID == JLS)
    (stored,) = pydicom.encaps.generate_frames(one.PixelData, number_of_frames=1)

    decoded = parts(ask(root, f"{address(one)}/frames/1"))
    same = parts(ask(root, f"{address(one)}/frames/1", 'multipart/related; type="image/jls"'))
    any_syntax = ask(root, f"{address(one)}/frames/1", "*/*; transfer-syntax=*")

    assert np.array_equal(
        np.frombuffer(decoded[0][1], one.pixel_array.dtype).reshape(one.pixel_array.shape),
        one.pixel_array,
    )
    assert [kind for kind, _ in same] == ["image/jls"]
    assert same[0][1].rstrip(b"\0") == stored.rstrip(b"\0")
    assert parts(any_syntax)[0][1] == same[0][1]


@pytest.mark.parametrize(
    ("end", "error", "status"),
    [
        ("/frames/0", RequestError, 400),
        ("/frames/1,x", RequestError, 400),
        ("/frames/", RequestError, 400),
        ("/frames/99", NotFoundError, None),
        ("/bulkdata/00100010/9", NotFoundError, None),
        ("/bulkdata/zz", NotFoundError, None),
        ("/nonsense", NotFoundError, None),
        ("/frames/1/2", NotFoundError, None),
    ],
)
def test_what_is_not_there_is_said_so(root, instances, end, error, status):
    with pytest.raises(error) as caught:
        ask(root, address(instances[0]) + end)
    assert getattr(caught.value, "status", None) == status


def test_an_instance_is_found_below_its_own_study_only(root, instances):
    one = instances[0]
    other = next(i for i in instances if i.StudyInstanceUID != one.StudyInstanceUID)
    wrong = address(one).replace(one.StudyInstanceUID, other.StudyInstanceUID, 1)

    for end in ("", "/metadata", "/frames/1", "/bulkdata/7FE00010"):
        with pytest.raises(NotFoundError):
            ask(root, wrong + end)


def test_nothing_is_changed_here(root):
    with pytest.raises(RequestError) as caught:
        root.answer(Request("DELETE", "studies/1.2"))
    assert caught.value.status == 405


def test_a_query_of_the_catalog_is_behind_it(folder):
    """The archive's own answers, by the same key."""
    source = open_folder(folder)
    expected = [r["StudyInstanceUID"] for r in source.records(Query("study", PatientID="Å1"))]

    found = document(ask(DicomWebRoot(source), "studies", PatientID="Å1"))

    assert values(found, "0020000D") == expected != []


@pytest.mark.parametrize("kept", ["meta alone", "data set alone"])
def test_what_is_kept_without_the_beginning_of_a_file_comes_as_a_file(folder, tmp_path, kept):
    """A sender may leave preamble and meta information out; a file has both (PS3.10 7.1)."""
    original = (folder / "ct" / "CT00001.dcm").read_bytes()
    expected = pydicom.dcmread(folder / "ct" / "CT00001.dcm")
    length = 132 + 12 + expected.file_meta.FileMetaInformationGroupLength
    place = tmp_path / "kept"
    place.write_bytes(original[132 if kept == "meta alone" else length :])
    root = DicomWebRoot(open_folder(place))

    data = body(ask(root, address(expected), "application/dicom"))

    read = pydicom.dcmread(BytesIO(data))
    assert read == expected
    assert read.file_meta.TransferSyntaxUID == expected.file_meta.TransferSyntaxUID
    assert data[-1000:] == original[-1000:]
