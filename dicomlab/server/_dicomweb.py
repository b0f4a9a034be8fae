"""DICOMweb behind the gate: requests of the framework to those of the room, answers back."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from dicomlab import dicomweb
from dicomlab.dicomweb import DicomWebRoot
from dicomlab.server._gate import LOOPBACK_HOSTS

__all__ = ["DICOM_WEB", "DicomWeb"]

DICOM_WEB: Final = "/dicom-web"
"""Where the root of the services is."""


class DicomWeb:
    """The routes of one DICOMweb root."""

    def __init__(self, root: DicomWebRoot) -> None:
        self._root = root
        self.router = APIRouter()
        self.router.add_api_route(
            DICOM_WEB + "/{path:path}", self.answer, methods=["GET", "HEAD"], response_model=None
        )

    def answer(self, request: Request, path: str) -> Response:
        """Answer a request; the framework runs this in a thread, and streams in threads."""
        asked = dicomweb.Request(
            request.method,
            path.rstrip("/"),
            request.query_params.multi_items(),
            {name: ", ".join(request.headers.getlist(name)) for name in request.headers},
            _address(request) + DICOM_WEB,
        )
        answer = self._root.answer(asked)
        if isinstance(answer.body, bytes):
            return Response(answer.body, answer.status, dict(answer.headers))
        if request.method == "HEAD":
            return Response(None, answer.status, dict(answer.headers))
        return StreamingResponse(answer.body, answer.status, dict(answer.headers))


def _address(request: Request) -> str:
    """Return where the client finds us.

    Some clients leave the port out of Host; on a loopback address it can only be our own.
    """
    url, server = request.url, request.scope["server"]
    if url.port is None and url.hostname in LOOPBACK_HOSTS and server is not None:
        url = url.replace(port=server[1])
    return f"{url.scheme}://{url.netloc}"
