"""What a notebook's page asks its kernel for, and the answers (schema/messages.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, NotRequired, TypedDict

from dicomlab.errors import DicomlabError, NotFoundError
from dicomlab.viewing._bundle import bundle_file
from dicomlab.viewing._views import ByteRange, VolumeView

__all__ = ["Reply", "RequestDesk", "answer"]

_FILES = frozenset(("widget.js",))
_THREADS = 4


class Reply(TypedDict):
    """The answer to one request."""

    kind: Literal["reply"]
    id: str
    status: Literal["ok", "missing", "error"]
    message: NotRequired[str]


def answer(view: VolumeView, request: Mapping[str, object]) -> tuple[Reply, bytes | None]:
    """Return the reply to a request, and the bytes that go with it.

    Whatever is asked for, the reply is one of the schema's: a wrong request is an error of the
    page, which is told so.
    """
    name = str(request.get("id"))
    try:
        data = _fetch(view, request)
    except NotFoundError as error:
        # A chunk that is absent holds fill values only (zarr v3); an absent plane is a mistake.
        if request.get("kind") == "chunk":
            return {"kind": "reply", "id": name, "status": "missing"}, None
        return _failure(name, str(error)), None
    except DicomlabError as error:
        return _failure(name, str(error)), None
    except (TypeError, ValueError):
        return _failure(name, "The viewer asked for something that its kernel does not know."), None
    return {"kind": "reply", "id": name, "status": "ok"}, data


class RequestDesk:
    """Answers requests on threads of its own, so that the kernel stays free.

    Parameters
    ----------
    view
        What is asked for.
    send
        Takes a reply and its bytes to the page; called from any thread.
    """

    def __init__(self, view: VolumeView, send: Callable[[Reply, bytes | None], None]) -> None:
        self._view = view
        self._send = send
        self._waiting: dict[str, Future[None]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="dicomlab-view")

    def receive(self, request: object) -> None:
        """Take one request in; what is no request is dropped."""
        if not isinstance(request, Mapping) or not isinstance(request.get("id"), str):
            return
        name = request["id"]
        if request.get("kind") == "cancel":
            waiting = self._waiting.pop(name, None)
            if waiting is not None:
                waiting.cancel()
            return
        self._waiting[name] = self._threads.submit(self._answer, name, request)

    def close(self) -> None:
        """Answer nothing more and let go of the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _answer(self, name: str, request: Mapping[str, object]) -> None:
        reply, data = answer(self._view, request)
        self._waiting.pop(name, None)
        self._send(reply, data)


def _fetch(view: VolumeView, request: Mapping[str, object]) -> bytes:
    match request.get("kind"):
        case "bundle" if request.get("name") in _FILES:
            return bundle_file(str(request["name"])).read_bytes()
        case "chunk":
            return view.chunk(str(request.get("key")), _part(request.get("range")))
        case "plane":
            axis, index = request.get("axis"), request.get("index")
            if axis not in (0, 1, 2) or not isinstance(index, int):
                raise ValueError("axis and index are numbers")
            return view.plane(axis, index).data
    raise ValueError("no such kind of request")


def _part(asked: object) -> ByteRange | None:
    if asked is None:
        return None
    if not isinstance(asked, Mapping):
        raise TypeError("a range is a mapping")
    numbers = {name: asked.get(name) for name in ("offset", "length", "suffix_length")}
    if any(n is not None and (not isinstance(n, int) or n < 0) for n in numbers.values()):
        raise ValueError("a range counts bytes")
    if numbers["suffix_length"] is not None:
        return ByteRange(suffix_length=numbers["suffix_length"])
    return ByteRange(offset=numbers["offset"] or 0, length=numbers["length"])


def _failure(name: str, message: str) -> Reply:
    return {"kind": "reply", "id": name, "status": "error", "message": message}
