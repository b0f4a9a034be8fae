"""JPEG XL frames (PS3.5 8.2.15 and A.4.12; ISO/IEC 18181-1 annex D)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dicomlab.pixels._codestream import Codestream, damaged

_CODESTREAM, _CONTAINER = b"\xff\x0a", b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"
_RATIOS = ((1, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_HEADER_BYTES = 64
"""Size, bit depth and colour space come first; what is larger is an extension."""


def read_jpegxl(data: bytes) -> Codestream:
    """Read the size and metadata headers of a JPEG XL frame.

    The colour is ``"YBR"`` where a transformation is undone: XYB, or that of a JPEG inside.
    """
    bits = _Bits(_codestream(data))
    rows, columns = bits.size()
    if bits.take(1):  # all_default: 8 bits, sRGB by XYB
        return Codestream(rows, columns, 3, 8, colour="YBR", is_lossy=True)
    if bits.take(1):
        bits.extra_fields()
    is_float = bits.take(1)
    precision = 32 if is_float else bits.choice((8, 0), (10, 0), (12, 0), (1, 6))
    if is_float:
        precision = bits.choice((32, 0), (16, 0), (24, 0), (1, 6))
        bits.take(4)
    bits.take(1)  # modular_16bit_buffers
    if bits.choice((0, 0), (1, 0), (2, 4), (1, 12)):
        raise damaged("JPEG XL", "it has channels besides its colours")
    is_xyb = bool(bits.take(1))
    is_grey = False
    if not bits.take(1):  # all_default: sRGB
        bits.take(1)  # want_icc
        is_grey = bits.choice((0, 0), (1, 0), (2, 4), (18, 6)) == 1
    return Codestream(
        rows,
        columns,
        1 if is_grey else 3,
        precision,
        colour="YBR" if is_xyb and not is_grey else "",
        is_lossy=is_xyb,
    )


def _codestream(data: bytes) -> bytes:
    """Return the beginning of the codestream, taken out of its container."""
    if data.startswith(_CODESTREAM):
        return data[2:_HEADER_BYTES]
    position = len(_CONTAINER)
    while data.startswith(_CONTAINER) and position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if length == 1 and start + 8 <= len(data):
            length = struct.unpack_from(">Q", data, start)[0]
            start += 8
        if kind in (b"jxlc", b"jxlp"):
            start += 4 if kind == b"jxlp" else 0
            if data[start : start + 2] == _CODESTREAM:
                return data[start + 2 : start + _HEADER_BYTES]
            break
        if length < 8:
            break
        position += length
    raise damaged("JPEG XL", "no codestream")


@dataclass(slots=True)
class _Bits:
    """Bits of a header, the lowest of each byte first."""

    data: bytes
    position: int = 0

    def take(self, count: int) -> int:
        """Return the next bits as a number."""
        if self.position + count > len(self.data) * 8:
            raise damaged("JPEG XL", "its header breaks off")
        first, end = self.position // 8, -(-(self.position + count) // 8)
        word = int.from_bytes(self.data[first:end], "little") >> self.position % 8
        self.position += count
        return word & ((1 << count) - 1)

    def choice(self, *ways: tuple[int, int]) -> int:
        """Return a number of one of four forms: so much, and so many bits more."""
        least, count = ways[self.take(2)]
        return least + self.take(count)

    def size(self) -> tuple[int, int]:
        """Return rows and columns."""
        is_small = self.take(1)
        rows = self._side(is_small)
        ratio = self.take(3)
        if ratio:
            over, under = _RATIOS[ratio]
            return rows, rows * over // under
        return rows, self._side(is_small)

    def _side(self, is_small: int) -> int:
        if is_small:
            return (self.take(5) + 1) * 8
        return self.choice((1, 9), (1, 13), (1, 18), (1, 30))

    def extra_fields(self) -> None:
        """Pass what a still picture of one frame may have, and refuse the rest."""
        if self.take(3):
            raise damaged("JPEG XL", "it is turned or mirrored")
        if self.take(1):
            self.size()
        if self.take(2):
            raise damaged("JPEG XL", "it has a preview or is animated")
