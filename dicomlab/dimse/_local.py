"""What an application entity of ours offers, and to whom."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dicomlab.catalog import Source, Stores
from dicomlab.dimse._association import DEFAULT_MAX_PDU, DEFAULT_TIMEOUT_S, check_max_pdu
from dicomlab.dimse._identifier import QUERY_SYNTAXES
from dicomlab.dimse._negotiation import Request
from dicomlab.dimse._remote import RemoteAE, check_aet
from dicomlab.dimse._services import (
    FIND_CLASSES,
    GET_CLASSES,
    MOVE_CLASSES,
    STORED_SYNTAXES,
    VERIFICATION,
)
from dicomlab.errors import RefusedError
from dicomlab.journal import Event
from dicomlab.standard import STORAGE_CLASSES, uid_name

_QUERY_CLASSES: Final = frozenset((*FIND_CLASSES, *GET_CLASSES, *MOVE_CLASSES))
_STORAGE: Final = frozenset(STORAGE_CLASSES)


def _no_event(_events: Sequence[Event]) -> None:
    return None


@dataclass(frozen=True)
class Service:
    """What an application entity of ours offers.

    Attributes
    ----------
    source
        What is found and given.
    stores
        What takes instances; ``None``: none are taken.
    aets
        Our AE titles; who calls another one is rejected. None at all: any is ours.
    destinations
        Where C-MOVE may send, by AE title.
    allow_aets
        AE titles that may call; ``None`` for any.
    allow_addresses
        Addresses and networks that may connect; ``None`` for any.
    transfer_syntaxes
        What we take instances in, the best first.
    unrestricted
        Private and unknown SOP classes are stored as well.
    max_pdu
        The longest P-DATA-TF that we say we take.
    timeout_s
        How long a caller may be silent.
    tls
        Secured ports.
    record
        Told what happens, some events at a time.
    """

    source: Source
    stores: Stores | None = None
    aets: tuple[str, ...] = ("DICOMLAB",)
    destinations: Mapping[str, RemoteAE] = field(default_factory=dict)
    allow_aets: Collection[str] | None = None
    allow_addresses: Sequence[str] | None = None
    transfer_syntaxes: tuple[str, ...] = STORED_SYNTAXES
    unrestricted: bool = True
    max_pdu: int = DEFAULT_MAX_PDU
    timeout_s: float = DEFAULT_TIMEOUT_S
    tls: ssl.SSLContext | None = None
    record: Callable[[Sequence[Event]], object] = _no_event

    def __post_init__(self) -> None:
        for title in self.aets:
            check_aet(title)
        check_max_pdu(self.max_pdu)
        self.networks()

    def networks(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network] | None:
        """Return the networks that may connect, ``None`` for any.

        Raises
        ------
        ValueError
            One is no address and no network.
        """
        if self.allow_addresses is None:
            return None
        return [ipaddress.ip_network(text, strict=False) for text in self.allow_addresses]

    def check_exposed(self, addresses: Sequence[str], *, is_open: bool) -> None:
        """Refuse to listen beyond this machine to everybody, unless that is said in so many words.

        Raises
        ------
        RefusedError
            Neither addresses nor AE titles are limited.
        """
        is_local = all(ipaddress.ip_address(one).is_loopback for one in addresses)
        if is_local or is_open or self.allow_addresses is not None or self.allow_aets is not None:
            return
        raise RefusedError(
            "The node would take associations from everybody on the network. Name who may call "
            "(allow_addresses, allow_aets), or say open=True.",
            rule="open-node",
        )

    def rejects(self, request: Request) -> int | None:
        """Return why a request is rejected (PS3.8 table 9-21), ``None`` where it is not."""
        if self.aets and request.called_aet not in self.aets:
            return 7
        if self.allow_aets is not None and request.calling_aet not in self.allow_aets:
            return 3
        return None

    def takes(self, abstract_syntax: str) -> Sequence[str]:
        """Return the transfer syntaxes for a SOP class, none where it is not offered."""
        if abstract_syntax in _QUERY_CLASSES or abstract_syntax == VERIFICATION:
            return QUERY_SYNTAXES
        if self.is_storage(abstract_syntax):
            return self.transfer_syntaxes
        return ()

    def is_storage(self, abstract_syntax: str) -> bool:
        """Return whether instances of a SOP class are taken and given."""
        if abstract_syntax in _STORAGE:
            return True
        return self.unrestricted and uid_name(abstract_syntax) is None
