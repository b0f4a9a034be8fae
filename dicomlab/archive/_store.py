"""The files of the archive: one an instance, as received, named by the hash of its bytes."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from dicomlab.archive import _files
from dicomlab.errors import StorageError
from dicomlab.safety import FileBytes

_SYNCS_AT_ONCE = 4


class Store:
    """A folder of files that no sender can name.

    ``instances/ab/ab….dcm`` holds what is complete; ``incoming`` what is on its way, one folder an
    import, locked while it lasts.
    """

    def __init__(self, folder: Path) -> None:
        self._instances = folder / "instances"
        self._incoming = folder / "incoming"
        self._made: set[Path] = set()

    def path_of(self, sha256: str) -> Path:
        """Return where a content is or would be."""
        return self._instances / sha256[:2] / f"{sha256}.dcm"

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
            with ThreadPoolExecutor(_SYNCS_AT_ONCE, "dicomlab-sync") as pool:
                _files.move_durably(moves, pool)


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
