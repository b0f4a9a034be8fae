"""Bytes for people to look at: sixteen a line, with the signs of ASCII beside them."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

_LINE = 16


@dataclass(frozen=True, slots=True)
class HexDump:
    """A stretch of a file; ``str`` and notebooks show it in lines of sixteen bytes.

    Attributes
    ----------
    offset
        Where the stretch begins.
    data
        Its bytes.
    """

    offset: int
    data: bytes

    def __str__(self) -> str:
        return "\n".join(
            _line(self.offset + at, self.data[at : at + _LINE])
            for at in range(0, len(self.data), _LINE)
        )

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def to_dict(self) -> dict[str, object]:
        """Return it for machines: the bytes as hexadecimal digits."""
        return {"offset": self.offset, "length": len(self.data), "hex": self.data.hex()}


def _line(offset: int, data: bytes) -> str:
    signs = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)
    return f"{offset:08x}  {data[:8].hex(' '):23}  {data[8:].hex(' '):23}  |{signs}|"
