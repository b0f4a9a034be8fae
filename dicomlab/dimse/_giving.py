"""C-GET and C-MOVE as their provider: one sub-operation for each instance (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from dicomlab.catalog import Match, Query, Source, Value
from dicomlab.dimse._association import Association, Message
from dicomlab.dimse._part10 import stored_instance
from dicomlab.dimse._remote import RemoteAE
from dicomlab.dimse._send import Originator, context_of, contexts_for, send_instance
from dicomlab.dimse._status import STORED_WITH_WARNING, Status
from dicomlab.errors import AssociationError, DicomlabError
from dicomlab.standard import Level

_LOG: Final = logging.getLogger(__name__)
_MOST: Final = 0xFFFF


@dataclass
class Tally:
    """Sub-operations of a C-GET or C-MOVE.

    Attributes
    ----------
    remaining
        SOP Instance UIDs that are to go, with SOP class and transfer syntax.
    failed
        SOP Instance UIDs that could not be sent.
    """

    remaining: dict[str, tuple[str, str]]
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)
    is_cancelled: bool = False

    def count(self, status: int, sop_instance_uid: str) -> None:
        """Count one that ended."""
        self.remaining.pop(sop_instance_uid, None)
        if status == Status.SUCCESS:
            self.completed += 1
        elif status in STORED_WITH_WARNING:
            self.warning += 1
        else:
            self.failed.append(sop_instance_uid)

    def give_up(self) -> None:
        """Count as failed what is still to go."""
        self.failed += self.remaining
        self.remaining.clear()

    @property
    def status(self) -> Status:
        """What the last response says (PS3.4 tables C.4-2 and C.4-3)."""
        if self.is_cancelled:
            return Status.CANCELLED
        if self.failed and not self.completed and not self.warning:
            return Status.UNABLE_TO_PERFORM
        return Status.SOME_FAILED if self.failed or self.warning else Status.SUCCESS

    def numbers(self, *, is_last: bool) -> dict[str, int | None]:
        """Return the counts of a response; the last one has some remaining only if cancelled."""
        shows_rest = not is_last or self.is_cancelled
        return {
            "NumberOfRemainingSuboperations": (
                min(len(self.remaining), _MOST) if shows_rest else None
            ),
            "NumberOfCompletedSuboperations": min(self.completed, _MOST),
            "NumberOfFailedSuboperations": min(len(self.failed), _MOST),
            "NumberOfWarningSuboperations": min(self.warning, _MOST),
        }

    def failed_list(self) -> Mapping[str, Value] | None:
        """Return the identifier that a response with failures carries."""
        if not self.failed:
            return None
        return {"FailedSOPInstanceUIDList": tuple(self.failed[:1000])}


class Giving:
    """One C-GET or C-MOVE.

    Parameters
    ----------
    level, matches
        What was asked for, by its unique keys.
    pending
        Sends a pending response.
    cancelled
        Says whether the caller sent a C-CANCEL.
    """

    def __init__(
        self,
        source: Source,
        level: Level,
        matches: Mapping[str, Match],
        pending: Callable[[Tally], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._source = source
        self._query = Query.of(level, matches)
        self._pending = pending
        self._cancelled = cancelled
        self.tally = Tally(_kinds(source, matches))

    def give_back(self, association: Association, other: Callable[[Message], bool]) -> None:
        """Send the instances on the association that asks for them (C-GET)."""
        self._send(association, set(self.tally.remaining), other=other, reverse=True)

    def give_to(self, destination: RemoteAE, originator: Originator) -> None:
        """Send the instances to a third application entity (C-MOVE)."""
        kinds = dict(self.tally.remaining)
        try:
            for contexts in contexts_for(kinds.values(), destination.transfer_syntaxes):
                classes = {one.abstract_syntax for one in contexts}
                part = {uid for uid, kind in kinds.items() if kind[0] in classes}
                if self.tally.is_cancelled or not part & self.tally.remaining.keys():
                    continue
                with destination.associate(contexts) as onward:
                    self._send(
                        onward, part, originator=originator, preferred=destination.transfer_syntaxes
                    )
        except AssociationError as error:
            _LOG.warning("A C-MOVE destination failed: %s", error)
            self.tally.give_up()

    def _send(
        self,
        association: Association,
        wanted: set[str],
        *,
        other: Callable[[Message], bool] | None = None,
        originator: Originator | None = None,
        preferred: tuple[str, ...] = (),
        reverse: bool = False,
    ) -> None:
        for uid, data in self._source.retrieve(self._query):
            if uid not in wanted or uid not in self.tally.remaining:
                continue
            if self._cancelled():
                self.tally.is_cancelled = True
                return
            try:
                instance = stored_instance(data)
                context = context_of(association, instance, preferred, reverse=reverse)
                answer = send_instance(
                    association, context, instance, originator=originator, other=other
                )
                status = answer.required("Status")
            except AssociationError:
                raise
            except DicomlabError as error:
                _LOG.warning("An instance could not be sent: %s", type(error).__name__)
                status = Status.UNABLE_TO_PERFORM
            self.tally.count(status, uid)
            self._pending(self.tally)


def _kinds(source: Source, matches: Mapping[str, Match]) -> dict[str, tuple[str, str]]:
    """Return SOP class and transfer syntax of what is asked for, by SOP Instance UID."""
    return {
        str(record["SOPInstanceUID"]): (
            str(record["SOPClassUID"]),
            str(record["AvailableTransferSyntaxUID"]),
        )
        for record in source.records(Query.of(Level.IMAGE, matches))
    }
