"""Writing a volume to OME-Zarr in one pass."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TypeAlias

import numpy as np
import zarr
from numpy.typing import NDArray

from dicomlab.errors import StorageError
from dicomlab.omezarr._attributes import KEY, STORED, VolumeAttributes, multiscales
from dicomlab.omezarr._chunks import COMPRESSION, ChunkWriter
from dicomlab.omezarr._durable import THREADS, sync
from dicomlab.omezarr._layout import Level, plan
from dicomlab.omezarr._partial import Partial, check_target
from dicomlab.omezarr._pyramid import halve
from dicomlab.volume import Volume

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of slices done and the number of all."""

_KINDS = frozenset(("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"))


def write(
    volume: Volume,
    path: str | os.PathLike[str],
    *,
    levels: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write a volume as OME-Zarr 0.5 with a pyramid; `read` gives an equal volume back.

    The source is read once, slab by slab, so memory does not grow with the number of slices. The
    levels hold stored values in their own type. Where slices differ in slope or intercept (PET),
    means of stored values would mean nothing: there the levels hold modality values (those of
    `Volume.array`), and the stored values stand beside them in an array ``stored``.

    The exact LPS affine, rescale, units, UIDs, windows and SUV inputs stand in the group's
    attribute ``dicomlab`` (see `VolumeAttributes`). OME-Zarr itself knows scale and translation
    only: other readers show an oblique volume unrotated.

    A write that was cut short leaves ``<name>.partial`` beside the target and nothing under the
    target's name. The next call for the same volume and options goes on after the slabs that are
    written whole, and the outcome is the same to the last byte.

    Parameters
    ----------
    volume
        What to write.
    path
        Folder to make, for example ``ct.ome.zarr``.
    levels
        How many, the full resolution among them; by default as many as it takes to come down to
        2**19 voxels.
    overwrite
        Replace a store at `path` that dicomlab wrote; anything else there is never touched.
    progress
        Called when a slab is on the disk, in the caller's thread.

    Returns
    -------
    pathlib.Path
        The finished store.

    Raises
    ------
    RefusedError
        The target is in use.
    StorageError
        Disk full or no permission; what was written stays for the next call.
    """
    kind = volume.reader.dtype
    if kind.name not in _KINDS:
        raise TypeError(f"stored values of type {kind.name} have no place in OME-Zarr")
    target = Path(path)
    planned = plan(volume.grid, max(kind.itemsize, volume.dtype.itemsize), levels=levels)
    attributes = VolumeAttributes.of(volume)
    try:
        check_target(target, overwrite=overwrite)
        partial = Partial(target, _identity(attributes, planned, kind))
        _Pass(volume, partial, planned, rescaling=attributes.values == "modality").run(progress)
        with zarr.config.set({"json_indent": None}):
            zarr.create_group(
                str(partial.store),
                attributes={"ome": multiscales(planned), KEY: attributes.model_dump(mode="json")},
                zarr_format=3,
                overwrite=False,
            )
        partial.publish(overwrite=overwrite)
    except OSError as exc:
        remedy = (
            "Free some space and call again: it goes on where it stopped."
            if exc.errno == errno.ENOSPC
            else "What was written stays for the next call."
        )
        raise StorageError(f"The OME-Zarr cannot be written: {exc.strerror}. {remedy}") from exc
    return target


def _identity(
    attributes: VolumeAttributes, levels: Sequence[Level], kind: np.dtype[np.generic]
) -> str | None:
    """Return a hash of source and options; none for a volume that no UIDs tell from others."""
    if not attributes.sop_instance_uids:
        return None
    told = [
        attributes.model_dump(mode="json"),
        kind.name,
        [[level.shape, level.chunks] for level in levels],
        COMPRESSION,
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


class _Stage:
    """One level on its way: the slab that is being gathered and the array it goes to."""

    def __init__(self, level: Level, store: Path, kind: np.dtype[np.generic]) -> None:
        self.level = level
        self.array = ChunkWriter(store / level.path, level.shape, level.chunks, kind)
        self.start = 0
        self.gathered = 0
        # The first level is handed the slabs as they are read.
        shape = (0, 0, 0) if level.path == "0" else (level.chunks[0], *level.shape[1:])
        self.slab: NDArray[np.generic] = np.empty(shape, kind)

    @property
    def is_due(self) -> bool:
        """Whether the slab is full, or holds the last of the slices."""
        is_full = self.gathered == self.level.chunks[0]
        return is_full or self.start + self.gathered == self.level.shape[0]


class _Pass:
    """The one pass: each slab is read, encoded, and halved into the slab of the next level."""

    def __init__(
        self,
        volume: Volume,
        partial: Partial,
        levels: Sequence[Level],
        *,
        rescaling: bool,
    ) -> None:
        self.volume = volume
        self.partial = partial
        self.resumed = partial.slabs
        self.depth = levels[0].chunks[0]
        kind = volume.reader.dtype
        shown = volume.dtype if rescaling else kind
        self.stages = [_Stage(level, partial.store, shown) for level in levels]
        self.rescaling = rescaling
        self.fresh: list[Path] = []
        self.stored = self.stages[0].array
        if rescaling:
            self.stored = replace(self.stored, folder=partial.store / STORED, kind=kind)

    def run(self, progress: Progress | None) -> None:
        """Write all chunks of all levels that are not yet written."""
        if not self.resumed:
            for array in {self.stored, *(stage.array for stage in self.stages)}:
                array.create()
        # At this slab nothing is gathered for any level, so none of that need be kept for later.
        first = self.resumed - self.resumed % 2 ** (len(self.stages) - 1)
        for number, stage in enumerate(self.stages):
            stage.start = first * self.depth >> number
        slices = self.volume.shape[0]
        starts = range(first * self.depth, slices, self.depth)
        finishing: deque[tuple[Future[None], int]] = deque()

        def told(at_most: int) -> None:
            """Wait until no more slabs than that are on their way to the disk."""
            while len(finishing) > at_most:
                slab_finished, done = finishing.popleft()
                slab_finished.result()
                if progress is not None:
                    progress(done, slices)

        with (
            ThreadPoolExecutor(os.cpu_count()) as pool,
            ThreadPoolExecutor(THREADS, "dicomlab-sync") as disk,
            ThreadPoolExecutor(1) as journal,
            closing(self._slabs(starts)) as slabs,
        ):
            for start, slab in slabs:
                self._advance(0, slab, pool)
                if start >= self.resumed * self.depth:
                    # The disk takes a slab while the next one is encoded.
                    finished = journal.submit(self._finish_slab, self.fresh, disk)
                    finishing.append((finished, start + len(slab)))
                    self.fresh = []
                    told(1)
                elif progress is not None:
                    progress(start + len(slab), slices)
            told(0)

    def _finish_slab(self, files: Iterable[Path], disk: ThreadPoolExecutor) -> None:
        list(disk.map(sync, files))
        self.partial.finish_slab()

    def _slabs(self, starts: range) -> Generator[tuple[int, NDArray[np.generic]]]:
        """Yield slab after slab; the next one is read while the caller works on this one."""
        buffers = np.empty((2, self.depth, *self.volume.shape[1:]), self.stored.kind)
        with ThreadPoolExecutor(1) as reading:
            this = None
            for turn, start in enumerate((*starts, None)):
                coming = None
                if start is not None:
                    coming = reading.submit(self._read, start, buffers[turn % 2])
                if this is not None:
                    yield this.result()
                this = coming

    def _read(self, start: int, buffer: NDArray[np.generic]) -> tuple[int, NDArray[np.generic]]:
        slab = buffer[: self.volume.shape[0] - start]
        if start < self.resumed * self.depth:
            written = zarr.open_array(str(self.stored.folder), mode="r")
            slab[...] = written[start : start + len(slab)]
        else:
            try:
                self.volume.reader.read_into(start, slab)
            except OSError as exc:
                raise StorageError(
                    f"The source of the slices {start} to {start + len(slab) - 1} (from 0) cannot "
                    f"be read: {exc.strerror}."
                ) from exc
        return start, slab

    def _advance(self, number: int, slab: NDArray[np.generic], pool: ThreadPoolExecutor) -> None:
        """Write the slab of a level; the next level follows when its own slab is due."""
        stage = self.stages[number]
        _, rows, columns = stage.level.shape
        _, height, width = stage.level.chunks
        corners = product(range(0, rows, height), range(0, columns, width))
        list(pool.map(lambda corner: self._tile(number, slab, corner), corners))
        stage.start += len(slab)
        if number + 1 == len(self.stages):
            return
        coarser = self.stages[number + 1]
        coarser.gathered += -(-len(slab) // coarser.level.factors[0])
        if coarser.is_due:
            due = coarser.slab[: coarser.gathered]
            coarser.gathered = 0
            self._advance(number + 1, due, pool)

    def _tile(self, number: int, slab: NDArray[np.generic], corner: tuple[int, int]) -> None:
        """Write one chunk of a slab, and its means into the slab of the next level."""
        row, column = corner
        stage = self.stages[number]
        start = (stage.start, row, column)
        _, height, width = stage.level.chunks
        tile = slab[:, row : row + height, column : column + width]
        if number == 0:
            # What is read back after a kill is not written again: a second kill could tear it.
            if stage.start >= self.resumed * self.depth:
                self.fresh.append(self.stored.write(start, tile))
            if self.rescaling:
                tile = self.volume.rescaled(tile, slice(stage.start, stage.start + len(tile)))
        if number or self.rescaling:
            self.fresh.append(stage.array.write(start, tile))
        if number + 1 == len(self.stages):
            return
        coarser = self.stages[number + 1]
        means = halve(tile, coarser.level.factors)
        place = tuple(
            slice(first // factor, first // factor + size)
            for first, factor, size in zip(
                (coarser.gathered * coarser.level.factors[0], row, column),
                coarser.level.factors,
                means.shape,
                strict=True,
            )
        )
        coarser.slab[place] = means
