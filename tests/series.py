"""Files as the instances of a series, the way a source offers them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydicom import Dataset

from dicomlab.catalog import FileFrames, InstanceData
from dicomlab.phantoms import write
from dicomlab.safety import FileBytes, Header, read_header


def header_of(path: Path) -> Header:
    with FileBytes(path) as file:
        return read_header(file)


def instance(path: Path, header: Header | None = None) -> InstanceData:
    header = header or header_of(path)
    frames = None if header.pixel_data is None else FileFrames(path, header)
    return InstanceData(header.string("SOPInstanceUID") or "", header, frames)


def instances_of(datasets: Iterable[Dataset], folder: Path) -> list[InstanceData]:
    return [instance(path) for path in write(datasets, folder)]
