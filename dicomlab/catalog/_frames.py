"""Frames of an instance: in a local file, a part of one, or bytes that lie anywhere."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, lru_cache
from pathlib import Path

from dicomlab.catalog._source import FrameLocation
from dicomlab.errors import NonConformantError, NotFoundError
from dicomlab.pixels import FrameDescription, FrameIndex, index_frames
from dicomlab.safety import (
    BlockBytes,
    ByteSource,
    FileBytes,
    FilePart,
    Header,
    MemoryBytes,
    PixelDataLocation,
    ZipMember,
)
from dicomlab.standard import transfer_syntax

_MANY_FRAMES = 10_000
_ITEM_BYTES = 8


class StoredFrames(ABC):
    """The frames of a Part 10 file; nothing is read before a frame is asked for.

    Parameters
    ----------
    header
        What `dicomlab.safety.read_header` read from it, with pixel data.
    """

    def __init__(self, header: Header) -> None:
        if header.pixel_data is None:
            raise ValueError("an instance without pixel data has no frames")
        self.transfer_syntax_uid = header.transfer_syntax_uid
        self._header: Header | None = header
        self._description: FrameDescription | None = None
        self._location: PixelDataLocation = header.pixel_data
        self._inflated: MemoryBytes | None = None
        self._extended: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    @property
    def description(self) -> FrameDescription:
        """What the pixel module says of the frames.

        The header is let go with the first look at it: a volume would otherwise keep the headers of
        all its slices for as long as it is open.
        """
        header = self._header
        if header is not None:
            description = FrameDescription.from_attributes(header, self.transfer_syntax_uid)
            if description.number_of_frames > _MANY_FRAMES:
                self._check_room(description)
            self._extended = (
                header.numbers("ExtendedOffsetTable"),
                header.numbers("ExtendedOffsetTableLengths"),
            )
            if transfer_syntax(self.transfer_syntax_uid).is_deflated:
                self._inflated = MemoryBytes(header.buffer)
            self._description = description
            self._header = None  # Last: another thread that finds it gone finds all the rest.
        assert self._description is not None
        return self._description

    @cached_property
    def index(self) -> FrameIndex:
        """Where the frames lie, in the file or in the inflated data set."""
        with self._open() as file:
            return self._index(file)

    def __len__(self) -> int:
        """Return how many frames there are."""
        return self.description.number_of_frames

    def read(self, index: int) -> bytes:
        """Return the encoded bytes of a frame, counted from 0.

        Raises
        ------
        NotFoundError
            There is no such frame.
        NonConformantError
            The file ends before the frame does, or its fragments cannot be told apart.
        """
        self._check(index)
        with self._open() as file:
            if "index" not in self.__dict__:
                self.__dict__["index"] = self._index(file)
            return self.index.read(self._inflated or file, index)

    @abstractmethod
    def locate(self, index: int) -> FrameLocation | None:
        """Return where a frame lies, ``None`` where it is not in one piece of a local file."""

    def _span(self, index: int) -> tuple[int, int] | None:
        """Return where a frame begins and its length, ``None`` where it is not in one piece."""
        self._check(index)
        syntax = transfer_syntax(self.transfer_syntax_uid)
        if syntax.is_deflated:
            return None
        size, odd_bits = divmod(self.description.frame_bits, 8)
        is_whole = (index + 1) * size <= (self._location.length or 0)
        if not syntax.is_encapsulated and not odd_bits and is_whole:
            # Arithmetic is enough, and spares opening the file; who reads will see if it is short.
            return self._location.offset + index * size, size
        return self.index.span(index)

    def _check_room(self, description: FrameDescription) -> None:
        """Refuse frames that cannot all be there, before anything is made for each of them."""
        found = self._location.length
        if transfer_syntax(self.transfer_syntax_uid).is_encapsulated:
            needed = description.number_of_frames * _ITEM_BYTES
        else:
            needed = description.number_of_frames * description.frame_bits // 8
        if found is None:
            found = self._size() - self._location.offset
        if found < needed:
            raise NonConformantError(
                f"NumberOfFrames (0028,0008) is {description.number_of_frames}, which takes "
                f"{needed} bytes of PixelData (7FE0,0010) or more; it has {found} (PS3.5 8). "
                "Copy or retrieve the instance again.",
                reason="truncated",
                tag=0x7FE00010,
                reference="PS3.5 8",
            )

    @abstractmethod
    def _size(self) -> int:
        """Return how many bytes the file has."""

    @abstractmethod
    def _open(self) -> AbstractContextManager[ByteSource]:
        """Open the file."""

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise NotFoundError(f"There is no frame {index + 1}; the instance has {len(self)}.")

    def _index(self, file: ByteSource) -> FrameIndex:
        description = self.description
        offsets, lengths = self._extended
        return index_frames(
            self._inflated or file,
            self._location,
            description,
            extended_offsets=offsets,
            extended_lengths=lengths,
        )


class FileFrames(StoredFrames):
    """The frames of a local file.

    Parameters
    ----------
    path
        The file; it is opened for each read.
    header
        What `dicomlab.safety.read_header` read from it, with pixel data.
    """

    def __init__(self, path: str | os.PathLike[str], header: Header) -> None:
        super().__init__(header)
        self.path = path if isinstance(path, Path) else Path(path)

    def locate(self, index: int) -> FrameLocation | None:
        """Return where a frame lies, ``None`` where it is not in one piece of the file."""
        span = self._span(index)
        return None if span is None else FrameLocation(self.path, *span)

    def _size(self) -> int:
        return self.path.stat().st_size

    def _open(self) -> AbstractContextManager[ByteSource]:
        return FileBytes(self.path)


class ByteFrames(StoredFrames):
    """The frames of bytes that can be read by range, wherever they lie.

    Parameters
    ----------
    source
        The bytes; what is small is read of them in blocks, as each read may cost a round trip.
    header
        What `dicomlab.safety.read_header` read from them, with pixel data.
    """

    def __init__(self, source: ByteSource, header: Header) -> None:
        super().__init__(header)
        self._source = source

    def locate(self, index: int) -> FrameLocation | None:
        """Return ``None``: the bytes are not those of a local file."""
        self._check(index)
        return None

    def _size(self) -> int:
        return self._source.size

    def _open(self) -> AbstractContextManager[ByteSource]:
        return nullcontext(BlockBytes(self._source))


class MemberFrames(FileFrames):
    """The frames of a member of a zip; nothing is extracted.

    Parameters
    ----------
    member
        Where it lies; its zip is opened for each read.
    header
        What `dicomlab.safety.read_header` read from it, with pixel data.
    """

    def __init__(self, member: ZipMember, header: Header) -> None:
        super().__init__(member.path, header)
        self._member = member

    def locate(self, index: int) -> FrameLocation | None:
        """Return where a frame lies in the zip, ``None`` where the member is compressed."""
        inside = super().locate(index)
        if inside is None or self._member.is_deflated:
            return None
        with self._member.open() as member:
            return FrameLocation(self.path, member.start + inside.offset, inside.length)

    def _size(self) -> int:
        return self._member.size

    def _open(self) -> AbstractContextManager[ByteSource]:
        if len(self) > 1 and self._member.is_deflated:
            # To reach a later frame all before it must be inflated: do that once, not each time.
            return nullcontext(MemoryBytes(_whole(self._member)))
        return self._member.open()


class PartFrames(FileFrames):
    """The frames of an instance that is a stretch of a file: a member of a tar.

    Parameters
    ----------
    part
        Where it lies.
    header
        What `dicomlab.safety.read_header` read from it, with pixel data.
    """

    def __init__(self, part: FilePart, header: Header) -> None:
        super().__init__(part.path, header)
        self._part = part

    def locate(self, index: int) -> FrameLocation | None:
        """Return where a frame lies in the file, ``None`` where it is not in one piece."""
        inside = super().locate(index)
        if inside is None:
            return None
        return FrameLocation(self.path, self._part.offset + inside.offset, inside.length)

    def _open(self) -> AbstractContextManager[ByteSource]:
        return self._part.open()


@lru_cache(maxsize=1)
def _whole(member: ZipMember) -> bytes:
    with member.open() as opened:
        return opened.read()
