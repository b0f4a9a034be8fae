"""One TCP connection with deadlines: the only place of this room where bytes come and go."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence

from dicomlab.dimse._errors import ProtocolError
from dicomlab.dimse._upper_layer import Pdu, UpperLayer
from dicomlab.errors import AssociationError

_PIECES_AT_ONCE = 512


class Connection:
    """A socket and the upper layer that its bytes belong to.

    Parameters
    ----------
    layer
        The protocol.
    timeout_s
        How long the other side may be silent where it is its turn, and how long a PDU that has
        begun may take.
    clock
        Says how much time has passed, in seconds.
    """

    def __init__(
        self,
        link: socket.socket,
        layer: UpperLayer,
        *,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._socket = link
        self._is_tls = isinstance(link, ssl.SSLSocket)
        self._clock = clock
        self.layer = layer
        self.timeout_s = timeout_s
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self) -> Pdu:
        """Return the next PDU; its body is valid until the next call.

        Raises
        ------
        AssociationError
            The connection ended, or the deadline passed.
        ProtocolError
            What came is not allowed.
        """
        found = self.layer.next_pdu()
        if found is not None:
            return found
        deadline = self._clock() + self.timeout_s
        while found is None:
            was_amid = self.layer.is_amid_pdu
            self._fill(deadline)
            found = self.layer.next_pdu()
            if found is None and not was_amid and self.layer.is_amid_pdu:
                deadline = self._clock() + self.timeout_s
        return found

    def _fill(self, deadline: float) -> None:
        left = deadline - self._clock()
        if left <= 0:
            raise self._silent()
        self._socket.settimeout(left)
        try:
            count = self._socket.recv_into(self.layer.space())
        except TimeoutError:
            raise self._silent() from None
        except OSError as error:
            raise self._ended() from error
        if count == 0:
            raise self._ended()
        self.layer.filled(count)

    def _silent(self) -> AssociationError:
        what = "sent half a PDU and" if self.layer.is_amid_pdu else "was"
        return AssociationError(
            f"The peer {what} silent for {self.timeout_s:g} s. Check that it works, or raise the "
            "time-out."
        )

    @staticmethod
    def _ended() -> AssociationError:
        return AssociationError(
            "The connection ended in the middle of the association. The peer died, or something "
            "between us and it cut the line; try again."
        )

    @property
    def has_input(self) -> bool:
        """Whether `read` may have something at once."""
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        return bool(select.select([self._socket], [], [], 0)[0])

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Send pieces one after the other.

        Raises
        ------
        AssociationError
            The connection ended, or the other side took nothing for the time-out.
        """
        self._socket.settimeout(self.timeout_s)
        try:
            if self._is_tls:
                self._socket.sendall(b"".join(pieces))
            else:
                self._gather(pieces)
        except TimeoutError:
            raise self._silent() from None
        except OSError as error:
            raise self._ended() from error

    def _gather(self, pieces: Sequence[bytes | memoryview]) -> None:
        first, offset = 0, 0
        while first < len(pieces):
            batch = list(pieces[first : first + _PIECES_AT_ONCE])
            if offset:
                batch[0] = memoryview(batch[0])[offset:]
            sent = self._socket.sendmsg(batch) + offset
            offset = 0
            while first < len(pieces) and sent >= len(pieces[first]):
                sent -= len(pieces[first])
                first += 1
            offset = sent

    def close(self, *, abort: bytes = b"") -> None:
        """End the connection, with an A-ABORT where one is given."""
        try:
            if abort:
                self._socket.settimeout(1)
                self._socket.sendall(abort)
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is gone already
        finally:
            self._socket.close()


def violation(error: ProtocolError) -> AssociationError:
    """Return the error that the user of an association sees for what the peer did wrong."""
    return AssociationError(
        f"The peer broke the protocol: {error}. The association was aborted; tell the peer's maker."
    )
