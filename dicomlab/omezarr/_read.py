"""Reading a volume from OME-Zarr."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import zarr
from numpy.typing import NDArray
from pydantic import ValidationError

from dicomlab.errors import NotFoundError, StorageError, UnsupportedError
from dicomlab.omezarr._attributes import KEY, VolumeAttributes
from dicomlab.omezarr._layout import plan
from dicomlab.volume import Volume


class ChunkReader:
    """Reads planes and blocks from the chunks of one array of a store.

    Attributes
    ----------
    blocks
        The array: any block of it is quick to read, planes along all three axes among them.
    """

    def __init__(self, blocks: zarr.Array) -> None:  # type: ignore[type-arg]  # v3 by `open_group`
        self.blocks = blocks

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        slices, rows, columns = self.blocks.shape
        return slices, rows, columns

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the stored values."""
        kind: np.dtype[np.generic] = self.blocks.dtype
        return kind

    def read(self, index: int) -> NDArray[np.generic]:
        """Return one stored plane."""
        plane = np.empty(self.shape[1:], self.dtype)
        self.read_into(index, plane[None])
        return plane

    def read_into(self, start: int, out: NDArray[np.generic]) -> None:
        """Read planes into `out`."""
        try:
            out[...] = self.blocks[start : start + len(out)]
        except (OSError, RuntimeError, ValueError) as exc:
            raise StorageError(
                f"The slices {start} to {start + len(out) - 1} (from 0) of the OME-Zarr cannot be "
                "read: a chunk is damaged or out of reach. Write the store again."
            ) from exc


def read(path: str | os.PathLike[str]) -> Volume:
    """Open an OME-Zarr that `write` made: a lazy volume equal to the one that was written.

    Parameters
    ----------
    path
        Its folder, or a URL that zarr opens through fsspec.

    Returns
    -------
    Volume
        `Volume.stored` has the chunks of the store.

    Raises
    ------
    NotFoundError
        There is no zarr group of version 3.
    UnsupportedError
        It was not written by dicomlab: what OME-Zarr itself says does not make a `Volume`.
    StorageError
        Chunks are missing, or the attributes are damaged.
    """
    group = _open(path)
    attributes = _attributes(group)
    return _volume(group, attributes)


def read_levels(path: str | os.PathLike[str]) -> tuple[Volume, ...]:
    """Open the levels of a pyramid, the full resolution first, each on its own grid.

    Where the levels hold modality values (see `write`), slope and intercept of these volumes are 1
    and 0. Slices of the lower levels are means of several: they name no instances.

    Raises
    ------
    NotFoundError, UnsupportedError, StorageError
        As `read`.
    """
    group = _open(path)
    attributes = _attributes(group)
    whole = _volume(group, attributes)
    if attributes.values == "stored":
        slope, intercept = whole.rescale_slope[:1], whole.rescale_intercept[:1]
    else:
        slope, intercept = np.ones(1), np.zeros(1)
        whole = replace(whole, pixel_padding_value=None, bits_stored=None)
    planned = plan(whole.grid, whole.reader.dtype.itemsize, levels=_count(group))
    return tuple(
        replace(
            whole,
            reader=ChunkReader(_array(group, level.path)),
            grid=level.grid,
            rescale_slope=slope,
            rescale_intercept=intercept,
            sop_instance_uids=(),
            frame_numbers=(),
        )
        for level in planned
    )


def _open(path: str | os.PathLike[str]) -> zarr.Group:
    try:
        return zarr.open_group(os.fspath(path), mode="r", zarr_format=3)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise NotFoundError(
            "There is no OME-Zarr here: no zarr group of version 3 was found. An unfinished one "
            "has '.partial' in its name; write it again to go on."
        ) from exc
    except (OSError, ValueError) as exc:
        raise StorageError("The OME-Zarr cannot be opened: its zarr.json is damaged.") from exc


def _attributes(group: zarr.Group) -> VolumeAttributes:
    found = group.attrs.get(KEY)
    if found is None:
        raise UnsupportedError(
            f"The OME-Zarr has no attribute {KEY!r}: dicomlab did not write it, and what other "
            "writers say does not make a volume in the patient's space. Open it with zarr itself."
        )
    try:
        return VolumeAttributes.model_validate(found)
    except ValidationError as exc:
        wrong = ", ".join(sorted({".".join(map(str, error["loc"])) for error in exc.errors()}))
        raise StorageError(f"The attribute {KEY!r} of the OME-Zarr is damaged: {wrong}.") from exc


def _volume(group: zarr.Group, attributes: VolumeAttributes) -> Volume:
    reader = ChunkReader(_array(group, attributes.stored_path))
    try:
        return attributes.volume(reader)
    except ValueError as exc:
        raise StorageError(
            f"The attribute {KEY!r} of the OME-Zarr is damaged; it makes no volume: {exc}."
        ) from exc


def _array(group: zarr.Group, path: str) -> zarr.Array:  # type: ignore[type-arg]  # as above
    """Return an array whose chunks are all there: for a lost one zarr would read zeros."""
    try:
        array = group[path]
    except KeyError as exc:
        raise StorageError(f"The OME-Zarr has no array {path!r}.") from exc
    if not isinstance(array, zarr.Array) or array.ndim != 3:
        raise StorageError(f"What the OME-Zarr holds as {path!r} is no array of three axes.")
    lost = array.nchunks - array.nchunks_initialized
    if lost:
        raise StorageError(
            f"{lost} of the {array.nchunks} chunks of the array {path!r} are missing. Write the "
            "OME-Zarr again."
        )
    return array


def _count(group: zarr.Group) -> int:
    """Return how many levels there are."""
    return sum(name.isdecimal() for name in group.array_keys())
