"""Data sets that anyone may use: what there is, under which licence, fetched and verified.

Each is one TOML file that says what the set is, whose, under which licence, and how it comes to be:
files at URLs, or a recipe for phantoms, which need no network. A fetched set is proved by SHA-256
before it is called by its name; half a set never is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import chain
from pathlib import Path, PurePosixPath

from pydicom import Dataset

from dicomlab import phantoms
from dicomlab.config import home
from dicomlab.errors import (
    NonConformantError,
    NotFoundError,
    PeerError,
    RefusedError,
    StorageError,
)

__all__ = [
    "DataSet",
    "DataSets",
    "Fetched",
    "PhantomSeries",
    "RemoteFile",
    "fetch",
    "list",
    "read",
    "verify",
]

Progress = Callable[[int, int], None]
"""Told of files done and files in all."""

_BLOCK = 1 << 20
_FILES = "files"
_MAKERS: Mapping[str, Callable[..., Iterable[Dataset]]] = {
    maker.__name__: maker
    for maker in (
        phantoms.colour,
        phantoms.enhanced_ct,
        phantoms.head_mr,
        phantoms.thorax_ct,
        phantoms.thorax_pet,
    )
}
_CHANGES: Mapping[str, Callable[[Iterable[Dataset]], Iterable[Dataset]]] = {
    change.__name__: change
    for change in (
        phantoms.shuffled,
        phantoms.tilted,
        phantoms.with_duplicate,
        phantoms.with_gap,
        phantoms.with_mixed_orientation,
        phantoms.with_unlike_sizes,
        phantoms.without_position,
    )
}


@dataclass(frozen=True)
class RemoteFile:
    """One file of a set, where it is and what it must be.

    Attributes
    ----------
    path
        Its place in the set, with ``/``.
    url
        Any that fsspec opens.
    sha256
        Of its bytes.
    """

    path: str
    url: str
    sha256: str


@dataclass(frozen=True)
class PhantomSeries:
    """One series of a recipe.

    Attributes
    ----------
    folder
        Where its files lie in the set, with ``/``.
    maker
        Function of `dicomlab.phantoms` that makes it.
    arguments
        What the function is given.
    changes
        Functions of `dicomlab.phantoms` that spoil or shuffle it, in order.
    """

    folder: str
    maker: str
    arguments: Mapping[str, object] = field(hash=False)
    changes: tuple[str, ...]


@dataclass(frozen=True)
class DataSet:
    """What is known of one data set.

    Attributes
    ----------
    id
        Its name for `fetch`.
    licence
        SPDX identifier.
    count
        Number of files.
    sha256
        Over the set: of the lines ``<SHA-256 of the file>  <its path>``, sorted by path.
    series, files
        How it is made, or where it comes from; one of them is empty.
    """

    id: str
    title: str
    description: str
    origin: str
    licence: str
    citation: str
    count: int
    sha256: str
    series: tuple[PhantomSeries, ...] = field(repr=False)
    files: tuple[RemoteFile, ...] = field(repr=False)


class DataSets(tuple[DataSet, ...]):
    """Data sets, shown as a table in a notebook."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        heads = ("id", "title", "files", "licence", "origin")
        rows = [(one.id, one.title, str(one.count), one.licence, one.origin) for one in self]
        return (
            "<table><thead>"
            + _row("th", heads)
            + "</thead><tbody>"
            + "".join(_row("td", row) for row in rows)
            + "</tbody></table>"
        )


@dataclass(frozen=True)
class Fetched:
    """A data set on this machine; shows its licence, and goes wherever a path goes.

    Attributes
    ----------
    path
        The folder of its files, and of nothing else. The licence stands beside it.
    licence, citation
        What the owner asks for.
    was_there
        It had been fetched before.
    """

    path: Path
    title: str
    licence: str
    origin: str
    citation: str
    was_there: bool

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __str__(self) -> str:
        return (
            f"{self.title}\nLicence: {self.licence}\nOrigin: {self.origin}\n"
            f"Cite as: {self.citation}\n"
        )

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}{escape(str(self.path))}</pre>"


# Called ``datasets.list()``; nothing in this module needs the built-in.
def list() -> DataSets:  # noqa: A001
    """Return the data sets that come with dicomlab, by id."""
    found = (read(path) for path in _folder().glob("*.toml"))
    return DataSets(sorted(found, key=lambda one: one.id))


def read(path: str | Path) -> DataSet:
    """Return the data set that a TOML file describes, your own for example.

    Raises
    ------
    NonConformantError
        It is no TOML, lacks a key, or has one of another type or name.
    RefusedError
        A file would lie outside the set.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
        one = DataSet(
            series=tuple(_series(**entry) for entry in table.pop("phantom", ())),
            files=tuple(RemoteFile(**entry) for entry in table.pop("file", ())),
            **table,
        )
    except (tomllib.TOMLDecodeError, TypeError, KeyError) as error:
        raise NonConformantError(
            f"{path.name} describes no data set: {error}. Compare it with those in datasets/.",
            reason="data-set-description",
        ) from error
    for place in chain(
        (one.id,), (s.folder for s in one.series), (file.path for file in one.files)
    ):
        _check_inside(place)
    return one


def fetch(
    name: str | DataSet, folder: str | Path | None = None, *, progress: Progress | None = None
) -> Fetched:
    """Return a data set on this machine, made or fetched if it is not there yet.

    Phantoms are made here, without network. The second time nothing is done. The result says under
    which licence the set is, and so does ``LICENCE.txt`` beside its files.

    Parameters
    ----------
    name
        Id of one in `list`, or one that `read` returned.
    folder
        Where to keep it; ``datasets`` under ``DICOMLAB_HOME`` if not given.
    progress
        Called with files done and files in all.

    Raises
    ------
    NotFoundError
        There is no such set, or one of its files is not where it should be.
    PeerError
        A file cannot be fetched.
    StorageError
        The bytes are not those that the SHA-256 promises.
    """
    one = name if isinstance(name, DataSet) else _find(name)
    place = _place(one, folder)
    if _is_there(one, place):
        return _fetched(one, place, was_there=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{one.id}-", dir=place.parent))
    try:
        for done, _ in enumerate(_filled(one, partial / _FILES), 1):
            if progress is not None:
                progress(done, one.count)
        _check(one, partial / _FILES)
        (partial / "LICENCE.txt").write_text(str(_fetched(one, place)), encoding="utf-8")
        (partial / "SHA256").write_text(one.sha256, encoding="ascii")
        _put(partial, one, place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return _fetched(one, place)


def verify(name: str | DataSet, folder: str | Path | None = None) -> None:
    """Prove that a fetched data set is still what it was.

    Raises
    ------
    NotFoundError
        There is no such set, or it has not been fetched.
    StorageError
        A file changed, is missing, or is one too many.
    """
    one = name if isinstance(name, DataSet) else _find(name)
    files = _place(one, folder) / _FILES
    if not files.is_dir():
        raise NotFoundError(f"Data set {one.id!r} has not been fetched: call fetch first.")
    _check(one, files)


def _folder() -> Path:
    """Return the folder of the descriptions: in the installed package, or in the source tree."""
    package = Path(__file__).parent
    installed = package / "_datasets"
    return installed if installed.is_dir() else package.parent / "datasets"


def _series(
    *,
    maker: str,
    folder: str = "",
    arguments: Mapping[str, object] | None = None,
    changes: Sequence[str] = (),
) -> PhantomSeries:
    """Return one series of a recipe; raise KeyError where no such function is known."""
    for name, known in ((maker, _MAKERS.keys()), *((name, _CHANGES.keys()) for name in changes)):
        if name not in known:
            raise KeyError(f"no phantom function {name}")
    return PhantomSeries(folder, maker, arguments or {}, tuple(changes))


def _find(name: str) -> DataSet:
    known = {one.id: one for one in list()}
    if name not in known:
        raise NotFoundError(f"There is no data set {name!r}; there are {', '.join(known)}.")
    return known[name]


def _check_inside(place: str) -> None:
    path = PurePosixPath(place)
    if path.is_absolute() or ".." in path.parts or "\\" in place:
        raise RefusedError(
            f"{place!r} would lie outside its data set: give a relative path without '..'.",
            rule="data-set-path",
        )


def _place(one: DataSet, folder: str | Path | None) -> Path:
    return Path(folder or home() / "datasets") / one.id


def _is_there(one: DataSet, place: Path) -> bool:
    """Say whether this very version of a set is there, whole."""
    try:
        return (place / "SHA256").read_text(encoding="ascii") == one.sha256
    except FileNotFoundError:
        return False


def _fetched(one: DataSet, place: Path, *, was_there: bool = False) -> Fetched:
    return Fetched(
        path=place / _FILES,
        title=one.title,
        licence=one.licence,
        origin=one.origin,
        citation=one.citation,
        was_there=was_there,
    )


def _filled(one: DataSet, folder: Path) -> Iterator[Path]:
    """Put the files of a set into a folder, and yield each when it is there."""
    for series in one.series:
        made: Iterable[Dataset] = _MAKERS[series.maker](**series.arguments)
        for change in series.changes:
            made = _CHANGES[change](made)
        yield from phantoms.written(made, folder / series.folder)
    for file in one.files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(file, path)
        yield path


def _download(file: RemoteFile, path: Path) -> None:
    """Fetch one file and prove it."""
    import fsspec  # noqa: PLC0415 - costs a tenth of a second, and phantoms need none of it

    try:
        with fsspec.open(file.url, "rb") as source, path.open("xb") as target:
            shutil.copyfileobj(source, target, _BLOCK)
    except FileNotFoundError as error:
        raise NotFoundError(f"{file.path} is not at {file.url}.") from error
    except OSError as error:
        raise PeerError(f"{file.path} could not be fetched from {file.url}: {error}.") from error
    found = _digest(path)
    if found != file.sha256:
        raise StorageError(
            f"{file.path} from {file.url} has SHA-256 {found}, expected {file.sha256}: it changed "
            "there or on the way. Nothing was kept; try again, or ask its owner."
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(one: DataSet, folder: Path) -> None:
    """Prove the files of a folder to be those of the set."""
    paths = sorted(
        (path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file()
    )
    lines = (f"{_digest(path)}  {place}\n" for place, path in paths)
    found = hashlib.sha256("".join(lines).encode()).hexdigest()
    if found != one.sha256 or len(paths) != one.count:
        raise StorageError(
            f"Data set {one.id!r} has {len(paths)} file(s) with SHA-256 {found}, expected "
            f"{one.count} with {one.sha256}. Remove its folder and fetch it again; if that does "
            "not help, report it with the versions of NumPy and pydicom."
        )


def _put(partial: Path, one: DataSet, place: Path) -> None:
    """Give a proved set its name at one stroke; an older version gives way."""
    if place.exists() and not _is_there(one, place):
        older = Path(tempfile.mkdtemp(prefix=f".{one.id}-", dir=place.parent))
        place.replace(older / "older")
        shutil.rmtree(older, ignore_errors=True)
    try:
        partial.replace(place)
    except OSError:
        # Another process put the same set there in the meantime.
        if not _is_there(one, place):
            raise


def _row(cell: str, values: tuple[str, ...]) -> str:
    cells = "".join(f"<{cell}>{escape(value)}</{cell}>" for value in values)
    return f"<tr>{cells}</tr>"
