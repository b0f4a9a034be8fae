"""A volume as viewers ask for it: its scene, the objects of its store, exact planes, pictures."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dicomlab import omezarr
from dicomlab.config import Images, InitialWindow, home
from dicomlab.errors import NotFoundError, StorageError
from dicomlab.pixels import VoiLutFunction, VoiWindow
from dicomlab.viewing._cache import hold, is_there, trim
from dicomlab.viewing._preferences import (
    Preferences,
    preset_window,
    scene_preferences,
    scene_window,
)
from dicomlab.viewing._render import as_shown, picture, png, to_grey, usual_window
from dicomlab.viewing._scene import Scene, SceneState, SceneVolume
from dicomlab.volume import BlockReader, Volume

__all__ = ["Axis", "ByteRange", "Plane", "VolumeView", "volume_digest"]

Axis: TypeAlias = Literal[0, 1, 2]
DType: TypeAlias = Literal[
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"
]
Progress: TypeAlias = Callable[[int, int], None]

_LAYOUT = "1"
"""Raise when a store that was written before must not be used any more."""
_KEY = re.compile(
    r"(?:(?:[0-9]{1,2}|stored)/)?zarr\.json|(?:[0-9]{1,2}|stored)/c(?:/[0-9]{1,6}){3}"
)
_SKETCH_SLICES = 160


@dataclass(frozen=True)
class ByteRange:
    """Part of an object: `length` bytes from `offset`, or its last `suffix_length` bytes."""

    offset: int = 0
    length: int | None = None
    suffix_length: int | None = None

    def within(self, size: int) -> tuple[int, int] | None:
        """Return start and end, cut to an object's size; `None` where nothing of it is there."""
        if self.suffix_length is not None:
            start, end = max(0, size - self.suffix_length), size
        else:
            start, end = self.offset, size
            if self.length is not None:
                end = min(size, start + self.length)
        return (start, end) if start < end else None


@dataclass(frozen=True)
class Plane:
    """Values of one plane, ready to be sent: what the store's first level holds.

    Attributes
    ----------
    data
        Little-endian, in C order of the two axes that are left.
    shape
        Of these axes.
    dtype
        NumPy's name of the type, ``"int16"``.
    """

    data: bytes
    shape: tuple[int, int]
    dtype: str


def volume_digest(volume: Volume) -> str:
    """Return what tells a volume from all others: of its series, split and instances, as hex."""
    identity = [
        _LAYOUT,
        volume.series_instance_uid,
        sorted((name, repr(value)) for name, value in volume.split.items()),
        volume.sop_instance_uids,
        volume.frame_numbers,
    ]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]


class VolumeView:
    """What viewers are shown of one volume. Threads may share it.

    Parameters
    ----------
    volume
        What is viewed.
    folder
        Where its OME-Zarr is made when it is first needed, and kept. Without one, and for a volume
        that comes from no instances, it is made in a temporary folder and goes with the view.
    store
        An OME-Zarr of this volume that exists already.
    """

    def __init__(
        self, volume: Volume, *, folder: Path | None = None, store: Path | None = None
    ) -> None:
        self.volume = volume
        self.digest = volume_digest(volume)
        self._turn = threading.Lock()
        self._let_go: weakref.finalize[..., VolumeView] | None = None
        self._is_given = store is not None
        self._is_kept = store is None and folder is not None and bool(volume.sop_instance_uids)
        if store is None:
            if folder is None or not self._is_kept:
                folder = Path(tempfile.mkdtemp(prefix="dicomlab-view-"))
                weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            store = folder / f"{self.digest}.ome.zarr"
        self._store = store

    @classmethod
    def of(cls, volume: Volume) -> VolumeView:
        """Return the view of a volume; its OME-Zarr is kept under ``DICOMLAB_HOME``."""
        return cls(volume, folder=home() / "volumes")

    @property
    def value_range(self) -> tuple[float, float]:
        """Least and greatest modality value of a coarse level: what a slider should span."""
        coarse = self._levels[-1].compute()
        return float(coarse.min()), float(coarse.max())

    @property
    def is_ready(self) -> bool:
        """Whether the store is there: chunks and planes along every axis come at once."""
        return is_there(self._store)

    def prepare(self, progress: Progress | None = None) -> Path:
        """Return the volume's OME-Zarr, and make it first where it is not there.

        It stays while this view lives. Where making it takes the prepared volumes beyond the
        space that the configuration gives them, those that were viewed longest ago go.

        Parameters
        ----------
        progress
            Called with parts done and parts in all. What it raises ends the work.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        with self._turn:
            if not self._is_given and (self._let_go is None or not self.is_ready):
                try:
                    self._store.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                    self._hold(progress)
                except OSError as error:
                    raise StorageError(
                        f"The volume cannot be prepared for viewing: {error.strerror}. Free some "
                        "space, or point DICOMLAB_HOME to a folder that can be written."
                    ) from error
        return self._store

    def _hold(self, progress: Progress | None) -> None:
        is_new = not self.is_ready

        def make() -> None:
            omezarr.write(self.volume, self._store, progress=progress)

        if self._let_go is not None:
            self._let_go()
        # Another process may view the same volume: the dashboards, a notebook.
        self._let_go = weakref.finalize(self, os.close, hold(self._store, make))
        if is_new and self._is_kept:
            with suppress(OSError):  # The picture does not wait for what cannot be removed.
                trim(self._store.parent, Preferences().current().general.prepared_bytes)

    def scene(
        self,
        *,
        store: str = "",
        plane_url: str | None = None,
        plane_messages: bool = False,
        state: SceneState | None = None,
        images: Images | None = None,
    ) -> Scene:
        """Return what a viewer needs to know of the volume (scene.schema.json).

        Parameters
        ----------
        store
            Where the viewer finds the OME-Zarr: a URL, or the prefix of its keys.
        plane_url
            Where it finds planes, with ``{axis}`` and ``{index}``.
        plane_messages
            Whether it may ask for planes by message.
        state
            What it shows first; it goes before what is preferred.
        images
            What the reader prefers; by default what dicomlab does.
        """
        volume = self.volume
        slope, intercept = 1.0, 0.0
        if not self._is_rescaled:
            slope = float(volume.rescale_slope[0])
            intercept = float(volume.rescale_intercept[0])
        described: SceneVolume = {
            "store": store,
            "shape": list(volume.shape),
            "dtype": self._dtype,
            "index_to_lps": volume.affine.tolist(),
            "rescale_slope": slope,
            "rescale_intercept": intercept,
            "units": volume.units,
            "modality": volume.modality,
            "photometric_interpretation": "MONOCHROME1" if self._is_inverted else "MONOCHROME2",
            "windows": [scene_window(window) for window in volume.windows],
        }
        if plane_url is not None:
            described["plane_url"] = plane_url
        if plane_messages:
            described["plane_messages"] = True
        images = images or Images()
        first: SceneState = {"layout": images.viewing.layout.value}
        if images.viewing.initial_window is not InitialWindow.STORED:
            first["window"] = scene_window(self.first_window(images))
        return {
            "version": 1,
            "title": self.title,
            "volume": described,
            "state": {**first, **(state or {})},
            "preferences": scene_preferences(volume, images),
        }

    def first_window(self, images: Images) -> VoiWindow:
        """Return the window that a reader with these preferences sees first."""
        if images.viewing.initial_window is InitialWindow.FULL_RANGE:
            low, high = self._full_range
            return VoiWindow((low + high) / 2, max(high - low, 1e-6), VoiLutFunction.LINEAR_EXACT)
        return preset_window(self.volume, images) or self.window

    @property
    def title(self) -> str:
        """A line that tells this volume from its neighbours; no patient's name."""
        parts = [self.volume.modality, self.volume.series_description]
        parts += [f"{_words(name)} {_text(value)}" for name, value in self.volume.split.items()]
        return " · ".join(part for part in parts if part) or "Volume"

    def object_size(self, key: str) -> int:
        """Return the size in bytes of one object of the store.

        Raises
        ------
        NotFoundError
            There is no such object; zarr leaves out chunks that hold nothing but fill values.
        """
        return self._object(key).stat().st_size

    def chunk(self, key: str, part: ByteRange | None = None) -> bytes:
        """Return one object of the store, or a part of its bytes.

        Parameters
        ----------
        key
            As in zarr, relative to the root: ``"zarr.json"``, ``"0/c/3/1/1"``.
        part
            Cut to the end of the object; beyond its end it is empty.

        Raises
        ------
        NotFoundError
            There is no such object.
        """
        path = self._object(key)
        with path.open("rb") as file:
            if part is None:
                return file.read()
            bounds = part.within(path.stat().st_size)
            if bounds is None:
                return b""
            start, end = bounds
            file.seek(start)
            return file.read(end - start)

    def plane(self, axis: Axis, index: int, level: int = 0) -> Plane:
        """Return one plane of what the store holds.

        Those are stored values, or modality values where slices differ in their rescale.

        Parameters
        ----------
        axis
            What is cut: 0 slice, 1 row, 2 column.
        index
            Counted from 0, in the voxels of the level.
        level
            Of the pyramid; 0 is exact.

        Raises
        ------
        NotFoundError
            There is no such plane.
        """
        values = self._values(axis, index, level)
        little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
        rows, columns = little.shape
        return Plane(little.tobytes(), (rows, columns), little.dtype.name)

    def rendered_plane(
        self,
        axis: Axis,
        index: int,
        window: VoiWindow | None = None,
        *,
        size: int | None = None,
    ) -> bytes:
        """Return one plane as PNG: rescaled, windowed, turned as it is read, in true proportion.

        Parameters
        ----------
        axis, index
            As for `plane`.
        window
            By default the series' own first one, or else one that spans what the volume holds.
        size
            Longer side, pixels; by default as many as keep every voxel.
        """
        return png(self._picture(self._modality(axis, index), axis, window or self.window, size))

    def sketch(self, *, size: int = 256) -> bytes:
        """Return the three middle planes side by side as PNG: what a printed notebook shows.

        It needs no store: along the slices it reads 160 planes at the most.
        """
        slices, rows, columns = self.volume.shape
        step, values = self._sample()
        cuts = (self._modality(0, slices // 2), values[:, rows // 2], values[:, :, columns // 2])
        shown = [
            self._picture(cut, axis, self.window, size, thinned=1 if axis == 0 else step)
            for axis, cut in enumerate(cuts)
        ]
        gap = max(2, size // 64)
        sheet = Image.new("L", (sum(one.width for one in shown) + gap * 2, size))
        left = 0
        for one in shown:
            sheet.paste(one, (left, (size - one.height) // 2))
            left += one.width + gap
        return png(sheet)

    @property
    def _is_inverted(self) -> bool:
        return self.volume.photometric_interpretation == "MONOCHROME1"

    @cached_property
    def window(self) -> VoiWindow:
        """What is shown first: the series' own window, or one that spans the middle slice."""
        if self.volume.windows:
            return self.volume.windows[0]
        return usual_window(self._modality(0, self.volume.shape[0] // 2))

    @cached_property
    def _full_range(self) -> tuple[float, float]:
        """Least and greatest modality value of 160 slices at the most."""
        _step, values = self._sample()
        return float(values.min()), float(values.max())

    def _sample(self) -> tuple[int, NDArray[np.generic]]:
        """Return every so many slices as modality values, and how many that is."""
        slices = self.volume.shape[0]
        step = -(-slices // _SKETCH_SLICES)
        read = self.volume.reader.read
        return step, np.stack([self._rescaled(read(i), i) for i in range(0, slices, step)])

    @cached_property
    def _is_rescaled(self) -> bool:
        """Whether the store holds modality values: it does where slices differ in their rescale."""
        slopes, intercepts = self.volume.rescale_slope, self.volume.rescale_intercept
        return bool((slopes != slopes[0]).any() or (intercepts != intercepts[0]).any())

    @cached_property
    def _dtype(self) -> DType:
        kind = self.volume.dtype if self._is_rescaled else self.volume.reader.dtype
        if kind.name not in get_args(DType):
            raise TypeError(f"a viewer shows no values of type {kind.name}")
        return cast("DType", kind.name)

    @cached_property
    def _levels(self) -> tuple[Volume, ...]:
        return omezarr.read_levels(self.prepare())

    def _object(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise NotFoundError("The volume's store has no object of that name.")
        path = self.prepare() / key
        if not path.is_file():
            raise NotFoundError("The volume's store has no object of that name.")
        return path

    def _values(self, axis: Axis, index: int, level: int) -> NDArray[np.generic]:
        """Return a plane of what the store holds."""
        # The whole volume's planes are at least as many as a coarser level's.
        _check_index(self.volume.shape, axis, index)
        if level == 0 and axis == 0:
            stored = self.volume.reader.read(index)
            return self._rescaled(stored, index) if self._is_rescaled else stored
        if not 0 <= level < len(self._levels):
            raise NotFoundError(f"The volume has {len(self._levels)} levels, counted from 0.")
        reader = self._levels[level].reader
        assert isinstance(reader, BlockReader)
        _check_index(reader.shape, axis, index)
        cut = tuple(slice(index, index + 1) if a == axis else slice(None) for a in range(3))
        return np.asarray(reader.blocks[cut]).squeeze(axis)

    def _modality(self, axis: Axis, index: int) -> NDArray[np.generic]:
        """Return a plane of modality values."""
        plane = self._values(axis, index, 0)
        if self._is_rescaled:
            return plane
        # One rescale holds for all slices, whichever way the plane is cut.
        return self._rescaled(plane, 0)

    def _rescaled(self, stored: NDArray[np.generic], index: int) -> NDArray[np.generic]:
        plane: NDArray[np.generic] = self.volume.rescaled(stored[None], slice(index, index + 1))[0]
        return plane

    def _picture(
        self,
        values: NDArray[np.generic],
        axis: int,
        window: VoiWindow,
        size: int | None,
        *,
        thinned: int = 1,
    ) -> Image.Image:
        down, across = (mm for a, mm in enumerate(self.volume.spacing_mm) if a != axis)
        grey = to_grey(values, window)
        shown = as_shown(255 - grey if self._is_inverted else grey, axis, self.volume.grid)
        return picture(np.ascontiguousarray(shown), (down * thinned, across), size)


def _check_index(shape: Sequence[int], axis: int, index: int) -> None:
    planes = shape[axis]
    if not 0 <= index < planes:
        raise NotFoundError(f"Axis {axis} has {planes} planes, counted from 0: no {index}.")


def _words(keyword: str) -> str:
    """Return a keyword as words: EchoTime is Echo Time."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", keyword)


def _text(value: object) -> str:
    parts = value if isinstance(value, tuple) else (value,)
    return " ".join(f"{part:g}" if isinstance(part, float) else str(part) for part in parts)
