"""Phantoms as files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydicom import Dataset, dcmwrite


def write(datasets: Iterable[Dataset], folder: str | Path) -> list[Path]:
    """Write instances one at a time, as they come, and return their paths in that order.

    Names are modality and number, ``CT00001.dcm``: no value of the patient.

    Parameters
    ----------
    folder
        Is made where it is missing. A series of the same modality needs a folder of its own.

    Raises
    ------
    FileExistsError
        The folder holds a file of that name; nothing is overwritten.
    """
    return list(written(datasets, folder))


def written(datasets: Iterable[Dataset], folder: str | Path) -> Iterator[Path]:
    """Do what `write` does, and yield each path as soon as its file is whole."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number, instance in enumerate(datasets, 1):
        path = folder / f"{instance.Modality}{number:05d}.dcm"
        with path.open("xb") as file:
            dcmwrite(file, instance, enforce_file_format=True)
        yield path
