"""One DICOMweb root over a source of studies: which request is which service (PS3.18 10.3)."""

from __future__ import annotations

import re
from typing import Final

from dicomlab.catalog import Browsable
from dicomlab.dicomweb import _qido, _wado
from dicomlab.dicomweb._http import Answer, Request
from dicomlab.dicomweb._wado import Decode
from dicomlab.errors import NotFoundError, RequestError
from dicomlab.pixels import decode_frame
from dicomlab.standard import Level

_UID: Final = re.compile(r"[0-9.]{1,64}")
_LEVELS: Final = (
    ("studies", "StudyInstanceUID", Level.STUDY),
    ("series", "SeriesInstanceUID", Level.SERIES),
    ("instances", "SOPInstanceUID", Level.IMAGE),
)
_DEPTH: Final = len(_LEVELS)


class DicomWebRoot:
    """The services of one root: searching and retrieving.

    Parameters
    ----------
    source
        What is served: an archive, a folder, or what a share holds.
    decode
        Gives the stored values of a compressed frame.
    """

    def __init__(self, source: Browsable, *, decode: Decode = decode_frame) -> None:
        self._source = source
        self._decode = decode

    def answer(self, request: Request) -> Answer:
        """Answer a request.

        Raises
        ------
        RequestError
            It cannot be answered so: the status says why.
        NotFoundError
            There is no such study, series, instance, frame or service.
        """
        if request.method not in ("GET", "HEAD"):
            raise RequestError("Only GET and HEAD are answered here.", status=405)
        uids, rest = self._below(request.path.split("/"))
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
