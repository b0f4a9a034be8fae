"""Where an archive is: as the configuration says, or the caller."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import url2pathname

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from dicomlab import config
from dicomlab.archive._folder_store import FolderStore
from dicomlab.archive._object_store import ObjectStore
from dicomlab.archive._quarantine_files import QuarantineBounds
from dicomlab.archive._remote import Remote
from dicomlab.archive._store import Store

if TYPE_CHECKING:
    from dicomlab.config import Archive


@dataclass(frozen=True, slots=True)
class Place:
    """Where an archive is.

    Attributes
    ----------
    location
        Its folder, as an absolute path, or a URL.
    index
        URL of the database of its index; ``None`` for SQLite in the folder.
    quota_bytes
        What its files may take together.
    quarantine
        What refused files may take together, and one of them.
    storage_options
        What the driver of a URL takes besides: endpoint, keys.
    """

    location: str
    index: URL | None = None
    quota_bytes: int | None = None
    quarantine: QuarantineBounds = field(default_factory=QuarantineBounds)
    storage_options: Mapping[str, object] = field(default_factory=dict, repr=False)

    def open(self) -> Store:
        """Open what holds its files.

        Raises
        ------
        StorageError
            It cannot be used.
        UnsupportedError
            There is no driver for such a URL, or what is there is of another kind.
        MissingDependencyError
            The package for such a URL is not installed.
        """
        if "://" not in self.location:
            return FolderStore(Path(self.location))
        remote = Remote(self.location, self.storage_options)
        key = hashlib.sha256(remote.identity().encode()).hexdigest()
        return ObjectStore(remote, config.home() / "stores" / f"{remote.protocol}-{key[:16]}")


def find_place(
    location: str | os.PathLike[str] | None,
    index: str | URL | None,
    quota_bytes: int | None,
    storage_options: Mapping[str, object] | None = None,
) -> Place:
    """Return the place of an archive: what the caller says, and for the rest the configuration.

    The configuration's index, quota and quarantine are those of the archive that it names: another
    location has none of them.

    Raises
    ------
    ValueError
        The location is empty or a URL that cannot be used, or the index is no URL.
    RefusedError
        The configuration cannot be used.
    NotFoundError
        The password of the index is not where the configuration says.
    """
    said = config.load().archive if config.is_set() else None
    home = _absolute("archive" if said is None or said.location is None else said.location)
    place = home if location is None else _absolute(os.fspath(location), Path())
    options = dict(storage_options or {})
    if said is None or not _is_same(place, home):
        return Place(
            place, None if index is None else _url(index), quota_bytes, storage_options=options
        )
    return Place(
        place,
        _configured_index(said) if index is None else _url(index),
        said.quota_bytes if quota_bytes is None else quota_bytes,
        QuarantineBounds(said.quarantine_bytes, said.quarantine_file_bytes),
        options,
    )


def _absolute(location: str, start: Path | None = None) -> str:
    """Return a location that means the same in every folder; without a start, home is it."""
    if not location.strip():
        raise ValueError("The archive's location is empty: give a folder, or nothing at all.")
    if "://" in location:
        return _checked_url(location)
    path = Path(location).expanduser()
    return str((config.home() / path if start is None else path).absolute())


def _checked_url(location: str) -> str:
    """Return a URL as it is always written, or the path that it means."""
    protocol, _, path = location.partition("://")
    if protocol in {"file", "local"}:
        return str(Path(url2pathname(path)).absolute())
    account = path.partition("/")[0].rpartition("@")[0]
    if ":" in account or "?" in path or "#" in path:
        # Without the URL: it may hold a password.
        raise ValueError(
            "The archive's URL may hold no password and no options. Give them by storage_options, "
            "the environment, or the configuration of fsspec."
        )
    if "::" in location or not path.strip("/"):
        raise ValueError("The archive's URL must be one place, such as s3://bucket/folder.")
    return f"{protocol}://{path.rstrip('/')}"


def _is_same(one: str, other: str) -> bool:
    if "://" in one or "://" in other:
        return one == other
    return Path(one).resolve() == Path(other).resolve()


def _configured_index(said: Archive) -> URL | None:
    if said.index is None:
        return None
    url = _url(said.index)
    return url if said.index_password is None else url.set(password=said.index_password.read())


def _url(index: str | URL) -> URL:
    try:
        return make_url(index)
    except ArgumentError:
        # Without the URL: it may hold a password.
        raise ValueError(
            "The archive's index needs a URL that begins with postgresql+psycopg://"
        ) from None
