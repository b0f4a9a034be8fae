"""An application entity of ours: it listens, and answers each caller in a thread of its own."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from types import TracebackType
from typing import Final, Self

from dicomlab.dimse._association import Association, whole
from dicomlab.dimse._connection import Connection
from dicomlab.dimse._errors import ProtocolError
from dicomlab.dimse._local import Service
from dicomlab.dimse._negotiation import (
    APPLICATION_CONTEXT,
    agree,
    decode_request,
    encode_acceptance,
)
from dicomlab.dimse._session import Session
from dicomlab.dimse._upper_layer import PduType, UpperLayer
from dicomlab.errors import AssociationError, StorageError
from dicomlab.journal import Event, EventKind, Outcome

_LOG: Final = logging.getLogger(__name__)
_BACKLOG: Final = 256
_MOST_WAITING: Final = 200
"""Connections that have no association yet; of more, the oldest is closed."""
_REJECTED_PERMANENT, _BY_USER, _WRONG_CONTEXT = 1, 1, 2


class Node:
    """An application entity that listens until it is closed.

    Parameters
    ----------
    service
        What it offers, and to whom.
    port
        TCP port, 0 for any free one.
    addresses
        Addresses to listen on, by default this machine's own.
    open_to_all
        Listen beyond this machine without limiting who may call.
    on_close
        Called when it has been closed.

    Raises
    ------
    RefusedError
        It would listen beyond this machine to everybody, without being told so.
    StorageError
        The port cannot be had.
    """

    def __init__(
        self,
        service: Service,
        *,
        port: int = 0,
        addresses: Sequence[str] = ("127.0.0.1",),
        open_to_all: bool = False,
        on_close: Callable[[], object] = lambda: None,
    ) -> None:
        service.check_exposed(addresses, is_open=open_to_all)
        self.service = service
        self._networks = service.networks()
        self._lock = threading.Lock()
        self._is_closing = False
        self._on_close = on_close
        self._live: dict[socket.socket, threading.Thread] = {}
        self._waiting: OrderedDict[socket.socket, None] = OrderedDict()
        self._listeners = _listen(addresses, port)
        self.port: int = self._listeners[0].getsockname()[1]
        self._threads = [
            threading.Thread(target=self._accept, args=(one,), name="dicomlab-listen", daemon=True)
            for one in self._listeners
        ]
        for thread in self._threads:
            thread.start()

    @property
    def aet(self) -> str:
        """The first of its AE titles."""
        return self.service.aets[0] if self.service.aets else "ANY"

    @property
    def address(self) -> str:
        """Where it is called, as `dicomlab.connect` takes it."""
        scheme = "dicom" if self.service.tls is None else "dicoms"
        host = self._listeners[0].getsockname()[0]
        return f"{scheme}://{self.aet}@{host}:{self.port}"

    def close(self) -> None:
        """Stop listening, end all associations, and wait for their threads."""
        with self._lock:
            self._is_closing = True
            live = dict(self._live)
        for listener in self._listeners:
            _shut(listener)
            listener.close()
        for link in live:
            _shut(link)
        for thread in (*self._threads, *live.values()):
            thread.join()
        on_close, self._on_close = self._on_close, lambda: None
        on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Callers

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                link, caller = listener.accept()
            except OSError:
                if self._is_closing:
                    return
                continue
            if not self._is_allowed(caller[0]):
                link.close()
                self._alert(caller[0], None)
                continue
            self._begin(link, caller[0])

    def _is_allowed(self, address: str) -> bool:
        if self._networks is None:
            return True
        caller = ipaddress.ip_address(address)
        return any(caller in network for network in self._networks)

    def _begin(self, link: socket.socket, address: str) -> None:
        thread = threading.Thread(
            target=self._serve, args=(link, address), name="dicomlab-association", daemon=True
        )
        with self._lock:
            if self._is_closing:
                link.close()
                return
            self._live[link] = thread
            self._waiting[link] = None
            oldest = None
            if len(self._waiting) > _MOST_WAITING:
                oldest, _ = self._waiting.popitem(last=False)
        if oldest is not None:
            _shut(oldest)
        thread.start()

    def _serve(self, link: socket.socket, address: str) -> None:
        try:
            self._converse(link, address)
        except AssociationError as error:
            _LOG.info("An association ended: %s", error)
        except Exception:  # noqa: BLE001  one caller's trouble is not the others'
            _LOG.exception("An association failed")
        finally:
            with self._lock:
                self._waiting.pop(link, None)
                self._live.pop(link, None)
            link.close()

    def _converse(self, link: socket.socket, address: str) -> None:
        service = self.service
        plain = link
        if service.tls is not None:
            link.settimeout(service.timeout_s)
            try:
                link = service.tls.wrap_socket(link, server_side=True)
            except OSError as error:
                self._alert(address, None)
                raise AssociationError("A caller could not secure its link.") from error
        layer = UpperLayer(is_requestor=False, max_pdu=service.max_pdu)
        connection = Connection(link, layer, timeout_s=service.timeout_s)
        try:
            association = self._associate(connection, address)
        except ProtocolError:
            connection.close(abort=layer.abort(by_provider=True, reason=6))
            raise
        except AssociationError:
            connection.close()
            raise
        if association is None:
            return
        with self._lock:
            self._waiting.pop(plain, None)
        try:
            Session(service, association, address).run()
        except StorageError:
            # The journal does not take what happened: what is not recorded is not done.
            association.abort()
            raise
        finally:
            if association.is_open:
                association.abort()

    def _associate(self, connection: Connection, address: str) -> Association | None:
        """Negotiate; return nothing where the caller is rejected, or gave up."""
        pdu = connection.read()
        if pdu.type is not PduType.A_ASSOCIATE_RQ:
            connection.close()
            return None
        request = decode_request(whole(pdu))
        reason = self.service.rejects(request)
        if request.application_context != APPLICATION_CONTEXT:
            reason = _WRONG_CONTEXT
        if reason is not None:
            connection.write([connection.layer.reject(
                result=_REJECTED_PERMANENT, source=_BY_USER, reason=reason)])  # fmt: skip
            connection.close()
            self._alert(address, request.calling_aet)
            return None
        agreement, reasons, roles = agree(
            request, takes=self.service.takes, reverses=self.service.is_storage
        )
        pdu_out = encode_acceptance(
            request, agreement, reasons, max_pdu=self.service.max_pdu, roles=roles
        )
        connection.write([connection.layer.accept(pdu_out)])
        return Association(connection, request, agreement)

    def _alert(self, address: str, aet: str | None) -> None:
        alert = Event(
            EventKind.SECURITY_ALERT,
            Outcome.SERIOUS_FAILURE,
            aet=aet or None,
            address=ip_address(address),
        )
        self.service.record([alert])


def _listen(addresses: Sequence[str], port: int) -> list[socket.socket]:
    listeners: list[socket.socket] = []
    try:
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = socket.socket(family, socket.SOCK_STREAM)
            listeners.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen(_BACKLOG)
            port = port or listener.getsockname()[1]
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise StorageError(
            f"Port {port} cannot be listened on ({error.strerror}). Choose another port, or end "
            "the program that holds it; ports below 1024 need a privilege."
        ) from error
    return listeners


def _shut(link: socket.socket) -> None:
    with suppress(OSError):  # it is gone already
        link.shutdown(socket.SHUT_RDWR)
