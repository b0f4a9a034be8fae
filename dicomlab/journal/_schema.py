"""The journal's tables, and an event as a row of one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, cast
from uuid import UUID

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, MetaData, Select, Table, Text

from dicomlab.journal._event import Count, Entry, Event, EventKind, Outcome

SCHEMA_VERSION = 1
GENESIS = "0" * 64
"""What stands for the hash before the first entry."""

metadata = MetaData()

about = Table(
    "journal_about",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# Times are texts of one length, ISO 8601 in UTC, so that they sort; nothing is converted by the
# database, because the hash is over the row as it is stored.
events = Table(
    "journal_event",
    metadata,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True,
           autoincrement=False),
    Column("time", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("outcome", Integer, nullable=False),
    Column("code", Text),
    Column("study_instance_uid", Text),
    Column("series_instance_uid", Text),
    Column("sop_instance_uid", Text),
    Column("aet", Text),
    Column("address", Text),
    Column("status", Integer),
    Column("counts", Text, nullable=False),
    Column("duration_us", BigInteger),
    Column("subject", Text),
    Column("digest", Text),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("journal_event_by_kind", "kind", "sequence"),
    Index("journal_event_by_time", "time"),
    Index("journal_event_by_subject", "subject"),
)  # fmt: skip

jobs = Table(
    "journal_job",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False, index=True),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger),
    Column("created", Text, nullable=False),
    Column("started", Text),
    Column("ended", Text),
    Column("error", Text),
    Column("owner", Text, nullable=False),
)


def rows_of(connection: Connection, query: Select[Any]) -> list[dict[str, object]]:
    """Return what a query finds, by column."""
    return [
        {str(column): value for column, value in row.items()}
        for row in connection.execute(query).mappings()
    ]


def time_text(time: datetime) -> str:
    """Return a time as it is stored."""
    return time.isoformat(timespec="microseconds")


def row_of(event: Event, *, sequence: int, time: datetime, previous: str) -> dict[str, object]:
    """Return the row of an event, hash included."""
    row: dict[str, object] = {
        "sequence": sequence,
        "time": time_text(time),
        "kind": event.kind.value,
        "outcome": event.outcome.value,
        "code": None if event.code is None else event.code.value,
        "study_instance_uid": event.study_instance_uid,
        "series_instance_uid": event.series_instance_uid,
        "sop_instance_uid": event.sop_instance_uid,
        "aet": event.aet,
        "address": None if event.address is None else str(event.address),
        "status": event.status,
        "counts": _canonical({count.value: number for count, number in event.counts.items()}),
        "duration_us": None if event.duration_s is None else round(event.duration_s * 1e6),
        "subject": None if event.subject is None else str(event.subject),
        "digest": event.digest,
        "previous": previous,
    }
    return {**row, "hash": hash_of(row)}


def hash_of(row: Mapping[str, object]) -> str:
    """Return the SHA-256 over the previous hash and the canonical JSON of a row's other columns.

    Raises
    ------
    TypeError
        A column holds what no event has there.
    """
    content = {name: value for name, value in row.items() if name not in {"previous", "hash"}}
    return hashlib.sha256(f"{row['previous']}{_canonical(content)}".encode()).hexdigest()


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def entry_of(row: Mapping[str, object]) -> Entry:
    """Return a row as an entry.

    Raises
    ------
    ValueError, TypeError, KeyError
        The row is not as it was written.
    """

    def text(name: str) -> str | None:
        value = row[name]
        if value is not None and not isinstance(value, str):
            raise TypeError(name)
        return value

    counts = cast("dict[str, int]", json.loads(str(row["counts"])))
    duration, address, subject = row["duration_us"], text("address"), text("subject")
    return Entry(
        sequence=cast("int", row["sequence"]),
        time=datetime.fromisoformat(str(row["time"])),
        kind=EventKind(str(row["kind"])),
        outcome=Outcome(cast("int", row["outcome"])),
        code=text("code"),
        study_instance_uid=text("study_instance_uid"),
        series_instance_uid=text("series_instance_uid"),
        sop_instance_uid=text("sop_instance_uid"),
        aet=text("aet"),
        address=None if address is None else ip_address(address),
        status=cast("int | None", row["status"]),
        counts=MappingProxyType({Count(name): number for name, number in counts.items()}),
        duration_s=None if duration is None else cast("int", duration) / 1e6,
        subject=None if subject is None else UUID(subject),
        digest=text("digest"),
        hash=str(row["hash"]),
    )
