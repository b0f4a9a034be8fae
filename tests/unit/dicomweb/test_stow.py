"""Instances sent to a root: what is answered for each, and what the archive holds afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from dicomlab.archive import Archive
from dicomlab.catalog import Query, dicom_json, native_xml
from dicomlab.dicomweb import Answer, DicomWebRoot, DicomWebSource, Request
from dicomlab.dicomweb._multipart import Part, multipart
from dicomlab.errors import NonConformantError, RequestError
from dicomlab.safety import MemoryBytes, read_header
from dicomlab.server import serve
from tests.small import data_set, uid

DICOM = "application/dicom"


def encoded(**attributes: object) -> bytes:
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, data_set(**attributes), enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(tmp_path / "archive") as archive:
        yield archive


@pytest.fixture
def root(archive: Archive) -> Iterator[DicomWebRoot]:
    with archive.receiver() as receiver:
        yield DicomWebRoot(archive, stores=receiver)


def send(
    root: DicomWebRoot,
    parts: list[Part],
    path: str = "studies",
    kind: str = DICOM,
    **headers: str,
) -> Answer:
    body = multipart(parts, kind)
    request = Request("POST", path, (), {"content-type": body.headers["Content-Type"], **headers})
    return root.answer(request, body.body)


def said(answer: Answer) -> pydicom.Dataset:
    assert isinstance(answer.body, bytes)
    return pydicom.Dataset.from_json(json.loads(answer.body))


def held(archive: Archive) -> dict[str, bytes]:
    return {one: source.read_at(0, source.size) for one, source in archive.retrieve(Query("study"))}


def test_what_is_answered_as_stored_is_there_byte_for_byte(root, archive):
    sent = {uid(1, 1, n): encoded(instance=n) for n in range(1, 6)}

    answer = send(root, [Part(DICOM, data) for data in sent.values()])

    assert answer.status == 200
    assert held(archive) == sent
    response = said(answer)
    assert {one.ReferencedSOPInstanceUID for one in response.ReferencedSOPSequence} == set(sent)
    assert response.RetrieveURL.endswith(f"/studies/{uid(1)}")
    assert "FailedSOPSequence" not in response


def test_sending_again_changes_nothing(root, archive):
    parts = [Part(DICOM, encoded())]

    assert send(root, parts).status == send(root, parts).status == 200
    assert len(held(archive)) == 1


def test_what_cannot_be_taken_does_not_hold_up_the_others(root, archive):
    good, broken = encoded(instance=1), encoded(instance=2)[:-8]

    answer = send(root, [Part(DICOM, b"nonsense"), Part(DICOM, good), Part(DICOM, broken)])

    assert answer.status == 202
    response = said(answer)
    assert [one.ReferencedSOPInstanceUID for one in response.ReferencedSOPSequence] == [
        uid(1, 1, 1)
    ]
    failed = {str(one.get("ReferencedSOPInstanceUID") or ""): one.FailureReason
              for one in response.FailedSOPSequence}  # fmt: skip
    assert failed == {"": 0xC000, uid(1, 1, 2): 0xC000}
    assert held(archive) == {uid(1, 1, 1): good}


def test_nothing_that_can_be_taken_is_a_conflict(root, archive):
    answer = send(root, [Part(DICOM, b"nonsense"), Part("text/plain", b"hello")])

    assert answer.status == 409
    assert len(said(answer).FailedSOPSequence) == 2
    assert held(archive) == {}


def test_a_study_in_the_path_takes_its_own_instances_only(root, archive):
    own, other = encoded(study=1), encoded(study=2)

    answer = send(root, [Part(DICOM, own), Part(DICOM, other)], f"studies/{uid(1)}")

    assert answer.status == 202
    assert [one.FailureReason for one in said(answer).FailedSOPSequence] == [0xA900]
    assert held(archive) == {uid(1, 1, 1): own}


def test_no_room_is_told_as_such(tmp_path):
    with (
        Archive.open(tmp_path / "small", quota_bytes=100) as archive,
        archive.receiver() as receiver,
    ):
        answer = send(DicomWebRoot(archive, stores=receiver), [Part(DICOM, encoded())])

    assert answer.status == 409
    assert [one.FailureReason for one in said(answer).FailedSOPSequence] == [0xA700]


@pytest.mark.parametrize("form", ["json", "xml"])
def test_metadata_and_bulk_data_make_an_instance(root, archive, form):
    document = dicom_json(read_header(encoded()), inline_bytes=0)
    document["7FE00010"] = {"vr": "OB", "BulkDataURI": "pixels/1"}
    text = json.dumps([document]) if form == "json" else native_xml(document)
    bulk = Part("application/octet-stream", bytes(range(16)), "pixels/1")
    kind = f"application/dicom+{form}"

    answer = send(root, [Part(kind, text.encode()), bulk], kind=kind)

    assert answer.status == 200
    ((found, data),) = held(archive).items()
    read = pydicom.dcmread(BytesIO(data))
    assert (found, read.PixelData, read.PatientName) == (
        uid(1, 1, 1), bytes(range(16)), data_set().PatientName,
    )  # fmt: skip


def test_metadata_without_their_bulk_data_fail(root, archive):
    document = dicom_json(read_header(encoded()))
    document["7FE00010"] = {"vr": "OB", "BulkDataURI": "pixels/1"}
    kind = "application/dicom+json"

    answer = send(root, [Part(kind, json.dumps(document).encode())], kind=kind)

    assert answer.status == 409
    assert held(archive) == {}


def test_the_answer_comes_as_xml_too(root):
    answer = send(root, [Part(DICOM, encoded())], accept="application/dicom+xml")

    assert answer.headers["Content-Type"] == "application/dicom+xml"
    assert uid(1, 1, 1).encode() in answer.body


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/dicom"},
        {"content-type": 'multipart/related; type="text/html"; boundary=x'},
        {"content-type": 'multipart/form-data; type="application/dicom"; boundary=x'},
        {"content-type": f'multipart/related; type="{DICOM}"; boundary=x',
         "content-encoding": "gzip"},
        {},
    ],
)  # fmt: skip
def test_bodies_of_other_types_are_not_taken(root, headers):
    with pytest.raises(RequestError) as caught:
        root.answer(Request("POST", "studies", (), headers), [b"--x--"])
    assert caught.value.status == 415


def test_a_body_that_breaks_off_keeps_what_came_whole(root, archive):
    body = multipart([Part(DICOM, encoded(instance=n)) for n in (1, 2)], DICOM)
    cut = b"".join(body.body)[:-300]
    request = Request("POST", "studies", (), {"content-type": body.headers["Content-Type"]})

    with pytest.raises(NonConformantError):
        root.answer(request, [cut])

    assert held(archive).keys() == {uid(1, 1, 1)}


def test_nothing_is_taken_where_nobody_stores(archive):
    with pytest.raises(RequestError) as caught:
        send(DicomWebRoot(archive), [Part(DICOM, encoded())])
    assert caught.value.status == 405


def test_our_client_sends_over_http(archive, tmp_path):
    sent = [encoded(instance=n) for n in range(1, 4)]
    with (
        archive.receiver() as receiver,
        serve(archive, stores=receiver, folder=tmp_path / "volumes") as server,
        DicomWebSource(f"{server.address}/dicom-web") as client,
    ):
        report = client.store(MemoryBytes(data) for data in [*sent, b"nonsense"])

    assert set(report.stored) == {uid(1, 1, n) for n in range(1, 4)}
    assert list(report.failed.values()) == [0xC000]
    assert not report.is_complete
    assert sorted(held(archive).values()) == sorted(sent)
