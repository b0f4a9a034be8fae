"""Planes are read from the frames of instances, straight into place where they can be."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dicomlab.catalog import FrameLocation, Frames
from dicomlab.errors import DicomlabError, NonConformantError
from dicomlab.pixels import DecodeInto, FrameDescription, decode_into, unpack_bits
from dicomlab.safety import processors
from dicomlab.standard import transfer_syntax


@dataclass(frozen=True, slots=True)
class StoredPlane:
    """Where one slice of a volume comes from; `frame` counts from 0."""

    sop_instance_uid: str
    frames: Frames
    frame: int
    description: FrameDescription


class DicomSliceReader:
    """Reads the slices of a volume from the frames of its instances.

    Native frames of local files are read straight into the array; compressed ones are decoded
    there. Many at once are shared out to a thread for each processor.

    Parameters
    ----------
    planes
        Its slices.
    decode
        What decodes a frame.
    """

    def __init__(self, planes: Sequence[StoredPlane], *, decode: DecodeInto = decode_into) -> None:
        description = planes[0].description
        self.planes = tuple(planes)
        self._decode = decode
        self.shape = (len(planes), description.rows, description.columns)
        self.dtype = description.dtype

    def read(self, index: int) -> NDArray[np.generic]:
        """Return one stored plane."""
        plane = np.empty((1, *self.shape[1:]), self.dtype)
        self._read_some(index, plane)
        return np.asarray(plane[0])

    def read_into(self, start: int, out: NDArray[np.generic]) -> None:
        """Read planes into `out`, each frame once."""
        workers = min(processors(), len(out))
        if workers <= 1:
            self._read_some(start, out)
            return
        bounds = np.linspace(0, len(out), workers + 1).astype(int).tolist()
        with ThreadPoolExecutor(workers, thread_name_prefix="dicomlab-read") as pool:
            jobs = [
                pool.submit(self._read_some, start + begin, out[begin:end])
                for begin, end in itertools.pairwise(bounds)
            ]
            for job in jobs:
                job.result()

    def _read_some(self, start: int, out: NDArray[np.generic]) -> None:
        with ExitStack() as opened:
            file = _OpenFile(opened)
            for place in range(len(out)):
                plane = self.planes[start + place]
                try:
                    _read_plane(plane, out[place], file, self._decode)
                except DicomlabError as error:
                    error.add_note(f"SOP Instance UID {plane.sop_instance_uid}")
                    raise


class _OpenFile:
    """Keeps the last file open, as the frames of one instance often follow one another."""

    def __init__(self, opened: ExitStack) -> None:
        self._path: Path | None = None
        self._descriptor = -1
        opened.callback(self.close)

    def descriptor(self, path: Path) -> int:
        if path != self._path:
            self.close()
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._path = path
        return self._descriptor

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._path, self._descriptor = None, -1


def _read_plane(
    plane: StoredPlane, out: NDArray[np.generic], file: _OpenFile, decode: DecodeInto
) -> None:
    location = plane.frames.locate(plane.frame) if _can_read_straight(plane, out) else None
    if location is None:
        decode(plane.frames.read(plane.frame), plane.description, out)
        return
    _read_native(location, out, file)
    unpack_bits(out, plane.description)


def _can_read_straight(plane: StoredPlane, out: NDArray[np.generic]) -> bool:
    syntax = transfer_syntax(plane.frames.transfer_syntax_uid)
    plain = not syntax.is_encapsulated and not syntax.is_deflated and syntax.is_little_endian
    return plain and plane.description.bits_allocated > 1 and out.flags.c_contiguous


def _read_native(location: FrameLocation, out: NDArray[np.generic], file: _OpenFile) -> None:
    """Read the bytes of a native frame into an array of the same size."""
    target = out.reshape(-1).view(np.uint8).data
    descriptor = file.descriptor(location.path)
    got = 0
    while got < len(target):
        step = os.preadv(descriptor, [target[got:]], location.offset + got)
        if step == 0:
            raise NonConformantError(
                f"PixelData (7FE0,0010) ends after {got} of {len(target)} bytes of a frame "
                "(PS3.5 8). The file has changed or was cut short: retrieve it again.",
                reason="truncated",
                tag=0x7FE00010,
                reference="PS3.5 8",
            )
        got += step
