"""Errors as answers: the right status, a short reason, never a stack trace or a value."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicomlab.errors import (
    AccessError,
    DicomlabError,
    HostileInputError,
    MissingDependencyError,
    NonConformantError,
    NotFoundError,
    PeerError,
    RefusedError,
    RequestError,
    StorageError,
    UnsupportedError,
    kind_and_place,
)

__all__ = ["Unforeseen", "answer_errors", "status_of"]

_LOG = logging.getLogger(__name__)
_INTERNAL_ERROR = 1011
"""Of a websocket (RFC 6455 7.4.1)."""
_STATUS: tuple[tuple[type[DicomlabError], HTTPStatus], ...] = (
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (AccessError, HTTPStatus.FORBIDDEN),
    (NonConformantError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UnsupportedError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (HostileInputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (RefusedError, HTTPStatus.FORBIDDEN),
    (MissingDependencyError, HTTPStatus.SERVICE_UNAVAILABLE),
    (StorageError, HTTPStatus.SERVICE_UNAVAILABLE),
    (PeerError, HTTPStatus.BAD_GATEWAY),
)


PageMaker = Callable[[Request, HTTPStatus, str], Response]


def status_of(error: DicomlabError) -> HTTPStatus:
    """Return the HTTP status that says what a typed error says."""
    if isinstance(error, RequestError):
        return HTTPStatus(error.status)
    if isinstance(error, RefusedError) and error.rule in ("busy", "closed"):
        return HTTPStatus.SERVICE_UNAVAILABLE
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(_request: Request, status: HTTPStatus, reason: str) -> Response:
    """Return a short problem document (RFC 9457)."""
    body = {"status": status.value, "title": status.phrase, "detail": reason}
    return JSONResponse(body, status, media_type="application/problem+json")


class Unforeseen:
    """Answers what nobody foresaw with a neutral 500.

    The log says what kind of error it was and where; neither log nor answer hold its message, as
    that may hold a value of a patient. The server under it would print all of it.

    Parameters
    ----------
    app
        What may go wrong.
    answer
        Makes the answer from request, status and reason.
    """

    def __init__(self, app: ASGIApp, *, answer: PageMaker = problem) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        is_begun = False

        async def watched(message: Message) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return  # Nobody is left to be answered.
        except Exception as error:  # noqa: BLE001  whatever it is
            _LOG.error("unforeseen %s while answering a request", kind_and_place(error))
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": _INTERNAL_ERROR})
            elif not is_begun:
                reason = "Something went wrong in the server. Its log says where."
                made = self._answer(Request(scope), HTTPStatus.INTERNAL_SERVER_ERROR, reason)
                await made(scope, receive, send)


def answer_errors(app: FastAPI, page: PageMaker) -> None:
    """Make every error of an application a short problem document, or a page for a reader.

    Parameters
    ----------
    page
        Makes the page from request, status and reason.
    """

    def answer(request: Request, status: HTTPStatus, reason: str) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "")
        return page(request, status, reason) if wants_page else problem(request, status, reason)

    def typed(request: Request, error: Exception) -> Response:
        assert isinstance(error, DicomlabError)
        return answer(request, status_of(error), str(error))

    def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # Names only: a value that was sent could be anything.
        names = sorted({str(problem["loc"][-1]) for problem in error.errors()})
        reason = f"Not a valid value for: {', '.join(names)}."
        return answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, reason)

    def routed(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)
        response = answer(request, status, str(error.detail or status.phrase))
        response.headers.update(error.headers or {})
        return response

    app.add_exception_handler(DicomlabError, typed)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, routed)
    app.add_middleware(Unforeseen, answer=answer)
