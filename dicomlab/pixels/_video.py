"""Frames of video streams: MPEG-2, H.264 and HEVC (PS3.5 8.2.5 to 8.2.11).

A frame of a video leans on those before it, so what is read is the stream. OpenCV brings the
decoders (FFmpeg's, under the LGPL); it is an extra, as few objects need it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import MissingDependencyError, NonConformantError
from dicomlab.pixels._codestream import damaged
from dicomlab.pixels._description import FrameDescription
from dicomlab.safety import ByteSource


class _Capture(Protocol):
    """What is used of OpenCV's video reader."""

    def grab(self) -> bool: ...

    def retrieve(self) -> tuple[bool, NDArray[np.uint8]]: ...

    def get(self, property_id: int, /) -> float: ...

    def set(self, property_id: int, value: float, /) -> bool: ...

    def isOpened(self) -> bool: ...  # noqa: N802  OpenCV's name

    def release(self) -> None: ...


def video_frames(
    stream: bytes | ByteStream, description: FrameDescription, *, start: int = 0
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a video from one on, each RGB of shape (row, column, 3).

    Frames before `start` are decoded too, as the others lean on them, but not made into pictures.

    Raises
    ------
    NonConformantError
        The stream cannot be read, has another size than the attributes say, or ends before the
        Number of Frames (0028,0008).
    MissingDependencyError
        OpenCV is not installed.
    """
    cv2 = opencv()
    with _opened(stream, description) as capture:
        for number in range(description.number_of_frames):
            if not capture.grab():
                raise damaged("video", f"it ends after {number} frames")
            if number < start:
                continue
            is_there, picture = capture.retrieve()
            if not is_there:
                raise damaged("video", f"frame {number + 1} cannot be decoded")
            rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            yield np.asarray(rgb, dtype=np.uint8)


def decode_video(
    encoded: bytes, description: FrameDescription, number: int, out: NDArray[np.generic]
) -> None:
    """Decode one frame of a stream, counted from 0."""
    for picture in video_frames(encoded, description, start=number):
        if picture.shape != out.shape:
            raise damaged("video", f"decoded to shape {picture.shape}, expected {out.shape}")
        out[...] = picture
        return
    raise damaged("video", f"it has no frame {number + 1}")


@contextmanager
def _opened(stream: bytes | ByteStream, description: FrameDescription) -> Iterator[_Capture]:
    cv2 = opencv()
    source = io.BytesIO(stream) if isinstance(stream, bytes) else stream
    try:
        capture: _Capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, [])
    except cv2.error as error:
        raise damaged("video", "the decoder cannot open it") from error
    try:
        if not capture.isOpened():
            raise damaged("video", "the decoder cannot open it")
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        found = (
            int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
            int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        )
        if found != (description.rows, description.columns):
            raise NonConformantError(
                f"PixelData (7FE0,0010): the video has (rows, columns) {found}, the attributes "
                f"{(description.rows, description.columns)} (PS3.5 8.2). One of them is wrong: "
                "correct the instance at its source.",
                reason="codestream-contradicts-header",
                tag=0x7FE00010,
                reference="PS3.5 8.2",
            )
        yield capture
    finally:
        capture.release()


class ByteStream(io.BufferedIOBase):
    """Fragments of a source as one file, so that a video is never whole in memory."""

    def __init__(self, source: ByteSource, offsets: Sequence[int], lengths: Sequence[int]) -> None:
        super().__init__()
        self._source = source
        self._offsets, self._lengths = list(offsets), list(lengths)
        self._size = sum(self._lengths)
        self._position = 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can be read from any place."""
        return True

    def tell(self) -> int:
        """Return the place that is read next."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to another place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes, all that are left by default."""
        left = self._size - self._position
        wanted = left if size is None or size < 0 else min(size, left)
        pieces, begin = [], 0
        for offset, length in zip(self._offsets, self._lengths, strict=True):
            if wanted <= 0:
                break
            inside = self._position - begin
            if 0 <= inside < length:
                piece = self._source.read_at(offset + inside, min(wanted, length - inside))
                if not piece:
                    break
                pieces.append(piece)
                self._position += len(piece)
                wanted -= len(piece)
            begin += length
        return b"".join(pieces)


def opencv() -> ModuleType:
    """Return OpenCV, an extra."""
    try:
        import cv2  # noqa: PLC0415  an extra
    except ImportError as error:
        raise MissingDependencyError(
            "Videos need OpenCV: pip install 'dicomlab[video]'."
        ) from error
    module: ModuleType = cv2
    return module
