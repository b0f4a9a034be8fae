"""A proxy before an HTTP server that fails as networks and servers do."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP = frozenset(("connection", "keep-alive", "transfer-encoding"))


class Fault(StrEnum):
    """What goes wrong with one request."""

    RESET = "the connection is reset"
    ERROR = "500"
    BUSY = "503"
    DENIED = "403"
    SILENT = "no answer ever comes"
    CUT = "the body ends early"
    LOST = "it is done, and the answer is lost"


_CODES = {Fault.ERROR: "InternalError", Fault.BUSY: "ServiceUnavailable",
          Fault.DENIED: "AccessDenied"}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One request that came."""

    number: int
    method: str
    path: str


Plan = Callable[[Request], Fault | None]


@dataclass
class Faulty:
    """A running proxy; `plan` says what becomes of each request."""

    endpoint: str = ""
    plan: Plan = lambda _request: None
    requests: list[Request] = field(default_factory=list)
    faults: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: threading.Event = field(default_factory=threading.Event)

    def ask(self, method: str, path: str) -> Fault | None:
        """Note a request and return what is to go wrong with it."""
        with self.lock:
            request = Request(len(self.requests), method, path)
            self.requests.append(request)
            fault = self.plan(request)
            if fault is not None:
                self.faults.append(request)
            return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, faulty: Faulty, host: str, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faulty = faulty
        self.target = host, port

    def handle_error(self, *_: object) -> None:
        pass  # a client that went away is part of the test


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def serve(self) -> None:
        faulty = self.server.faulty
        fault = faulty.ask(self.command, self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault is Fault.RESET:
            self.reset()
        elif fault is Fault.SILENT:
            faulty.ended.wait(30)  # the client goes first
            self.reset()
        elif fault in _CODES:
            said = f"<Error><Code>{_CODES[fault]}</Code><Message>x</Message></Error>".encode()
            self.answer(int(fault), {"Content-Type": "application/xml"}, said, len(said))
        else:
            self.forward(fault, body)

    def forward(self, fault: Fault | None, body: bytes) -> None:
        connection = HTTPConnection(*self.server.target)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        if fault is Fault.LOST:
            self.reset()
            return
        length = int(response.headers.get("Content-Length", len(data)))
        is_cut = fault is Fault.CUT and len(data) > 1
        self.answer(response.status, kept(response), data[:-1] if is_cut else data, length)
        if is_cut:
            self.reset()

    def answer(self, status: int, headers: dict[str, str], body: bytes, length: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reset(self) -> None:
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve  # noqa: N815


@contextmanager
def before(endpoint: str) -> Iterator[Faulty]:
    """Start a proxy on loopback before a server, give it, and stop it."""
    target = urlsplit(endpoint)
    faulty = Faulty()
    server = _Server(faulty, target.hostname or "", target.port or 80)
    faulty.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield faulty
    finally:
        faulty.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def kept(response: HTTPResponse) -> dict[str, str]:
    """Return the headers of an answer that are for the client."""
    return {
        name: value
        for name, value in response.headers.items()
        if name.lower() not in _HOP | {"content-length", "server", "date"}
    }
