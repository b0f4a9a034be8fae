"""WADO-RS: instances, their attributes, frames and bulk data (PS3.18 10.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from dicomlab.catalog import (
    Browsable,
    InstanceData,
    JsonElement,
    Metadata,
    Query,
    ReadsMetadata,
    bulk_value,
    dicom_json,
    native_xml,
    whole_file,
)
from dicomlab.dicomweb._http import Answer, Request
from dicomlab.dicomweb._media_types import Chosen, Offer, choose, read_accept
from dicomlab.dicomweb._multipart import Part, multipart, single
from dicomlab.errors import NotFoundError, RequestError
from dicomlab.pixels import DecodeInto, FrameDescription
from dicomlab.safety import MemoryBytes, Outgoing, read_header
from dicomlab.standard import Level, transfer_syntax

DICOM: Final = "application/dicom"
JSON: Final = "application/dicom+json"
XML: Final = "application/dicom+xml"
OCTETS: Final = "application/octet-stream"
_PLAIN_JSON: Final = "application/json"
EXPLICIT_LE: Final = "1.2.840.10008.1.2.1"
_MOST_FRAMES: Final = 10_000
FRAME_MEDIA_TYPES: Final[Mapping[str, str]] = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.110": "image/jxl",
    "1.2.840.10008.1.2.4.111": "image/jxl",
    "1.2.840.10008.1.2.4.112": "image/jxl",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}
"""The media type of a compressed frame (PS3.18 tables 8.7.3-2 and 8.7.3-5)."""

_KEYS: Final = {
    Level.STUDY: ("StudyInstanceUID",),
    Level.SERIES: ("StudyInstanceUID", "SeriesInstanceUID"),
    Level.IMAGE: ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
}


def retrieve(source: Browsable, request: Request, uids: Mapping[str, str]) -> Answer:
    """Answer with the instances below the UIDs of a path, as they are stored (10.4.1.1.1).

    Raises
    ------
    NotFoundError
        There is nothing there.
    RequestError
        The client takes neither application/dicom nor the stored transfer syntaxes (406).
    """
    query = _query(uids)
    ranges = read_accept(_accepted(request))
    syntaxes: tuple[str, ...] = ()
    if any(one.transfer_syntax not in (None, "*") for one in ranges):
        syntaxes = _stored_syntaxes(source, uids)
    offers = [Offer(DICOM, is_multipart=True, transfer_syntax_uids=syntaxes, is_stored=True)]
    if query.level is Level.IMAGE:
        offers.append(Offer(DICOM, transfer_syntax_uids=syntaxes, is_stored=True))
    chosen = choose(ranges, offers)
    parts = [Part(DICOM, Outgoing(whole_file(content))) for _uid, content in source.retrieve(query)]
    if not parts:
        raise _nothing(query.level)
    return multipart(parts, DICOM) if chosen.offer.is_multipart else single(parts[0])


def metadata(source: Browsable, request: Request, uids: Mapping[str, str]) -> Answer:
    """Answer with the attributes of the instances below the UIDs of a path (10.4.1.1.2).

    Raises
    ------
    NotFoundError
        There is nothing there.
    RequestError
        The client takes no form of them (406).
    """
    offers = [Offer(JSON), Offer(_PLAIN_JSON), Offer(XML, is_multipart=True)]
    chosen = choose(read_accept(_accepted(request)), offers)
    query = _query(uids)
    documents = [_document(one, request.base_url) for one in metadata_of(source, query)]
    if not documents:
        raise _nothing(query.level)
    if chosen.offer.media_type == XML:
        parts = [Part(XML, native_xml(json.loads(one)).encode()) for one in documents]
        return multipart(parts, XML)
    body = b"".join((b"[", b",".join(documents), b"]"))
    return Answer(200, body, {"Content-Type": chosen.offer.media_type})


def frames(
    source: Browsable,
    request: Request,
    uids: Mapping[str, str],
    numbers: str,
    *,
    decode: DecodeInto,
) -> Answer:
    """Answer with frames, by their numbers from 1 (10.4.1.1.6).

    They come as their bytes stand where the client takes that, decoded otherwise.

    Raises
    ------
    NotFoundError
        There is no such instance, it has no pixels, or no such frame.
    RequestError
        The numbers are none (400), or the client takes no form of the frames (406).
    """
    indices = _frame_numbers(numbers)
    instance = one_instance(source, uids)
    stored = instance.frames
    if stored is None:
        raise NotFoundError("The instance has no frames.")
    uid = stored.transfer_syntax_uid
    chosen = choose(read_accept(_accepted(request)), _frame_offers(uid, alone=len(indices) == 1))
    for index in indices:
        if index >= len(stored):
            raise NotFoundError(f"There is no frame {index + 1}; the instance has {len(stored)}.")
    description = FrameDescription.from_attributes(instance.attributes, uid)
    kind = _frame_type(chosen)
    base = f"{_address(request.base_url, uids)}/frames"
    parts = [
        Part(kind, _frame(stored.read(index), description, chosen, decode), f"{base}/{index + 1}")
        for index in indices
    ]
    return (
        multipart(parts, chosen.offer.media_type) if chosen.offer.is_multipart else single(parts[0])
    )


def bulk_data(source: Browsable, request: Request, uids: Mapping[str, str], path: str) -> Answer:
    """Answer with the value that a BulkDataURI stands for (10.4.1.1.5).

    Raises
    ------
    NotFoundError
        There is no such instance or value.
    RequestError
        The client does not take application/octet-stream (406).
    """
    offers = [Offer(OCTETS, is_multipart=True), Offer(OCTETS)]
    chosen = choose(read_accept(_accepted(request)), offers)
    for _uid, stored in source.retrieve(_query(uids)):
        header = read_header(stored)
        is_deflated = transfer_syntax(header.transfer_syntax_uid).is_deflated
        value = bulk_value(header, MemoryBytes(header.buffer) if is_deflated else stored, path)
        part = Part(OCTETS, value, f"{_address(request.base_url, uids)}/{path}")
        return multipart([part], OCTETS) if chosen.offer.is_multipart else single(part)
    raise _nothing(Level.IMAGE)


def metadata_of(source: Browsable, query: Query) -> Iterator[Metadata]:
    """Yield the attributes of all instances below a query's answers.

    They are the source's own, where it keeps them ready.
    """
    if isinstance(source, ReadsMetadata):
        yield from source.metadata(query)
        return
    for uid, stored in source.retrieve(query):
        header = read_header(stored)
        document = json.dumps(dicom_json(header), separators=(",", ":")).encode()
        yield Metadata(
            header.string("StudyInstanceUID") or "",
            header.string("SeriesInstanceUID") or "",
            uid,
            header.transfer_syntax_uid,
            document,
        )


def one_instance(source: Browsable, uids: Mapping[str, str]) -> InstanceData:
    """Return the instance that a path names.

    Raises
    ------
    NotFoundError
        There is none, or it belongs to another series or study.
    """
    found = source.instances(uids["SeriesInstanceUID"], sop_instance_uid=uids["SOPInstanceUID"])
    if found[0].attributes.string("StudyInstanceUID") != uids["StudyInstanceUID"]:
        raise _nothing(Level.IMAGE)
    return found[0]


def _query(uids: Mapping[str, str]) -> Query:
    level = next(level for level, keys in _KEYS.items() if set(keys) == uids.keys())
    return Query.of(level, uids)


def _accepted(request: Request) -> list[str]:
    """Return what the client takes: a parameter goes before the header (8.3.3.1)."""
    given = [value for name, value in request.parameters if name.lower() == "accept"]
    return given or [request.headers.get("accept", "")]


def _nothing(level: Level) -> NotFoundError:
    name = "instance" if level is Level.IMAGE else level.lower()
    return NotFoundError(f"There is no such {name} here.")


def _stored_syntaxes(source: Browsable, uids: Mapping[str, str]) -> tuple[str, ...]:
    """Return the one transfer syntax that all instances are stored in, if there is one."""
    found = {
        str(record.get("AvailableTransferSyntaxUID"))
        for record in source.records(Query.of(Level.IMAGE, uids))
    }
    return tuple(found) if len(found) == 1 else ()


def _document(one: Metadata, base_url: str) -> bytes:
    """Return a document with its bulk data where they can be had, and how it is stored."""
    address = _address(
        base_url,
        {
            "StudyInstanceUID": one.study_instance_uid,
            "SeriesInstanceUID": one.series_instance_uid,
            "SOPInstanceUID": one.sop_instance_uid,
        },
    )
    # No text of the instance can hold this: a quote within a JSON string has a backslash.
    text = one.document.replace(
        b'"BulkDataURI":"bulkdata/', f'"BulkDataURI":"{address}/bulkdata/'.encode()
    )
    element: JsonElement = {"vr": "UI", "Value": [one.transfer_syntax_uid]}
    added = f'{{"00083002":{json.dumps(element, separators=(",", ":"))},'.encode()
    return added + text.removeprefix(b"{") if b'"00083002":' not in text else text


def _address(base_url: str, uids: Mapping[str, str]) -> str:
    study, series, instance = (uids[key] for key in _KEYS[Level.IMAGE])
    return f"{base_url}/studies/{study}/series/{series}/instances/{instance}"


def _frame_numbers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise RequestError("Frames are asked for as numbers from 1, with commas.", status=400)
    if len(parts) > _MOST_FRAMES:
        raise RequestError(f"More than {_MOST_FRAMES} frames are too many at once.", status=400)
    numbers = [int(part) for part in parts]
    if 0 in numbers:
        raise RequestError("Frames count from 1.", status=400)
    return [number - 1 for number in numbers]


def _frame_offers(stored_uid: str, *, alone: bool) -> list[Offer]:
    compressed = FRAME_MEDIA_TYPES.get(stored_uid)
    forms = [Offer(OCTETS, is_multipart=True, transfer_syntax_uids=(EXPLICIT_LE,))]
    if compressed is not None:
        forms.append(Offer(compressed, True, (stored_uid,), is_stored=True))
    elif transfer_syntax(stored_uid).is_encapsulated:
        forms = [Offer(OCTETS, True, (stored_uid,), is_stored=True)]
    else:
        forms = [Offer(OCTETS, True, (EXPLICIT_LE,), is_stored=True)]
    if alone:
        forms += [
            Offer(one.media_type, False, one.transfer_syntax_uids, one.is_stored) for one in forms
        ]
    return forms


def _frame_type(chosen: Chosen) -> str:
    syntax = chosen.transfer_syntax_uid
    return f"{chosen.offer.media_type}; transfer-syntax={syntax}" if syntax else OCTETS


def _frame(
    stored: bytes, description: FrameDescription, chosen: Chosen, decode: DecodeInto
) -> bytes:
    own = description.transfer_syntax_uid
    syntax = transfer_syntax(own)
    is_plain = not syntax.is_encapsulated and syntax.is_little_endian
    if chosen.transfer_syntax_uid == own or (is_plain and description.bits_allocated > 1):
        return stored
    values = np.empty(description.shape, description.dtype)
    decode(stored, description, values)
    if description.bits_allocated == 1:
        return np.packbits(values.astype(bool).ravel(), bitorder="little").tobytes()
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
