"""Where an archive is: as the configuration says, or the caller."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from dicomlab import config
from dicomlab.archive._quarantine_files import QuarantineBounds

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
    """

    location: str
    index: URL | None = None
    quota_bytes: int | None = None
    quarantine: QuarantineBounds = field(default_factory=QuarantineBounds)


def find_place(
    location: str | os.PathLike[str] | None,
    index: str | URL | None,
    quota_bytes: int | None,
) -> Place:
    """Return the place of an archive: what the caller says, and for the rest the configuration.

    The configuration's index, quota and quarantine are those of the archive that it names: another
    location has none of them.

    Raises
    ------
    ValueError
        The location is empty, or the index is no URL.
    RefusedError
        The configuration cannot be used.
    NotFoundError
        The password of the index is not where the configuration says.
    """
    said = config.load().archive if config.is_set() else None
    home = _absolute("archive" if said is None or said.location is None else said.location)
    place = home if location is None else _absolute(os.fspath(location), Path())
    if said is None or not _is_same(place, home):
        return Place(place, None if index is None else _url(index), quota_bytes)
    return Place(
        place,
        _configured_index(said) if index is None else _url(index),
        said.quota_bytes if quota_bytes is None else quota_bytes,
        QuarantineBounds(said.quarantine_bytes, said.quarantine_file_bytes),
    )


def _absolute(location: str, start: Path | None = None) -> str:
    """Return a location that means the same in every folder; without a start, home is it."""
    if not location.strip():
        raise ValueError("The archive's location is empty: give a folder, or nothing at all.")
    if "://" in location:
        return location
    path = Path(location).expanduser()
    return str((config.home() / path if start is None else path).absolute())


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
