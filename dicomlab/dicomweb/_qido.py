"""QIDO-RS: a search in the words of a URL, answered in the DICOM JSON model (PS3.18 10.6)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

from dicomlab.catalog import Finds, Match, Query, Record, Value, record_json
from dicomlab.dicomweb._http import Answer, Request
from dicomlab.dicomweb._media_types import Offer, choose, read_accept
from dicomlab.errors import NotFoundError, RequestError
from dicomlab.standard import Level, attribute, attribute_at

MOST_ANSWERS: Final = 10_000
"""What one search answers at the most; a warning says that there are more (10.6.3)."""

JSON: Final = "application/dicom+json"
_PLAIN_JSON: Final = "application/json"
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_CONTROLS: Final = frozenset((
    "includefield", "limit", "offset", "fuzzymatching", "orderby", "accept", "charset",
    "emptyvaluematching", "multiplevaluematching",
))  # fmt: skip
_STUDY: Final = (
    "StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy", "ReferringPhysicianName",
    "TimezoneOffsetFromUTC", "StudyDescription", "PatientName", "PatientID", "IssuerOfPatientID",
    "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID",
    "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
)  # fmt: skip
_SERIES: Final = (
    "Modality", "TimezoneOffsetFromUTC", "SeriesDescription", "StudyInstanceUID",
    "SeriesInstanceUID", "SeriesNumber", "NumberOfSeriesRelatedInstances",
    "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime",
    "RequestAttributesSequence",
)  # fmt: skip
_INSTANCE: Final = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "InstanceNumber",
    "Rows", "Columns", "BitsAllocated", "NumberOfFrames", "AvailableTransferSyntaxUID",
)  # fmt: skip
_USUAL: Final[Mapping[Level, tuple[str, ...]]] = {
    Level.STUDY: _STUDY, Level.SERIES: _SERIES, Level.IMAGE: _INSTANCE,
}  # fmt: skip
"""What a search returns unless more is asked for (tables 10.6.3-3 to 10.6.3-5)."""

_PATHS: Final = {
    Level.STUDY: "studies/{StudyInstanceUID}",
    Level.SERIES: "studies/{StudyInstanceUID}/series/{SeriesInstanceUID}",
    Level.IMAGE: "studies/{StudyInstanceUID}/series/{SeriesInstanceUID}/instances/{SOPInstanceUID}",
}


def search(source: Finds, request: Request, level: Level, within: Mapping[str, str]) -> Answer:
    """Answer a search.

    Parameters
    ----------
    level
        What one answer stands for.
    within
        UIDs of the path, by keyword.

    Raises
    ------
    RequestError
        A parameter is none, or cannot be asked so (400); no media type fits (406).
    """
    offers = [Offer(JSON), Offer(_PLAIN_JSON)]
    accept = request.values("accept") or [request.headers.get("accept", "")]
    chosen = choose(read_accept(accept), offers)
    query, limit, shown = _query(request, level, within)
    found = list(islice(source.records(query), limit + 1))
    headers = {"Content-Type": chosen.offer.media_type}
    if len(found) > limit and (request.count("limit") or limit + 1) > limit:
        headers["Warning"] = (
            f'299 dicomlab "There are more than {limit} results; ask for the others by offset"'
        )
    answers = [
        record_json(_with_addresses(one, level, request.base_url), shown) for one in found[:limit]
    ]
    body = json.dumps(answers, ensure_ascii=False, separators=(",", ":"))
    return Answer(200, body.encode(), headers)


def _query(
    request: Request, level: Level, within: Mapping[str, str]
) -> tuple[Query, int, tuple[str, ...]]:
    """Return the query, how many answers it may have, and the keywords to show."""
    is_fuzzy = _flag(request, "fuzzymatching")
    matches: dict[str, Match] = {}
    for name, value in request.parameters:
        if name.lower() in _CONTROLS:
            continue
        path = _path(name)
        if path in matches:
            raise RequestError(f"{path} is given twice; list its values in one.", status=400)
        matches[path] = _match(path, value, is_fuzzy=is_fuzzy)
    for keyword, uid in within.items():
        if keyword in matches:
            raise RequestError(f"{keyword} is in the path already.", status=400)
        matches[keyword] = uid
    wanted = request.count("limit")
    limit = MOST_ANSWERS if wanted is None else min(wanted, MOST_ANSWERS)
    fields = request.values("includefield")
    include = [_path(name).partition(".")[0] for name in fields if name.lower() != "all"]
    try:
        query = Query.of(
            level,
            matches,
            include=tuple(include),
            order_by=tuple(_ordered(request.values("orderby"))),
            limit=limit + 1,
            offset=request.count("offset") or 0,
            combined_datetime=True,
        )
    except (ValueError, NotFoundError) as error:
        raise RequestError(str(error), status=400) from error
    if any(name.lower() == "all" for name in fields):
        shown: Iterable[str] = query.keywords
    else:
        above = [] if level is Level.STUDY or "StudyInstanceUID" in within else [*_STUDY]
        if level is Level.IMAGE and "SeriesInstanceUID" not in within:
            above += _SERIES
        asked = [path.partition(".")[0] for path in matches]
        shown = (*_USUAL[level], *above, *asked, *include)
    usual = ("SpecificCharacterSet", "InstanceAvailability", "RetrieveURL")
    return query, limit, tuple(dict.fromkeys((*usual, *shown)))


def _path(name: str) -> str:
    """Return keywords joined by dots, from keywords or tags (8.3.4.1)."""
    keywords = []
    for part in name.split("."):
        if _TAG.fullmatch(part):
            found = attribute_at(int(part, 16))
            if found is None:
                raise RequestError(f"No attribute has the tag {part} (PS3.6).", status=400)
            keywords.append(found.keyword)
        else:
            try:
                keywords.append(attribute(part).keyword)
            except NotFoundError as error:
                raise RequestError(str(error), status=400) from error
    return ".".join(keywords)


def _match(path: str, value: str, *, is_fuzzy: bool) -> Match:
    keyword = path.rpartition(".")[2]
    vr = attribute(keyword).vr
    if vr == "UI" and "," in value:
        return [part for part in value.split(",") if part]
    if vr == "PN" and is_fuzzy and value.strip("*? "):
        return f"*{value.strip('*')}*"
    return value


def _ordered(names: Sequence[str]) -> Iterable[str]:
    for name in names:
        yield f"-{_path(name[1:])}" if name.startswith("-") else _path(name)


def _flag(request: Request, name: str) -> bool:
    values = request.values(name)
    if any(value.lower() not in ("true", "false") for value in values):
        raise RequestError(f"{name} is true or false.", status=400)
    return "true" in [value.lower() for value in values]


def _with_addresses(record: Record, level: Level, base_url: str) -> dict[str, Value]:
    """Return a record with what a server adds of its own."""
    path = _PATHS[level].format_map(dict(record))
    return {
        **record,
        "SpecificCharacterSet": "ISO_IR 192",
        "InstanceAvailability": "ONLINE",
        "RetrieveURL": f"{base_url}/{path}",
    }
