"""`serve`: the pages of a source of studies on this machine."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from dicomlab.catalog import Browsable, Stores
from dicomlab.errors import PolicyError
from dicomlab.pixels import CappedDecoder
from dicomlab.server._app import create_app
from dicomlab.server._dashboards import DashboardProcess
from dicomlab.server._decoding import decoding_workers
from dicomlab.server._serving import BackgroundServer, is_loopback, listening_socket
from dicomlab.viewing import ViewService

if TYPE_CHECKING:
    from dicomlab.archive import Place

__all__ = ["Server", "serve"]


class Server:
    """Pages of a source of studies, served from a thread of their own.

    Use `serve` to start one. As a context manager it stops at the end of the block.

    Attributes
    ----------
    address
        Where the pages are, ``"http://127.0.0.1:40123"``.
    service
        Opens and prepares the volumes that are viewed.
    """

    def __init__(
        self,
        source: Browsable,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        folder: Path | None = None,
        stores: Stores | None = None,
        dashboards: Place | None = None,
    ) -> None:
        if not is_loopback(host):
            raise PolicyError(
                "The pages have no sign-in yet, so they are served to this machine only: listen on "
                "127.0.0.1, and reach it from elsewhere through a tunnel (ssh -L).",
                rule="loopback",
            )
        self._workers = decoding_workers()
        self.service = ViewService(source, folder, decode=CappedDecoder(self._workers))
        self._ended = threading.Event()
        self._dashboards = DashboardProcess(dashboards, host) if dashboards is not None else None
        self._background = BackgroundServer(
            create_app(
                source,
                service=self.service,
                stores=stores,
                dashboards=self._dashboards_address,
            ),
            listening_socket(host, port),
        )
        self.address = self._background.address

    def start(self) -> Self:
        """Start, and return once the pages are there."""
        self._workers.start()
        self._background.start()
        if self._dashboards is not None:
            self._dashboards.start()
        return self

    def stop(self) -> None:
        """Stop, and return once thread, socket and child process are gone; twice is no error."""
        if self._dashboards is not None:
            self._dashboards.stop()
        self._background.stop()
        self._workers.close()
        self._ended.set()

    def dashboards(self) -> str | None:
        """Return where the dashboards are, once they are there; `None` where there are none.

        Raises
        ------
        StorageError
            They did not start.
        """
        return self._dashboards.wait() if self._dashboards is not None else None

    def wait(self) -> None:
        """Wait until the server is stopped, from another thread or by a polite kill.

        Raises
        ------
        KeyboardInterrupt
            Somebody pressed Ctrl-C.
        """

        def end(_number: int, _frame: FrameType | None) -> None:
            self._ended.set()

        former = None
        with suppress(ValueError):  # signals belong to the main thread
            former = signal.signal(signal.SIGTERM, end)
        try:
            self._ended.wait()
        finally:
            if former is not None:
                signal.signal(signal.SIGTERM, former)

    def _dashboards_address(self) -> str | None:
        return self._dashboards.address if self._dashboards is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def serve(
    source: Browsable,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    folder: Path | None = None,
    stores: Stores | None = None,
    dashboards: Place | None = None,
) -> Server:
    """Serve the pages of a source of studies, and return once they are there.

    Parameters
    ----------
    source
        Where the studies are.
    host
        Address to listen on, of this machine only.
    port
        0 takes a free one.
    folder
        Where OME-Zarr copies of what is viewed are kept, ``volumes`` under ``DICOMLAB_HOME`` by
        default.
    stores
        Takes the instances that are sent by DICOMweb; without it none are taken.
    dashboards
        Where the archive lies, for the process that serves the Panel dashboards on a port of its
        own; without it there are none.

    Raises
    ------
    PolicyError
        The address is one that others reach: the pages have no sign-in.
    RefusedError
        The port is taken.
    """
    server = Server(
        source, host=host, port=port, folder=folder, stores=stores, dashboards=dashboards
    )
    try:
        return server.start()
    except BaseException:
        server.stop()
        raise
