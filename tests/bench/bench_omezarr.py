"""From a folder of DICOM to OME-Zarr with a pyramid of four levels, and planes read back."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median

import itk
import ngff_zarr
import numpy as np
import xarray as xr
import zarr
from ct_series import JPEG_LS_LOSSLESS, open_volume, thorax
from measure import Result, beside, missing, seconds

from dicomlab import omezarr
from dicomlab.volume import Volume

SLICES = 500
LEVELS = 4
PLANES = 5


def size(folder: Path) -> int:
    """Return how many bytes the files of a folder hold."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def files(folder: Path) -> list[str]:
    """Return the files of a series by name."""
    return [str(path) for path in sorted(folder.iterdir())]


def with_us(folder: Path, out: Path) -> None:
    """Open a series and write it."""
    omezarr.write(open_volume(folder), out, levels=LEVELS)


def with_ngff_zarr(folder: Path, out: Path) -> None:
    """Read with ITK and write with ngff-zarr, by the quickest of its means, chunks by default."""
    image = ngff_zarr.itk_image_to_ngff_image(itk.imread(files(folder)))
    factors = [2**level for level in range(1, LEVELS)]
    method = ngff_zarr.Methods.ITK_BIN_SHRINK
    levels = ngff_zarr.to_multiscales(image, factors, method=method)
    ngff_zarr.to_ngff_zarr(str(out), levels, version="0.5")


def with_xarray(folder: Path, out: Path) -> None:
    """Read with ITK and write the full resolution with xarray."""
    array = itk.array_from_image(itk.imread(files(folder)))
    xr.DataArray(array, dims=("z", "y", "x"), name="ct").to_dataset().to_zarr(
        str(out), zarr_format=3, consolidated=False
    )


def with_dcm2niix(folder: Path, out: Path) -> None:
    """Convert to uncompressed NIfTI with the wheel's dcm2niix; Debian's decodes no JPEG-LS."""
    import dcm2niix

    out.mkdir()
    command = [dcm2niix.bin, "-z", "n", "-b", "n", "-o", str(out), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    assert any(out.glob("*.nii"))


def timed(work: Callable[[Path, Path], None], folder: Path) -> float:
    """Return how long a conversion takes; what it wrote is removed."""
    out = Path(tempfile.mkdtemp()) / "out.zarr"
    try:
        return seconds(lambda: work(folder, out))
    finally:
        shutil.rmtree(out.parent)


def compared(
    name: str,
    folder: Path,
    peer: Callable[[Path, Path], None],
    peer_name: str,
    goal: float,
    *,
    repeat: int,
) -> Result:
    """Measure our conversion of a folder beside a peer's."""
    return beside(
        name,
        lambda: timed(with_us, folder),
        lambda: timed(peer, folder),
        repeat=repeat,
        unit="s",
        peer_name=peer_name,
        goal=goal,
    )


def planes(
    read: Callable[[tuple[slice | int, ...]], object], shape: tuple[int, ...]
) -> list[float]:
    """Return how many ms a plane along each axis takes, the median of several."""
    times = []
    for axis, length in enumerate(shape):
        taken = []
        for index in np.linspace(length // 4, 3 * length // 4, PLANES).astype(int).tolist():
            key: list[slice | int] = [slice(None)] * 3
            key[axis] = index
            taken.append(1000 * seconds(lambda key=tuple(key): read(key)))
        times.append(median(taken))
    return times


def compared_planes(volume: Volume, peer: zarr.Array, *, repeat: int) -> list[Result]:
    """Compare planes of our store with planes of ngff-zarr's, axis by axis."""
    ours = [planes(lambda key: volume.stored[key].compute(), volume.shape) for _ in range(repeat)]
    straight = [planes(lambda key: volume.reader.blocks[key], volume.shape) for _ in range(repeat)]
    theirs = [planes(lambda key: peer[key], volume.shape) for _ in range(repeat)]
    results = []
    for axis, name in enumerate(("axial", "coronal", "sagittal")):
        by_us, by_reader, by_them = (
            median(times[axis] for times in side) for side in (ours, straight, theirs)
        )
        results += [
            Result(f"{name} plane, reader", "ms", by_reader, by_them, by_them / by_reader,
                   peer_name="ngff-zarr's store"),
            Result(f"{name} plane, Dask", "ms", by_us, by_them, by_them / by_us,
                   peer_name="ngff-zarr's store"),
        ]  # fmt: skip
    return results


def run(repeat: int) -> list[Result]:
    """Measure conversion, size and planes."""
    warnings.simplefilter("ignore")  # The peers' own.
    raw = thorax(SLICES)
    results = [
        compared(f"{SLICES} raw slices to OME-Zarr", raw, peer, name, goal, repeat=repeat)
        for peer, name, goal in (
            (with_ngff_zarr, f"ngff-zarr {ngff_zarr.__version__}", 5.0),
            (with_xarray, "itk.imread + to_zarr, 1 level", 4.0),
        )
    ]
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours.zarr", Path(folder) / "theirs.zarr"
        with_us(raw, ours)
        with_ngff_zarr(raw, theirs)
        sizes = size(ours) / 1e6, size(theirs) / 1e6
        peer = zarr.open_group(str(theirs), mode="r")
        path = peer.attrs["ome"]["multiscales"][0]["datasets"][0]["path"]
        results.append(
            Result(f"size of {LEVELS} levels", "MB", *sizes, sizes[1] / sizes[0], 1.0,
                   "ngff-zarr, its default codec")
        )  # fmt: skip
        results += compared_planes(omezarr.read(ours), peer[path], repeat=repeat)
    name, against, goal = f"{SLICES} JPEG-LS slices to OME-Zarr", "dcm2niix to NIfTI", 1.5
    try:
        importlib.import_module("dcm2niix")
    except ImportError:
        why = "pip install dcm2niix to compare; Debian's decodes no JPEG-LS"
        return [*results, missing(name, "s", against, why, goal=goal)]
    encoded = thorax(SLICES, JPEG_LS_LOSSLESS)
    results.append(compared(name, encoded, with_dcm2niix, against, goal, repeat=repeat))
    return results
