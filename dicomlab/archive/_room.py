"""How much may still be written: up to the quota, and never the last of the disk."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Final

from dicomlab.errors import RefusedError

_RESERVE: Final = 64 << 20
"""Bytes of the disk that imports leave free, so that the index can still be written."""


class Room:
    """What one import may write.

    Parameters
    ----------
    folder
        Where the files go.
    used
        Bytes of the instances that are there.
    quota_bytes
        What they may take together, ``None`` for any.
    """

    def __init__(self, folder: Path, used: int, quota_bytes: int | None) -> None:
        self._folder = folder
        self._used = used
        self._quota_bytes = quota_bytes
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Count a file that is about to be written.

        Raises
        ------
        RefusedError
            It goes beyond the quota (``rule="quota"``), or would fill the disk (``"disk"``).
        """
        with self._lock:
            after = self._used + size
            if self._quota_bytes is not None and after > self._quota_bytes:
                raise RefusedError(
                    f"The archive's files would take {after:,} bytes, its quota is "
                    f"{self._quota_bytes:,}. Raise the quota, or make room.",
                    rule="quota", limit=self._quota_bytes, found=after,
                )  # fmt: skip
            self.needs_disk(size)
            self._used = after

    def give_back(self, size: int) -> None:
        """Count a file no more that was taken and is refused after all."""
        with self._lock:
            self._used -= size

    def needs_disk(self, size: int) -> None:
        """Refuse what would fill the disk, whatever the quota.

        Raises
        ------
        RefusedError
            With ``rule="disk"``.
        """
        free = shutil.disk_usage(self._folder).free
        if free - size < _RESERVE:
            raise RefusedError(
                f"The disk of the archive has {free:,} bytes free; {size:,} are needed, and "
                f"{_RESERVE:,} are left for the index. Make room on the disk.",
                rule="disk", limit=_RESERVE, found=free - size,
            )  # fmt: skip
