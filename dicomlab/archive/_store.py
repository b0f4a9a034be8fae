"""The files of the archive: one an instance, as received, named by the hash of its bytes."""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from dicomlab.archive import _files
from dicomlab.errors import StorageError
from dicomlab.safety import FileBytes

_SYNCS_AT_ONCE = 4
_NAME = re.compile(r"([0-9a-f]{64})\.dcm")
SHARDS = tuple(f"{number:02x}" for number in range(256))
"""The folders of the store, by the first two digits of the hash."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the store as its folder shows it.

    Attributes
    ----------
    name
        Below the archive's folder.
    modified_ns
        When it was taken in; files of one import in their order.
    """

    path: Path
    name: str
    sha256: str
    size: int
    modified_ns: int


class Store:
    """A folder of files that no sender can name.

    ``instances/ab/ab….dcm`` holds what is complete; ``incoming`` what is on its way, one folder an
    import, locked while it lasts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._instances = folder / "instances"
        self._damaged = folder / "damaged"
        self._incoming = folder / "incoming"
        self._made: set[Path] = set()

    def path_of(self, sha256: str) -> Path:
        """Return where a content is or would be."""
        return self._instances / sha256[:2] / f"{sha256}.dcm"

    def name_of(self, sha256: str) -> str:
        """Return the name of a content's file below the archive's folder."""
        return self.path_of(sha256).relative_to(self._folder).as_posix()

    def files(self, shard: str) -> Iterator[StoredFile]:
        """Yield the files of a shard, by name."""
        for entry in _listed(self._instances / shard):
            named = _NAME.fullmatch(entry.name)
            if named is not None and self._is_ours(entry, shard):
                found = entry.stat(follow_symlinks=False)
                path = Path(entry.path)
                name = path.relative_to(self._folder).as_posix()
                yield StoredFile(path, name, named[1], found.st_size, found.st_mtime_ns)

    def strangers(self) -> Iterator[str]:
        """Yield the names of what the archive did not put among its files."""
        for top in _listed(self._instances):
            if top.name not in SHARDS or not top.is_dir(follow_symlinks=False):
                yield f"{self._instances.name}/{top.name}"
                continue
            for entry in _listed(Path(top.path)):
                if not self._is_ours(entry, top.name):
                    yield f"{self._instances.name}/{top.name}/{entry.name}"

    @staticmethod
    def _is_ours(entry: os.DirEntry[str], shard: str) -> bool:
        is_named = _NAME.fullmatch(entry.name) is not None and entry.name.startswith(shard)
        return is_named and entry.is_file(follow_symlinks=False)

    def set_aside(self, sha256: str, found: str) -> None:
        """Move a file whose content has another hash out of the way; it is kept."""
        with _translated("Setting a damaged file aside"):
            _files.make_folder(self._damaged)
            target = self._damaged / f"{sha256}-{found}.dcm"
            _files.rename(self.path_of(sha256), target)
            _files.sync_folder(self._damaged)
            _files.sync_folder(self.path_of(sha256).parent)

    def holds(self, sha256: str, size: int) -> bool:
        """Whether a content is there, in full length."""
        try:
            found = os.stat(self.path_of(sha256), follow_symlinks=False)  # noqa: PTH116
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == size

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """Give a folder for temporary files; it is gone afterwards, and so are dead ones."""
        with _translated("Preparing the archive's folder"):
            _files.make_folder(self._incoming)
            self._sweep()
            folder, lock = self._new_folder()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    def _new_folder(self) -> tuple[Path, int]:
        while True:
            folder = self._incoming / uuid4().hex
            folder.mkdir(mode=0o700)
            lock = _files.try_lock(folder)
            # Before it was locked, another process may have taken it for a dead one.
            if lock is not None and folder.is_dir():
                return folder, lock
            if lock is not None:
                os.close(lock)

    def _sweep(self) -> None:
        """Remove what imports left behind that did not live to their end."""
        for folder in self._incoming.iterdir():
            lock = _files.try_lock(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)

    def write_temporary(self, folder: Path, blocks: Iterable[bytes]) -> Path:
        """Write a temporary file, not synced yet."""
        path = folder / uuid4().hex
        with _translated("Writing a file"):
            descriptor = _files.create(path)
            try:
                for block in blocks:
                    _files.write(descriptor, block)
            except BaseException:
                path.unlink()
                raise
            finally:
                os.close(descriptor)
        return path

    def take_in(self, files: Iterable[tuple[Path, str]]) -> None:
        """Give temporary files their final names; when this returns they are there for good."""
        moves = [(temporary, self.path_of(sha256)) for temporary, sha256 in files]
        with _translated("Writing files"):
            for folder in {target.parent for _, target in moves} - self._made:
                _files.make_folder(folder)
                self._made.add(folder)
            # Their order of arrival, should the index ever have to be made again from the files.
            now = time.time_ns()
            for place, (temporary, _) in enumerate(moves):
                os.utime(temporary, ns=(now + place, now + place))
            with ThreadPoolExecutor(_SYNCS_AT_ONCE, "dicomlab-sync") as pool:
                _files.move_durably(moves, pool)


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder by name; nothing where there is none."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{what} failed: {error.strerror or type(error).__name__}. "
            "Check free space and permissions of the archive's folder."
        ) from error


class StoredBytes:
    """The bytes of a stored instance; the file is open only while it is read."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self.size = size

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end."""
        with _translated("Reading a stored instance"), FileBytes(self._path) as file:
            return file.read_at(offset, size)
