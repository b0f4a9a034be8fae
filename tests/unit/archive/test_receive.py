"""Instances that come one by one are durable when the archive says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection

from dicomlab.archive import Archive, Outcome, _receive
from dicomlab.archive._receive import Receiver
from dicomlab.archive._writer import Entry
from dicomlab.catalog import Query, Stored
from dicomlab.errors import NonConformantError, RefusedError
from tests.small import part10, uid


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(tmp_path / "archive") as opened:
        yield opened


@pytest.fixture
def receiver(archive: Archive) -> Iterator[Receiver]:
    with archive.receiver() as opened:
        yield opened


def give(receiver: Receiver, data: bytes, **said: str) -> Stored:
    arrival = receiver.begin()
    try:
        for at in range(0, len(data), 100):
            arrival.write(data[at : at + 100])
        return arrival.finish(**said)
    finally:
        arrival.abandon()


def test_what_is_stored_is_found_and_is_as_it_came(archive: Archive, receiver: Receiver) -> None:
    """At once, byte by byte."""
    data = part10()

    assert give(receiver, data) is Stored.NEW

    ((found, source),) = archive.retrieve(Query("image"))
    assert found == uid(1, 1, 1)
    assert source.read_at(0, source.size) == data


def test_the_same_again_changes_nothing(archive: Archive, receiver: Receiver) -> None:
    """Another content of the UID is kept beside it."""
    give(receiver, part10())

    assert give(receiver, part10()) is Stored.ALREADY_THERE
    assert give(receiver, part10(PatientName="Other")) is Stored.OTHER_CONTENT
    assert len(list(archive.records(Query("image")))) == 1


def test_a_long_instance_does_not_stay_in_memory(archive: Archive, receiver: Receiver) -> None:
    """Beyond 8 MiB it goes to a file while it comes, and is the same in the end."""
    data = part10(Rows=3000, Columns=3000, PixelData=bytes(9_000_000))

    assert give(receiver, data) is Stored.NEW

    ((_uid, source),) = archive.retrieve(Query("image"))
    assert source.read_at(0, source.size) == data


@pytest.mark.parametrize("said", [{"sop_class_uid": "1.2.3"}, {"sop_instance_uid": "1.2.3"}])
def test_another_instance_than_announced_is_refused(
    archive: Archive, receiver: Receiver, said: dict[str, str]
) -> None:
    """It goes to quarantine, with the reason."""
    with pytest.raises(NonConformantError) as caught:
        give(receiver, part10(), **said)

    assert caught.value.reason == "other-instance"
    assert [entry.reason for entry in archive.quarantine] == ["other-instance"]
    assert list(archive.records(Query("image"))) == []


def test_what_is_beyond_the_quota_is_refused(tmp_path: Path) -> None:
    """Nothing of it stays."""
    with (
        Archive.open(tmp_path / "archive", quota_bytes=100) as archive,
        archive.receiver() as receiver,
        pytest.raises(RefusedError) as caught,
    ):
        give(receiver, part10())

    assert caught.value.rule == "quota"
    assert not list((tmp_path / "archive" / "instances").glob("*/*"))


def test_several_that_finish_together_share_a_commit(
    archive: Archive, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one thread writes, the others' instances gather and are the next group."""
    groups: list[int] = []
    started, go_on = threading.Event(), threading.Event()
    original = _receive.add

    def slow(connection: Connection, entries: Sequence[Entry]) -> list[Outcome]:
        groups.append(len(entries))
        started.set()
        assert go_on.wait(60)
        return original(connection, entries)

    monkeypatch.setattr(_receive, "add", slow)
    outcomes: list[Stored] = []
    threads = [
        threading.Thread(target=lambda n=n: outcomes.append(give(receiver, part10(1, 1, n))))
        for n in range(1, 6)
    ]
    threads[0].start()
    assert started.wait(60)
    for thread in threads[1:]:
        thread.start()
    while len(receiver._pending) < 4:
        threading.Event().wait(0.001)
    go_on.set()
    for thread in threads:
        thread.join(60)

    assert outcomes == [Stored.NEW] * 5
    assert groups == [1, 4]
    assert len(list(archive.records(Query("image")))) == 5


def test_what_was_deleted_comes_back(archive: Archive, receiver: Receiver) -> None:
    """Sent again after it was deleted, it is there again with its file."""
    give(receiver, part10())
    archive.delete([uid(1)])

    assert give(receiver, part10()) is Stored.NEW

    ((_uid, source),) = archive.retrieve(Query("image"))
    assert source.read_at(0, source.size) == part10()
