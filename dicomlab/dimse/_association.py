"""An association from either side: messages out, messages in (PS3.7, PS3.8)."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Final, Protocol, Self

from dicomlab.dimse._command import CommandSet, decode_command, encode_command
from dicomlab.dimse._connection import Connection, violation
from dicomlab.dimse._errors import ProtocolError
from dicomlab.dimse._negotiation import (
    Accepted,
    Agreement,
    Request,
    decode_acceptance,
    decode_rejection,
    encode_request,
)
from dicomlab.dimse._upper_layer import (
    HEADER_BYTES,
    Fragment,
    Pdu,
    PduType,
    State,
    UpperLayer,
    data_header,
    fragments,
)
from dicomlab.errors import AssociationError
from dicomlab.safety import ByteSource

DEFAULT_TIMEOUT_S: Final = 40.0
DEFAULT_MAX_PDU: Final = 16384
LEAST_PDU: Final = 4096
MOST_PDU: Final = 131072
_LONGEST_COMMAND: Final = 1 << 16
_LONGEST_DATA_SET: Final = 1 << 20
"""Of identifiers and the like; instances go where the one who takes them says."""
_BLOCK: Final = 1 << 20
_COLLIDED: Final = frozenset((
    (PduType.A_RELEASE_RQ, State.STA9), (PduType.A_RELEASE_RP, State.STA12),
))  # fmt: skip
"""Both sides asked for release, and our answer is due."""


class Takes(Protocol):
    """Takes the bytes of a data set as they come."""

    def write(self, data: memoryview) -> None:
        """Take some more; they are overwritten afterwards."""


class _Memory:
    """Keeps a small data set."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: memoryview) -> None:
        if len(self.data) + len(data) > _LONGEST_DATA_SET:
            raise ProtocolError(f"an identifier of more than {_LONGEST_DATA_SET} bytes")
        self.data += data


@dataclass(slots=True)
class Message:
    """A message that was received.

    Attributes
    ----------
    data
        Its data set, where nobody took it while it came.
    taker
        Who took it.
    error
        What the taker stumbled over; the rest of the data set was read and dropped.
    """

    context: Accepted
    command: CommandSet
    data: bytes | None = None
    taker: Takes | None = None
    error: Exception | None = None

    def takes(self, fragment: Fragment) -> bool:
        """Take a piece of the data set, and return whether it is the last one."""
        if fragment.is_command or fragment.context_id != self.context.id:
            raise ProtocolError("a data set is interrupted by another message (PS3.7 6.3.1)")
        if self.error is None and self.taker is not None:
            try:
                self.taker.write(fragment.data)
            except ProtocolError:
                raise
            except Exception as error:  # noqa: BLE001  the sender is answered by a status
                self.error = error
        if fragment.is_last and isinstance(self.taker, _Memory):
            self.data, self.taker = bytes(self.taker.data), None
        return fragment.is_last


def check_max_pdu(max_pdu: int) -> int:
    """Return a length for P-DATA-TF that we say we take.

    Raises
    ------
    ValueError
        It is not from 4096 to 131072.
    """
    if not LEAST_PDU <= max_pdu <= MOST_PDU:
        raise ValueError(f"max_pdu is from {LEAST_PDU} to {MOST_PDU} bytes, not {max_pdu}.")
    return max_pdu


class Association:
    """An association that is established.

    Attributes
    ----------
    request, agreement
        What was asked for, and what is granted.
    """

    def __init__(self, connection: Connection, request: Request, agreement: Agreement) -> None:
        self._connection = connection
        self.request = request
        self.agreement = agreement
        self._numbers = count(1)
        self._incoming = self._fragments()

    @classmethod
    def open(
        cls,
        host: str,
        port: int,
        request: Request,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Ask a peer for an association.

        Raises
        ------
        AssociationError
            Nobody listens, the peer rejects it, or falls silent.
        """
        link = _connected(host, port, timeout_s, tls)
        layer = UpperLayer(is_requestor=True, max_pdu=request.max_pdu)
        connection = Connection(link, layer, timeout_s=timeout_s, clock=clock)
        try:
            connection.write([encode_request(request)])
            return cls(connection, request, _answer(connection.read(), request))
        except ProtocolError as error:
            connection.close(abort=layer.abort(by_provider=True, reason=6))
            raise violation(error) from error
        except BaseException:
            abort = b"" if layer.state is State.STA13 else layer.abort()
            connection.close(abort=abort)
            raise

    # What is agreed

    def context_for(
        self, abstract_syntax: str, *, transfer_syntax: str | None = None, reverse: bool = False
    ) -> Accepted | None:
        """Return the first context of an abstract syntax, ``None`` where none was granted."""
        for one in self.agreement.contexts.values():
            if (
                one.abstract_syntax == abstract_syntax
                and transfer_syntax in (None, one.transfer_syntax)
                and (one.is_reversed or not reverse)
            ):
                return one
        return None

    @property
    def is_open(self) -> bool:
        """Whether messages can go."""
        return self._connection.layer.state is State.STA6

    @property
    def has_input(self) -> bool:
        """Whether something came that nobody has read."""
        return self._connection.layer.has_bytes or self._connection.has_input

    def next_message_id(self) -> int:
        """Return a number for a request."""
        return next(self._numbers) & 0xFFFF

    # Messages out

    def send(
        self,
        context: Accepted,
        command: Mapping[str, int | str | None],
        data: bytes | memoryview | ByteSource | None = None,
        *,
        start: int = 0,
    ) -> None:
        """Send a message.

        Parameters
        ----------
        data
            The data set, encoded in the context's transfer syntax.
        start
            Where the data set begins in `data`.
        """
        longest = self._longest()
        body = encode_command(command, has_data_set=data is not None)
        pieces: list[bytes | memoryview] = []
        _cut(pieces, context.id, memoryview(body), longest, is_command=True, is_last=True)
        if data is None:
            self._connection.write(pieces)
        elif isinstance(data, bytes | memoryview):
            view = memoryview(data)[start:]
            _cut(pieces, context.id, view, longest, is_command=False, is_last=True)
            self._connection.write(pieces)
        else:
            for block, is_last in _blocks(data, start, longest):
                _cut(pieces, context.id, block, longest, is_command=False, is_last=is_last)
                self._connection.write(pieces)
                pieces = []

    def send_all(
        self, context: Accepted, command: Mapping[str, int | str | None], data_sets: Sequence[bytes]
    ) -> None:
        """Send the same command several times, each with a data set of its own, in one write."""
        longest = self._longest()
        body = memoryview(encode_command(command, has_data_set=True))
        pieces: list[bytes | memoryview] = []
        for data in data_sets:
            _cut(pieces, context.id, body, longest, is_command=True, is_last=True)
            _cut(pieces, context.id, memoryview(data), longest, is_command=False, is_last=True)
        # Small pieces: one copy costs less than a thousand vectors.
        self._connection.write([b"".join(pieces)])

    def _longest(self) -> int:
        """Return how many bytes of a data set go into one P-DATA-TF."""
        longest = self.agreement.max_pdu or MOST_PDU
        return max(longest, 16) - 6

    # Messages in

    def receive(self, taker_of: Callable[[Accepted, CommandSet], Takes | None] | None = None) -> (
        Message | None
    ):  # fmt: skip
        """Return the next message, ``None`` where the other side wants to release.

        Parameters
        ----------
        taker_of
            Returns who takes the data set of a message; what nobody takes stays in memory.

        Raises
        ------
        AssociationError
            The association is over.
        """
        try:
            return self._receive(taker_of)
        except ProtocolError as error:
            self.abort(by_provider=True, reason=6)
            raise violation(error) from error

    def _receive(
        self, taker_of: Callable[[Accepted, CommandSet], Takes | None] | None
    ) -> Message | None:
        message: Message | None = None
        command = bytearray()
        for fragment in self._incoming:
            if fragment is None:
                return None
            if message is None:
                if self._gathered(command, fragment):
                    message = self._begun(fragment.context_id, bytes(command))
                    if not message.command.has_data_set:
                        return message
                    message.taker = taker_of(message.context, message.command) if taker_of else None
                    message.taker = message.taker or _Memory()
            elif message.takes(fragment):
                return message
        # The generator ended by an exception before: who asks again gets the same kind of answer.
        raise AssociationError("The association is over.")

    def _gathered(self, command: bytearray, fragment: Fragment) -> bool:
        """Take a piece of a command set; return whether it is the last one."""
        if not fragment.is_command:
            raise ProtocolError("a data set without a command set (PS3.7 6.3.1)")
        command += fragment.data
        if len(command) > _LONGEST_COMMAND:
            raise ProtocolError(f"a command set of more than {_LONGEST_COMMAND} bytes")
        return fragment.is_last

    def _begun(self, context_id: int, command: bytes) -> Message:
        context = self.agreement.contexts.get(context_id)
        if context is None:
            raise ProtocolError(f"a message in the presentation context {context_id}, not agreed")
        return Message(context, decode_command(command))

    def _fragments(self) -> Iterator[Fragment | None]:
        while True:
            pdu = self._connection.read()
            if pdu.type is PduType.P_DATA_TF:
                yield from fragments(pdu.body)
            elif pdu.type is PduType.A_RELEASE_RQ:
                yield None
            elif pdu.type is PduType.A_ABORT:
                self._connection.close()
                raise aborted(pdu)
            else:
                raise ProtocolError(f"an unexpected {pdu.type.name}")

    # The end

    def release(self) -> None:
        """End the association in order; the connection is closed afterwards."""
        layer = self._connection.layer
        try:
            if layer.state in (State.STA6, State.STA8):
                self._connection.write([layer.release()])
            while layer.state is not State.STA13:
                pdu = self._connection.read()
                if (pdu.type, layer.state) in _COLLIDED:
                    self._connection.write([layer.release()])
        except AssociationError:
            pass  # the peer closed without its answer: over is over
        finally:
            self._connection.close()

    def abort(self, *, by_provider: bool = False, reason: int = 0) -> None:
        """End the association at once."""
        layer = self._connection.layer
        is_over = layer.state is State.STA13
        pdu = layer.abort(by_provider=by_provider, reason=reason)
        self._connection.close(abort=b"" if is_over else pdu)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()


def whole(pdu: Pdu) -> bytes:
    """Return a PDU with its header."""
    header = bytes((pdu.type, 0)) + len(pdu.body).to_bytes(4, "big")
    assert len(header) == HEADER_BYTES
    return header + bytes(pdu.body)


def _answer(pdu: Pdu, request: Request) -> Agreement:
    if pdu.type is PduType.A_ASSOCIATE_AC:
        return decode_acceptance(whole(pdu), request)
    raise decode_rejection(whole(pdu)) if pdu.type is PduType.A_ASSOCIATE_RJ else aborted(pdu)


def aborted(pdu: Pdu) -> AssociationError:
    """Return the error for an A-ABORT (PS3.8 9.3.8)."""
    source, reason = pdu.body[2], pdu.body[3]
    who = "network service" if source == 2 else "application"
    return AssociationError(
        f"The peer aborted the association (by its {who}, reason {reason}). Its log says why.",
        source=source,
        reason=reason,
    )


def _connected(host: str, port: int, timeout_s: float, tls: ssl.SSLContext | None) -> socket.socket:
    try:
        link = socket.create_connection((host, port), timeout_s)
    except TimeoutError:
        raise AssociationError(
            f"{host}:{port} did not answer within {timeout_s:g} s. Check address and firewall."
        ) from None
    except OSError as error:
        raise AssociationError(
            f"{host}:{port} takes no connection ({error.strerror or error}). "
            "Check that the peer runs, and its host and port."
        ) from error
    if tls is None:
        return link
    try:
        return tls.wrap_socket(link, server_hostname=host)
    except (OSError, ValueError) as error:
        link.close()
        why = error.reason if isinstance(error, ssl.SSLError) else type(error).__name__
        raise AssociationError(
            f"No secured link to {host}:{port} ({why}). Check both certificates, and that the "
            "peer's port is for TLS."
        ) from error


def _blocks(data: ByteSource, start: int, longest: int) -> Iterator[tuple[memoryview, bool]]:
    """Yield the bytes of a source in blocks of whole fragments, and whether one is the last."""
    step = max(longest, _BLOCK // longest * longest)
    while True:
        block = memoryview(data.read_at(start, step))
        start += len(block)
        is_last = start >= data.size
        if not is_last and len(block) < step:
            raise AssociationError("A stored instance became shorter while it was sent.")
        yield block, is_last
        if is_last:
            return


def _cut(
    pieces: list[bytes | memoryview],
    context_id: int,
    view: memoryview,
    longest: int,
    *,
    is_command: bool,
    is_last: bool,
) -> None:
    """Add the P-DATA-TFs of some bytes."""
    end = len(view)
    for at in range(0, end, longest) or (0,):
        part = view[at : at + longest]
        ends = is_last and at + longest >= end
        pieces.append(data_header(context_id, len(part), is_command=is_command, is_last=ends))
        pieces.append(part)
