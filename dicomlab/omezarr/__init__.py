"""Volumes to and from OME-Zarr: one pass, exact geometry, quick planes along all three axes."""

from dicomlab.omezarr._attributes import VolumeAttributes
from dicomlab.omezarr._read import ChunkReader, read, read_levels
from dicomlab.omezarr._verify import Verification, verify
from dicomlab.omezarr._write import Progress, write

__all__ = [
    "ChunkReader",
    "Progress",
    "Verification",
    "VolumeAttributes",
    "read",
    "read_levels",
    "verify",
    "write",
]
