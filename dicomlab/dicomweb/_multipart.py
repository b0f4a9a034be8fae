"""multipart/related bodies, written as they are sent (RFC 2387, PS3.18 8.6.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from dicomlab.dicomweb._http import Answer
from dicomlab.safety import ByteSource

_BLOCK: Final = 4 << 20
_LINE: Final = b"\r\n"


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its media type and its bytes.

    Attributes
    ----------
    location
        Content-Location, where this part can be had by itself.
    """

    content_type: str
    content: bytes | ByteSource
    location: str = ""
    size: int = field(init=False)

    def __post_init__(self) -> None:
        content = self.content
        size = len(content) if isinstance(content, bytes) else content.size
        object.__setattr__(self, "size", size)

    @property
    def blocks(self) -> Iterator[bytes]:
        """The bytes, in blocks."""
        content = self.content
        if isinstance(content, bytes):
            yield content
            return
        for offset in range(0, content.size, _BLOCK):
            yield content.read_at(offset, min(_BLOCK, content.size - offset))


def multipart(parts: Sequence[Part], root_type: str) -> Answer:
    """Return an answer of several parts, its length known before the first is read."""
    boundary = uuid4().hex
    heads = [_head(part, boundary) for part in parts]
    end = f"--{boundary}--\r\n".encode()
    length = sum(
        len(head) + part.size + len(_LINE) for head, part in zip(heads, parts, strict=True)
    )
    headers = {
        "Content-Type": f'multipart/related; type="{root_type}"; boundary={boundary}',
        "Content-Length": str(length + len(end)),
    }
    return Answer(200, _joined(heads, parts, end), headers)


def single(part: Part) -> Answer:
    """Return an answer of one part, as it is."""
    headers = {"Content-Type": part.content_type, "Content-Length": str(part.size)}
    if part.location:
        headers["Content-Location"] = part.location
    return Answer(200, part.blocks, headers)


def _head(part: Part, boundary: str) -> bytes:
    lines = [f"--{boundary}", f"Content-Type: {part.content_type}", f"Content-Length: {part.size}"]
    if part.location:
        lines.append(f"Content-Location: {part.location}")
    return "\r\n".join([*lines, "", ""]).encode()


def _joined(heads: Iterable[bytes], parts: Iterable[Part], end: bytes) -> Iterator[bytes]:
    """Yield heads and contents; what is small goes out with what precedes it."""
    waiting = bytearray()
    for head, part in zip(heads, parts, strict=True):
        waiting += head
        for block in part.blocks:
            if len(block) + len(waiting) < _BLOCK:
                waiting += block
            else:
                yield bytes(waiting)
                waiting.clear()
                yield block
        waiting += _LINE
    waiting += end
    yield bytes(waiting)
