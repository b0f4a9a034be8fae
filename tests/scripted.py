"""Peers that answer what a test tells them to: pynetdicom as an SCP, and a silent socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt

from dicomlab.standard import STORAGE_CLASSES

QUERY_CLASSES = tuple(f"1.2.840.10008.5.1.4.1.2.{root}.{service}" for root in (1, 2)
                      for service in (1, 2, 3))  # fmt: skip


@dataclass
class Scripted:
    """A peer that runs, and what it saw.

    Attributes
    ----------
    aborted
        Set when an A-ABORT came.
    associations
        How many were established.
    """

    port: int
    aborted: threading.Event = field(default_factory=threading.Event)
    associations: int = 0
    stored: list[str] = field(default_factory=list)
    requestor: Any = None
    """What the last association asked for."""

    @property
    def url(self) -> str:
        return f"dicom://SCRIPTED@127.0.0.1:{self.port}"


@contextmanager
def scripted(
    store: Callable[[Any], int | Dataset] | None = None,
    find: Callable[[Any], Iterator[tuple[int, Dataset | None]]] | None = None,
    get: Callable[[Any], Iterator[Any]] | None = None,
    classes: Sequence[str] = STORAGE_CLASSES,
) -> Iterator[Scripted]:
    """Run a peer whose answers are functions of the test."""
    entity = AE("SCRIPTED")
    entity.add_supported_context("1.2.840.10008.1.1")
    for uid in classes:
        entity.add_supported_context(uid, ALL_TRANSFER_SYNTAXES, scu_role=True, scp_role=True)
    for uid in QUERY_CLASSES:
        entity.add_supported_context(uid)
    seen = Scripted(0)

    def established(event: evt.Event) -> None:
        seen.associations += 1
        seen.requestor = event.assoc.requestor

    handlers: list[Any] = [
        (evt.EVT_ESTABLISHED, established),
        (evt.EVT_ABORTED, lambda _event: seen.aborted.set()),
    ]
    if store is not None:

        def stored(event: evt.Event) -> int | Dataset:
            status = store(event)
            if status == 0x0000:
                seen.stored.append(str(event.request.AffectedSOPInstanceUID))
            return status

        handlers.append((evt.EVT_C_STORE, stored))
    if find is not None:
        handlers.append((evt.EVT_C_FIND, find))
    if get is not None:
        handlers.append((evt.EVT_C_GET, get))
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    seen.port = server.server_address[1]
    try:
        yield seen
    finally:
        server.shutdown()


@contextmanager
def silent(first: bytes = b"") -> Iterator[int]:
    """Listen, take what comes, answer the first bytes given, and then nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    links: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            links.append(link)
            if first:
                link.sendall(first)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(60)
        for link in links:
            link.close()


class Clock:
    """Says that almost all of a time-out has passed whenever it is asked a second time."""

    def __init__(self, timeout_s: float) -> None:
        self._step = timeout_s - 0.05
        self._now = 0.0
        self._is_first = True

    def __call__(self) -> float:
        if not self._is_first:
            self._now += self._step
        self._is_first = not self._is_first
        return self._now
