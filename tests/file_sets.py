"""File-sets with a DICOMDIR, written by pydicom."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydicom import Dataset
from pydicom.fileset import FileSet


def write_file_set(instances: Iterable[Dataset], folder: Path) -> Path:
    """Write instances as a file-set and return its folder."""
    files = FileSet()
    for one in instances:
        files.add(one)
    files.write(folder)
    # It lies behind its own folder for temporary files, and leaves that to the garbage collector.
    files._stage["t"].cleanup()
    return folder
