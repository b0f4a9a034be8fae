"""Who we talk to, and how we call ourselves towards them."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from dicomlab.dimse._association import (
    DEFAULT_MAX_PDU,
    DEFAULT_TIMEOUT_S,
    Association,
    check_max_pdu,
)
from dicomlab.dimse._negotiation import Context, Request, Role
from dicomlab.dimse._tls import client_context
from dicomlab.errors import RefusedError

if TYPE_CHECKING:
    from dicomlab.config import Courtesy, Settings

_LONGEST_AET = 16
_PORT, _TLS_PORT = 104, 2762


@dataclass(frozen=True, slots=True)
class RemoteAE:
    """An application entity that we call.

    Attributes
    ----------
    aet, host, port
        Its AE title and address.
    calling_aet
        What we call ourselves.
    timeout_s
        How long it may be silent: 40 s by default.
    max_pdu
        The longest P-DATA-TF that we take from it, 4096 to 131072 bytes.
    tls
        Secured link; ``None`` for a plain one.
    transfer_syntaxes
        UIDs to offer, the best first; none leaves the choice to dicomlab.
    associations
        At the most so many at one time.
    clock
        Says how much time has passed, in seconds.
    """

    aet: str
    host: str
    port: int
    calling_aet: str = "DICOMLAB"
    timeout_s: float = DEFAULT_TIMEOUT_S
    max_pdu: int = DEFAULT_MAX_PDU
    tls: ssl.SSLContext | None = None
    transfer_syntaxes: tuple[str, ...] = ()
    associations: int = 2
    clock: Callable[[], float] = field(default=time.monotonic, compare=False)

    def __post_init__(self) -> None:
        for title in (self.aet, self.calling_aet):
            check_aet(title)
        check_max_pdu(self.max_pdu)

    def associate(
        self, contexts: Iterable[Context], *, roles: Mapping[str, Role] | None = None
    ) -> Association:
        """Open an association.

        Raises
        ------
        AssociationError
            The peer cannot be reached, rejects us, or falls silent.
        """
        request = Request(
            called_aet=self.aet,
            calling_aet=self.calling_aet,
            contexts=tuple(contexts),
            max_pdu=self.max_pdu,
            roles=roles or {},
        )
        return Association.open(
            self.host, self.port, request,
            timeout_s=self.timeout_s, tls=self.tls, clock=self.clock,
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.aet}@{self.host}:{self.port}"


def check_aet(title: str) -> None:
    """Refuse what is no AE title (PS3.5 6.2).

    Raises
    ------
    ValueError
        It is none.
    """
    is_printable = title.isascii() and title.isprintable() and "\\" not in title
    if not is_printable or not 1 <= len(title.strip()) <= _LONGEST_AET:
        raise ValueError(
            "An AE title has 1 to 16 characters of ASCII, no backslash (PS3.5 6.2): "
            "write dicom://AET@host:port."
        )


def remote_ae(
    location: str,
    *,
    aet: str | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_pdu: int = DEFAULT_MAX_PDU,
    transfer_syntaxes: Sequence[str] = (),
    tls: ssl.SSLContext | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> RemoteAE:
    """Return the application entity that an address or a configured name means.

    Parameters
    ----------
    location
        ``dicom://AET@host:port``, ``dicoms://AET@host:port`` for a secured link, or the name of one
        of the tables in ``peers`` of the configuration.
    aet
        What we call ourselves; by default what is configured, else ``DICOMLAB``.

    Raises
    ------
    ValueError
        The address has no AE title or host, or the AE title is none.
    RefusedError
        No peer of this name is configured.
    """
    if "://" not in location:
        return _configured(location, aet, timeout_s, max_pdu, clock)
    parts = urlsplit(location)
    if parts.scheme not in ("dicom", "dicoms"):
        raise ValueError("A DICOM peer's address begins with dicom:// or dicoms://.")
    if not parts.username or not parts.hostname or parts.password is not None:
        raise ValueError("Write the peer's address as dicom://AET@host:port.")
    is_tls = parts.scheme == "dicoms"
    return RemoteAE(
        aet=unquote(parts.username),
        host=parts.hostname,
        port=parts.port or (_TLS_PORT if is_tls else _PORT),
        calling_aet=aet or "DICOMLAB",
        timeout_s=timeout_s,
        max_pdu=max_pdu,
        tls=(tls or client_context()) if is_tls else None,
        transfer_syntaxes=tuple(transfer_syntaxes),
        clock=clock,
    )


def _configured(
    name: str, aet: str | None, timeout_s: float, max_pdu: int, clock: Callable[[], float]
) -> RemoteAE:
    from dicomlab.config import load  # noqa: PLC0415  an address needs no configuration

    settings: Settings = load()
    peer = settings.peers.get(name)
    if peer is None:
        known = ", ".join(sorted(settings.peers)) or "none"
        raise RefusedError(
            f"No peer is configured by this name; configured are: {known}. Add a table "
            "[peers.NAME] with aet, host and port to config.toml, or write dicom://AET@host:port.",
            rule="unknown-peer",
        )
    place = settings.location_of(peer)
    courtesy: Courtesy = place.courtesy
    tls = None
    if peer.tls is not None:
        password = peer.tls.key_password.read() if peer.tls.key_password else None
        tls = client_context(
            ca=_path(peer.tls.ca), certificate=_path(peer.tls.certificate),
            key=_path(peer.tls.key), password=password,
        )  # fmt: skip
    return RemoteAE(
        aet=peer.aet,
        host=peer.host,
        port=peer.port,
        calling_aet=aet or settings.local_of(peer).aet,
        timeout_s=timeout_s,
        max_pdu=max_pdu,
        tls=tls,
        transfer_syntaxes=place.transfer_syntaxes,
        associations=courtesy.associations,
        clock=clock,
    )


def configured_peers() -> dict[str, RemoteAE]:
    """Return the configured peers by AE title: where C-MOVE may send."""
    from dicomlab.config import is_set, load  # noqa: PLC0415  as above

    if not is_set():
        return {}
    named = [remote_ae(name) for name in load().peers]
    return {one.aet: one for one in named}


def _path(location: str | None) -> Path | None:
    return None if location is None else Path(location).expanduser()
