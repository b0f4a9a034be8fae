"""The border: untrusted bytes are read within bounds before anything else sees them."""

from dicomlab.safety._attributes import Attributes
from dicomlab.safety._bounds import DEFAULT_BOUNDS, Bounds
from dicomlab.safety._bytes import ByteSource, FileBytes, MemoryBytes
from dicomlab.safety._header import Header, PixelDataLocation, read_header
from dicomlab.safety._text import decode_text

__all__ = [
    "DEFAULT_BOUNDS",
    "Attributes",
    "Bounds",
    "ByteSource",
    "FileBytes",
    "Header",
    "MemoryBytes",
    "PixelDataLocation",
    "decode_text",
    "read_header",
]
