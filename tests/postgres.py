"""A PostgreSQL server of a test's own: newest binaries found, no network, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from sqlalchemy import URL, create_engine, text

from tests.peers import PeerMissingError

_USER = "dicomlab"


class Postgres:
    """A running server; `database` makes a fresh database for one test."""

    def __init__(self, socket_folder: Path) -> None:
        self._socket_folder = socket_folder
        self._numbers = count(1)
        self._shared: URL | None = None

    def url(self, database: str) -> URL:
        """Return the URL of a database of this server."""
        return URL.create(
            "postgresql+psycopg",
            username=_USER,
            database=database,
            query={"host": str(self._socket_folder)},
        )

    def emptied(self) -> URL:
        """Return the URL of a database that the last test's archive is gone from.

        Making a database takes a second, which a suite of fifty tests need not spend on each.
        """
        if self._shared is None:
            self._shared = self.database()
        engine = create_engine(self._shared)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA IF EXISTS dicomlab_archive CASCADE"))
        engine.dispose()
        return self._shared

    def database(self) -> URL:
        """Make an empty database and return its URL."""
        name = f"test_{next(self._numbers)}"
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self.url(name)


@contextmanager
def running(*, durable: bool = False) -> Iterator[Postgres]:
    """Start a server, give it, and stop it.

    Parameters
    ----------
    durable
        Force commits to the disk; only tests that prove durability need it.

    Raises
    ------
    PeerMissingError
        There is no PostgreSQL here, or no driver for it.
    """
    binaries = _binaries()
    if find_spec("psycopg") is None:
        raise PeerMissingError("psycopg is not installed: pip install 'psycopg[binary]'.")
    # Not under pytest's folders: those are closed to the user that PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="dicomlab-pg-"))
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        command = [str(binaries / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        with (folder / "log").open("ab") as log:
            # Into a file: the server keeps what pg_ctl is given, and a pipe would never end.
            done = subprocess.run(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
            )
        if done.returncode:
            said = (folder / "log").read_text(errors="replace")[-800:]
            raise AssertionError(f"{program} ended with {done.returncode}: {said}")

    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        run("initdb", "-D", str(data), "-U", _USER, "-A", "trust", "-E", "UTF8",
            "--locale=C.UTF-8", "--no-sync")  # fmt: skip
        options = f"-c listen_addresses='' -c fsync={'on' if durable else 'off'} -k {folder}"
        run("pg_ctl", "-D", str(data), "-w", "-o", options, "start")
        try:
            yield Postgres(folder)
        finally:
            run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    """Return the folder of the newest server: Debian keeps each version in its own."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if not found:
        raise PeerMissingError("PostgreSQL is not installed: Debian package postgresql.")
    return max(found, key=lambda path: tuple(map(int, path.parent.name.split("."))))
