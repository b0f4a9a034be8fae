"""The prepared volumes on disk: made once, held while they are viewed, trimmed when they are many.

Beside each store lies a file ``.use`` that is locked: shared by whoever views the volume or makes
its store, alone by whoever removes it. The lock ends with its process, however that ends. Its
time is when the volume was last taken up.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dicomlab.viewing._lock import exclusive

__all__ = ["hold", "is_there", "trim"]

_SUFFIX = ".ome.zarr"
_PARTIAL = ".partial"
_GOING = ".going-"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


def is_there(store: Path) -> bool:
    """Return whether a store is finished."""
    return (store / "zarr.json").is_file()


def hold(store: Path, make: Callable[[], object]) -> int:
    """Return a descriptor that keeps a store from being trimmed while it is open.

    Parameters
    ----------
    store
        Its folder.
    make
        Makes it where it is not there; no other process does so at the same time.
    """
    descriptor = os.open(_use_of(store), _FLAGS, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if not is_there(store):
            with exclusive(store.with_suffix(".lock")):
                if not is_there(store):
                    make()
        os.utime(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def trim(folder: Path, most_bytes: int) -> None:
    """Remove the stores that were taken up longest ago until the rest fit; none that is in use.

    What an unfinished conversion left counts to its store.
    """
    for remains in folder.glob(f"{_GOING}*"):
        shutil.rmtree(remains, ignore_errors=True)
    stores = {
        found.with_name(found.name.removesuffix(_PARTIAL))
        for pattern in (f"*{_SUFFIX}", f"*{_SUFFIX}{_PARTIAL}")
        for found in folder.glob(pattern)
    }
    sizes = {store: _size(store) + _size(_partial(store)) for store in stores}
    total = sum(sizes.values())
    for store in sorted(stores, key=_taken_up):
        if total <= most_bytes:
            return
        with _alone(store) as is_ours:
            if is_ours:
                _remove(store)
                total -= sizes[store]


def _use_of(store: Path) -> Path:
    return store.with_suffix(".use")


def _partial(store: Path) -> Path:
    return store.with_name(store.name + _PARTIAL)


def _taken_up(store: Path) -> float:
    for place in (_use_of(store), store, _partial(store)):
        with suppress(OSError):
            return place.stat().st_mtime
    return 0.0


def _size(folder: Path) -> int:
    """Return the bytes of all files below a folder; what goes meanwhile counts for nothing."""
    total = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                is_folder = entry.is_dir(follow_symlinks=False)
                total += _size(Path(entry.path)) if is_folder else entry.stat().st_size
    return total


@contextmanager
def _alone(store: Path) -> Iterator[bool]:
    """Lock a store alone for a moment, and say whether that could be: not while it is in use."""
    descriptor = os.open(_use_of(store), _FLAGS, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def _remove(store: Path) -> None:
    """Remove a store so that it is never there in part: first its name goes."""
    for found in (store, _partial(store)):
        going = found.with_name(_GOING + found.name)
        with suppress(FileNotFoundError):
            found.rename(going)
            shutil.rmtree(going)
