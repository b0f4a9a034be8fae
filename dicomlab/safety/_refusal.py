"""What is not taken, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dicomlab.errors import StorageError


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
