"""Scanning a folder of CT files: open, read the header, take what a series record holds."""

from __future__ import annotations

import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pydicom
from measure import Result, beside, missing, seconds

from dicomlab import phantoms
from dicomlab.catalog import OWN_KEYS, level_record
from dicomlab.safety import FileBytes, read_header
from dicomlab.standard import Level

LEVELS = (Level.PATIENT, Level.STUDY, Level.SERIES)
KEYS = [key for level in LEVELS for key in OWN_KEYS[level]]
FILES = 1000


def ours(paths: list[Path]) -> float:
    """Return how long our walk and a series record take for all files."""

    def scan() -> None:
        for path in paths:
            with FileBytes(path) as file:
                header = read_header(file)
            levels = [level_record(header, level) for level in LEVELS]
            record = levels[0] | levels[1] | levels[2]
            assert record["Modality"] == "CT"

    return seconds(scan)


def with_pydicom(paths: list[Path]) -> float:
    """Return how long pydicom takes for the same attributes."""

    def scan() -> None:
        for path in paths:
            data = pydicom.dcmread(path, stop_before_pixels=True)
            record = {key: data.get(key) for key in KEYS}
            assert record["Modality"] == "CT"

    return seconds(scan)


def with_dicomsdl(paths: list[Path]) -> float:
    """Return how long dicomsdl takes for the same attributes."""
    import dicomsdl

    def scan() -> None:
        for path in paths:
            data = dicomsdl.open(str(path))
            record = {key: data.getDataElement(key).value() for key in KEYS}
            assert record["Modality"] == "CT"

    return seconds(scan)


def run(repeat: int) -> list[Result]:
    """Measure on phantoms of the size of a thorax CT's headers."""
    with tempfile.TemporaryDirectory() as folder:
        paths = phantoms.write(phantoms.thorax_ct(slices=FILES, rows=64), folder)
        name = f"scan {FILES:,} CT headers"
        results = [
            beside(name, lambda: ours(paths), lambda: with_pydicom(paths), repeat=repeat, unit="s",
                   peer_name=f"pydicom {pydicom.__version__}", goal=8.0)
        ]  # fmt: skip
        try:
            peer = f"dicomsdl {version('dicomsdl')}"
        except PackageNotFoundError:
            results.append(
                missing(name, "s", "dicomsdl", "pip install dicomsdl to compare", goal=1.3)
            )
        else:
            results.append(
                beside(name, lambda: ours(paths), lambda: with_dicomsdl(paths), repeat=repeat,
                       unit="s", peer_name=peer, goal=1.3)
            )  # fmt: skip
    return results
