"""Frames of bytes that are no local file: each read is a round trip, so few are made."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate

from dicomlab import phantoms
from dicomlab.catalog import ByteFrames
from dicomlab.errors import NotFoundError
from dicomlab.safety import BlockBytes, MemoryBytes, read_header

FRAME_BYTES = 200_000


class Counted(MemoryBytes):
    """Bytes that note what is asked of them."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.asked: list[tuple[int, int]] = []

    def read_at(self, offset: int, size: int) -> bytes:
        self.asked.append((offset, size))
        return super().read_at(offset, size)


def written(instance: Dataset) -> Counted:
    """Return an instance as the bytes of a file."""
    target = BytesIO()
    instance.save_as(target, enforce_file_format=True)
    return Counted(target.getvalue())


@pytest.fixture
def frames() -> list[bytes]:
    """Give five encoded frames of 200 kB; none is looked into here."""
    rng = np.random.default_rng(7)
    return [rng.bytes(FRAME_BYTES) for _ in range(5)]


def encapsulated(frames: list[bytes]) -> Counted:
    """Return an instance that holds these frames, with an offset table."""
    (instance,) = phantoms.thorax_ct(slices=1, rows=16)
    instance.NumberOfFrames = len(frames)
    instance.PixelData = encapsulate(frames, has_bot=True)
    instance["PixelData"].VR = "OB"
    instance.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
    return written(instance)


def test_a_native_frame_is_one_read_of_its_own_bytes() -> None:
    """Nothing of the other frames is read."""
    (instance,) = phantoms.thorax_ct(slices=1, rows=16)
    instance.NumberOfFrames = 100
    instance.PixelData = bytes(range(100)) * 512
    source = written(instance)
    frames = ByteFrames(source, read_header(source))
    source.asked.clear()

    frame = frames.read(50)

    assert frame == instance.PixelData[50 * 512 : 51 * 512]
    assert len(frames) == 100
    (asked,) = source.asked
    assert asked[1] <= 128 << 10
    assert frames.locate(50) is None


def test_a_compressed_frame_is_found_without_the_others(frames: list[bytes]) -> None:
    """Item headers are read in blocks, frames in one piece; the second frame needs no search."""
    source = encapsulated(frames)
    found = ByteFrames(source, read_header(source))
    source.asked.clear()

    first = found.read(3)
    search = len(source.asked)
    second = found.read(1)

    assert first == frames[3]
    assert second == frames[1]
    # One block for each of the five items, at the most, and the frame; then a frame alone.
    assert search <= len(frames) + 2
    assert len(source.asked) == search + 1
    assert source.asked[-1][1] == FRAME_BYTES


def test_there_are_no_other_frames(frames: list[bytes]) -> None:
    """Frames are counted from 0."""
    source = encapsulated(frames)
    found = ByteFrames(source, read_header(source))

    with pytest.raises(NotFoundError):
        found.read(5)
    with pytest.raises(NotFoundError):
        found.locate(-1)


def test_blocks_give_the_bytes_that_are_there() -> None:
    """Whatever is asked, within blocks, across them and beyond the end."""
    data = np.random.default_rng(3).bytes(300_000)
    blocks = BlockBytes(MemoryBytes(data))

    for offset, size in ((0, 8), (131_070, 8), (131_072, 8), (5, 250_000), (299_999, 8), (4e5, 3)):
        assert blocks.read_at(int(offset), size) == data[int(offset) : int(offset) + size]
    assert blocks.size == len(data)
