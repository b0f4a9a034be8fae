"""What is not taken, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from dicomlab.errors import StorageError


class RefusalCode(StrEnum):
    """Why a file or a piece of work is refused; ``docs/guide/refusals.md`` says what each means."""

    ARCHIVE_ENTRIES = "archive-entries"
    ARCHIVE_RATIO = "archive-ratio"
    BUSY = "busy"
    CLOSED = "closed"
    COMPRESSED_TAR = "compressed-tar"
    CONFIGURATION = "configuration"
    DAMAGED_DEFLATE = "damaged-deflate"
    DAMAGED_DIRECTORY = "damaged-directory"
    DAMAGED_PIXEL_DATA = "damaged-pixel-data"
    DAMAGED_SEQUENCE = "damaged-sequence"
    DAMAGED_TAR = "damaged-tar"
    DAMAGED_ZIP = "damaged-zip"
    DEPTH = "depth"
    DISK = "disk"
    DUPLICATE = "duplicate"
    ELEMENTS = "elements"
    ENCRYPTED = "encrypted"
    EXECUTABLE_PREAMBLE = "executable-preamble"
    HEADER_BYTES = "header_bytes"
    INFLATED_BYTES = "inflated_bytes"
    INVALID_UID = "invalid-uid"
    LINK = "link"
    MEDIA_DIRECTORY = "media-directory"
    MISSING_FILE = "missing-file"
    MISSING_UID = "missing-uid"
    NO_MATCH = "no-match"
    NO_SPACE = "no-space"
    NOT_A_FILE = "not-a-file"
    NOT_A_NUMBER = "not-a-number"
    NOT_DICOM = "not-dicom"
    NOT_EMPTY = "not-empty"
    OTHER_INSTANCE = "other-instance"
    OUTSIDE_FILE_SET = "outside-file-set"
    QUOTA = "quota"
    SAME_UID_OTHER_CONTENT = "same-uid-other-content"
    TAR_COMPRESSION = "tar-compression"
    TAR_HEADER = "tar-header"
    TAR_MEMBER = "tar-member"
    TRUNCATED = "truncated"
    UNREADABLE = "unreadable"
    WITHOUT_NOTE = "without-note"
    WORKER_BYTES = "worker_bytes"
    WORKER_CRASH = "worker_crash"
    WORKER_ERROR = "worker_error"
    WORKER_MEMORY = "worker_memory"
    WORKER_TIME = "worker_time"
    ZIP_COMPRESSION = "zip-compression"


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes, none at the end."""

    def close(self) -> None:
        """Let go of it."""


class UnreadableError(StorageError):
    """The bytes of a candidate cannot be had; `reason` and the text say why."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was not taken, and why.

    Attributes
    ----------
    path
        As the user knows it; a member of a zip or tar stands behind its path and ``!/``.
    reason
        A code for tables, such as ``"truncated"``.
    message
        The same in a sentence: what is wrong and what to do.
    file
        The file on disk that it is about, where its bytes can be kept as they are: a zip or tar
        that is refused, a DICOMDIR; ``None`` where there is nothing to keep.
    limit, found
        The bound that is broken, where there is one.
    """

    path: str
    reason: str
    message: str
    file: str | None = None
    limit: float | None = None
    found: float | None = None


def unreadable(error: OSError) -> UnreadableError:
    """Return what an error of the operating system means for a candidate."""
    return UnreadableError(
        "unreadable",
        f"It cannot be read: {error.strerror or type(error).__name__}. "
        "Check that it exists and that you may read it.",
    )
