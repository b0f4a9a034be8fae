"""Where files wait on the local disk until they are in the store."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from dicomlab.archive import _files
from dicomlab.archive._store import translated


class Incoming:
    """A folder of folders: one for each import, locked while it lasts.

    Parameters
    ----------
    folder
        Its path; it is made when the first import begins.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Give a folder for temporary files; it is gone afterwards, and so are dead ones."""
        with translated("Preparing the archive's folder"):
            _files.make_folder(self._folder)
            self._sweep()
            folder, lock = self._new_folder()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    def _new_folder(self) -> tuple[Path, int]:
        while True:
            folder = self._folder / uuid4().hex
            folder.mkdir(mode=0o700)
            lock = _files.try_lock(folder)
            # Before it was locked, another process may have taken it for a dead one.
            if lock is not None and folder.is_dir():
                return folder, lock
            if lock is not None:
                os.close(lock)

    def _sweep(self) -> None:
        """Remove what imports left behind that did not live to their end."""
        for folder in self._folder.iterdir():
            lock = _files.try_lock(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def write_temporary(folder: Path, blocks: Iterable[bytes]) -> Path:
    """Write a temporary file, not synced yet."""
    path = folder / uuid4().hex
    with translated("Writing a file"):
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
