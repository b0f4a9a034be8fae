"""One DICOMweb root over a source of studies: which request is which service (PS3.18 10.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from dicomlab.catalog import Browsable, Stores
from dicomlab.dicomweb import _qido, _stow, _wado
from dicomlab.dicomweb._http import Answer, Request
from dicomlab.errors import NotFoundError, RequestError
from dicomlab.pixels import DecodeInto, decode_into
from dicomlab.standard import Level

_UID: Final = re.compile(r"[0-9.]{1,64}")
_LEVELS: Final = (
    ("studies", "StudyInstanceUID", Level.STUDY),
    ("series", "SeriesInstanceUID", Level.SERIES),
    ("instances", "SOPInstanceUID", Level.IMAGE),
)
_DEPTH: Final = len(_LEVELS)


class DicomWebRoot:
    """The services of one root: searching, retrieving and storing.

    Parameters
    ----------
    source
        What is served: an archive, a folder, or what a share holds.
    stores
        Takes instances in; without it nothing is taken.
    decode
        Gives the stored values of a compressed frame.
    """

    def __init__(
        self, source: Browsable, *, stores: Stores | None = None, decode: DecodeInto = decode_into
    ) -> None:
        self._source = source
        self._stores = stores
        self._decode = decode

    def answer(self, request: Request, body: Iterable[bytes] = ()) -> Answer:
        """Answer a request; its body is read as it arrives.

        Raises
        ------
        RequestError
            It cannot be answered so: the status says why.
        NotFoundError
            There is no such study, series, instance, frame or service.
        """
        uids, rest = self._below(request.path.split("/"))
        if request.method == "POST" and self._stores is not None and self._takes(uids, rest):
            return _stow.store(self._stores, request, body, uids.get("StudyInstanceUID"))
        if request.method not in ("GET", "HEAD"):
            raise RequestError("This method is not answered here.", status=405)
        level = next((one for name, _key, one in _LEVELS if rest == [name]), None)
        if level is not None:
            return _qido.search(self._source, request, level, uids)
        if not uids or "StudyInstanceUID" not in uids:
            raise _no_service()
        if not rest:
            return _wado.retrieve(self._source, request, uids)
        if rest == ["metadata"]:
            return _wado.metadata(self._source, request, uids)
        if len(uids) == _DEPTH and rest[0] == "frames" and len(rest) == 2:
            return _wado.frames(self._source, request, uids, rest[1], decode=self._decode)
        if len(uids) == _DEPTH and rest[0] == "bulkdata" and len(rest) > 1:
            return _wado.bulk_data(self._source, request, uids, "/".join(rest))
        raise _no_service()

    @staticmethod
    def _takes(uids: dict[str, str], rest: list[str]) -> bool:
        """Return whether instances are stored at a path: studies, or one study (10.5.1)."""
        return (not uids and rest == ["studies"]) or (
            uids.keys() == {"StudyInstanceUID"} and not rest
        )

    @staticmethod
    def _below(parts: list[str]) -> tuple[dict[str, str], list[str]]:
        """Return the UIDs that a path begins with, and what follows them."""
        uids: dict[str, str] = {}
        for name, keyword, _level in _LEVELS:
            if len(parts) < 2 or parts[0] != name:
                break
            if not _UID.fullmatch(parts[1]):
                raise RequestError(f"{keyword} in the path is no UID (PS3.5 9.1).", status=400)
            uids[keyword] = parts[1]
            parts = parts[2:]
        return uids, parts


def _no_service() -> NotFoundError:
    return NotFoundError("There is no such service here.")
