"""The files of an archive in a folder of this machine."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from dicomlab.archive import _files
from dicomlab.archive._incoming import Incoming
from dicomlab.archive._store import SHARDS, Listing, StoredFile, hash_in, name_of, translated
from dicomlab.catalog import FileFrames
from dicomlab.errors import StorageError
from dicomlab.safety import FileBytes, Header

_SYNCS_AT_ONCE = 4
_BLOCK = 1 << 20


class FolderStore:
    """A folder: ``instances/ab/ab….dcm`` is complete, ``incoming`` what is on its way.

    Parameters
    ----------
    folder
        Where it is, or will be.
    """

    at_once = 1

    def __init__(self, folder: Path) -> None:
        try:
            _files.make_folder(folder)
        except OSError as error:
            raise StorageError(
                f"The archive's folder cannot be made: {error.strerror}. "
                "Check DICOMLAB_HOME and the permissions of the folder above."
            ) from error
        self.staging = folder
        self._instances = folder / "instances"
        self._damaged = folder / "damaged"
        self._incoming = Incoming(folder / "incoming")
        self._made: set[Path] = set()

    def path_of(self, sha256: str) -> Path:
        """Return where a content is or would be."""
        return self._instances / sha256[:2] / f"{sha256}.dcm"

    def open(self, sha256: str, size: int) -> StoredBytes:
        """Return the bytes of a content."""
        return StoredBytes(self.path_of(sha256), size)

    def frames(self, sha256: str, size: int, header: Header) -> FileFrames:  # noqa: ARG002
        """Return the frames of a content with pixel data."""
        return FileFrames(self.path_of(sha256), header)

    def digest(self, sha256: str, size: int) -> str | None:  # noqa: ARG002  the file has a size
        """Return the SHA-256 that a content has in truth; ``None`` where it cannot be read."""
        digest = hashlib.sha256()
        try:
            with FileBytes(self.path_of(sha256)) as source:
                at = 0
                while block := source.read_at(at, _BLOCK):
                    digest.update(block)
                    at += len(block)
        except OSError:
            return None
        return digest.hexdigest()

    def exists(self, sha256: str) -> bool:
        """Whether a file of this name is there."""
        return self.path_of(sha256).exists()

    def holds(self, sha256: str, size: int) -> bool:
        """Whether a content is there, in full length."""
        try:
            found = os.stat(self.path_of(sha256), follow_symlinks=False)  # noqa: PTH116
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == size

    def shards(self) -> Sequence[str]:
        """Return the shards that may hold files."""
        return SHARDS

    def listing(self, shard: str) -> Listing:
        """Return what is in a shard, by name."""
        made = Listing()
        for entry in _listed(self._instances / shard):
            sha256 = hash_in(entry.name, shard)
            if sha256 is None or not entry.is_file(follow_symlinks=False):
                made.strangers.append(f"{self._instances.name}/{shard}/{entry.name}")
                continue
            found = entry.stat(follow_symlinks=False)
            file = StoredFile(name_of(sha256), sha256, found.st_size, found.st_mtime_ns)
            made.files.append(file)
        return made

    def in_order(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Return files in the order in which they came: their times say it."""
        return sorted(files, key=lambda file: (file.received_ns, file.sha256))

    def strangers(self) -> Iterator[str]:
        """Yield the names of what stands among the shards and is none."""
        for top in _listed(self._instances):
            if top.name not in SHARDS or not top.is_dir(follow_symlinks=False):
                yield f"{self._instances.name}/{top.name}"

    def set_aside(self, sha256: str, found: str) -> None:
        """Move a file whose content has another hash out of the way; it is kept."""
        with translated("Setting a damaged file aside"):
            _files.make_folder(self._damaged)
            target = self._damaged / f"{sha256}-{found}.dcm"
            _files.rename(self.path_of(sha256), target)
            _files.sync_folder(self._damaged)
            _files.sync_folder(self.path_of(sha256).parent)

    def incoming(self) -> AbstractContextManager[Path]:
        """Give a folder for temporary files; it is gone afterwards, and so are dead ones."""
        return self._incoming.folder()

    def make_folders(self) -> None:
        """Make all folders at once: instances that come one by one need not wait for them."""
        with translated("Making folders"):
            _files.make_folder(self._instances)
            for shard in SHARDS:
                (self._instances / shard).mkdir(mode=0o700, exist_ok=True)
            _files.sync_folder(self._instances)
        self._made |= {self._instances / shard for shard in SHARDS}

    def take_in(
        self, files: Iterable[tuple[Path, str]], received_ns: Sequence[int] | None = None
    ) -> None:
        """Give temporary files their final names; when this returns they are there for good."""
        moves = [(temporary, self.path_of(sha256)) for temporary, sha256 in files]
        with translated("Writing files"):
            for folder in {target.parent for _, target in moves} - self._made:
                _files.make_folder(folder)
                self._made.add(folder)
            # Their order of arrival, should the index ever have to be made again from the files.
            now = time.time_ns()
            times = received_ns or range(now, now + len(moves))
            for (temporary, _), moment in zip(moves, times, strict=True):
                os.utime(temporary, ns=(moment, moment))
            with ThreadPoolExecutor(_SYNCS_AT_ONCE, "dicomlab-sync") as pool:
                _files.move_durably(moves, pool)

    def remove(self, sha256s: Iterable[str]) -> None:
        """Remove contents, also those set aside; when this returns they are gone for good."""
        with translated("Removing files"):
            gone = set(sha256s)
            paths = [self.path_of(sha256) for sha256 in gone]
            aside = (entry for entry in _listed(self._damaged) if entry.name[:64] in gone)
            paths += [Path(entry.path) for entry in aside]
            for folder in {path.parent for path in paths if _files.unlink(path)}:
                _files.sync_folder(folder)


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder by name; nothing where there is none."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


class StoredBytes:
    """The bytes of a stored instance; the file is open only while it is read."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self.size = size

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end."""
        with translated("Reading a stored instance"), FileBytes(self._path) as file:
            return file.read_at(offset, size)
