"""What two application entities agree on when an association begins (PS3.8 9.3.2, PS3.7 D)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext

from dicomlab.dimse._errors import ProtocolError
from dicomlab.errors import AssociationError
from dicomlab.standard import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

MOST_CONTEXTS: Final = 128
"""Presentation contexts of one association: odd numbers up to 255 (PS3.8 9.3.2.2)."""
APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"

_ACCEPTED, _NO_REASON, _NO_ABSTRACT_SYNTAX, _NO_TRANSFER_SYNTAX = 0, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Context:
    """A presentation context as one side proposes it.

    Attributes
    ----------
    transfer_syntaxes
        The best first.
    """

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A presentation context that both sides take.

    Attributes
    ----------
    is_reversed
        The side that accepted the association is the SCU in it, as C-GET needs (PS3.7 D.3.3.4).
    """

    id: int
    abstract_syntax: str
    transfer_syntax: str
    is_reversed: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """What the requestor may be in the contexts of a SOP class (PS3.7 D.3.3.4)."""

    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class Request:
    """What one side asks for.

    Attributes
    ----------
    max_pdu
        The longest P-DATA-TF that it takes, 0 for any.
    """

    called_aet: str
    calling_aet: str
    contexts: tuple[Context, ...]
    max_pdu: int
    roles: Mapping[str, Role] = field(default_factory=dict)
    application_context: str = APPLICATION_CONTEXT


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides agreed on.

    Attributes
    ----------
    contexts
        Those that were accepted, by number.
    max_pdu
        The longest P-DATA-TF that the other side takes, 0 for any.
    """

    contexts: Mapping[int, Accepted]
    max_pdu: int


def numbered(proposals: Iterable[tuple[str, Sequence[str]]]) -> tuple[Context, ...]:
    """Return proposals of abstract and transfer syntaxes as contexts, numbered 1, 3, 5 and on."""
    return tuple(
        Context(2 * place + 1, abstract, tuple(syntaxes))
        for place, (abstract, syntaxes) in enumerate(proposals)
    )


def encode_request(request: Request) -> bytes:
    """Return an A-ASSOCIATE-RQ."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = UID(request.application_context)
    primitive.calling_ae_title = request.calling_aet
    primitive.called_ae_title = request.called_aet
    contexts = []
    for one in request.contexts:
        context = PresentationContext()
        context.context_id = one.id
        context.abstract_syntax = UID(one.abstract_syntax)
        context.transfer_syntax = [UID(uid) for uid in one.transfer_syntaxes]
        contexts.append(context)
    primitive.presentation_context_definition_list = contexts
    primitive.user_information = _user_information(request.max_pdu, request.roles)
    return bytes(A_ASSOCIATE_RQ(primitive).encode())


def decode_request(body: bytes) -> Request:
    """Return what an A-ASSOCIATE-RQ asks for; `body` is the PDU with its header.

    Raises
    ------
    ProtocolError
        It is damaged.
    """
    pdu = _decoded(A_ASSOCIATE_RQ, body)
    contexts: dict[int, Context] = {}
    with _Damage("A-ASSOCIATE-RQ"):
        for item in pdu.presentation_context:
            if item.context_id in contexts or item.context_id % 2 == 0:
                raise ValueError
            syntaxes = tuple(str(uid) for uid in item.transfer_syntax)
            contexts[item.context_id] = Context(
                item.context_id, str(item.abstract_syntax), syntaxes
            )
        information = pdu.user_information
        return Request(
            called_aet=str(pdu.called_ae_title).strip(),
            calling_aet=str(pdu.calling_ae_title).strip(),
            contexts=tuple(contexts.values()),
            max_pdu=(information.maximum_length or 0) if information else 0,
            roles=_roles(information),
            application_context=str(pdu.application_context_name),
        )


def encode_acceptance(
    request: Request,
    agreement: Agreement,
    reasons: Mapping[int, int],
    *,
    max_pdu: int,
    roles: Mapping[str, Role],
) -> bytes:
    """Return the A-ASSOCIATE-AC that tells what became of each proposed context."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = UID(APPLICATION_CONTEXT)
    primitive.calling_ae_title = request.calling_aet or "-"
    primitive.called_ae_title = request.called_aet or "-"
    results = []
    for one in request.contexts:
        accepted = agreement.contexts.get(one.id)
        result = PresentationContext()
        result.context_id = one.id
        # Of a context that is refused, the transfer syntax says nothing (PS3.8 9.3.3.2).
        syntax = accepted.transfer_syntax if accepted else one.transfer_syntaxes[0]
        result.transfer_syntax = [UID(syntax)]
        result.result = _ACCEPTED if accepted else reasons.get(one.id, _NO_REASON)
        results.append(result)
    primitive.presentation_context_definition_results_list = results
    primitive.user_information = _user_information(max_pdu, roles)
    primitive.result = 0
    return bytes(A_ASSOCIATE_AC(primitive).encode())


def decode_acceptance(body: bytes, request: Request) -> Agreement:
    """Return what an A-ASSOCIATE-AC grants of a request; `body` is the PDU with its header.

    Raises
    ------
    ProtocolError
        It is damaged, or grants what was not asked for.
    """
    pdu = _decoded(A_ASSOCIATE_AC, body)
    asked = {one.id: one for one in request.contexts}
    granted: dict[int, Accepted] = {}
    with _Damage("A-ASSOCIATE-AC"):
        information = pdu.user_information
        roles = _roles(information)
        for item in pdu.presentation_context:
            if item.result != _ACCEPTED or item.context_id not in asked:
                continue
            one, syntax = asked[item.context_id], str(item.transfer_syntax)
            if syntax not in one.transfer_syntaxes:
                raise ValueError
            wanted = request.roles.get(one.abstract_syntax)
            role = roles.get(one.abstract_syntax)
            is_reversed = bool(wanted and wanted.scp and role and role.scp)
            granted[one.id] = Accepted(one.id, one.abstract_syntax, syntax, is_reversed)
        longest = (information.maximum_length or 0) if information else 0
    return Agreement(granted, longest)


def decode_rejection(body: bytes) -> AssociationError:
    """Return what an A-ASSOCIATE-RJ says, in words (PS3.8 table 9-21)."""
    pdu = _decoded(A_ASSOCIATE_RJ, body)
    with _Damage("A-ASSOCIATE-RJ"):
        return AssociationError(
            f"The peer rejected the association: {pdu.reason_str.lower()} ({pdu.source_str}, "
            f"{pdu.result_str.lower()}). Check both AE titles, and that the peer knows ours.",
            source=pdu.source,
            reason=pdu.reason_diagnostic,
        )


def agree(
    request: Request,
    *,
    takes: Callable[[str], Sequence[str]],
    reverses: Collection[str] | Callable[[str], bool],
) -> tuple[Agreement, dict[int, int], dict[str, Role]]:
    """Return what of a request is granted, why the rest is not, and the roles to answer.

    Parameters
    ----------
    takes
        Returns the transfer syntaxes for an abstract syntax, the best first; none where it is not
        taken.
    reverses
        SOP classes in which the requestor may be the SCP.
    """
    may_reverse = reverses if callable(reverses) else reverses.__contains__
    granted: dict[int, Accepted] = {}
    reasons: dict[int, int] = {}
    roles = {
        uid: Role(scu=role.scu, scp=role.scp and may_reverse(uid))
        for uid, role in request.roles.items()
    }
    for one in request.contexts:
        ours = takes(one.abstract_syntax)
        if not ours:
            reasons[one.id] = _NO_ABSTRACT_SYNTAX
            continue
        syntax = next((uid for uid in ours if uid in one.transfer_syntaxes), None)
        if syntax is None:
            reasons[one.id] = _NO_TRANSFER_SYNTAX
            continue
        role = roles.get(one.abstract_syntax)
        is_reversed = role is not None and role.scp
        granted[one.id] = Accepted(one.id, one.abstract_syntax, syntax, is_reversed)
    return Agreement(granted, request.max_pdu), reasons, roles


def _user_information(max_pdu: int, roles: Mapping[str, Role]) -> list[Any]:
    length = MaximumLengthNotification()
    length.maximum_length_received = max_pdu
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    items: list[Any] = [length, implementation, version]
    for uid, role in roles.items():
        if not role.scu and not role.scp:
            continue  # not answered at all: neither role is the requestor's
        selection = SCP_SCU_RoleSelectionNegotiation()
        selection.sop_class_uid = UID(uid)
        selection.scu_role, selection.scp_role = role.scu, role.scp
        items.append(selection)
    return items


def _roles(information: Any) -> dict[str, Role]:
    if information is None:
        return {}
    return {
        str(uid): Role(scu=bool(item.scu), scp=bool(item.scp))
        for uid, item in information.role_selection.items()
    }


def _decoded(kind: type[Any], body: bytes) -> Any:
    pdu = kind()
    with _Damage(kind.__name__.replace("_", "-")):
        pdu.decode(body)
    return pdu


class _Damage:
    """Turns whatever the decoder stumbles over into one error: the bytes are a stranger's."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, AssociationError):
            raise ProtocolError(f"a damaged {self._name} (PS3.8 9.3)") from error
