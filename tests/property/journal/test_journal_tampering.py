"""Whatever is changed in a journal, and wherever, is found, and the first entry is named."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomlab.journal import Count, Event, EventKind, Fault, Journal, Outcome, Verification

ENTRIES = 12
COLUMNS = (
    "time", "kind", "outcome", "code", "study_instance_uid", "series_instance_uid",
    "sop_instance_uid", "aet", "address", "status", "counts", "duration_us", "subject", "digest",
    "previous", "hash",
)  # fmt: skip


class Why(StrEnum):
    """A reason."""

    TOO_DEEP = "too-deep"


@dataclass(frozen=True)
class Victim:
    """A journal, and a connection to its database that it knows nothing of."""

    journal: Journal
    connection: sqlite3.Connection

    def tampered(self, *statements: tuple[str, tuple[object, ...]]) -> Verification:
        """Return what `verify` says after statements behind the journal's back; undo them."""
        execute = self.connection.execute
        execute("DROP TABLE IF EXISTS original")
        execute("CREATE TABLE original AS SELECT * FROM journal_event")
        try:
            for statement, values in statements:
                execute(statement, values)
            self.connection.commit()
            return self.journal.verify()
        finally:
            execute("DELETE FROM journal_event")
            execute("INSERT INTO journal_event SELECT * FROM original")
            self.connection.commit()


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A journal of twelve entries; every third has all attributes."""
    path = tmp_path_factory.mktemp("tampering") / "journal.sqlite"
    full = Event(
        EventKind.INPUT_REFUSED,
        Outcome.SERIOUS_FAILURE,
        code=Why.TOO_DEEP,
        study_instance_uid="1.2.3",
        series_instance_uid="1.2.3.4",
        sop_instance_uid="1.2.3.4.5",
        aet="STORESCU",
        address=ip_address("10.0.0.1"),
        status=0xC000,
        counts={Count.BYTES: 7},
        duration_s=0.125,
        subject=UUID(int=1),
        digest="ab" * 32,
    )
    with Journal.open(path, clock=lambda: datetime(2024, 2, 29, tzinfo=UTC)) as journal:
        for index in range(ENTRIES):
            journal.record(Event(EventKind.QUERIED) if index % 3 else full)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            yield Victim(journal, connection)


def flipped(value: object, place: int, bit: int) -> object:
    """Return a value with one bit changed; something where nothing was."""
    if value is None:
        return b"1"
    if isinstance(value, int):
        return value ^ (1 << bit)
    content = bytearray(str(value).encode())
    content[place % len(content)] ^= 1 << bit
    return bytes(content)


@pytest.mark.parametrize("column", COLUMNS)
@settings(max_examples=25)
@given(sequence=st.integers(1, ENTRIES), place=st.integers(0, 70), bit=st.integers(0, 7))
def test_a_flipped_bit_in_any_column_is_found(
    victim: Victim, column: str, sequence: int, place: int, bit: int
) -> None:
    """In a text one that is no UTF-8 any more too; the entry that is named is the one."""
    query = f"SELECT {column} FROM journal_event WHERE sequence = ?"
    (value,) = victim.connection.execute(query, (sequence,)).fetchone()
    other = flipped(value, place, bit)
    cast = "CAST(? AS TEXT)" if isinstance(other, bytes) else "?"

    found = victim.tampered(
        (f"UPDATE journal_event SET {column} = {cast} WHERE sequence = ?", (other, sequence))
    )

    assert found.broken == sequence
    assert found.fault in {Fault.CONTENT, Fault.LINK, Fault.UNREADABLE}


@given(sequence=st.integers(1, ENTRIES), number=st.integers(0, 40))
def test_a_changed_number_is_found(victim: Victim, sequence: int, number: int) -> None:
    """The entry is missing where it was, whatever its new place."""
    if 0 < number <= ENTRIES:
        number += ENTRIES

    found = victim.tampered(
        ("UPDATE journal_event SET sequence = ? WHERE sequence = ?", (number, sequence))
    )

    assert not found.is_whole
    assert found.broken is not None
    assert found.broken <= sequence


@given(first=st.integers(1, ENTRIES), count=st.integers(1, ENTRIES))
def test_missing_entries_are_found(victim: Victim, first: int, count: int) -> None:
    """At the start, in the middle and at the end, one or all."""
    end = first + count

    found = victim.tampered(
        ("DELETE FROM journal_event WHERE sequence >= ? AND sequence < ?", (first, end))
    )

    expected = Fault.TRUNCATED if end > ENTRIES else Fault.START if first == 1 else Fault.GAP
    assert (found.fault, found.broken) == (expected, first)


@given(st.permutations(range(1, ENTRIES + 1)).filter(lambda p: p != sorted(p)))
def test_another_order_is_found(victim: Victim, order: list[int]) -> None:
    """The first that stands in another's place is named."""
    cases = " ".join(f"WHEN {old} THEN {-new}" for new, old in enumerate(order, 1))

    found = victim.tampered(
        (f"UPDATE journal_event SET sequence = CASE sequence {cases} END", ()),
        ("UPDATE journal_event SET sequence = -sequence", ()),
    )

    first = next(new for new, old in enumerate(order, 1) if new != old)
    assert found.broken == first
    assert found.fault is (Fault.CONTENT if first == 1 else Fault.LINK)


def test_without_tampering_it_is_whole(victim: Victim) -> None:
    """What the tests above change is what they find."""
    assert victim.tampered() == Verification(ENTRIES)
