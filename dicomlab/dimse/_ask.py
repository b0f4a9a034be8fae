"""C-FIND as its user: one request, its answers as they come (PS3.4 C.4.1)."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from dicomlab.dimse._association import Association
from dicomlab.dimse._command import RESPONSE, CommandField, CommandSet
from dicomlab.dimse._errors import ProtocolError
from dicomlab.dimse._identifier import decode
from dicomlab.dimse._negotiation import Accepted
from dicomlab.dimse._status import PENDING, Status, failure
from dicomlab.errors import AssociationError
from dicomlab.safety import Header

RESPONSE_LIMIT: Final = 0xB001
_WARNINGS: Final = frozenset((0xB000, 0xB006, 0xB007))
CAPPED: Final = frozenset((RESPONSE_LIMIT, Status.CANCELLED))
"""Statuses by which a peer says that there was more than it answered."""
_PRIORITY: Final = 0


def ask(
    association: Association, context: Accepted, identifier: bytes
) -> Generator[Header, None, int]:
    """Yield the answers to an identifier, and return the status of the last response.

    Who closes the generator early, or presses Control-C, has a C-CANCEL sent.

    Raises
    ------
    StatusError
        The peer refused or failed.
    AssociationError
        The association is over.
    """
    message_id = association.next_message_id()
    association.send(
        context,
        {
            "CommandField": CommandField.C_FIND_RQ,
            "MessageID": message_id,
            "AffectedSOPClassUID": context.abstract_syntax,
            "Priority": _PRIORITY,
        },
        identifier,
    )
    try:
        while True:
            command, data = _response(association, message_id)
            status = command.required("Status")
            if status not in PENDING:
                break
            yield decode(data or b"", context.transfer_syntax)
    except (GeneratorExit, KeyboardInterrupt):
        _cancel(association, context, message_id)
        raise
    except ProtocolError as error:
        association.abort()
        raise AssociationError(f"The peer broke the protocol: {error}.") from error
    if status != Status.SUCCESS and status not in CAPPED | _WARNINGS:
        association.abort()
        raise failure(CommandField.C_FIND_RQ, command, doing="the query")
    return status


def _response(association: Association, message_id: int) -> tuple[CommandSet, bytes | None]:
    while (message := association.receive()) is not None:
        command = message.command
        answered = command.number("MessageIDBeingRespondedTo")
        if command.field != CommandField.C_FIND_RQ | RESPONSE or answered is None:
            raise ProtocolError("a message that is no response to our C-FIND")
        if answered == message_id:
            return command, message.data
        # PEER pynetdicom 3.0.4 sends Success after a warning: that was the last one, and is over.
    association.release()
    raise AssociationError("The peer released the association before it had answered.")


def _cancel(association: Association, context: Accepted, message_id: int) -> None:
    """Send C-CANCEL and read what is on its way, so that the association can go on."""
    if not association.is_open:
        return
    try:
        association.send(
            context,
            {
                "CommandField": CommandField.C_CANCEL_RQ,
                "MessageIDBeingRespondedTo": message_id,
            },
        )
        while _response(association, message_id)[0].required("Status") in PENDING:
            pass
    except AssociationError:
        association.abort()
