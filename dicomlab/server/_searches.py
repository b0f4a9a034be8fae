"""What readers searched for, kept here so that no name ever stands in an address."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import date
from urllib.parse import parse_qsl

from starlette.requests import Request

from dicomlab.catalog import Query
from dicomlab.errors import RefusedError

__all__ = ["FIELDS", "Searches", "form", "study_query"]

FIELDS = ("PatientName", "PatientID", "from", "to", "Modality", "StudyDescription")
_KEPT = 256
_LARGEST_FORM = 8192


class Searches:
    """The last searches, each under a name that says nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Mapping[str, str]] = OrderedDict()

    def keep(self, asked: Mapping[str, str]) -> str:
        """Keep a search and return its name."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._kept[name] = dict(asked)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return name

    def recall(self, name: str | None) -> Mapping[str, str]:
        """Return what was asked under a name; an unknown one asks for everything."""
        with self._lock:
            return self._kept.get(name, {}) if name else {}


async def form(request: Request) -> dict[str, str]:
    """Return the fields of a posted search form that say something.

    Raises
    ------
    RefusedError
        The form is larger than any that our page sends.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_FORM:
            raise RefusedError(
                f"A search has at most {_LARGEST_FORM} bytes.", rule="form", limit=_LARGEST_FORM
            )
    fields = parse_qsl(body.decode("utf-8", "replace"))
    return {name: value.strip() for name, value in fields if name in FIELDS and value.strip()}


def study_query(asked: Mapping[str, str], *, limit: int, offset: int) -> Query:
    """Return the query of a search form: names, IDs and descriptions by any part of them."""
    matches: dict[str, str] = {}
    for keyword in ("PatientName", "PatientID", "StudyDescription"):
        if words := asked.get(keyword, "").replace("\\", " ").replace(",", " ").split():
            matches[keyword] = f"*{'*'.join(words)}*"
    if modality := asked.get("Modality", ""):
        matches["ModalitiesInStudy"] = modality.upper()
    first, last = (_day(asked.get(name, "")) for name in ("from", "to"))
    if first and last:
        first, last = sorted((first, last))
    if first or last:
        matches["StudyDate"] = first if first == last else f"{first}-{last}"
    order = ("-StudyDate", "-StudyTime")
    return Query.of("study", matches, limit=limit, offset=offset, order_by=order)


def _day(written: str) -> str:
    """Return a day of the form as DA, nothing where it is none."""
    try:
        return date.fromisoformat(written).isoformat().replace("-", "")
    except ValueError:
        return ""
