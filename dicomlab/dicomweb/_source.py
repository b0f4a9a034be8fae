"""A DICOMweb server as a source of studies: found, fetched, and opened without fetching."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from types import TracebackType
from typing import Final, Self, Unpack

from dicomlab.catalog import (
    AnyOf,
    Criterion,
    Empty,
    Equals,
    FrameLocation,
    InstanceData,
    Items,
    JsonAttributes,
    JsonObject,
    Query,
    Record,
    Universal,
    Value,
    meets,
    patient_key,
    read_dicom_json,
    value_of,
)
from dicomlab.dicomweb._multipart import Part, multipart
from dicomlab.dicomweb._parts import IncomingPart, media_type, read_parts
from dicomlab.dicomweb._transport import Transport, TransportOptions, body_blocks, is_multipart
from dicomlab.dicomweb._wado import DICOM, EXPLICIT_LE, FRAME_MEDIA_TYPES, OCTETS
from dicomlab.errors import IncompleteError, NonConformantError, NotFoundError, PeerError
from dicomlab.pixels import FrameDescription, can_decode
from dicomlab.safety import ByteSource, FileBytes, MemoryBytes, read_header
from dicomlab.standard import AGGREGATES, LEVEL_KEYS, UNIQUE_KEY, Level, attribute

_JSON: Final = "application/dicom+json"
_STORED: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_PAGE: Final = 1000
_REQUEST_INSTANCES: Final = 100
_REQUEST_BYTES: Final = 64 << 20
_IN_MEMORY: Final = 32 << 20
_FRAMES_KEPT: Final = 64
_ABOVE: Final = {
    Level.SERIES: ("StudyInstanceUID",),
    Level.IMAGE: ("StudyInstanceUID", "SeriesInstanceUID"),
}


class DicomWebSource:
    """The studies of a DICOMweb server (PS3.18).

    Searches follow the server's pages to their end. Volumes open from the attributes alone; each
    frame is fetched when it is needed.

    Parameters
    ----------
    root
        Where the services are, ``https://host/dicom-web``.
    options
        Those of `Transport`: who we are, whom we trust, how patient and how many we are.
    """

    def __init__(self, root: str, **options: Unpack[TransportOptions]) -> None:
        self._transport = Transport(root, **options)
        self._as_stored: dict[str, bool] = {}

    def records(self, query: Query) -> Iterator[Record]:
        """Yield one record for each entity that matches, as the server answers.

        Raises
        ------
        PeerError
            The server fails, or its answer cannot be read.
        IncompleteError
            It says that there are more results, and does not give them.
        """
        found = self._patients(query) if query.level is Level.PATIENT else self._found(query)
        if query.order_by:
            yield from query.arrange(found)
        else:
            yield from islice(found, query.offset, _end(query))

    def retrieve(self, query: Query) -> Iterator[tuple[str, ByteSource]]:
        """Yield SOP Instance UID and bytes of each instance that matches, or is below a match.

        The bytes are there until the next instance is asked for.
        """
        found: Iterator[Record]
        if query.level is Level.PATIENT:
            groups = islice(self._by_patient(query), query.offset, _end(query))
            found = chain.from_iterable(groups)
        else:
            found = self.records(query)
        for record in found:
            yield from self._retrieved(self._entity_path(query.level, record))

    def instances(
        self, series_instance_uid: str, *, sop_instance_uid: str | None = None
    ) -> list[InstanceData]:
        """Return the instances of a series: attributes now, frames when they are asked for.

        Raises
        ------
        NotFoundError
            The server holds no such series, or no such instance in it.
        """
        series = next(
            self.records(Query(Level.SERIES, SeriesInstanceUID=series_instance_uid)), None
        )
        if series is None:
            raise NotFoundError(f"{self._transport.host} holds no series {series_instance_uid}.")
        path = self._entity_path(Level.SERIES, series)
        if sop_instance_uid is not None:
            path = f"{path}/instances/{sop_instance_uid}"
        found = []
        for document in self._documents(f"{path}/metadata"):
            attributes = JsonAttributes(document)
            uid = attributes.string("SOPInstanceUID") or ""
            where = f"{self._series_path(path)}/instances/{uid}"
            # Some servers leave the pixels out of the attributes: how they are described stays.
            has_pixels = all(key in attributes for key in ("Rows", "Columns", "BitsAllocated"))
            frames = self._frames(where, attributes) if has_pixels else None
            found.append(InstanceData(uid, attributes, frames))
        return sorted(found, key=lambda one: one.sop_instance_uid)

    def store(self, instances: Iterable[ByteSource]) -> StoreReport:
        """Send instances, and return what the server says of each (STOW-RS, PS3.18 10.5).

        They go out several at a time, and are read as they are sent.

        Raises
        ------
        PeerError
            The server fails, or its answer cannot be read.
        """
        stored: list[str] = []
        failed: dict[str, int] = {}
        for group in _groups(instances):
            body = multipart([Part(DICOM, one) for one in group], DICOM)
            assert not isinstance(body.body, bytes)
            with self._transport.stream(
                "POST", "studies", _JSON, headers=body.headers, body=body.body, taken=(409,)
            ) as answer:
                (document,) = self._read(answer.read() or b"{}") or [{}]
            said = JsonAttributes(document)
            stored += [
                one.string("ReferencedSOPInstanceUID") or ""
                for one in said.items("ReferencedSOPSequence")
            ]
            for one in said.items("FailedSOPSequence"):
                uid = one.string("ReferencedSOPInstanceUID") or ""
                failed[uid] = one.integer("FailureReason") or 0
        return StoreReport(tuple(stored), failed)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _patients(self, query: Query) -> Iterator[Record]:
        for group in self._by_patient(query):
            yield {
                **{keyword: group[0][keyword] for keyword in query.keywords},
                "NumberOfPatientRelatedStudies": len(group),
                "NumberOfPatientRelatedSeries": _total(group, "NumberOfStudyRelatedSeries"),
                "NumberOfPatientRelatedInstances": _total(group, "NumberOfStudyRelatedInstances"),
            }

    def _by_patient(self, query: Query) -> Iterable[list[Record]]:
        """Return the studies that match by patient: the services know no such level."""
        studies: dict[tuple[str, ...], list[Record]] = {}
        for record in self._found(query):
            studies.setdefault(patient_key(record), []).append(record)
        return studies.values()

    def _frames(self, path: str, attributes: JsonAttributes) -> WebFrames:
        """Return the frames of an instance, compressed as they are stored if the server does that.

        Whether it does is tried once for each transfer syntax: servers do not say.
        """
        stored = attributes.string("AvailableTransferSyntaxUID") or ""
        if stored in FRAME_MEDIA_TYPES and can_decode(stored) and self._as_stored.get(stored, True):
            frames = WebFrames(
                self._transport, path, FrameDescription.from_attributes(attributes, stored)
            )
            if stored not in self._as_stored:
                try:
                    frames.read(0)
                except PeerError:
                    self._as_stored[stored] = False
                else:
                    self._as_stored[stored] = True
            if self._as_stored[stored]:
                return frames
        plain = FrameDescription.from_attributes(attributes, EXPLICIT_LE)
        return WebFrames(self._transport, path, plain)

    def _found(self, query: Query) -> Iterator[Record]:
        seen: set[str] = set()
        for search in _searches(query):
            yield from self._paged(query, search, seen)

    def _paged(self, query: Query, search: _Search, seen: set[str]) -> Iterator[Record]:
        """Yield the answers of one search, page by page, until one brings nothing new."""
        unique = UNIQUE_KEY[Level.STUDY if query.level is Level.PATIENT else query.level]
        offset = 0
        while True:
            page = [("limit", str(_PAGE)), ("offset", str(offset))]
            with self._transport.stream(
                "GET", search.path, _JSON, [*search.parameters, *page]
            ) as answer:
                body = answer.read() or b"[]"
                is_cut = answer.headers.get("warning", "").startswith("299")
            answers = [_record(query, JsonAttributes(one)) for one in self._read(body)]
            if not all(isinstance(one[unique], str) for one in answers):
                raise PeerError(
                    f"{self._transport.host} answers a search without {unique} (PS3.18 10.6.3)."
                )
            fresh = [one for one in answers if str(one[unique]) not in seen]
            seen.update(str(one[unique]) for one in fresh)
            yield from (one for one in fresh if _meets(query, search.left, one))
            if not fresh:
                if is_cut and answers:
                    raise IncompleteError(
                        f"{self._transport.host} says that there are more results, and gives the "
                        "same ones again. Narrow the query, by date for example.",
                        report=len(seen),
                    )
                return
            offset += len(answers)

    def _retrieved(self, path: str) -> Iterator[tuple[str, ByteSource]]:
        with self._transport.stream("GET", path, _STORED) as answer:
            kind = answer.headers.get("content-type", "")
            if not is_multipart(kind):
                raise PeerError(f"{self._transport.host} answers with something else than parts.")
            for part in read_parts(body_blocks(answer), kind):
                yield from _instance(part)

    def _documents(self, path: str) -> list[JsonObject]:
        body, _kind = self._transport.get(path, _JSON)
        return self._read(body)

    def _read(self, body: bytes) -> list[JsonObject]:
        try:
            return read_dicom_json(body)
        except NonConformantError as error:
            raise PeerError(
                f"{self._transport.host} answers with what is no DICOM JSON (PS3.18 F)."
            ) from error

    @staticmethod
    def _entity_path(level: Level, record: Record) -> str:
        names = max(level.depth, 1)  # Patients have no path: their studies do.
        keys = (("studies", "StudyInstanceUID"), ("series", "SeriesInstanceUID"),
                ("instances", "SOPInstanceUID"))[:names]  # fmt: skip
        return "/".join(f"{name}/{record[key]}" for name, key in keys)

    @staticmethod
    def _series_path(path: str) -> str:
        return "/".join(path.split("/")[:4])


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What a server says of the instances that it was sent.

    Attributes
    ----------
    stored
        SOP Instance UIDs of those that it has.
    failed
        Failure Reason (0008,1197) by SOP Instance UID (PS3.18 table I.2-2).
    """

    stored: tuple[str, ...]
    failed: Mapping[str, int]

    @property
    def is_complete(self) -> bool:
        """Whether it has all of them."""
        return not self.failed


class WebFrames:
    """The frames of an instance on a DICOMweb server, each fetched when it is asked for.

    Parameters
    ----------
    path
        Of the instance, below the root.
    description
        What its attributes say, in the transfer syntax that the frames are to come in.
    """

    def __init__(self, transport: Transport, path: str, description: FrameDescription) -> None:
        self.transfer_syntax_uid = description.transfer_syntax_uid
        self._transport = transport
        self._path = path
        self._count = description.number_of_frames
        self._kept = lru_cache(_FRAMES_KEPT)(self._fetched)

    def __len__(self) -> int:
        """Return how many frames there are."""
        return self._count

    def read(self, index: int) -> bytes:
        """Return the encoded bytes of a frame, counted from 0."""
        if not 0 <= index < self._count:
            raise NotFoundError(f"There is no frame {index + 1}; the instance has {self._count}.")
        return self._kept(index)

    def locate(self, index: int) -> FrameLocation | None:
        """Return ``None``: no frame lies in a local file."""
        del index
        return None

    def _fetched(self, index: int) -> bytes:
        uid, host = self.transfer_syntax_uid, self._transport.host
        wanted = FRAME_MEDIA_TYPES.get(uid, OCTETS)
        accept = f'multipart/related; type="{wanted}"; transfer-syntax={uid}'
        with self._transport.stream("GET", f"{self._path}/frames/{index + 1}", accept) as answer:
            kind = answer.headers.get("content-type", "")
            if not is_multipart(kind):
                return answer.read()
            for part in read_parts(body_blocks(answer), kind):
                given, parameters = media_type(part.content_type)
                if given != wanted or parameters.get("transfer-syntax", uid) != uid:
                    raise PeerError(f"{host} gives a frame as {given}, and not as {wanted}.")
                return b"".join(part.blocks())
        raise PeerError(f"{host} answers a frame without one.")


@dataclass(frozen=True, slots=True)
class _Search:
    """One request, and the criteria that it could not express.

    Attributes
    ----------
    left
        Keywords that are compared here.
    """

    path: str
    parameters: tuple[tuple[str, str], ...]
    left: frozenset[str]


def _searches(query: Query) -> Iterator[_Search]:
    """Yield what must be asked for a query: one search, or one for each of several values."""
    within: dict[str, str] = {}
    single: list[tuple[str, str]] = []
    several: tuple[str, list[str]] | None = None
    left = []
    path_keys = _ABOVE.get(query.level, ())
    for keyword, criterion in query.criteria.items():
        if keyword.endswith("Time") and keyword.removesuffix("Time") + "Date" in query.criteria:
            left.append(keyword)  # The services would take both for one period (8.3.4.2).
        elif keyword in path_keys and isinstance(criterion, Equals):
            within[keyword] = criterion.text
        elif isinstance(criterion, AnyOf) and not _is_uid_list(criterion, keyword):
            texts = [_text(one) for one in criterion.criteria]
            if several is None and all(texts):
                several = keyword, list(dict.fromkeys(texts))
            else:
                left.append(keyword)
        else:
            pairs = list(_pairs(keyword, criterion))
            single += pairs
            if not pairs:
                left.append(keyword)
    for pair in query.combined:
        single += [(pair.date_keyword, _text(pair.date)), (pair.time_keyword, _text(pair.time))]
    single += [("includefield", "all"), *(("includefield", key) for key in query.include)]
    path = _path(query.level, within)
    single += [(key, value) for key, value in within.items() if value not in path.split("/")]
    for value in several[1] if several else [None]:
        more = [(several[0], value)] if several is not None and value is not None else []
        yield _Search(path, tuple(more + single), frozenset(left))


def _path(level: Level, within: Mapping[str, str]) -> str:
    """Return the deepest path whose UIDs are known."""
    names = {Level.SERIES: "series", Level.IMAGE: "instances"}
    path = []
    for name, keyword in (("studies", "StudyInstanceUID"), ("series", "SeriesInstanceUID")):
        if keyword not in within:
            break
        path += [name, within[keyword]]
    return "/".join([*path, names.get(level, "studies")])


def _pairs(keyword: str, criterion: Criterion) -> Iterator[tuple[str, str]]:
    if isinstance(criterion, Universal):
        yield "includefield", keyword.partition(".")[0]
    elif isinstance(criterion, Items):
        for inner, one in criterion.criteria.items():
            yield from _pairs(f"{keyword}.{inner}", one)
    elif not isinstance(criterion, Empty) and _text(criterion):
        yield keyword, _text(criterion)


def _text(criterion: Criterion) -> str:
    """Return a criterion as a request carries it, empty where it cannot."""
    if isinstance(criterion, AnyOf):
        return ",".join(_text(one) for one in criterion.criteria)
    if isinstance(criterion, Universal | Empty | Items):
        return ""
    return criterion.text


def _is_uid_list(criterion: AnyOf, keyword: str) -> bool:
    return keyword.endswith("UID") and all(isinstance(one, Equals) for one in criterion.criteria)


def _record(query: Query, attributes: JsonAttributes) -> dict[str, Value]:
    """Return what a server answers as a record of the query's level, with all above it."""
    keywords = query.keywords
    if query.level is Level.PATIENT:
        keywords += tuple(key for key in LEVEL_KEYS[Level.STUDY] if key not in keywords)
    return {keyword: _value(attributes, keyword) for keyword in keywords}


def _value(attributes: JsonAttributes, keyword: str) -> Value:
    value = value_of(attributes, keyword)
    is_list = keyword in AGGREGATES and attribute(keyword).vm != "1"
    return (value,) if is_list and isinstance(value, str) else value


def _end(query: Query) -> int | None:
    return None if query.limit is None else query.offset + query.limit


def _meets(query: Query, left: frozenset[str], record: Record) -> bool:
    return all(meets(key, query.criteria[key], record.get(key)) for key in left)


def _groups(instances: Iterable[ByteSource]) -> Iterator[list[ByteSource]]:
    """Yield as many instances as go into one request."""
    group: list[ByteSource] = []
    size = 0
    for one in instances:
        group.append(one)
        size += one.size
        if size >= _REQUEST_BYTES or len(group) >= _REQUEST_INSTANCES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _total(records: Sequence[Record], keyword: str) -> int | None:
    """Return a sum over records, ``None`` where one of them does not say."""
    values = [record.get(keyword) for record in records]
    counts = [int(value) for value in values if isinstance(value, int | float)]
    return sum(counts) if len(counts) == len(values) else None


def _instance(part: IncomingPart) -> Iterator[tuple[str, ByteSource]]:
    """Yield the one instance of a part: in memory, or in a file that is gone afterwards."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
        size = 0
        for block in part.blocks():
            size += file.write(block)
        if size <= _IN_MEMORY:
            file.seek(0)
            source: ByteSource = MemoryBytes(file.read())
            yield read_header(source).string("SOPInstanceUID") or "", source
            return
        file.flush()
        with FileBytes(f"/dev/fd/{file.fileno()}") as written:
            yield read_header(written).string("SOPInstanceUID") or "", written
