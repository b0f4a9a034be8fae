"""A server in the background: it listens when it says so, and leaves nothing behind."""

from __future__ import annotations

import ipaddress
import socket
import threading
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from dicomlab.errors import RefusedError, StorageError
from dicomlab.server._problems import Unforeseen

__all__ = ["BackgroundServer", "is_loopback", "listening_socket"]

_PATIENCE_S = 30.0


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address; port 0 takes a free one.

    Raises
    ------
    RefusedError
        The address cannot be bound: taken, not of this machine, or not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise RefusedError(
            f"Cannot listen on {host} port {port}: {error.strerror}. "
            "Choose another port, or 0 for any free one.",
            rule="listen",
        ) from error
    return bound


def is_loopback(host: str) -> bool:
    """Say whether an address reaches this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Uvicorn(uvicorn.Server):
    """Uvicorn that tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.decided = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.decided.set()


class BackgroundServer:
    """An ASGI application on its own thread and event loop.

    Parameters
    ----------
    app
        What is served.
    bound
        The socket to listen on; the server closes it.

    Attributes
    ----------
    address
        Where it listens, ``"http://127.0.0.1:40123"``.
    """

    def __init__(self, app: ASGIApp, bound: socket.socket) -> None:
        host, port = bound.getsockname()[:2]
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.port = int(port)
        self._socket = bound
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                Unforeseen(app),
                access_log=False,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=3,
                ws_max_size=64 << 20,
            )
        )
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Start, and return once it listens.

        Raises
        ------
        StorageError
            It did not start.
        """
        self._thread = threading.Thread(
            target=self._uvicorn.run,
            kwargs={"sockets": [self._socket]},
            name=f"dicomlab server {self.port}",
        )
        self._thread.start()
        if not self._uvicorn.decided.wait(_PATIENCE_S) or not self._uvicorn.started:
            self.stop()
            raise StorageError("The server did not start; its log says why.")
        return self

    def stop(self) -> None:
        """Stop, and return once thread and socket are gone."""
        self._uvicorn.should_exit = True
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._socket.close()
