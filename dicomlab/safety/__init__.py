"""The border: untrusted bytes are read within bounds before anything else sees them."""

from dicomlab.safety._attributes import Attributes
from dicomlab.safety._bounds import DEFAULT_BOUNDS, Bounds
from dicomlab.safety._bytes import (
    BlockBytes,
    ByteSource,
    FileBytes,
    FilePart,
    MemoryBytes,
    PartBytes,
)
from dicomlab.safety._candidates import (
    Candidate,
    Drain,
    FileCandidate,
    Found,
    ZipCandidate,
    find_candidates,
    read_up_to,
)
from dicomlab.safety._file import read_header, read_rest
from dicomlab.safety._header import Header, Layouts, PixelDataLocation
from dicomlab.safety._hex import HexDump
from dicomlab.safety._instance import WAIVABLE, check_instance, check_pixel_data
from dicomlab.safety._listing import ListedElement, Listing, list_elements
from dicomlab.safety._outgoing import Outgoing
from dicomlab.safety._refusal import Readable, Refusal, RefusalCode, UnreadableError
from dicomlab.safety._tar import TarCandidate
from dicomlab.safety._text import decode_text, printable
from dicomlab.safety._values import FirstValues, not_a_number
from dicomlab.safety._walk import UNDEFINED
from dicomlab.safety._workers import DEFAULT_LIMITS, WorkerLimits, Workers, processors
from dicomlab.safety._zip import MemberBytes, ZipMember

__all__ = [
    "DEFAULT_BOUNDS",
    "DEFAULT_LIMITS",
    "UNDEFINED",
    "WAIVABLE",
    "Attributes",
    "BlockBytes",
    "Bounds",
    "ByteSource",
    "Candidate",
    "Drain",
    "FileBytes",
    "FileCandidate",
    "FilePart",
    "FirstValues",
    "Found",
    "Header",
    "HexDump",
    "Layouts",
    "ListedElement",
    "Listing",
    "MemberBytes",
    "MemoryBytes",
    "Outgoing",
    "PartBytes",
    "PixelDataLocation",
    "Readable",
    "Refusal",
    "RefusalCode",
    "TarCandidate",
    "UnreadableError",
    "WorkerLimits",
    "Workers",
    "ZipCandidate",
    "ZipMember",
    "check_instance",
    "check_pixel_data",
    "decode_text",
    "find_candidates",
    "list_elements",
    "not_a_number",
    "printable",
    "processors",
    "read_header",
    "read_rest",
    "read_up_to",
]
