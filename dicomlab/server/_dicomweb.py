"""DICOMweb behind the gate: requests of the framework to those of the room, answers back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from anyio import from_thread, to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from dicomlab import dicomweb
from dicomlab.dicomweb import DicomWebRoot
from dicomlab.server._gate import LOOPBACK_HOSTS

__all__ = ["DICOM_WEB", "DicomWeb"]

_PIECE: Final = 1 << 20
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

        self.router.add_api_route(
            DICOM_WEB + "/{path:path}", self.take, methods=["POST"], response_model=None
        )

    def answer(self, request: Request, path: str) -> Response:
        """Answer a request; the framework runs this in a thread, and streams in threads."""
        return self._answer(request, path)

    async def take(self, request: Request, path: str) -> Response:
        """Answer a request whose body is read by a thread as it arrives."""
        arriving = aiter(request.stream())

        async def following() -> bytes:
            """Return a good piece of the body, empty at its end: each hop costs something."""
            piece = bytearray()
            async for block in arriving:
                piece += block
                if len(piece) >= _PIECE:
                    break
            return bytes(piece)

        def blocks() -> Iterator[bytes]:
            while piece := from_thread.run(following):
                yield piece

        return await to_thread.run_sync(lambda: self._answer(request, path, blocks()))

    def _answer(self, request: Request, path: str, body: Iterable[bytes] = ()) -> Response:
        asked = dicomweb.Request(
            request.method,
            path.rstrip("/"),
            request.query_params.multi_items(),
            {name: ", ".join(request.headers.getlist(name)) for name in request.headers},
            _address(request) + DICOM_WEB,
        )
        answer = self._root.answer(asked, body)
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
