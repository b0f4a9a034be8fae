"""One regular lazy array with its grid, units and provenance."""

from dicomlab.volume._reader import ArrayReader, BlockReader, ChunkedArray, SliceReader
from dicomlab.volume._suv import SuvInputs
from dicomlab.volume._volume import Volume

__all__ = ["ArrayReader", "BlockReader", "ChunkedArray", "SliceReader", "SuvInputs", "Volume"]
