"""One association that somebody opened with us: its requests and what we answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from dicomlab.dimse._answering import Asked, IdentifierError, read_identifier, unique_keys
from dicomlab.dimse._association import Association, Message, Takes
from dicomlab.dimse._command import RESPONSE, CommandField, CommandSet
from dicomlab.dimse._giving import Giving, Tally
from dicomlab.dimse._identifier import encode
from dicomlab.dimse._local import Service
from dicomlab.dimse._negotiation import Accepted
from dicomlab.dimse._send import Originator
from dicomlab.dimse._services import FIND_CLASSES, GET_CLASSES, MOVE_CLASSES, PATIENT_ROOT
from dicomlab.dimse._status import Status
from dicomlab.dimse._taking import Taking
from dicomlab.errors import (
    AssociationError,
    DicomlabError,
    NonConformantError,
    RefusedError,
    StorageError,
)
from dicomlab.journal import Count, Event, EventKind, Outcome

_LOG: Final = logging.getLogger(__name__)
_ANSWERS_AT_ONCE: Final = 64
_EVENTS_AT_ONCE: Final = 256
_NO_ROOM: Final = frozenset(("quota", "disk"))
_LONGEST_COMMENT: Final = 64


class _Refusing:
    """Stands in for who cannot take a data set: it is read all the same, and then refused."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def write(self, data: memoryview) -> None:  # noqa: ARG002  the sender's bytes are dropped
        raise self._error


class Session:
    """Answers the requests of one association until it ends.

    Parameters
    ----------
    service
        What we offer.
    address
        Where the caller is.
    """

    def __init__(self, service: Service, association: Association, address: str) -> None:
        self._service = service
        self._association = association
        self._address = address
        self._calling = association.request.calling_aet
        self._stored = self._refused = 0
        self._cancelled: set[int] = set()
        self._events: list[Event] = []
        self._handlers: dict[int, Callable[[Message], None]] = {
            CommandField.C_ECHO_RQ: self._echo,
            CommandField.C_STORE_RQ: self._store,
            CommandField.C_FIND_RQ: self._find,
            CommandField.C_GET_RQ: self._get,
            CommandField.C_MOVE_RQ: self._move,
        }

    def run(self) -> None:
        """Answer until the other side releases.

        Raises
        ------
        AssociationError
            It aborted, broke the protocol, or fell silent.
        """
        try:
            while (message := self._association.receive(self._taker)) is not None:
                if message.command.field == CommandField.C_CANCEL_RQ:
                    continue  # what it cancels has ended meanwhile
                handler = self._handlers.get(message.command.field)
                if handler is None:
                    self._respond(message, Status.UNRECOGNISED_OPERATION)
                else:
                    handler(message)
            self._association.release()
        finally:
            self._note_stored()
            self._write_events()

    # C-ECHO

    def _echo(self, message: Message) -> None:
        self._respond(message, Status.SUCCESS)
        self._note(EventKind.NETWORK_ENTERED, Status.SUCCESS)

    # C-STORE

    def _taker(self, context: Accepted, command: CommandSet) -> Takes | None:
        if command.field != CommandField.C_STORE_RQ:
            return None
        if self._service.stores is None:
            return _Refusing(RefusedError("Nothing is stored here.", rule="no-store"))
        try:
            arriving = self._service.stores.begin(f"received from {self._calling}")
        except (StorageError, RefusedError) as error:
            return _Refusing(error)
        return Taking(arriving, context, command)

    def _store(self, message: Message) -> None:
        command = message.command
        status, comment = Status.SUCCESS, None
        try:
            self._take_in(message)
            self._stored += 1
        except Exception as error:  # noqa: BLE001  whatever happened, the sender is told
            status, comment = _status_of(error)
            self._refused += 1
        self._respond(
            message,
            status,
            AffectedSOPInstanceUID=command.text("AffectedSOPInstanceUID"),
            ErrorComment=comment,
        )

    @staticmethod
    def _take_in(message: Message) -> None:
        taker = message.taker
        if taker is None:
            raise NonConformantError("A C-STORE without data set.", reason="not-dicom")
        if isinstance(taker, Taking):
            try:
                if message.error is not None:
                    raise message.error
                taker.finish()
            finally:
                taker.arriving.abandon()
        elif message.error is not None:
            raise message.error

    # C-FIND

    def _find(self, message: Message) -> None:
        started = time.monotonic()
        count = 0
        comment = None
        try:
            count = self._answer(message, self._asked(message))
            status = Status.CANCELLED if self._is_cancelled(message) else Status.SUCCESS
        except IdentifierError as error:
            status, comment = error.status, str(error)
        except AssociationError:
            raise
        except DicomlabError as error:
            _LOG.warning("A query failed: %s", type(error).__name__)
            status = Status.CANNOT_UNDERSTAND
        self._respond(message, status, ErrorComment=comment)
        took_s = time.monotonic() - started
        self._note(EventKind.QUERIED, status, {Count.MATCHES: count}, took_s)

    def _asked(self, message: Message) -> Asked:
        context = message.context
        if context.abstract_syntax not in FIND_CLASSES:
            raise IdentifierError(Status.SOP_CLASS_NOT_SUPPORTED, "This SOP class has no C-FIND.")
        return read_identifier(
            message.data or b"",
            context.transfer_syntax,
            patient_root=context.abstract_syntax in PATIENT_ROOT,
        )

    def _answer(self, message: Message, asked: Asked) -> int:
        """Send the answers, some in a write, and return how many there were."""
        status = Status.PENDING_KEYS_IGNORED if asked.ignores_keys else Status.PENDING
        command = self._response(message, status)
        aet, syntax = self._association.request.called_aet, message.context.transfer_syntax
        count = 0
        waiting: list[bytes] = []
        for record in self._service.source.records(asked.query):
            waiting.append(asked.answer(record, aet, syntax))
            count += 1
            # The first at once: somebody may be waiting for it.
            if count == 1 or len(waiting) == _ANSWERS_AT_ONCE:
                self._association.send_all(message.context, command, waiting)
                waiting = []
                if self._is_cancelled(message):
                    return count
        if waiting:
            self._association.send_all(message.context, command, waiting)
        return count

    # C-GET and C-MOVE

    def _get(self, message: Message) -> None:
        if message.context.abstract_syntax not in GET_CLASSES:
            self._respond(message, Status.SOP_CLASS_NOT_SUPPORTED)
            return
        giving = self._giving(message)
        if giving is not None:
            giving.give_back(self._association, self._takes_cancel)
            self._finish(message, giving.tally)

    def _move(self, message: Message) -> None:
        if message.context.abstract_syntax not in MOVE_CLASSES:
            self._respond(message, Status.SOP_CLASS_NOT_SUPPORTED)
            return
        destination = self._service.destinations.get(message.command.text("MoveDestination"))
        if destination is None:
            self._respond(message, Status.MOVE_DESTINATION_UNKNOWN)
            self._note(EventKind.INSTANCES_TRANSFERRED, Status.MOVE_DESTINATION_UNKNOWN)
            return
        giving = self._giving(message)
        if giving is not None:
            number = message.command.required("MessageID")
            giving.give_to(destination, Originator(self._calling, number))
            self._finish(message, giving.tally)

    def _giving(self, message: Message) -> Giving | None:
        context = message.context
        try:
            level, matches = unique_keys(
                message.data or b"",
                context.transfer_syntax,
                patient_root=context.abstract_syntax in PATIENT_ROOT,
            )
            return Giving(
                self._service.source,
                level,
                matches,
                lambda tally: self._respond(
                    message, Status.PENDING, **tally.numbers(is_last=False)
                ),
                lambda: self._is_cancelled(message),
            )
        except IdentifierError as error:
            self._respond(message, error.status, ErrorComment=str(error))
        except (ValueError, DicomlabError) as error:
            if isinstance(error, AssociationError):
                raise
            _LOG.warning("A retrieve failed: %s", type(error).__name__)
            self._respond(message, Status.UNABLE_TO_COUNT)
        return None

    def _finish(self, message: Message, tally: Tally) -> None:
        failed = tally.failed_list()
        syntax = message.context.transfer_syntax
        data = None if failed is None else encode(failed, syntax)
        command = self._response(message, tally.status, **tally.numbers(is_last=True))
        self._association.send(message.context, command, data)
        sent = tally.completed + tally.warning
        counts = {Count.INSTANCES: sent, Count.FAILED: len(tally.failed)}
        self._note(EventKind.INSTANCES_TRANSFERRED, tally.status, counts)

    # C-CANCEL

    def _is_cancelled(self, message: Message) -> bool:
        """Return whether the caller wants no more answers to a request."""
        while self._association.has_input:
            following = self._association.receive()
            if following is None or not self._takes_cancel(following):
                self._association.abort()
                raise AssociationError("The caller sent a request before the last was answered.")
        return message.command.required("MessageID") in self._cancelled

    def _takes_cancel(self, message: Message) -> bool:
        if message.command.field != CommandField.C_CANCEL_RQ:
            return False
        self._cancelled.add(message.command.required("MessageIDBeingRespondedTo"))
        return True

    # Responses and events

    def _response(
        self, message: Message, status: int, **further: int | str | None
    ) -> dict[str, int | str | None]:
        command = message.command
        comment = further.get("ErrorComment")
        return {
            "AffectedSOPClassUID": command.text("AffectedSOPClassUID") or None,
            "CommandField": command.field | RESPONSE,
            "MessageIDBeingRespondedTo": command.required("MessageID"),
            "Status": status,
            **further,
            "ErrorComment": str(comment)[:_LONGEST_COMMENT] if comment else None,
        }

    def _respond(self, message: Message, status: int, **further: int | str | None) -> None:
        self._association.send(message.context, self._response(message, status, **further))

    def _note_stored(self) -> None:
        if self._stored or self._refused:
            status = Status.CANNOT_UNDERSTAND if self._refused else Status.SUCCESS
            counts = {Count.INSTANCES: self._stored, Count.REFUSED: self._refused}
            self._note(EventKind.INSTANCES_RECEIVED, status, counts)

    def _note(
        self,
        kind: EventKind,
        status: int,
        counts: dict[Count, int] | None = None,
        duration_s: float | None = None,
    ) -> None:
        is_good = status in (Status.SUCCESS, Status.CANCELLED)
        self._events.append(
            Event(
                kind,
                Outcome.SUCCESS if is_good else Outcome.SERIOUS_FAILURE,
                aet=self._calling or None,
                address=ip_address(self._address),
                status=status,
                counts=counts or {},
                duration_s=duration_s,
            )
        )
        # Each write is a sync of the disk: what went well is written some at a time.
        if not is_good or len(self._events) >= _EVENTS_AT_ONCE:
            self._write_events()

    def _write_events(self) -> None:
        events, self._events = self._events, []
        if events:
            self._service.record(events)


def _status_of(error: Exception) -> tuple[Status, str]:
    """Return what a sender is answered for an instance that could not be taken (PS3.4 B.2.3)."""
    if isinstance(error, StorageError):
        return Status.OUT_OF_RESOURCES, "storage failed"
    if isinstance(error, RefusedError):
        if error.rule in _NO_ROOM:
            return Status.OUT_OF_RESOURCES, f"no room: {error.rule}"
        return Status.CANNOT_UNDERSTAND, f"refused: {error.rule}"
    if isinstance(error, NonConformantError):
        if error.reason == "other-instance":
            return Status.NOT_OF_SOP_CLASS, "the data set is another instance than announced"
        return Status.CANNOT_UNDERSTAND, f"not taken: {error.reason}"
    _LOG.error("A received instance could not be stored: %s", type(error).__name__, exc_info=error)
    return Status.PROCESSING_FAILURE, "processing failure"
