"""What tests of derived objects share: a phantom's volume, and dciodvfy's word."""

from __future__ import annotations

from pathlib import Path

from pydicom import Dataset

from dicomlab import phantoms
from dicomlab.catalog import Query, Series
from dicomlab.media import open_folder
from dicomlab.volume import Volume
from tests.peers import Peers


def series_of(folder: Path) -> Series:
    """Return the one series of a folder."""
    source = open_folder(folder)
    (record,) = source.records(Query("series"))
    return Series(source, record)


def ct_series(folder: Path, *, slices: int = 6, rows: int = 32, **attributes: object) -> Series:
    """Return a small CT series in files."""
    phantoms.write(phantoms.thorax_ct(slices=slices, rows=rows, **attributes), folder)
    return series_of(folder)


def ct_volume(folder: Path, *, slices: int = 6, rows: int = 32) -> Volume:
    """Return a small CT that knows where it comes from."""
    return ct_series(folder, slices=slices, rows=rows).volume()


def findings(peers: Peers, made: Dataset, path: Path) -> list[str]:
    """Write an instance and return dciodvfy's errors and warnings."""
    made.save_as(path, enforce_file_format=True)
    said = peers.run("dciodvfy", "-new", path, check=False).stderr.decode()
    assert said.strip(), "dciodvfy says at least the name of the object"
    return [line for line in said.splitlines() if line.startswith(("Error", "Warning"))]
