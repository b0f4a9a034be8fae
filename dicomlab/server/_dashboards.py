"""The dashboards, in a process and on an origin of their own.

Panel runs callbacks on its event loop and needs a wider policy than our pages, so it gets neither
their process nor their origin. The child ends when its standard input does: it never outlives the
server that started it, whatever becomes of that one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import FileResponse

from dicomlab.errors import StorageError
from dicomlab.pixels import CappedDecoder
from dicomlab.server._decoding import decoding_workers
from dicomlab.server._gate import LOOPBACK_HOSTS, Gate
from dicomlab.server._serving import BackgroundServer, listening_socket

if TYPE_CHECKING:
    from dicomlab.archive import Place

__all__ = ["DASHBOARD_POLICY", "DashboardProcess"]

_PATIENCE_S = 60.0
_START = "import sys; from dicomlab.server._dashboards import run; run(*sys.argv[1:])"
_ICON = Path(__file__).with_name("assets") / "icon.svg"

DASHBOARD_POLICY = (
    "default-src 'none'; base-uri 'none'; connect-src 'self' blob:; font-src 'self' data:; "
    "form-action 'none'; frame-ancestors 'none'; img-src 'self' blob: data:; "
    "script-src 'self' 'unsafe-inline' blob:; style-src 'self' 'unsafe-inline'; "
    "worker-src 'self' blob:"
)
"""What Panel 1.9 was measured to need: an inline script that starts the page, inline styles, and
modules from blob URLs. That is why dashboards have an origin of their own."""


class DashboardProcess:
    """The process that serves dashboards.

    Parameters
    ----------
    archive
        Where the archive lies.
    host
        Address to listen on.
    """

    def __init__(self, archive: Place, host: str = "127.0.0.1") -> None:
        self._command = [sys.executable, "-c", _START, archive.location, host]
        self._index = archive.index
        self._process: subprocess.Popen[str] | None = None
        self._listening: threading.Thread | None = None
        self.address: str | None = None

    def start(self) -> None:
        """Start; `address` is there once the dashboards are."""
        self._process = subprocess.Popen(  # noqa: S603  this Python, on a path of our own
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C is for the server, which ends its child in order.
            start_new_session=True,
            env={**os.environ, "BOKEH_RESOURCES": "server"},
        )
        assert self._process.stdin is not None
        # Not as an argument, which all users of the machine can read: it may hold a password.
        shown = "" if self._index is None else self._index.render_as_string(hide_password=False)
        self._process.stdin.write(f"{shown}\n")
        self._process.stdin.flush()
        # Importing Panel takes seconds: the pages do not wait for it.
        self._listening = threading.Thread(target=self._hear_address, name="dicomlab dashboards")
        self._listening.start()

    def wait(self) -> str:
        """Return the address once the dashboards are there.

        Raises
        ------
        StorageError
            They did not start.
        """
        if self._listening is not None:
            self._listening.join(_PATIENCE_S)
        if self.address is None:
            raise StorageError("The dashboards did not start; their log says why.")
        return self.address

    def stop(self) -> None:
        """End the process, and return once it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        with process:
            assert process.stdin is not None
            process.stdin.close()
            if self.address is None:
                process.terminate()  # it is still importing, and does not listen to us yet
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
            if self._listening is not None:
                self._listening.join()
        self.address = None

    def _hear_address(self) -> None:
        process = self._process
        if (
            process is not None
            and process.stdout is not None
            and (line := process.stdout.readline())
        ):
            self.address = str(json.loads(line)["address"])


def run(archive: str, host: str) -> None:
    """Serve dashboards until standard input ends: what the child process does.

    The first line of standard input is the URL of the archive's index, empty for SQLite.
    """
    from dicomlab.archive import Archive  # noqa: PLC0415  only this process needs it
    from dicomlab.panels import add_dashboards  # noqa: PLC0415

    bound = listening_socket(host, 0)
    port = bound.getsockname()[1]
    names = [f"[{name}]" if ":" in name else name for name in LOOPBACK_HOSTS]
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route(
        "/favicon.ico", lambda: FileResponse(_ICON, media_type="image/svg+xml"), methods=["GET"]
    )
    index = sys.stdin.readline().strip() or None
    with Archive.open(archive, index=index) as source, decoding_workers().start() as workers:
        add_dashboards(
            app,
            source,
            origins=[f"{name}:{port}" for name in names],
            decode=CappedDecoder(workers),
        )
        server = BackgroundServer(Gate(app, policy=DASHBOARD_POLICY), bound).start()
        try:
            # Nobody hears it where the program was killed meanwhile; then the input has ended too.
            with suppress(BrokenPipeError):
                sys.stdout.write(json.dumps({"address": server.address}) + "\n")
                sys.stdout.flush()
            sys.stdin.read()
        finally:
            server.stop()
