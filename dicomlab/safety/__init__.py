"""The border: untrusted bytes are read within bounds before anything else sees them."""

from dicomlab.safety._attributes import Attributes
from dicomlab.safety._bounds import DEFAULT_BOUNDS, Bounds
from dicomlab.safety._bytes import ByteSource, FileBytes, MemoryBytes
from dicomlab.safety._file import read_header
from dicomlab.safety._header import Header, PixelDataLocation
from dicomlab.safety._text import decode_text
from dicomlab.safety._values import FirstValues, not_a_number
from dicomlab.safety._walk import UNDEFINED

__all__ = [
    "DEFAULT_BOUNDS",
    "UNDEFINED",
    "Attributes",
    "Bounds",
    "ByteSource",
    "FileBytes",
    "FirstValues",
    "Header",
    "MemoryBytes",
    "PixelDataLocation",
    "decode_text",
    "not_a_number",
    "read_header",
]
