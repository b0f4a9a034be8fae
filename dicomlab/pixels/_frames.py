"""Where each frame of an instance lies (PS3.5 8 and A.4)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import NonConformantError
from dicomlab.pixels._description import FrameDescription
from dicomlab.pixels._video import ByteStream
from dicomlab.safety import ByteSource, PixelDataLocation
from dicomlab.standard import tag_text, transfer_syntax

_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0c\x6a\x50\x20\x20")
"""How a frame's first fragment begins: JPEG and JPEG-LS, JPEG 2000 codestream, JP2 file."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameIndex:
    """Where the frames of one instance lie, as offsets.

    Attributes
    ----------
    offsets, lengths
        Of each piece, in bytes from the beginning of the source, shape (pieces,).
    first_piece
        Shape (frames + 1,): frame i is made of the pieces from entry i up to entry i + 1.
    skipped_bits
        Frames of single bits follow one another without padding (PS3.5 8.1.1): bits of the first
        byte that belong to the frame before, shape (frames,); ``None`` where all begin on a byte.
    is_stream
        The pieces are one video stream, and each frame needs it.
    words_from
        Bytes of Explicit VR Big Endian stand in words of OW, turned round (PS3.5 7.3): where the
        first word lies; ``None`` where nothing is turned.
    """

    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    first_piece: NDArray[np.int64]
    skipped_bits: NDArray[np.uint8] | None = None
    is_stream: bool = False
    words_from: int | None = None

    def __len__(self) -> int:
        """Return how many frames there are."""
        return len(self.first_piece) - 1

    def span(self, index: int) -> tuple[int, int] | None:
        """Return offset and length of a frame, ``None`` where that is not one piece of bytes."""
        first, after = self._pieces(index)
        if (
            self.words_from is not None
            or after - first != 1
            or (self.skipped_bits is not None and self.skipped_bits.any())
        ):
            return None
        return int(self.offsets[first]), int(self.lengths[first])

    def read(self, source: ByteSource, index: int) -> bytes:
        """Return the encoded bytes of a frame, counted from 0; of a video, the whole stream.

        Raises
        ------
        NonConformantError
            The source ends before the frame does.
        """
        pieces = []
        for piece in range(*self._pieces(index)):
            size = int(self.lengths[piece])
            data = self._bytes(source, int(self.offsets[piece]), size)
            if len(data) != size:
                raise _truncated(size, len(data))
            pieces.append(data)
        frame = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        skip = 0 if self.skipped_bits is None else int(self.skipped_bits[index])
        if skip:
            bits = np.unpackbits(np.frombuffer(frame, np.uint8), bitorder="little")
            frame = np.packbits(bits[skip:], bitorder="little").tobytes()
        return frame

    def _bytes(self, source: ByteSource, offset: int, size: int) -> bytes:
        if self.words_from is None:
            return source.read_at(offset, size)
        skip = (offset - self.words_from) % 2
        raw = source.read_at(offset - skip, size + skip + (size + skip) % 2)
        words = np.frombuffer(raw[: len(raw) // 2 * 2], np.uint16).byteswap()
        return words.tobytes()[skip : skip + size]

    def stream(self, source: ByteSource) -> ByteStream:
        """Return all pieces as one file that is read as it is needed: a video."""
        return ByteStream(source, self.offsets.tolist(), self.lengths.tolist())

    def _pieces(self, index: int) -> tuple[int, int]:
        if self.is_stream:
            return 0, len(self.offsets)
        return int(self.first_piece[index]), int(self.first_piece[index + 1])


def index_frames(
    source: ByteSource,
    location: PixelDataLocation,
    description: FrameDescription,
    *,
    extended_offsets: Sequence[float] = (),
    extended_lengths: Sequence[float] = (),
) -> FrameIndex:
    """Return where each frame lies, reading nothing but item headers and offset tables.

    Parameters
    ----------
    source
        What `location` counts from.
    location
        The pixel data element.
    description
        Gives the number of frames and, for native pixels, their size.
    extended_offsets, extended_lengths
        Values of Extended Offset Table (7FE0,0001) and its Lengths (7FE0,0002), where present.

    Raises
    ------
    NonConformantError
        The pixel data is shorter than declared, or its fragments cannot be told apart.
    """
    encapsulated = transfer_syntax(description.transfer_syntax_uid).is_encapsulated
    if encapsulated != (location.length is None):
        expected, found = ("undefined", "defined") if encapsulated else ("defined", "undefined")
        raise NonConformantError(
            f"PixelData {tag_text(location.tag)} has {found} length; its transfer syntax asks for "
            f"{expected} length (PS3.5 A.4). Correct the transfer syntax at the source.",
            reason="transfer-syntax-contradicted",
            tag=location.tag,
            reference="PS3.5 A.4",
        )
    if location.length is not None:
        native = _native(source, location.offset, location.length, description)
        is_big = not transfer_syntax(description.transfer_syntax_uid).is_little_endian
        if is_big and location.vr == "OW" and description.bits_allocated <= 8:
            return replace(native, words_from=location.offset)
        return native
    table, start = _basic_offsets(source, location.offset)
    count = description.number_of_frames
    if len(extended_offsets) == len(extended_lengths) == count:
        found_index = _extended(source, start, extended_offsets, extended_lengths)
        if found_index is not None:
            return found_index
    offsets, lengths = _fragments(source, start)
    if transfer_syntax(description.transfer_syntax_uid).is_video:
        return FrameIndex(offsets, lengths, np.zeros(count + 1, np.int64), is_stream=True)
    return _grouped(source, offsets, lengths, table + start, count)


def _native(
    source: ByteSource, offset: int, length: int, description: FrameDescription
) -> FrameIndex:
    count, bits = description.number_of_frames, description.frame_bits
    needed = -(-count * bits // 8)
    there = min(length, source.size - offset)
    if there < needed:
        raise _truncated(needed, max(there, 0))
    begin = np.arange(count, dtype=np.int64) * bits
    first_byte = begin // 8
    skipped = (begin % 8).astype(np.uint8)
    return FrameIndex(
        offset + first_byte,
        -(-(begin + bits) // 8) - first_byte,
        np.arange(count + 1, dtype=np.int64),
        skipped if skipped.any() else None,
    )


def _item(source: ByteSource, offset: int) -> int | None:
    """Return the length of the item at `offset`, ``None`` at the sequence's end (PS3.5 A.4)."""
    head = source.read_at(offset, 8)
    if len(head) < 8 or head[:4] == _DELIMITER:
        # A file that ends without the delimiter lacks nothing that a frame needs.
        return None
    if head[:4] != _ITEM:
        raise NonConformantError(
            "PixelData (7FE0,0010): something else stands where a fragment must begin "
            "(PS3.5 A.4). The file is damaged: copy or retrieve it again.",
            reason="damaged-fragments",
            tag=0x7FE00010,
            reference="PS3.5 A.4",
        )
    length: int = struct.unpack_from("<I", head, 4)[0]
    if offset + 8 + length > source.size:
        raise _truncated(length, source.size - offset - 8)
    return length


def _basic_offsets(source: ByteSource, offset: int) -> tuple[NDArray[np.int64], int]:
    """Return the Basic Offset Table and where the first fragment's item begins."""
    length = _item(source, offset)
    if length is None:
        raise _truncated(1, 0)
    raw = source.read_at(offset + 8, length)
    table = np.frombuffer(raw[: length // 4 * 4], "<u4").astype(np.int64)
    return table, offset + 8 + length


def _extended(
    source: ByteSource, start: int, offsets: Sequence[float], lengths: Sequence[float]
) -> FrameIndex | None:
    """Return the frames of an Extended Offset Table, ``None`` where it does not fit the items."""
    if max(*offsets, *lengths) > source.size:
        return None
    begin = np.array(offsets, dtype=np.int64) + start
    sizes = np.array(lengths, dtype=np.int64)
    for at, size in zip(begin.tolist(), sizes.tolist(), strict=True):
        head = source.read_at(at, 8) if 0 <= at < source.size else b""
        # An odd length is padded in the item, and may or may not be in the table.
        if head[:4] != _ITEM or not 0 <= struct.unpack_from("<I", head, 4)[0] - size <= 1:
            return None
    return FrameIndex(begin + 8, sizes, np.arange(len(begin) + 1, dtype=np.int64))


def _fragments(source: ByteSource, start: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the contents of all fragments lie."""
    offsets, lengths = [], []
    position = start
    while (length := _item(source, position)) is not None:
        offsets.append(position + 8)
        lengths.append(length)
        position += 8 + length
    return np.array(offsets, dtype=np.int64), np.array(lengths, dtype=np.int64)


def _grouped(
    source: ByteSource,
    offsets: NDArray[np.int64],
    lengths: NDArray[np.int64],
    table: NDArray[np.int64],
    count: int,
) -> FrameIndex:
    """Return which fragments make up each frame; `table` holds where its items begin."""
    if count == 1 and len(offsets):
        return FrameIndex(offsets, lengths, np.array((0, len(offsets)), dtype=np.int64))
    if len(offsets) == count:
        return FrameIndex(offsets, lengths, np.arange(count + 1, dtype=np.int64))
    if len(table) == count:
        first = np.searchsorted(offsets, table + 8)
        if first[0] == 0 and (np.diff(first) > 0).all() and np.isin(table + 8, offsets).all():
            return FrameIndex(offsets, lengths, np.append(first, len(offsets)).astype(np.int64))
    begins = [
        piece
        for piece, offset in enumerate(offsets.tolist())
        if source.read_at(offset, 8).startswith(_STARTS)
    ]
    if len(begins) == count and begins[0] == 0:
        return FrameIndex(offsets, lengths, np.array([*begins, len(offsets)], dtype=np.int64))
    raise NonConformantError(
        f"PixelData (7FE0,0010) has {len(offsets)} fragments for NumberOfFrames (0028,0008) "
        f"{count}, and no offset table that fits them (PS3.5 A.4). Correct the number of frames "
        "or write the instance again with an offset table.",
        reason="frames-cannot-be-told-apart",
        tag=0x7FE00010,
        reference="PS3.5 A.4",
    )


def _truncated(needed: int, found: int) -> NonConformantError:
    return NonConformantError(
        f"PixelData (7FE0,0010) holds {found} bytes where {needed} are declared (PS3.5 8). "
        "The file was cut short: copy or retrieve it again.",
        reason="truncated",
        tag=0x7FE00010,
        reference="PS3.5 8",
    )
