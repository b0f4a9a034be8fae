"""multipart/related bodies, read as they arrive (RFC 2046 5.1, PS3.18 8.6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Final

from dicomlab.errors import HostileInputError, NonConformantError

_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_CRLF: Final = b"\r\n"
_LONGEST_LINE: Final = 1024


@dataclass(frozen=True, slots=True)
class PartBounds:
    """What a multipart body may ask for.

    Attributes
    ----------
    parts
        How many parts.
    head_bytes
        What stands before the content of each.
    """

    parts: int = 100_000
    head_bytes: int = 16_384


@dataclass(slots=True)
class IncomingPart:
    """One part; its content is read before the next part is, or passed over.

    Attributes
    ----------
    headers
        By lower-case name.
    """

    headers: Mapping[str, str]
    _stream: _Stream = field(repr=False)
    _is_read: bool = False

    @property
    def content_type(self) -> str:
        """Media type with its parameters."""
        return self.headers.get("content-type", "application/octet-stream")

    def blocks(self) -> Iterator[bytes]:
        """Yield the content in blocks, once.

        Raises
        ------
        NonConformantError
            The body ends before the part does.
        """
        if not self._is_read:
            yield from self._stream.until_boundary()
            self._is_read = True

    def read(self, most: int) -> bytes:
        """Return the content, or refuse one of more than `most` bytes.

        Raises
        ------
        HostileInputError
            It is longer.
        """
        found = bytearray()
        for block in self.blocks():
            found += block
            if len(found) > most:
                raise HostileInputError(
                    f"A part of the multipart body is longer than {most} bytes.",
                    rule="part_bytes",
                    limit=most,
                    found=len(found),
                )
        return bytes(found)


def media_type(header: str) -> tuple[str, dict[str, str]]:
    """Return a media type in lower case, and its parameters by lower-case name (RFC 9110 8.3)."""
    message = Message()
    message["Content-Type"] = header.replace("\r", " ").replace("\n", " ")
    found = message.get_params() or [("", "")]
    parameters = {name.lower(): str(value) for name, value in found[1:]}
    return str(found[0][0]).strip().lower(), parameters


def read_parts(
    blocks: Iterable[bytes], content_type: str, *, bounds: PartBounds | None = None
) -> Iterator[IncomingPart]:
    """Yield the parts of a multipart/related body as it arrives.

    Parameters
    ----------
    blocks
        The body, in pieces of any length.
    content_type
        The header that names the boundary.

    Raises
    ------
    NonConformantError
        The header or the body is no multipart (``reason="no-multipart"``), or the body ends before
        its last boundary (``"truncated"``).
    HostileInputError
        A bound is broken.
    """
    bounds = bounds or PartBounds()
    kind, parameters = media_type(content_type)
    boundary = parameters.get("boundary", "")
    if kind != "multipart/related" or not _BOUNDARY.fullmatch(boundary):
        raise _no_multipart("Content-Type names no multipart/related with a boundary")
    stream = _Stream(blocks, b"\r\n--" + boundary.encode("ascii"))
    for _preamble in stream.until_boundary():
        pass
    count = 0
    while stream.is_followed():
        count += 1
        if count > bounds.parts:
            raise HostileInputError(
                f"The multipart body has more than {bounds.parts} parts.",
                rule="parts",
                limit=bounds.parts,
                found=count,
            )
        part = IncomingPart(_headers(stream.head(bounds.head_bytes)), stream)
        yield part
        for _passed_over in part.blocks():
            pass


class _Stream:
    """The body, with what has arrived of it and is not given on yet."""

    def __init__(self, blocks: Iterable[bytes], delimiter: bytes) -> None:
        self._blocks = iter(blocks)
        self._delimiter = delimiter
        # The first boundary may stand at the very beginning.
        self._waiting = _CRLF

    def until_boundary(self) -> Iterator[bytes]:
        """Yield what comes before the next boundary, and pass over that."""
        keep = len(self._delimiter) - 1
        while True:
            place = self._waiting.find(self._delimiter)
            if place >= 0:
                if place:
                    yield self._waiting[:place]
                self._waiting = self._waiting[place + len(self._delimiter) :]
                return
            # A boundary may have begun to arrive.
            if len(self._waiting) > keep:
                yield self._waiting[:-keep]
                self._waiting = self._waiting[-keep:]
            self._more()

    def is_followed(self) -> bool:
        """Whether another part comes after the boundary that was just passed."""
        while len(self._waiting) < len(_CRLF):
            self._more()
        if self._waiting.startswith(b"--"):
            return False
        end = self._find(_CRLF, _LONGEST_LINE)
        if self._waiting[:end].strip(b" \t"):
            raise _no_multipart("something stands behind a boundary")
        self._waiting = self._waiting[end:]
        return True

    def head(self, most: int) -> bytes:
        """Return what stands before a part's content."""
        end = self._find(_CRLF + _CRLF, most)
        head, self._waiting = self._waiting[:end], self._waiting[end + 2 * len(_CRLF) :]
        # The content may be empty: its boundary needs the line break that was passed over.
        self._waiting = self._waiting if not self._starts_boundary() else _CRLF + self._waiting
        return head

    def _starts_boundary(self) -> bool:
        bare = self._delimiter[len(_CRLF) :]
        while len(self._waiting) < len(bare) and bare.startswith(self._waiting):
            self._more()
        return self._waiting.startswith(bare)

    def _find(self, wanted: bytes, most: int) -> int:
        while (place := self._waiting.find(wanted)) < 0:
            if len(self._waiting) > most:
                raise HostileInputError(
                    f"The head of a part of the multipart body is longer than {most} bytes.",
                    rule="head_bytes",
                    limit=most,
                    found=len(self._waiting),
                )
            self._more()
        return place

    def _more(self) -> None:
        for block in self._blocks:
            if block:
                self._waiting += block
                return
        raise NonConformantError(
            "The multipart body ends before its last boundary (RFC 2046 5.1.1).",
            reason="truncated",
            reference="PS3.18 8.6.1",
        )


def _headers(head: bytes) -> dict[str, str]:
    found = {}
    for line in head.split(_CRLF):
        if not line.strip():
            continue
        name, colon, value = line.partition(b":")
        if not colon or not name.strip():
            raise _no_multipart("a part's header has no name")
        found[name.strip().decode("latin-1").lower()] = value.strip().decode("latin-1")
    return found


def _no_multipart(why: str) -> NonConformantError:
    return NonConformantError(
        f"Not a multipart body: {why} (RFC 2046 5.1, PS3.18 8.6.1).",
        reason="no-multipart",
        reference="PS3.18 8.6.1",
    )
