"""STOW-RS: instances taken in part by part, each answered for by itself (PS3.18 10.5)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, cast

from dicomlab.catalog import (
    Arriving,
    Json,
    JsonAttributes,
    JsonElement,
    JsonObject,
    Stores,
    native_xml,
    part10,
    read_dicom_json,
    read_native_xml,
)
from dicomlab.dicomweb._http import Answer, Request
from dicomlab.dicomweb._media_types import Offer, choose, read_accept
from dicomlab.dicomweb._parts import IncomingPart, media_type, read_parts
from dicomlab.dicomweb._wado import DICOM, JSON, XML
from dicomlab.errors import (
    DicomlabError,
    HostileInputError,
    NonConformantError,
    NotFoundError,
    RefusedError,
    RequestError,
    StorageError,
)
from dicomlab.safety import Header, MemoryBytes, read_header

_PEEK: Final = 256 << 10
_BULK_BYTES: Final = 512 << 20
_AT_ONCE: Final = 8
_NO_RESOURCES, _NO_MATCH, _NOT_UNDERSTOOD, _FAILURE = 0xA700, 0xA900, 0xC000, 0x0110
"""Failure Reason (0008,1197), PS3.18 table I.2-2."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What an instance says of itself, as far as it could be read."""

    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""


@dataclass(frozen=True, slots=True)
class _Result:
    told: _Told
    failure: int | None = None


def store(stores: Stores, request: Request, blocks: Iterable[bytes], study: str | None) -> Answer:
    """Take in the instances of a request.

    What is answered as stored is durable. Several are made durable together.

    Parameters
    ----------
    blocks
        The body as it arrives.
    study
        The Study Instance UID of the path: instances of other studies are refused.

    Raises
    ------
    RequestError
        The body is of no type that is taken (415), or the client takes no form of the answer (406).
    NonConformantError
        The body is no multipart body, or breaks off: what came before is stored.
    """
    kind, parameters = media_type(request.headers.get("content-type", ""))
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise RequestError("A body with Content-Encoding is not taken.", status=415)
    accepted = read_accept([request.headers.get("accept", "")])
    chosen = choose(accepted, [Offer(JSON), Offer("application/json"), Offer(XML)])
    wanted = parameters.get("type", "").lower()
    if kind != "multipart/related" or wanted not in (DICOM, JSON, XML):
        raise RequestError(
            f'Instances are taken as multipart/related; type="{DICOM}", "{JSON}" or "{XML}" '
            "(PS3.18 10.5.2).",
            status=415,
        )
    parts = read_parts(blocks, request.headers["content-type"])
    with ThreadPoolExecutor(_AT_ONCE, "dicomlab-stow") as pool:
        if wanted == DICOM:
            results = list(_stored(stores, parts, study, pool))
        else:
            results = list(_composed(stores, parts, study, pool))
        found = [one.result() for one in results]
    return _answer(found, f"{request.base_url}/studies", study, chosen.offer.media_type)


def _stored(
    stores: Stores, parts: Iterable[IncomingPart], study: str | None, pool: ThreadPoolExecutor
) -> Iterator[Future[_Result]]:
    """Yield what becomes of each part that is an instance."""
    for part in parts:
        if media_type(part.content_type)[0] != DICOM:
            yield _settled(_Result(_Told(), _NOT_UNDERSTOOD))
            continue
        yield _received(stores, part.blocks(), study, pool)


def _composed(
    stores: Stores, parts: Iterable[IncomingPart], study: str | None, pool: ThreadPoolExecutor
) -> Iterator[Future[_Result]]:
    """Yield what becomes of each data set that came as metadata, its bulk data in other parts."""
    documents: list[JsonObject] = []
    bulk: dict[str, bytes] = {}
    left = _BULK_BYTES
    for part in parts:
        kind = media_type(part.content_type)[0]
        content = part.read(left)
        left -= len(content)
        if kind == JSON:
            documents += read_dicom_json(content)
        elif kind == XML:
            documents.append(read_native_xml(content))
        else:
            bulk[part.headers.get("content-location", "")] = content

    def value(uri: str) -> bytes:
        if uri not in bulk:
            raise NotFoundError("The metadata refer to bulk data that no part holds.")
        return bulk[uri]

    for document in documents:
        try:
            data = part10(document, bulk_data=value)
        except DicomlabError:
            yield _settled(_Result(_told(JsonAttributes(document)), _NOT_UNDERSTOOD))
        else:
            yield _received(stores, [data], study, pool)


def _received(
    stores: Stores, blocks: Iterable[bytes], study: str | None, pool: ThreadPoolExecutor
) -> Future[_Result]:
    """Take one instance in; it is finished in a thread, so that several are written as one."""
    arriving = stores.begin("STOW-RS")
    beginning = b""
    try:
        for block in blocks:
            if len(beginning) < _PEEK:
                beginning += block[: _PEEK - len(beginning)]
            arriving.write(block)
    except (RefusedError, StorageError):
        arriving.abandon()
        for _passed_over in blocks:
            pass
        return _settled(_Result(_peeked(beginning), _NO_RESOURCES))
    except BaseException:
        arriving.abandon()
        raise
    told = _peeked(beginning)
    if study is not None and told.study_instance_uid != study:
        arriving.abandon()
        return _settled(_Result(told, _NO_MATCH))
    return pool.submit(_finished, arriving, told)


def _finished(arriving: Arriving, told: _Told) -> _Result:
    try:
        arriving.finish()
    except NonConformantError:
        return _Result(told, _NOT_UNDERSTOOD)
    except HostileInputError:
        return _Result(told, _NOT_UNDERSTOOD)
    except (RefusedError, StorageError):
        return _Result(told, _NO_RESOURCES)
    except DicomlabError:
        return _Result(told, _FAILURE)
    return _Result(told)


def _peeked(beginning: bytes) -> _Told:
    try:
        return _told(read_header(MemoryBytes(beginning)))
    except DicomlabError:
        return _Told()


def _told(attributes: Header | JsonAttributes) -> _Told:
    keywords = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID")
    return _Told(*(attributes.string(keyword) or "" for keyword in keywords))


def _settled(result: _Result) -> Future[_Result]:
    future: Future[_Result] = Future()
    future.set_result(result)
    return future


def _answer(results: list[_Result], studies: str, study: str | None, kind: str) -> Answer:
    """Return the Store Instances Response Module (PS3.18 table 10.5.3-1, annex I)."""
    document: JsonObject = {}
    stored = [one for one in results if one.failure is None]
    failed = [one for one in results if one.failure is not None]
    found = {one.told.study_instance_uid for one in stored}
    if study is not None or len(found) == 1:
        document["00081190"] = {"vr": "UR", "Value": [f"{studies}/{study or found.pop()}"]}
    if failed:
        document["00081198"] = _sequence(
            {**_reference(one.told), "00081197": {"vr": "US", "Value": [one.failure]}}
            for one in failed
        )
    if stored:
        document["00081199"] = _sequence(
            {
                **_reference(one.told),
                "00081190": {"vr": "UR", "Value": [f"{studies}/{one.told.study_instance_uid}"]},
            }
            for one in stored
        )
    status = 200 if not failed else 202 if stored else 409
    body = native_xml(document) if kind == XML else json.dumps(document)
    return Answer(status, body.encode(), {"Content-Type": kind})


def _reference(told: _Told) -> dict[str, JsonElement]:
    return {
        "00081150": _uid(told.sop_class_uid),
        "00081155": _uid(told.sop_instance_uid),
    }


def _uid(uid: str) -> JsonElement:
    return {"vr": "UI", "Value": [uid]} if uid else {"vr": "UI"}


def _sequence(items: Iterable[Mapping[str, JsonElement]]) -> JsonElement:
    return {"vr": "SQ", "Value": [cast("Json", dict(one)) for one in items]}
