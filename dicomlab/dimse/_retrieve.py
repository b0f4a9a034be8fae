"""C-GET and C-MOVE as their user (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dicomlab.catalog import Stores, Value
from dicomlab.dimse._association import Association, Message, Takes
from dicomlab.dimse._command import RESPONSE, CommandField, CommandSet
from dicomlab.dimse._identifier import QUERY_SYNTAXES, decode, encode
from dicomlab.dimse._negotiation import MOST_CONTEXTS, Accepted, Context, Role, numbered
from dicomlab.dimse._send import NATIVE
from dicomlab.dimse._services import GET_CLASSES, USUAL_CLASSES
from dicomlab.dimse._status import PENDING, Status, failure
from dicomlab.dimse._taking import Taking
from dicomlab.errors import AssociationError, NonConformantError, RefusedError, StorageError

_COMMON: Final = (
    NATIVE,
    ("1.2.840.10008.1.2.4.50",),
    ("1.2.840.10008.1.2.4.51",),
    ("1.2.840.10008.1.2.4.57",),
    ("1.2.840.10008.1.2.4.70",),
    ("1.2.840.10008.1.2.4.80",),
    ("1.2.840.10008.1.2.4.81",),
    ("1.2.840.10008.1.2.4.90",),
    ("1.2.840.10008.1.2.4.91",),
    ("1.2.840.10008.1.2.5",),
    ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"),
    ("1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.103", "1.2.840.10008.1.2.4.100"),
    ("1.2.840.10008.1.2.1.99",),
    ("1.2.840.10008.1.2.2",),
)
"""One context for each, so that the peer can give every instance as it holds it."""
_EVERY: Final = tuple(uid for some in _COMMON for uid in some)


@dataclass
class Retrieved:
    """What became of one C-GET or C-MOVE.

    Attributes
    ----------
    stored
        SOP Instance UIDs that are durable here now.
    refused
        Those that came and could not be taken, with the reason.
    failed
        Those of which the peer says that it could not give them.
    bytes
        Of the data sets that came.
    status
        Of the last response.
    """

    stored: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    bytes: int = 0
    status: int = Status.SUCCESS


def get_contexts(classes: Iterable[str]) -> tuple[tuple[Context, ...], dict[str, Role]]:
    """Return the contexts and roles for a C-GET of instances of some classes.

    Few classes have a context for each way in which their pixels may be held; with many of them
    there is one for each class.
    """
    known = list(dict.fromkeys(classes)) or list(USUAL_CLASSES)
    room = MOST_CONTEXTS - len(GET_CLASSES)
    proposals: list[tuple[str, Sequence[str]]] = [(uid, QUERY_SYNTAXES) for uid in GET_CLASSES]
    if len(known) * len(_COMMON) <= room:
        proposals += [(uid, syntaxes) for uid in known for syntaxes in _COMMON]
    else:
        # PEER dcmqrscp 3.6.7 closes the connection on 126 contexts of 50 transfer syntaxes each.
        proposals += [(uid, _EVERY) for uid in known[:room]]
    return numbered(proposals), {uid: Role(scu=False, scp=True) for uid in known[:room]}


class Retrieval:
    """One C-GET: what comes goes into a store, one instance after the other.

    Parameters
    ----------
    stores
        Who takes the instances.
    told
        Called after each instance with its SOP Instance UID and its size.
    stop
        Says whether to cancel.
    """

    def __init__(
        self,
        association: Association,
        stores: Stores,
        *,
        told: Callable[[str, int], None] = lambda _uid, _size: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._association = association
        self._stores = stores
        self._told = told
        self._stop = stop
        self.result = Retrieved()

    def get(self, context: Accepted, keys: Mapping[str, Value]) -> Retrieved:
        """Ask for what unique keys name.

        Raises
        ------
        StatusError
            The peer refused.
        AssociationError
            The association is over; `result` has what came.
        """
        message_id = self._association.next_message_id()
        self._association.send(
            context,
            {
                "CommandField": CommandField.C_GET_RQ,
                "MessageID": message_id,
                "AffectedSOPClassUID": context.abstract_syntax,
                "Priority": 0,
            },
            encode(keys, context.transfer_syntax),
        )
        is_cancelled = False
        try:
            while (message := self._association.receive(self._taker)) is not None:
                if message.command.field == CommandField.C_STORE_RQ:
                    self._store(message)
                    if self._stop() and not is_cancelled:
                        is_cancelled = True
                        self._cancel(context, message_id)
                elif self._is_last(message, CommandField.C_GET_RQ, message_id):
                    return self.result
        except KeyboardInterrupt:
            self._association.abort()
            raise
        self._association.release()
        raise AssociationError("The peer released the association before it had answered.")

    def _cancel(self, context: Accepted, message_id: int) -> None:
        self._association.send(
            context,
            {
                "CommandField": CommandField.C_CANCEL_RQ,
                "MessageIDBeingRespondedTo": message_id,
            },
        )

    def _taker(self, context: Accepted, command: CommandSet) -> Takes | None:
        if command.field != CommandField.C_STORE_RQ:
            return None
        arriving = self._stores.begin(f"got from {self._association.request.called_aet}")
        return Taking(arriving, context, command)

    def _store(self, message: Message) -> None:
        command, taker = message.command, message.taker
        assert isinstance(taker, Taking)
        uid = command.text("AffectedSOPInstanceUID")
        status = Status.SUCCESS
        try:
            if message.error is not None:
                raise message.error
            taker.finish()
            self.result.stored.append(uid)
            self.result.bytes += taker.size
        except StorageError:
            self._association.abort()
            raise
        except (NonConformantError, RefusedError) as error:
            status = Status.CANNOT_UNDERSTAND
            reason = error.reason if isinstance(error, NonConformantError) else error.rule
            self.result.refused[uid] = reason
        finally:
            taker.arriving.abandon()
        self._association.send(
            message.context,
            {
                "AffectedSOPClassUID": command.text("AffectedSOPClassUID"),
                "CommandField": CommandField.C_STORE_RQ | RESPONSE,
                "MessageIDBeingRespondedTo": command.required("MessageID"),
                "Status": status,
                "AffectedSOPInstanceUID": uid,
            },
        )
        self._told(uid, taker.size)

    def _is_last(self, message: Message, operation: CommandField, message_id: int) -> bool:
        return last_response(self._association, message, operation, message_id, self.result)


def last_response(
    association: Association,
    message: Message,
    operation: CommandField,
    message_id: int,
    result: Retrieved,
) -> bool:
    """Take a response to a C-GET or C-MOVE, and return whether it is the last one.

    Raises
    ------
    StatusError
        It says that nothing was given.
    AssociationError
        It is none.
    """
    command = message.command
    is_ours = command.number("MessageIDBeingRespondedTo") == message_id
    if command.field != operation | RESPONSE or not is_ours:
        association.abort()
        raise AssociationError("The peer sent something else than a response to our retrieve.")
    status = command.required("Status")
    if status in PENDING:
        return False
    result.status = status
    if message.data:
        header = decode(message.data, message.context.transfer_syntax)
        result.failed = list(header.strings("FailedSOPInstanceUIDList"))
    if status not in (Status.SUCCESS, Status.SOME_FAILED, Status.CANCELLED) and not result.failed:
        association.abort()
        raise failure(operation, command, doing="the retrieve")
    return True


def move(
    association: Association,
    context: Accepted,
    keys: Mapping[str, Value],
    destination: str,
    *,
    told: Callable[[int], None] = lambda _completed: None,
) -> Retrieved:
    """Ask a peer to send what unique keys name to an application entity that it knows.

    Raises
    ------
    StatusError
        The peer refused.
    AssociationError
        The association is over.
    """
    message_id = association.next_message_id()
    association.send(
        context,
        {
            "CommandField": CommandField.C_MOVE_RQ,
            "MessageID": message_id,
            "AffectedSOPClassUID": context.abstract_syntax,
            "Priority": 0,
            "MoveDestination": destination,
        },
        encode(keys, context.transfer_syntax),
    )
    result = Retrieved()
    while (message := association.receive()) is not None:
        completed = message.command.number("NumberOfCompletedSuboperations")
        told(completed or 0)
        if last_response(association, message, CommandField.C_MOVE_RQ, message_id, result):
            return result
    association.release()
    raise AssociationError("The peer released the association before it had answered.")
