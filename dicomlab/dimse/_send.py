"""C-STORE as its user: one instance on an association (PS3.4 B.2)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dicomlab.dimse._association import Association, Message
from dicomlab.dimse._command import RESPONSE, CommandField, CommandSet
from dicomlab.dimse._negotiation import MOST_CONTEXTS, Accepted, Context, numbered
from dicomlab.dimse._part10 import StoredInstance, stored_instance
from dicomlab.errors import AssociationError, UnsupportedError
from dicomlab.pixels import transcode
from dicomlab.safety import FileBytes
from dicomlab.standard import sop_class_name, transfer_syntax

NATIVE: Final = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
"""What every peer takes at least one of (PS3.5 10.1)."""


@dataclass(frozen=True, slots=True)
class Originator:
    """Who asked for a C-MOVE, of which these instances are a part (PS3.7 9.1.1.1)."""

    aet: str
    message_id: int


def contexts_for(
    kinds: Iterable[tuple[str, str]], preferred: Sequence[str] = ()
) -> list[tuple[Context, ...]]:
    """Return the contexts that some instances need, in as many associations as that takes.

    Parameters
    ----------
    kinds
        SOP class and transfer syntax of what is to be sent.
    preferred
        Transfer syntaxes that the destination shall have, the best first; without them each
        instance goes as it is stored, and in the default ones where the peer takes no other.
    """
    by_class: dict[str, list[str]] = {}
    for sop_class, syntax in kinds:
        by_class.setdefault(sop_class, [])
        if syntax not in by_class[sop_class]:
            by_class[sop_class].append(syntax)
    proposals: list[tuple[str, Sequence[str]]] = []
    for sop_class, syntaxes in by_class.items():
        if preferred:
            # In one context the acceptor chooses: one for each keeps the order ours.
            proposals += [(sop_class, (syntax,)) for syntax in preferred]
            continue
        proposals += [(sop_class, (syntax,)) for syntax in syntaxes]
        if not set(syntaxes) & set(NATIVE):
            proposals.append((sop_class, NATIVE))
        else:
            proposals += [(sop_class, (syntax,)) for syntax in NATIVE if syntax not in syntaxes]
    return [
        numbered(proposals[at : at + MOST_CONTEXTS])
        for at in range(0, len(proposals), MOST_CONTEXTS)
    ] or [()]


def context_of(
    association: Association,
    instance: StoredInstance,
    preferred: Sequence[str] = (),
    *,
    reverse: bool = False,
) -> Accepted:
    """Return the context in which an instance goes: as it is stored, where the peer takes that.

    Raises
    ------
    UnsupportedError
        The peer does not take its SOP class.
    """
    taken = [
        one
        for one in association.agreement.contexts.values()
        if one.abstract_syntax == instance.sop_class_uid and (one.is_reversed or not reverse)
    ]
    by_syntax = {one.transfer_syntax: one for one in taken}
    order = (*preferred, instance.transfer_syntax, *NATIVE)
    found = next((by_syntax[syntax] for syntax in order if syntax in by_syntax), None)
    if found is None:
        name = sop_class_name(instance.sop_class_uid)
        raise UnsupportedError(
            f"The peer does not take {name} in any transfer syntax that we can send. "
            "Have its administrator allow it.",
            sop_class_uid=instance.sop_class_uid,
        )
    return found


def send_instance(
    association: Association,
    context: Accepted,
    instance: StoredInstance,
    *,
    originator: Originator | None = None,
    other: Callable[[Message], bool] | None = None,
) -> CommandSet:
    """Send an instance and return the response; it is transcoded where the context asks for it.

    Raises
    ------
    UnsupportedError
        It cannot be written in the context's transfer syntax.
    AssociationError
        The association is over.
    """
    if context.transfer_syntax == instance.transfer_syntax:
        return _send(association, context, instance, originator, other)
    with tempfile.TemporaryDirectory(prefix="dicomlab-") as folder:
        path = Path(folder, "instance")
        with path.open("wb") as target:
            transcode(instance.source, target, context.transfer_syntax)
        with FileBytes(path) as data:
            written = stored_instance(data)
            _check_syntax(written, context)
            return _send(association, context, written, originator, other)


def _check_syntax(written: StoredInstance, context: Accepted) -> None:
    if written.transfer_syntax != context.transfer_syntax:
        raise UnsupportedError(
            f"The instance {written.sop_instance_uid} has no pixels to compress, and the peer "
            f"takes only {transfer_syntax(context.transfer_syntax).name}.",
            transfer_syntax_uid=context.transfer_syntax,
        )


def _send(
    association: Association,
    context: Accepted,
    instance: StoredInstance,
    originator: Originator | None,
    other: Callable[[Message], bool] | None,
) -> CommandSet:
    message_id = association.next_message_id()
    command: Mapping[str, int | str | None] = {
        "CommandField": CommandField.C_STORE_RQ,
        "AffectedSOPClassUID": instance.sop_class_uid,
        "AffectedSOPInstanceUID": instance.sop_instance_uid,
        "MessageID": message_id,
        "Priority": 0,
        "MoveOriginatorApplicationEntityTitle": originator.aet if originator else None,
        "MoveOriginatorMessageID": originator.message_id if originator else None,
    }
    association.send(context, command, instance.source, start=instance.start)
    return store_response(association, message_id, other or _nothing_else)


def store_response(
    association: Association, message_id: int, other: Callable[[Message], bool]
) -> CommandSet:
    """Return the response to a C-STORE.

    Parameters
    ----------
    other
        Takes a message that is none, and returns whether that may be (C-CANCEL of a C-GET).

    Raises
    ------
    AssociationError
        The peer sent something else, or the association is over.
    """
    while (message := association.receive()) is not None:
        is_ours = message.command.number("MessageIDBeingRespondedTo") == message_id
        if message.command.field == CommandField.C_STORE_RQ | RESPONSE and is_ours:
            return message.command
        if not other(message):
            association.abort()
            raise AssociationError("The peer sent something else than a response to our C-STORE.")
    association.release()
    raise AssociationError("The peer released the association before it had answered.")


def _nothing_else(_message: Message) -> bool:
    return False
