"""File operations that survive a power cut, in the order that makes them do so.

Every change of the store's folders goes through this module, so that a test can trace the order.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path

_SYNCS_A_TASK = 16


def make_folder(folder: Path) -> None:
    """Make a folder for the owner alone, with those above it, and make sure that it stays."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(mode=0o700, exist_ok=True)
        sync_folder(new.parent)


def create(path: Path) -> int:
    """Create a file that nobody else may read, and return its descriptor."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def write(descriptor: int, data: bytes) -> None:
    """Write all of the data."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_file(path: Path) -> None:
    """Return when a file's content is on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Give a file its final name, in one step; what had that name is gone."""
    source.replace(target)


def unlink(path: Path) -> bool:
    """Take a file's name away; return whether it had one."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def move_durably(moves: Iterable[tuple[Path, Path]], pool: Executor) -> None:
    """Move finished files to their final names: when this returns, they are there for good.

    Contents first, then names, then the folders that hold the names. The files are synced together,
    as a journalling file system writes many in little more time than one.
    """
    pairs = list(moves)
    _for_each(sync_file, [source for source, _ in pairs], pool)
    for source, target in pairs:
        rename(source, target)
    _for_each(sync_folder, sorted({target.parent for _, target in pairs}), pool)


def _for_each(work: Callable[[Path], None], paths: Sequence[Path], pool: Executor) -> None:
    """Do the work for all paths: a task of the pool takes some, as one costs as much as a sync."""

    def some(start: int) -> None:
        for path in paths[start : start + _SYNCS_A_TASK]:
            work(path)

    if len(paths) <= _SYNCS_A_TASK:
        some(0)  # no thread needs to be woken for it
    else:
        list(pool.map(some, range(0, len(paths), _SYNCS_A_TASK)))


def try_lock(folder: Path) -> int | None:
    """Lock a folder until the descriptor is closed or the process ends; ``None`` if it is held."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # it is gone, or no folder
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
