"""An S3 server of the tests' own, and archives in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import fsspec

SECRET = "a-secret-that-nobody-may-see"


@dataclass
class S3:
    """A running server; `bucket` makes a fresh bucket for one test."""

    endpoint: str
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def options(self, endpoint: str | None = None) -> dict[str, object]:
        """Return what the driver needs to reach it, or something in front of it."""
        return {"key": "tests", "secret": SECRET, "endpoint_url": endpoint or self.endpoint}

    def bucket(self) -> str:
        """Make an empty bucket and return its name."""
        name = f"bucket-{next(self.numbers)}"
        self.files().mkdir(name)
        return name

    def files(self) -> fsspec.AbstractFileSystem:
        """Return the server's content as fsspec shows it."""
        return fsspec.filesystem("s3", use_listings_cache=False, **self.options())


@contextmanager
def running() -> Iterator[S3]:
    """Start a server on loopback, give it, and stop it."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield S3(f"http://{host}:{port}")
    finally:
        server.stop()
