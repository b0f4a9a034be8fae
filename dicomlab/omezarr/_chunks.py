"""One array of a store while it is being written, chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr
from numcodecs import Blosc
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

COMPRESSION = "Blosc, LZ4 5, bits shuffled"
"""A CT to less than half, at 0.9 GB/s a core; Zstandard saves some 5 % more at half the speed."""


@dataclass(frozen=True)
class ChunkWriter:
    """Encodes chunks and writes each to its file; several threads may call it at once.

    zarr-python writes the array's metadata and reads the chunks. Writing them here saves a quarter
    of the processor time of a whole conversion, and lets the thread that encodes a chunk halve it
    while it is in the cache. Every chunk gets a file, also one that holds the fill value alone: a
    missing file is damage.

    Attributes
    ----------
    folder
        Where the array lies.
    shape, chunks
        Of the array and of each of its chunks.
    kind
        Type of the values.
    """

    folder: Path
    shape: tuple[int, int, int]
    chunks: tuple[int, int, int]
    kind: np.dtype[np.generic]

    def create(self) -> None:
        """Write the array's metadata."""
        zarr.create_array(
            str(self.folder),
            shape=self.shape,
            chunks=self.chunks,
            dtype=self.kind,
            compressors=BloscCodec(
                cname="lz4",
                clevel=5,
                shuffle="bitshuffle",
                typesize=self.kind.itemsize,
                blocksize=0,
            ),
            fill_value=0,
            dimension_names=("z", "y", "x"),
            zarr_format=3,
        )

    def write(self, start: tuple[int, int, int], values: NDArray[np.generic]) -> Path:
        """Write one chunk, and return its file.

        Parameters
        ----------
        start
            Index of its first voxel.
        values
            Shape (slice, row, column); at the end of the array they may fall short of a chunk.
        """
        block = np.ascontiguousarray(values, self.kind.newbyteorder("<"))
        if block.shape != self.chunks:
            short = [
                (0, size - found) for size, found in zip(self.chunks, block.shape, strict=True)
            ]
            block = np.pad(block, short)
        z, y, x = (first // size for first, size in zip(start, self.chunks, strict=True))
        file = self.folder / "c" / str(z) / str(y) / str(x)
        codec = Blosc("lz4", clevel=5, shuffle=Blosc.BITSHUFFLE)
        encoded = codec.encode(block)
        try:
            file.write_bytes(encoded)
        except FileNotFoundError:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encoded)
        return file
