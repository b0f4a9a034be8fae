"""What a source of studies can do: small protocols, held separately."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from dicomlab.safety import Attributes

if TYPE_CHECKING:
    from dicomlab.catalog._query import Query
    from dicomlab.safety import ByteSource

Scalar: TypeAlias = str | int | float
Value: TypeAlias = Scalar | tuple["Scalar | Mapping[str, Value]", ...] | None
Record: TypeAlias = Mapping[str, Value]
"""What a source answers for one patient, study, series or instance: values by DICOM keyword.

Text is text, also dates and times, as DICOM writes them; IS and binary integers are `int`, DS and
the binary floats `float`. Several values are a tuple, the items of a sequence a tuple of records;
what has no value is ``None``.
"""


@dataclass(frozen=True, slots=True)
class FrameLocation:
    """A frame that lies in one piece in a local file."""

    path: Path
    offset: int
    length: int


class Frames(Protocol):
    """The encoded frames of one instance, each readable without the others."""

    @property
    def transfer_syntax_uid(self) -> str:
        """How the frames are encoded."""

    def __len__(self) -> int:
        """Return how many frames there are."""

    def read(self, index: int) -> bytes:
        """Return the encoded bytes of a frame, counted from 0."""

    def locate(self, index: int) -> FrameLocation | None:
        """Return where a frame lies, ``None`` where it is not in one piece of a local file."""


@dataclass(frozen=True, slots=True)
class InstanceData:
    """One instance as a source offers it for volumes: its attributes now, its frames later.

    Attributes
    ----------
    frames
        ``None`` for an instance without pixel data.
    """

    sop_instance_uid: str
    attributes: Attributes
    frames: Frames | None


class Finds(Protocol):
    """Answers queries."""

    def records(self, query: Query) -> Iterator[Record]:
        """Yield one record for each entity that matches, in a stable order."""


class ReadsHeaders(Protocol):
    """Gives attributes without pixels."""

    def instances(
        self, series_instance_uid: str, *, sop_instance_uid: str | None = None
    ) -> Sequence[InstanceData]:
        """Return the instances of a series, or the one of them that is named.

        Raises
        ------
        NotFoundError
            The source holds no such series.
        """


@dataclass(frozen=True, slots=True)
class Metadata:
    """An instance's attributes, ready to be sent.

    Attributes
    ----------
    transfer_syntax_uid
        How the instance is stored.
    document
        The DICOM JSON model (PS3.18 annex F) as `dicom_json` makes it, in ASCII or UTF-8.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    document: bytes


@runtime_checkable
class ReadsMetadata(Protocol):
    """Keeps the attributes of instances ready to be sent."""

    def metadata(self, query: Query) -> Iterator[Metadata]:
        """Yield the attributes of each instance that matches, or is below what matches."""


class Retrieves(Protocol):
    """Gives whole instances."""

    def retrieve(self, query: Query) -> Iterator[tuple[str, ByteSource]]:
        """Yield SOP Instance UID and bytes (a Part 10 file) of each instance that matches."""


class Stored(StrEnum):
    """What became of an instance that is durable now."""

    NEW = "new"
    ALREADY_THERE = "already there"
    OTHER_CONTENT = "same UID, other content"


@runtime_checkable
class Arriving(Protocol):
    """One instance on its way into a store."""

    def write(self, data: bytes | memoryview) -> None:
        """Take some more bytes of a Part 10 file."""

    def finish(
        self, *, sop_class_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> Stored:
        """Check the instance, make it durable, and only then return."""

    def abandon(self) -> None:
        """Forget what came; after `finish` there is nothing to forget."""


class Stores(Protocol):
    """Takes instances, from any thread: what it says is stored is durable."""

    def begin(self, origin: str = ...) -> Arriving:
        """Return what takes one instance."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An instance that has come into a source.

    Attributes
    ----------
    cursor
        Where a reader continues who has seen it: a text to be kept, good in any process.
    received
        When it came, UTC.
    """

    cursor: str
    received: datetime
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str


class Announces(Protocol):
    """Tells what has come."""

    def arrivals(self, after: str | None = None) -> Iterator[Arrival]:
        """Yield what came after a cursor and is still there, in the order in which it came.

        It ends with what is there when it is called: who wants more asks again, with the cursor
        of the last one.

        Raises
        ------
        ValueError
            The cursor is none of this source's.
        """

    def cursor(self) -> str:
        """Return the cursor behind all that is there."""


class Source(Finds, Retrieves, Protocol):
    """Anything that studies can be asked of and fetched from."""
