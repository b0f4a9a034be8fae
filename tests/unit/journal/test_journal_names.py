"""No name gets into the journal, nor into what is said about it."""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from dicomlab.errors import MissingDependencyError, NotFoundError, StorageError, UnsupportedError
from dicomlab.journal import Count, Event, EventKind, Head, Journal, Outcome, Task

CANARY = "CANARY^Zoë"
SPELLINGS = [CANARY.encode(), CANARY.encode("latin-1"), b"CANARY"]


class Kind(StrEnum):
    """A kind of job."""

    COPY = "copy"


WRONG: dict[str, list[object]] = {
    "kind": [CANARY, None],
    "outcome": [CANARY, 5, True],
    "code": [CANARY, 3],
    "study_instance_uid": [CANARY, f"1.2.{CANARY}", "19700101", "1." + "2" * 64, 12],
    "series_instance_uid": [CANARY, "1.2.", ".1.2", "1..2", ""],
    "sop_instance_uid": [CANARY, b"1.2.3", "1.2.3\n"],
    "aet": [CANARY.encode(), 4],
    "address": [CANARY, "10.0.0.1"],
    "status": [CANARY, 1.5, True],
    "counts": [{CANARY: 1}, {Count.BYTES: CANARY}, {Count.BYTES: -1}, {Count.BYTES: True}, CANARY],
    "duration_s": [CANARY, float("nan"), float("inf"), -1.0, True],
    "subject": [CANARY, str(uuid4())],
    "digest": [CANARY, "AB" * 32, "ab" * 31],
}


@pytest.mark.parametrize("name", WRONG)
def test_an_event_takes_no_free_text(name: str) -> None:
    """The attribute is named, what stood there is not."""
    for value in WRONG[name]:
        with pytest.raises((TypeError, ValueError), match=rf"Event\.{name}") as raised:
            Event(**{"kind": EventKind.QUERIED, name: value})  # type: ignore[arg-type]

        assert "CANARY" not in str(raised.value)


def test_an_event_is_as_it_was_made() -> None:
    """Changing what it was made of changes nothing in it."""
    counts = {Count.FILES: 1}
    event = Event(EventKind.DATA_IMPORTED, counts=counts)

    counts[Count.FILES] = 2

    assert event.counts == {Count.FILES: 1}
    with pytest.raises(TypeError):
        event.counts[Count.FILES] = 3  # type: ignore[index]


@pytest.mark.parametrize(
    ("aet", "recorded"),
    [("STORESCU", "STORESCU"), ("pacs_1.a-b", "pacs_1.a-b"), ("A" * 16, "A" * 16)],
)
def test_plain_ae_titles_are_recorded(aet: str, recorded: str) -> None:
    """They name machines."""
    assert Event(EventKind.NETWORK_ENTERED, aet=aet).aet == recorded


@pytest.mark.parametrize("aet", [CANARY, "DOE^JANE", "A" * 17, "", "A B", "\udc80"])
def test_other_ae_titles_are_recorded_so_that_they_are_known_again(aet: str) -> None:
    """A stranger may call himself anything; recording it must not fail, nor repeat it."""
    first, second = (Event(EventKind.SECURITY_ALERT, aet=aet).aet for _ in range(2))

    assert first == second
    assert first is not None
    assert first.startswith("~")
    assert len(first) == 13


def rename(path: Path, table: str, other: str) -> None:
    """Rename a table behind the journal's back."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO {other}")


def test_no_name_comes_through_any_public_function(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Given everywhere, raised everywhere, with the database failing too: nowhere is it kept."""
    caplog.set_level(logging.DEBUG)
    said: list[str] = []

    def refused(call: Callable[[], object], *kinds: type[BaseException]) -> None:
        with pytest.raises(kinds) as raised:
            call()
        said.append(str(raised.value))

    def raising(*_: object) -> None:
        raise ValueError(CANARY)

    def events() -> Iterator[Event]:
        yield Event(EventKind.QUERIED, aet=CANARY)
        raise KeyError(Kind.COPY)

    path = tmp_path / "journal.sqlite"
    with Journal.open(path) as journal:
        journal.on_alert(raising)
        journal.record(Event(EventKind.SECURITY_ALERT, Outcome.MINOR_FAILURE, aet=CANARY))
        refused(lambda: journal.record(CANARY), AttributeError)  # type: ignore[arg-type]
        refused(lambda: journal.record_all(events()), KeyError)
        refused(lambda: list(journal.events(kind=CANARY)), AttributeError)  # type: ignore[arg-type]
        refused(lambda: journal.start(CANARY, raising), TypeError)  # type: ignore[arg-type]
        refused(lambda: journal.job(CANARY), TypeError)  # type: ignore[arg-type]
        refused(lambda: journal.job(UUID(int=0)), NotFoundError)
        assert list(journal.events(subject=UUID(int=0))) == []
        failed = journal.start(Kind.COPY, raising)
        assert failed.wait(60)
        assert not journal.verify(Head(99, "ab" * 32)).is_whole

        def broken_end(task: Task) -> None:
            """Fail with the canary while the end cannot be recorded either."""
            rename(path, "journal_event", "elsewhere")
            raise ValueError(CANARY)

        unrecorded = journal.start(Kind.COPY, broken_end)
        assert unrecorded.wait(60)
        refused(lambda: journal.record(Event(EventKind.QUERIED, aet=CANARY)), StorageError)
        refused(lambda: list(journal.events()), StorageError)
        rename(path, "elsewhere", "journal_event")
        kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())

    assert len(said) == 8
    output = capfd.readouterr()
    logged = caplog.text + "".join(map(str, (record.__dict__ for record in caplog.records)))
    outside = "".join([*said, output.out, output.err, logged]).encode()
    assert b"security-alert" in kept
    for spelling in SPELLINGS:
        assert spelling not in kept
        assert spelling not in outside
    assert "An alert failed with ValueError" in caplog.text
    assert "could not be recorded" in caplog.text


@pytest.mark.parametrize(
    ("url", "password"),
    [
        (f"{CANARY}://x", None),
        (f"mysql://u:{CANARY}@h/d", None),
        ("mysql://h/d", CANARY),
        ("sqlite://", CANARY),
        (f"/dev/null/{CANARY}/journal.sqlite", None),
    ],
)
def test_a_place_that_cannot_be_is_refused_and_not_repeated(url: str, password: str | None) -> None:
    """A URL may hold a password, and a path a name."""
    with pytest.raises((ValueError, UnsupportedError, StorageError)) as raised:
        Journal.open(url, password=password)

    assert "CANARY" not in str(raised.value)


def test_by_default_it_is_in_the_home_and_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the file nor its head can be read by others."""
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))

    with Journal.open() as journal:
        journal.record(Event(EventKind.APPLICATION_STARTED))
        modes = {file.name: file.stat().st_mode for file in (tmp_path / "home").iterdir()}

    assert {"journal.sqlite", "journal.sqlite.head", "journal.sqlite-wal"} <= set(modes)
    assert {mode & 0o077 for mode in modes.values()} == {0}


def test_without_a_driver_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL is an extra."""
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(MissingDependencyError, match=r"dicomlab\[postgresql\]"):
        Journal.open("postgresql+psycopg://h/d")


def test_the_address_of_a_peer_is_an_address() -> None:
    """Both versions of IP are."""
    for address in ("10.0.0.1", "fe80::1"):
        assert str(Event(EventKind.NETWORK_ENTERED, address=ip_address(address)).address) == address
