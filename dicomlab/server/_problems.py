"""Errors as answers: the right status, a short reason, never a stack trace or a value."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

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
)

__all__ = ["answer_errors", "status_of"]

_LOG = logging.getLogger(__name__)
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
    if isinstance(error, RefusedError) and error.rule == "busy":
        return HTTPStatus.SERVICE_UNAVAILABLE
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR


def answer_errors(app: FastAPI, page: PageMaker) -> None:
    """Make every error of an application a short problem document, or a page for a reader.

    Parameters
    ----------
    page
        Makes the page from request, status and reason.
    """

    def answer(request: Request, status: HTTPStatus, reason: str) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "")
        if wants_page:
            return page(request, status, reason)
        body = {"status": status.value, "title": status.phrase, "detail": reason}
        return JSONResponse(body, status, media_type="application/problem+json")

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

    def unforeseen(request: Request, error: Exception) -> Response:
        _LOG.error("unforeseen %s while answering a request", type(error).__name__)
        reason = "Something went wrong in the server. Its log says where."
        return answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, reason)

    app.add_exception_handler(DicomlabError, typed)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, routed)
    app.add_exception_handler(Exception, unforeseen)
