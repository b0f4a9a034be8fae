"""What a compressed frame says of itself, read before any decoder sees it.

A decoder allocates what the codestream declares, so that is compared with the attributes first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dicomlab.errors import NonConformantError

DECODER_ERRORS = (RuntimeError, ValueError, TypeError, OverflowError, EOFError, IndexError)
"""What the codecs raise at data that they do not understand."""

_STANDALONE = frozenset((0x01, *range(0xD0, 0xD9)))
_LOSSLESS, _JPEG_LS = 0xC3, 0xF7
_FRAME_HEADERS = frozenset((*range(0xC0, 0xD0), _JPEG_LS)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Codestream:
    """Size and type of a compressed frame.

    Attributes
    ----------
    process
        Second byte of the JPEG frame header marker (0xC0 baseline, 0xC3 lossless, 0xF7 JPEG-LS), 0
        for JPEG 2000.
    precision
        Bits of a sample.
    is_signed
        Whether JPEG 2000 samples are signed.
    colour
        For JPEG, what the markers say of three components: ``"RGB"``, ``"YBR"``, or ``""`` where
        they say nothing. For JPEG 2000 ``"YBR"`` where a component transformation is undone.
    tiles
        How many tiles a JPEG 2000 image is made of.
    is_lossy
        Its coding cannot be undone bit for bit: lossy JPEG, JPEG-LS with an allowed error,
        JPEG 2000 with the irreversible wavelet, JPEG XL in XYB.
    is_high_throughput
        The block coder is that of HTJ2K (ISO/IEC 15444-15).
    is_planar
        JPEG-LS codes each component in a scan of its own.
    """

    rows: int
    columns: int
    components: int
    precision: int
    process: int = 0
    is_signed: bool = False
    colour: str = ""
    tiles: int = 1
    is_lossy: bool = False
    is_high_throughput: bool = False
    is_planar: bool = False


def read_jpeg(data: bytes) -> Codestream:
    """Read the markers of a JPEG or JPEG-LS stream up to the frame header (ISO/IEC 10918-1 B)."""
    position, adobe, jfif = data.find(b"\xff\xd8") + 2, None, False
    while 2 <= position <= len(data) - 4:
        if data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in _STANDALONE:
            position += 2
            continue
        length = struct.unpack_from(">H", data, position + 2)[0]
        body = data[position + 4 : position + 2 + length]
        if marker in _FRAME_HEADERS and len(body) >= 6:
            precision, rows, columns, components = struct.unpack_from(">BHHB", body)
            names = body[6 : 6 + 3 * components : 3]
            near, is_planar = (0, False)
            if marker == _JPEG_LS:
                near, is_planar = _scan(data, position + 2 + length)
            return Codestream(
                rows,
                columns,
                components,
                precision,
                marker,
                colour=_colour(names, adobe, jfif),
                is_lossy=near > 0 or marker not in (_LOSSLESS, _JPEG_LS),
                is_planar=is_planar,
            )
        if marker == 0xE0 and body[:5] == b"JFIF\0":
            jfif = True
        if marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            adobe = body[11]
        position += 2 + length
    raise damaged("JPEG", "no frame header")


def _scan(data: bytes, position: int) -> tuple[int, bool]:
    """Return the allowed error of JPEG-LS, and whether its scans hold one component each."""
    while position + 5 <= len(data) and data[position] == 0xFF:
        length = struct.unpack_from(">H", data, position + 2)[0]
        if data[position + 1] == 0xDA and position + 2 + length <= len(data) and length > 5:
            in_scan = data[position + 4]
            return data[position + length - 1], in_scan == 1
        position += 2 + length
    raise damaged("JPEG-LS", "no scan")


def _colour(names: bytes, adobe: int | None, jfif: bool) -> str:  # noqa: FBT001
    if len(names) != 3:
        return ""
    if adobe is not None:
        return "YBR" if adobe == 1 else "RGB"
    if jfif:
        return "YBR"
    return "RGB" if names.upper() == b"RGB" else ""


def read_jpeg2000(data: bytes) -> Codestream:
    """Read the SIZ and COD segments of a JPEG 2000 codestream (ISO/IEC 15444-1 A.5 and A.6)."""
    start = data.find(b"\xff\x4f\xff\x51")
    if start < 0 or len(data) < start + 43:
        raise damaged("JPEG 2000", "no image and tile size segment")
    _l, _cap, width, height, left, top, tile_w, tile_h = struct.unpack_from(
        ">HHIIIIII", data, start + 4
    )
    components = struct.unpack_from(">H", data, start + 40)[0]
    depth = data[start + 42]
    transformed = is_lossy = is_high_throughput = False
    position = start + 4 + struct.unpack_from(">H", data, start + 4)[0]
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != 0x90:
        if data[position + 1] == 0x50:
            is_high_throughput = True
        if data[position + 1] == 0x52 and position + 14 <= len(data):
            transformed = data[position + 8] == 1
            is_lossy = data[position + 13] == 0
            break
        position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    if not (width > left and height > top and tile_w and tile_h):
        raise damaged("JPEG 2000", "an image without size")
    tile_left, tile_top = struct.unpack_from(">II", data, start + 32)
    if tile_left > left or tile_top > top:
        raise damaged("JPEG 2000", "its tiles begin within the image")
    return Codestream(
        height - top,
        width - left,
        components,
        (depth & 0x7F) + 1,
        is_signed=depth > 0x7F,
        colour="YBR" if transformed else "",
        is_lossy=is_lossy,
        is_high_throughput=is_high_throughput,
        tiles=-(-(width - tile_left) // tile_w) * -(-(height - tile_top) // tile_h),
    )


def tiles_present(data: bytes) -> int:
    """Return how many tiles a JPEG 2000 codestream has parts of (ISO/IEC 15444-1 A.4.2)."""
    found: set[int] = set()
    position = data.find(b"\xff\x4f\xff\x51") + 2
    while position + 12 <= len(data) and data[position : position + 2] != b"\xff\x90":
        position += 2 + int(struct.unpack_from(">H", data, position + 2)[0])
    while position + 12 <= len(data) and data[position : position + 2] == b"\xff\x90":
        tile, length = struct.unpack_from(">HI", data, position + 4)
        found.add(tile)
        if length < 12:  # 0 for the last part: it reaches to the end
            break
        position += length
    return len(found)


def damaged(name: str, why: str) -> NonConformantError:
    """Return the error for a frame that its decoder cannot read."""
    return NonConformantError(
        f"PixelData (7FE0,0010): the {name} frame is damaged ({why}). "
        "Copy or retrieve the instance again.",
        reason="damaged-frame",
        tag=0x7FE00010,
        reference="PS3.5 8.2",
    )
