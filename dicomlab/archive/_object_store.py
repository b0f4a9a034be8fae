"""The files of an archive at a URL: in an object store such as S3, or whatever fsspec reaches."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import uuid4

from dicomlab.archive import _files
from dicomlab.archive._incoming import Incoming
from dicomlab.archive._remote import Remote
from dicomlab.archive._store import SHARDS, Listing, StoredFile, each, hash_in, name_of, translated
from dicomlab.catalog import ByteFrames
from dicomlab.errors import StorageError, UnsupportedError
from dicomlab.safety import Header

_BLOCK: Final = 8 << 20
_MARK_NAME: Final = "archive.txt"
_MARK: Final = "dicomlab archive 1\n"


class ObjectStore:
    """Objects ``instances/ab/ab….dcm``, and in ``arrivals`` in which order they came.

    An object is there whole or not at all. What is on its way lies on a local disk.

    Parameters
    ----------
    remote
        Where the objects are.
    staging
        A local folder for what is on its way.
    """

    at_once = 16

    def __init__(self, remote: Remote, staging: Path) -> None:
        self._remote = remote
        with translated("Preparing the archive's folder"):
            _files.make_folder(staging)
        self.staging = staging
        self._incoming = Incoming(staging / "incoming")
        self._check_mark()

    def _check_mark(self) -> None:
        """Make sure that an archive is here, or may be made here."""
        found = self._remote.read_text(_MARK_NAME)
        if found is None:
            self._remote.write_text(_MARK_NAME, _MARK)
        elif found != _MARK:
            raise UnsupportedError(
                f"The object {_MARK_NAME} there says that the archive is not of the kind that "
                "this dicomlab keeps. Open it with a newer one, or give another location."
            )

    def open(self, sha256: str, size: int) -> RemoteBytes:
        """Return the bytes of a content."""
        return RemoteBytes(self._remote, name_of(sha256), size)

    def frames(self, sha256: str, size: int, header: Header) -> ByteFrames:
        """Return the frames of a content with pixel data."""
        return ByteFrames(self.open(sha256, size), header)

    def digest(self, sha256: str, size: int) -> str | None:
        """Return the SHA-256 that a content has in truth; ``None`` where it cannot be read."""
        source = self.open(sha256, size)
        digest = hashlib.sha256()
        try:
            for at in range(0, size, _BLOCK):
                digest.update(source.read_at(at, _BLOCK))
        except StorageError as error:
            if isinstance(error.__cause__, (FileNotFoundError, PermissionError, EOFError)):
                return None  # this one; the others may be whole
            raise
        return digest.hexdigest()

    def exists(self, sha256: str) -> bool:
        """Whether an object of this name is there."""
        return self._remote.size(name_of(sha256)) is not None

    def holds(self, sha256: str, size: int) -> bool:
        """Whether a content is there, in full length."""
        return self._remote.size(name_of(sha256)) == size

    def shards(self) -> Sequence[str]:
        """Return the shards that hold something."""
        there = {entry.name for entry in self._remote.list("instances") if entry.is_folder}
        return [shard for shard in SHARDS if shard in there]

    def listing(self, shard: str) -> Listing:
        """Return what is in a shard, by name; when the files came `in_order` knows."""
        made = Listing()
        for entry in self._remote.list(f"instances/{shard}"):
            sha256 = hash_in(entry.name, shard)
            if sha256 is None or entry.is_folder:
                made.strangers.append(f"instances/{shard}/{entry.name}")
            else:
                made.files.append(StoredFile(name_of(sha256), sha256, entry.size, 0))
        return made

    def in_order(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Return files in the order in which they came: what every import left says it."""
        if not files:
            return []
        arrived = self._arrivals({file.sha256 for file in files})
        for file in files:
            if file.sha256 not in arrived:
                arrived[file.sha256] = self._remote.modified_ns(file.name)
        dated = [replace(file, received_ns=arrived[file.sha256]) for file in files]
        return sorted(dated, key=lambda file: (file.received_ns, file.sha256))

    def _arrivals(self, wanted: set[str]) -> dict[str, int]:
        """Return when contents first came, of those that an import has noted."""
        arrived: dict[str, int] = {}
        notes = [entry.name for entry in self._remote.list("arrivals") if not entry.is_folder]
        texts = each(self, lambda name: self._remote.read_text(f"arrivals/{name}"), notes)
        for name, text in zip(notes, texts, strict=True):
            began = name.partition("-")[0]
            if not began.isdecimal():
                continue
            for place, sha256 in enumerate((text or "").split()):
                if sha256 in wanted:
                    arrived.setdefault(sha256, int(began) + place)
        return arrived

    def strangers(self) -> Iterator[str]:
        """Yield the names of what stands among the shards and is none."""
        for top in self._remote.list("instances"):
            if top.name not in SHARDS or not top.is_folder:
                yield f"instances/{top.name}"

    def set_aside(self, sha256: str, found: str) -> None:
        """Move an object whose content has another hash out of the way; it is kept."""
        self._remote.move(name_of(sha256), f"damaged/{sha256}-{found}.dcm")

    def incoming(self) -> AbstractContextManager[Path]:
        """Give a local folder for temporary files; it is gone afterwards, and so are dead ones."""
        return self._incoming.folder()

    def take_in(
        self, files: Iterable[tuple[Path, str]], received_ns: Sequence[int] | None = None
    ) -> None:
        """Upload temporary files under their hashes; when this returns they are there for good."""
        pending = {sha256: temporary for temporary, sha256 in files}
        now = received_ns[0] if received_ns else time.time_ns()
        pool = ThreadPoolExecutor(self.at_once, "dicomlab-upload")
        try:
            uploads = [pool.submit(self._upload, *one) for one in pending.items()]
            for upload in uploads:
                upload.result()
        finally:
            pool.shutdown(cancel_futures=True)
        # Their order of arrival, should the index ever have to be made again from the files.
        name = f"arrivals/{now:020d}-{uuid4().hex[:8]}.txt"
        self._remote.write_text(name, "".join(f"{sha256}\n" for sha256 in pending))

    def remove(self, sha256s: Iterable[str]) -> None:
        """Remove contents, also those set aside; when this returns they are gone for good."""
        gone = set(sha256s)
        aside = self._remote.list("damaged") if gone else []
        names = [name_of(sha256) for sha256 in sorted(gone)]
        names += [f"damaged/{entry.name}" for entry in aside if entry.name[:64] in gone]
        for _ in each(self, self._remote.delete, names):
            pass

    def _upload(self, sha256: str, temporary: Path) -> None:
        with translated("Reading a file that waits for the archive's store"):
            self._remote.put(temporary, name_of(sha256))
            temporary.unlink()


class RemoteBytes:
    """The bytes of an instance in a store; each read is a request."""

    def __init__(self, remote: Remote, name: str, size: int) -> None:
        self._remote = remote
        self._name = name
        self.size = size

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end."""
        wanted = min(size, self.size - offset)
        return self._remote.read(self._name, offset, wanted) if wanted > 0 else b""
