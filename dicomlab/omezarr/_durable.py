"""Files and folders brought safely to the disk."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

__all__ = ["THREADS", "sync", "sync_names"]

THREADS = 4
"""So many at once share what the disk does for each."""


def sync(path: Path) -> None:
    """Return when a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_names(root: Path) -> None:
    """Return when the metadata of a store and the names of all in it are on the disk."""
    folders = [Path(place) for place, _folders, _files in os.walk(root)]
    metadata = [place / "zarr.json" for place in folders if (place / "zarr.json").exists()]
    with ThreadPoolExecutor(THREADS, thread_name_prefix="dicomlab-sync") as threads:
        list(threads.map(sync, (*metadata, *folders)))
