"""What happened: events that carry UIDs, counts and codes, and cannot carry a name."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from uuid import UUID

_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLAIN_AE_TITLE = re.compile(r"[A-Za-z0-9_.-]{1,16}")


class EventKind(StrEnum):
    """What happened; the first fourteen are the audit messages of PS3.15 A.5.3."""

    APPLICATION_STARTED = "application-started"
    APPLICATION_STOPPED = "application-stopped"
    AUDIT_LOG_USED = "audit-log-used"
    TRANSFER_BEGUN = "transfer-begun"
    INSTANCES_TRANSFERRED = "instances-transferred"
    INSTANCES_ACCESSED = "instances-accessed"
    STUDY_DELETED = "study-deleted"
    DATA_IMPORTED = "data-imported"
    DATA_EXPORTED = "data-exported"
    NETWORK_ENTERED = "network-entered"
    NETWORK_LEFT = "network-left"
    QUERIED = "queried"
    SECURITY_ALERT = "security-alert"
    USER_AUTHENTICATED = "user-authenticated"
    INSTANCES_RECEIVED = "instances-received"
    INPUT_REFUSED = "input-refused"
    QUARANTINE_RELEASED = "quarantine-released"
    QUARANTINE_DISCARDED = "quarantine-discarded"
    ARCHIVE_CHECKED = "archive-checked"
    CONFIGURATION_CHANGED = "configuration-changed"
    JOB_QUEUED = "job-queued"
    JOB_STARTED = "job-started"
    JOB_ENDED = "job-ended"
    EVENTS_FORGOTTEN = "events-forgotten"
    HEAD_ACCEPTED = "head-accepted"


class Outcome(IntEnum):
    """How it ended, as the audit messages of PS3.15 A.5.2 number it."""

    SUCCESS = 0
    MINOR_FAILURE = 4
    SERIOUS_FAILURE = 8
    MAJOR_FAILURE = 12


class Count(StrEnum):
    """What can be counted."""

    BYTES = "bytes"
    EVENTS = "events"
    FILES = "files"
    INSTANCES = "instances"
    SERIES = "series"
    STUDIES = "studies"
    PATIENTS = "patients"
    MATCHES = "matches"
    NEW = "new"
    ALREADY_THERE = "already-there"
    CONFLICTING = "conflicting"
    REFUSED = "refused"
    FAILED = "failed"
    THROUGH = "through"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as the journal records it.

    No attribute takes free text: a UID has digits and full stops, a code is a member of an
    enumeration, an address is an address. So no patient's name can get into the journal, whoever
    records what.

    Attributes
    ----------
    kind, outcome
        What happened, and how it ended.
    code
        Why, as a member of an enumeration of the room that records it.
    study_instance_uid, series_instance_uid, sop_instance_uid
        What it happened to.
    aet
        AE title of the other side. One with other characters than letters, digits, ``_``, ``.``
        and ``-`` is recorded as ``~`` and twelve digits of its SHA-256.
    address
        Network address of the other side.
    status
        DIMSE or HTTP status.
    counts
        How many of what.
    duration_s
        How long it took.
    subject
        Job, share or other thing of ours that has a UUID.
    digest
        SHA-256 of what it is about (a manifest, a report, a configuration), hexadecimal.

    Raises
    ------
    ValueError, TypeError
        An attribute is not of its kind; the message names it and not its value.
    """

    kind: EventKind
    outcome: Outcome = Outcome.SUCCESS
    code: StrEnum | None = None
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    sop_instance_uid: str | None = None
    aet: str | None = None
    address: IPv4Address | IPv6Address | None = None
    status: int | None = None
    counts: Mapping[Count, int] = field(default_factory=dict)
    duration_s: float | None = None
    subject: UUID | None = None
    digest: str | None = None

    def __post_init__(self) -> None:
        for name, kinds in _KINDS.items():
            value = getattr(self, name)
            if type(value) is bool or not isinstance(value, kinds):
                raise TypeError(f"Event.{name} is not of its kind: see the class for what it takes")
        for name in ("study_instance_uid", "series_instance_uid", "sop_instance_uid"):
            uid = getattr(self, name)
            if uid is not None and (len(uid) > 64 or not _UID.fullmatch(uid)):
                raise ValueError(f"Event.{name} is no UID: digits and full stops, at most 64")
        if self.digest is not None and not _DIGEST.fullmatch(self.digest):
            raise ValueError("Event.digest is no SHA-256: 64 digits, hexadecimal, lower case")
        if self.duration_s is not None and not (
            math.isfinite(self.duration_s) and self.duration_s >= 0
        ):
            raise ValueError("Event.duration_s is no time: expected a finite number, 0 or more")
        for what, number in self.counts.items():
            if not isinstance(what, Count) or type(number) is not int or not 0 <= number < 1 << 63:
                raise TypeError("Event.counts maps members of Count to whole numbers, 0 or more")
        object.__setattr__(self, "counts", MappingProxyType(dict(self.counts)))
        if self.aet is not None and not _PLAIN_AE_TITLE.fullmatch(self.aet):
            digest = hashlib.sha256(self.aet.encode(errors="surrogatepass")).hexdigest()
            object.__setattr__(self, "aet", f"~{digest[:12]}")


_NONE = type(None)
_KINDS: dict[str, tuple[type, ...]] = {
    "kind": (EventKind,),
    "outcome": (Outcome,),
    "code": (StrEnum, _NONE),
    "study_instance_uid": (str, _NONE),
    "series_instance_uid": (str, _NONE),
    "sop_instance_uid": (str, _NONE),
    "aet": (str, _NONE),
    "address": (IPv4Address, IPv6Address, _NONE),
    "status": (int, _NONE),
    "counts": (Mapping,),
    "duration_s": (float, int, _NONE),
    "subject": (UUID, _NONE),
    "digest": (str, _NONE),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it stands in the journal; attributes are those of `Event`, and these.

    Attributes
    ----------
    sequence
        Its number: 1, 2, 3, … without gaps.
    time
        When it was recorded, UTC.
    hash
        SHA-256 over the hash of the entry before and this one, hexadecimal.
    """

    sequence: int
    time: datetime
    kind: EventKind
    outcome: Outcome
    code: str | None
    study_instance_uid: str | None
    series_instance_uid: str | None
    sop_instance_uid: str | None
    aet: str | None
    address: IPv4Address | IPv6Address | None
    status: int | None
    counts: Mapping[Count, int]
    duration_s: float | None
    subject: UUID | None
    digest: str | None
    hash: str
