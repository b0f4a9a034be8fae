"""Files that pages load: our own and the viewer's, under names that change with their content."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

from dicomlab.errors import NotFoundError

__all__ = ["Assets"]

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
}


class Assets:
    """The files of one folder, by name, as they are when they are first asked for.

    Parameters
    ----------
    name
        First part of their URLs.
    folder
        Where they lie; only files that stand in it then are ever served.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder

    def url(self, path: str) -> str:
        """Return where a file is found for as long as its folder stays the same."""
        self._content(path)
        return f"/assets/{self._name}/{self._digest}/{path}"

    def read(self, digest: str, path: str) -> tuple[bytes, str]:
        """Return content and media type of a file.

        Raises
        ------
        NotFoundError
            There is no such file, or it was another one when its URL was made.
        """
        if digest != self._digest:
            raise NotFoundError("There is no such file.")
        return self._content(path), _TYPES.get(Path(path).suffix, "application/octet-stream")

    def _content(self, path: str) -> bytes:
        content = self._files.get(path)
        if content is None:
            raise NotFoundError("There is no such file.")
        return content

    @cached_property
    def _files(self) -> dict[str, bytes]:
        found = sorted(path for path in self._folder.rglob("*") if path.is_file())
        return {path.relative_to(self._folder).as_posix(): path.read_bytes() for path in found}

    @cached_property
    def _digest(self) -> str:
        content = hashlib.sha256()
        for name, data in self._files.items():
            content.update(f"{name}\0{len(data)}\0".encode())
            content.update(data)
        return content.hexdigest()[:16]
