"""Objects at a URL, through fsspec: a few operations, each tried again within bounds."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NoReturn, Protocol, TypeVar
from uuid import uuid4

from dicomlab.errors import MissingDependencyError, StorageError, UnsupportedError

_T = TypeVar("_T")
_PLAIN: Final = frozenset(("http", "https"))
_WHOLE_PUTS: Final = frozenset((
    "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oci", "oss", "memory",
))  # fmt: skip
"""Where an object is there whole or not at all; elsewhere it is renamed when it is complete."""
_FINAL_ERRORS: Final = (
    PermissionError, FileNotFoundError, IsADirectoryError, NotADirectoryError,
    NotImplementedError, ImportError, TypeError, ValueError,
)  # fmt: skip
"""What another try would meet again."""
_S3: Final[Mapping[str, object]] = {
    "connect_timeout": 10,
    "read_timeout": 60,
    "max_pool_connections": 32,
    # The tries are counted here, not in three places that multiply.
    "retries": {"total_max_attempts": 1},
}
_S3_PROTOCOLS: Final = frozenset(("s3", "s3a"))
_PART: Final = 16 << 20


class _FileSystem(Protocol):
    """What is used of fsspec."""

    storage_options: Mapping[str, object]

    def put_file(self, lpath: str, rpath: str, **options: object) -> None: ...
    def pipe_file(self, path: str, value: bytes) -> None: ...
    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes: ...
    def info(self, path: str) -> Mapping[str, object]: ...
    def ls(self, path: str, detail: bool) -> list[Mapping[str, object]]: ...  # noqa: FBT001
    def makedirs(self, path: str, exist_ok: bool) -> None: ...  # noqa: FBT001
    def cp_file(self, path1: str, path2: str) -> None: ...
    def mv(self, path1: str, path2: str) -> None: ...
    def rm_file(self, path: str) -> None: ...
    def modified(self, path: str) -> object: ...


@dataclass(frozen=True)
class Patience:
    """How often something is tried, and how long one waits in between.

    Attributes
    ----------
    tries
        The first included.
    first_s, longest_s
        The wait after the first failure, which doubles each time, and its bound.
    sleep
        What waits.
    """

    tries: int = 5
    first_s: float = 0.2
    longest_s: float = 5.0
    sleep: Callable[[float], None] = time.sleep

    def wait(self, failures: int) -> None:
        """Wait after so many failures; not as long as others who wait for the same."""
        longest = min(self.first_s * 2 ** (failures - 1), self.longest_s)
        self.sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311  no secret depends on it


@dataclass(frozen=True, slots=True)
class RemoteEntry:
    """An object, or what looks like a folder, as a listing shows it."""

    name: str
    size: int
    is_folder: bool


class Remote:
    """A place at a URL where objects are kept under names of our own.

    It may be sent to another process. Its messages name no object, host, account or secret.

    Parameters
    ----------
    url
        Protocol and path; no password.
    options
        What fsspec's file system for the protocol takes: endpoint, keys.
    patience
        How failures are met.
    """

    def __init__(
        self, url: str, options: Mapping[str, object], patience: Patience | None = None
    ) -> None:
        self.protocol, _, path = url.partition("://")
        self._root = path.rstrip("/")
        self._options = dict(options)
        self._patience = patience or Patience()

    def __repr__(self) -> str:
        return f"<Remote {self.protocol}://{self._root}>"

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_fs"}

    @cached_property
    def _fs(self) -> _FileSystem:
        return _file_system(self.protocol, self._options)

    def identity(self) -> str:
        """Return what tells the place from others; nothing is asked of the server.

        Raises
        ------
        UnsupportedError
            Nobody knows the protocol, or files cannot be kept there.
        MissingDependencyError
            The package for it is not installed.
        """
        said = self._fs.storage_options
        client = said.get("client_kwargs")
        endpoint = said.get("endpoint_url") or (
            client.get("endpoint_url") if isinstance(client, Mapping) else None
        )
        if endpoint is None and self.protocol in _S3_PROTOCOLS:
            endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        return f"{self.protocol}://{self._root} {endpoint or ''}".rstrip()

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Return exactly these bytes of an object.

        Raises
        ------
        StorageError
            They cannot be had, or are fewer.
        """
        start, end = offset, offset + size

        def read() -> bytes:
            data = self._fs.cat_file(self._path(name), start=start, end=end)
            if len(data) != size:
                raise EOFError
            return data

        return self._try("Reading a stored instance", read)

    def read_text(self, name: str) -> str | None:
        """Return a small object of our own; ``None`` where there is none."""

        def read() -> bytes | None:
            try:
                return self._fs.cat_file(self._path(name))
            except FileNotFoundError:
                return None

        data = self._try("Reading from the archive's store", read)
        return None if data is None else data.decode("ascii", "replace")

    def write_text(self, name: str, text: str) -> None:
        """Write a small object of our own; when this returns it is there."""
        path = self._path(name)

        def write() -> None:
            self._make_folder(path)
            self._fs.pipe_file(path, text.encode("ascii"))

        self._try("Writing to the archive's store", write)

    def put(self, source: Path, name: str) -> None:
        """Copy a local file to an object, whole or not at all, and look that it is there.

        Raises
        ------
        StorageError
            It cannot be written, or is not there in full afterwards.
        """
        size = source.stat().st_size
        path = self._path(name)

        def put() -> None:
            if self.protocol in _WHOLE_PUTS:
                self._fs.put_file(str(source), path, **self._put_options())
            else:
                self._put_and_rename(source, path, size)
            self._expect(path, size)

        self._try("Writing to the archive's store", put)

    def size(self, name: str) -> int | None:
        """Return how long an object is, ``None`` where there is none."""

        def look() -> int | None:
            try:
                found = self._fs.info(self._path(name))
            except FileNotFoundError:
                return None
            return None if found.get("type") == "directory" else _number(found.get("size"))

        return self._try("Asking the archive's store", look)

    def list(self, folder: str) -> list[RemoteEntry]:
        """Return what is in a folder, by name; nothing where there is none."""
        path = self._path(folder)

        def look() -> list[Mapping[str, object]]:
            try:
                return self._fs.ls(path, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []

        found = [
            RemoteEntry(
                str(entry["name"]).rstrip("/").rpartition("/")[2],
                _number(entry.get("size")),
                entry.get("type") == "directory",
            )
            for entry in self._try("Listing the archive's store", look)
            # Some show the folder itself as an object within it.
            if str(entry["name"]).strip("/") != path.strip("/")
        ]
        return sorted(found, key=lambda entry: entry.name)

    def modified_ns(self, name: str) -> int:
        """Return when an object was written, 0 where nobody knows."""

        def look() -> object:
            with suppress(NotImplementedError, FileNotFoundError):
                return self._fs.modified(self._path(name))
            return None

        found = self._try("Asking the archive's store", look)
        moment = getattr(found, "timestamp", None)
        return int(moment() * 1e9) if callable(moment) else 0

    def move(self, name: str, target: str) -> None:
        """Move an object: it is copied and looked at before it is deleted."""
        source, goal = self._path(name), self._path(target)

        def move() -> None:
            try:
                size = _number(self._fs.info(source).get("size"))
            except FileNotFoundError:
                self._fs.info(goal)  # an earlier try did it all, and its answer was lost
                return
            self._make_folder(goal)
            self._fs.cp_file(source, goal)
            self._expect(goal, size)
            self._fs.rm_file(source)

        self._try("Setting a damaged file aside", move)

    def delete(self, name: str) -> None:
        """Delete an object; it may be gone already."""

        def delete() -> None:
            with suppress(FileNotFoundError):
                self._fs.rm_file(self._path(name))

        self._try("Deleting from the archive's store", delete)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _put_options(self) -> dict[str, object]:
        return {"chunksize": _PART} if self.protocol in _S3_PROTOCOLS else {}

    def _put_and_rename(self, source: Path, path: str, size: int) -> None:
        partial = self._path(f"incoming/{uuid4().hex}")
        self._make_folder(partial)
        self._make_folder(path)
        try:
            self._fs.put_file(str(source), partial)
            self._expect(partial, size)
            with suppress(FileNotFoundError):
                self._fs.rm_file(path)  # not every server renames over what is there
            self._fs.mv(partial, path)
        except BaseException:
            with suppress(Exception):
                self._fs.rm_file(partial)
            raise

    def _make_folder(self, path: str) -> None:
        if self.protocol not in _WHOLE_PUTS:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)

    def _expect(self, path: str, size: int) -> None:
        found = _number(self._fs.info(path).get("size"))
        if found != size:
            raise EOFError

    def _try(self, what: str, function: Callable[[], _T]) -> _T:
        """Do something, again after a failure that may pass."""
        failures = 0
        while True:
            try:
                return function()
            # Drivers raise what they like: their own classes, those of their HTTP client.
            except Exception as error:  # noqa: BLE001
                failures += 1
                if isinstance(error, _FINAL_ERRORS) or failures >= self._patience.tries:
                    _fail(what, error, failures)
            self._patience.wait(failures)


def _fail(what: str, error: Exception, failures: int) -> NoReturn:
    """Say what failed, without the driver's words: they hold names, addresses and keys."""
    if isinstance(error, (UnsupportedError, MissingDependencyError)):
        raise error
    if isinstance(error, PermissionError):
        why = "access was denied. Check the credentials and what they allow"
    elif isinstance(error, FileNotFoundError):
        why = "it is not there. Check the bucket or folder in the URL, and the archive"
    elif isinstance(error, EOFError):
        why = "the bytes did not arrive in full. Try again; then run: dicomlab archive check"
    elif isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        why = "it did not answer in time. Check the network and the server, then try again"
    else:
        why = f"{type(error).__name__}. Check the network and the server, then try again"
    tries = "" if failures == 1 else f" after {failures} tries"
    raise StorageError(f"{what} failed{tries}: {why}.") from error


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _file_system(protocol: str, options: Mapping[str, object]) -> _FileSystem:
    """Return fsspec's file system: one of our own, that remembers no listing."""
    import fsspec  # noqa: PLC0415  most archives are folders

    if protocol in _PLAIN:
        raise UnsupportedError(
            "An archive cannot be kept at an http address. Give a folder or the URL of a store, "
            "such as s3://bucket/folder."
        )
    try:
        kind = fsspec.get_filesystem_class(protocol)
        said = fsspec.config.apply_config(kind, dict(options))
        if protocol in _S3_PROTOCOLS:
            given = said.get("config_kwargs")
            said["config_kwargs"] = {**_S3, **(given if isinstance(given, Mapping) else {})}
        made = kind(use_listings_cache=False, skip_instance_cache=True, **said)
    except ImportError as error:
        extra = "dicomlab[s3]" if protocol in _S3_PROTOCOLS else f"fsspec[{protocol}]"
        raise MissingDependencyError(
            f"The package for {protocol}:// is missing: pip install '{extra}'."
        ) from error
    except ValueError as error:
        raise UnsupportedError(
            f"No store is known for {protocol}://. Give a folder or the URL of a store, such as "
            "s3://bucket/folder."
        ) from error
    if hasattr(made, "retries"):
        made.retries = 1
    found: _FileSystem = made
    return found
