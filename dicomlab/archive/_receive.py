"""Instances that come one by one, from several senders at once: told as stored when durable."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

from sqlalchemy import Connection

from dicomlab.archive import _files
from dicomlab.archive._database import Database
from dicomlab.archive._incoming import write_temporary
from dicomlab.archive._inlet import BLOCK, Inlet
from dicomlab.archive._notes import Fault, Terms
from dicomlab.archive._quarantine_files import QuarantineFiles
from dicomlab.archive._report import Outcome
from dicomlab.archive._room import Room
from dicomlab.archive._staging import look_again
from dicomlab.archive._store import Store, translated
from dicomlab.archive._tombstones import deleted_among
from dicomlab.archive._writer import Entry, add, known_contents
from dicomlab.catalog import Stored
from dicomlab.errors import NonConformantError, RefusedError, StorageError
from dicomlab.safety import DEFAULT_BOUNDS, ByteSource, FileBytes, MemoryBytes
from dicomlab.standard import tag_of, tag_text

_STORED: Final = {
    Outcome.NEW: Stored.NEW,
    Outcome.ALREADY_THERE: Stored.ALREADY_THERE,
    Outcome.OTHER_CONTENT: Stored.OTHER_CONTENT,
}


class _Waiting:
    """An instance in a temporary file, until its group is committed."""

    def __init__(self, entry: Entry, temporary: Path) -> None:
        self.entry = entry
        self.temporary = temporary
        self.is_taken_in = False
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None

    def take_in(self, store: Store) -> None:
        """Give it its place in the store, for good."""
        store.take_in([(self.temporary, self.entry.sha256)])
        self.is_taken_in = True


class Receiver:
    """Takes instances in, from any thread.

    Those that several threads finish at the same time are made durable together: one of the threads
    writes for all, and what comes meanwhile is the next group.

    Parameters
    ----------
    room
        What may still be written.
    arrived
        Called when something has come, and is committed.
    """

    def __init__(
        self,
        database: Database,
        store: Store,
        quarantine: QuarantineFiles,
        room: Room,
        arrived: Callable[[], None],
    ) -> None:
        self._database = database
        self._arrived = arrived
        self._store = store
        self._incoming = store.incoming()
        folder = self._incoming.__enter__()
        self._inlet = Inlet(database, store, quarantine, folder, room, Terms(DEFAULT_BOUNDS))
        self._pending: list[_Waiting] = []
        self._pending_lock = threading.Lock()
        self._commit_lock = threading.Lock()

    def begin(self, origin: str = "received") -> Arrival:
        """Return what takes the bytes of one instance, a Part 10 file.

        Parameters
        ----------
        origin
            Where it comes from, for the quarantine.
        """
        return Arrival(self._inlet, self._settle, self._refuse, origin)

    def close(self) -> None:
        """Let go of what is on its way."""
        self._incoming.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _settle(self, entry: Entry, content: bytes | Path) -> Stored:
        """Make an instance durable, together with all that wait."""
        if self._is_known(entry):
            return Stored.ALREADY_THERE
        if isinstance(content, bytes):
            self._inlet.room.take(len(content))
            content = write_temporary(self._inlet.folder, [content])
        mine = _Waiting(entry, content)
        with self._database.reading() as connection:
            is_deleted = bool(deleted_among(connection, [entry.sha256]))
        if not is_deleted:
            # Here, and not in the group: senders' files reach the disk side by side.
            mine.take_in(self._store)
        with self._pending_lock:
            self._pending.append(mine)
        with self._commit_lock:
            if mine.outcome is None and mine.error is None:
                with self._pending_lock:
                    group, self._pending = self._pending, []
                self._commit(group)
        if mine.error is not None:
            raise mine.error
        assert mine.outcome is not None
        return _STORED[mine.outcome]

    def _is_known(self, entry: Entry) -> bool:
        """Return whether the very bytes are durable already."""
        if not self._inlet.holds(entry.sha256, entry.size):
            return False
        with self._database.reading() as connection:
            return entry.sha256 in known_contents(connection, [entry.sha256])

    def _commit(self, group: list[_Waiting]) -> None:
        try:
            with self._database.writing() as connection:
                self._bring_back(connection, group)
                kept = [one for one in group if one.error is None]
                outcomes = add(connection, [one.entry for one in kept])
        except BaseException as error:  # noqa: BLE001  each thread that waits must hear of it
            for one in group:
                one.error = error
        else:
            for one, outcome in zip(kept, outcomes, strict=True):
                one.outcome = outcome
            self._arrived()

    def _bring_back(self, connection: Connection, group: list[_Waiting]) -> None:
        """Take in what was deleted before, in the writers' turn: outside of it a file may go."""
        deleted = deleted_among(connection, [one.entry.sha256 for one in group])
        for one in group:
            if one.entry.sha256 not in deleted:
                continue
            if one.is_taken_in:
                one.error = StorageError(
                    f"The instance {one.entry.sop_instance_uid} was deleted while it came. "
                    "Send it again."
                )
            else:
                one.take_in(self._store)

    def _refuse(self, origin: str, size: int, fault: Fault, content: bytes | Path) -> None:
        """Put a refused instance into quarantine, if that takes it."""
        refused = self._inlet.refuse(origin, size, fault, content)
        if refused.held is not None:
            with self._commit_lock:
                self._inlet.quarantine.take_in([refused.held], self._inlet.folder)


class Arrival:
    """One instance on its way in; made by `Receiver.begin`."""

    def __init__(
        self,
        inlet: Inlet,
        settle: Callable[[Entry, bytes | Path], Stored],
        refuse: Callable[[str, int, Fault, bytes | Path], None],
        origin: str,
    ) -> None:
        self._inlet = inlet
        self._settle = settle
        self._refuse = refuse
        self._origin = origin
        self._block = bytearray()
        self._digest = hashlib.sha256()
        self._size = 0
        self._path: Path | None = None
        self._descriptor = -1

    def write(self, data: bytes | memoryview) -> None:
        """Take some more bytes.

        Raises
        ------
        StorageError
            The disk does not take them.
        RefusedError
            There is no room.
        """
        self._block += data
        if len(self._block) >= BLOCK:
            self._spill()

    def _spill(self) -> None:
        """Write what is in memory to the temporary file of a long instance."""
        self._inlet.room.take(len(self._block))
        self._size += len(self._block)
        with translated("Writing a file"):
            if self._path is None:
                self._path = self._inlet.folder / uuid4().hex
                self._descriptor = _files.create(self._path)
            _files.write(self._descriptor, bytes(self._block))
        self._digest.update(self._block)
        self._block.clear()

    def finish(
        self, *, sop_class_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> Stored:
        """Check the instance and make it durable; what is refused goes to quarantine.

        Parameters
        ----------
        sop_class_uid, sop_instance_uid
            What its sender says that it is.

        Raises
        ------
        NonConformantError
            It cannot be taken as an instance, or (``reason="other-instance"``) it is another one
            than its sender says.
        RefusedError
            It breaks a bound, or there is no room.
        StorageError
            The disk or the index fails.
        """
        said = {"SOPClassUID": sop_class_uid, "SOPInstanceUID": sop_instance_uid}
        if self._path is None:
            data = bytes(self._block)
            self._block.clear()
            return self._checked(MemoryBytes(data), hashlib.sha256(data).hexdigest(), data, said)
        self._spill()
        path, self._path = self._path, None
        os.close(self._descriptor)
        with FileBytes(path) as written:
            return self._checked(written, self._digest.hexdigest(), path, said)

    def _checked(
        self, source: ByteSource, sha256: str, content: bytes | Path, said: dict[str, str | None]
    ) -> Stored:
        inlet = self._inlet
        try:
            entry = look_again(source, sha256, inlet.terms.bounds, inlet.quarantine)
            _check_is(entry, said)
        except (NonConformantError, RefusedError) as error:
            inlet.room.give_back(self._size)
            self._refuse(self._origin, source.size, Fault.of(error), content)
            raise
        return self._settle(entry, content)

    def abandon(self) -> None:
        """Forget what came."""
        self._block.clear()
        if self._path is not None:
            os.close(self._descriptor)
            self._path.unlink()
            self._path = None
            self._inlet.room.give_back(self._size)


def _check_is(entry: Entry, said: dict[str, str | None]) -> None:
    for keyword, expected in said.items():
        if expected is not None and entry.record.get(keyword) != expected:
            tag = tag_of(keyword)
            raise NonConformantError(
                f"{keyword} {tag_text(tag)} of the data set is another than its sender says "
                "(PS3.4 B.2.3). Have the sender read its own file again.",
                reason="other-instance",
                tag=tag,
                reference="PS3.4 B.2.3",
            )
