"""Pixel data elements written frame by frame (PS3.5 8 and A.4)."""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import BinaryIO, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import DicomlabError, UnsupportedError
from dicomlab.pixels._frames import FrameIndex
from dicomlab.pixels._rewrite import DataSetWriter
from dicomlab.safety import ByteSource
from dicomlab.standard import TransferSyntax

_ITEM: Final = b"\xfe\xff\x00\xe0"
_DELIMITER: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"
_OFFSETS, _LENGTHS, _PIXEL_DATA = 0x7FE00001, 0x7FE00002, 0x7FE00010
_UNDEFINED: Final = 0xFFFFFFFF
_BLOCK: Final = 1 << 20


class Output(Protocol):
    """What takes bytes."""

    def write(self, data: bytes, /) -> int:
        """Take some bytes."""


class _Deflating:
    """Deflates all that is written, and pads the end (PS3.5 A.5)."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        self._written = 0

    def write(self, data: bytes, /) -> int:
        self._written += self._target.write(self._squeeze.compress(data))
        return len(data)

    def finish(self) -> None:
        self._written += self._target.write(self._squeeze.flush())
        self._target.write(b"\0" * (self._written % 2))


@contextmanager
def output_of(target: BinaryIO, syntax: TransferSyntax) -> Iterator[Output]:
    """Give what a data set is written to: the target itself, or what deflates on the way."""
    if not syntax.is_deflated:
        yield target
        return
    deflating = _Deflating(target)
    yield deflating
    deflating.finish()


def in_order(
    index: FrameIndex,
    source: ByteSource,
    work: Callable[[bytes], bytes],
    workers: int,
) -> Iterator[bytes]:
    """Yield what becomes of each frame, in order; a few more than `workers` are in memory."""
    count = len(index)
    if workers <= 1 or count == 1:
        for number in range(count):
            with _naming(number):
                yield work(index.read(source, number))
        return
    with ThreadPoolExecutor(min(workers, count), thread_name_prefix="dicomlab-frames") as pool:
        waiting: deque[tuple[int, Future[bytes]]] = deque()
        try:
            for number in range(count):
                with _naming(number):
                    waiting.append((number, pool.submit(work, index.read(source, number))))
                if len(waiting) > 2 * workers:
                    yield _result(*waiting.popleft())
            while waiting:
                yield _result(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()


def _result(number: int, future: Future[bytes]) -> bytes:
    with _naming(number):
        return future.result()


@contextmanager
def _naming(number: int) -> Iterator[None]:
    try:
        yield
    except DicomlabError as error:
        error.add_note(f"Frame {number + 1}")
        raise


def write_fragments(
    target: BinaryIO,
    writer: DataSetWriter,
    frames: Iterator[bytes],
    count: int,
    *,
    extended: bool,
) -> int:
    """Write encapsulated pixel data, one fragment a frame, and return the bytes of the frames.

    The offset table stands before what it tells of, so it is filled in at the end: the Basic one,
    or the Extended one (PS3.5 A.4), which then knows true lengths too.
    """
    place = target.tell()
    blank = bytes(8 * count)
    if extended:
        target.write(writer.element(_OFFSETS, "OV", blank) + writer.element(_LENGTHS, "OV", blank))
    target.write(writer.head(_PIXEL_DATA, "OB", _UNDEFINED))
    table_bytes = 0 if extended else 4 * count
    target.write(_ITEM + struct.pack("<I", table_bytes))
    if not extended:
        place = target.tell()
    target.write(bytes(table_bytes))
    start = position = target.tell()
    offsets, lengths = [], []
    for frame in frames:
        size = len(frame)
        offsets.append(position - start)
        lengths.append(size)
        padded = frame + b"\0" * (size % 2)
        target.write(_ITEM + struct.pack("<I", len(padded)))
        target.write(padded)
        position += 8 + len(padded)
    target.write(_DELIMITER)
    end = target.tell()
    target.seek(place)
    if extended:
        tables = [struct.pack(f"<{count}Q", *values) for values in (offsets, lengths)]
        target.write(writer.element(_OFFSETS, "OV", tables[0]))
        target.write(writer.element(_LENGTHS, "OV", tables[1]))
    elif offsets[-1] > _UNDEFINED:
        raise UnsupportedError(
            "The fragments lie too far apart for the Basic Offset Table: ask for the Extended one."
        )
    else:
        target.write(struct.pack(f"<{count}I", *offsets))
    target.seek(end)
    return sum(lengths)


def copy_native(
    source: ByteSource, offset: int, size: int, output: Output, *, swapped: int
) -> None:
    """Copy native pixel data block by block; `swapped` bytes each are turned round, 1 for none."""
    position, end = offset, offset + size
    while position < end:
        block = source.read_at(position, min(_BLOCK, end - position))
        if not block:
            raise UnsupportedError("The file became shorter while it was read.")
        position += len(block)
        if swapped > 1:
            block += bytes(-len(block) % swapped)
            block = np.frombuffer(block, f"u{swapped}").byteswap().tobytes()
        output.write(block)
    output.write(b"\0" * (size % 2) if swapped == 1 else b"")


def write_native(frames: Iterator[bytes], bits: int, size: int, output: Output) -> None:
    """Write frames one after the other; those of single bits have no padding between them."""
    if bits % 8 == 0:
        for frame in frames:
            output.write(frame)
    else:
        left: NDArray[np.uint8] = np.empty(0, np.uint8)
        for frame in frames:
            octets = np.frombuffer(frame, np.uint8)
            left = np.concatenate((left, np.unpackbits(octets, count=bits, bitorder="little")))
            whole = len(left) // 8 * 8
            output.write(np.packbits(left[:whole], bitorder="little").tobytes())
            left = left[whole:]
        output.write(np.packbits(left, bitorder="little").tobytes())
    output.write(b"\0" * (size % 2))


def end_of_fragments(source: ByteSource, index: FrameIndex) -> int:
    """Return where encapsulated pixel data ends, after its delimiter where it has one."""
    last = len(index.offsets) - 1
    end = int(index.offsets[last] + index.lengths[last])
    # Lengths of an Extended Offset Table leave out the padding of an item.
    end += end % 2 if source.read_at(end, 4) != _DELIMITER[:4] else 0
    return end + (8 if source.read_at(end, 4) == _DELIMITER[:4] else 0)
