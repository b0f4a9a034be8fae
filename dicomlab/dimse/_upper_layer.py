"""The upper layer protocol without a socket: bytes in, events and bytes out (PS3.8 9).

States, events and actions carry the names of PS3.8 9.2. A PDU is looked at where it lies in the
buffer: no object is made for each, because most of them are pieces of pixels.
"""

from __future__ import annotations

import struct
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from dicomlab.dimse._errors import ProtocolError

_HEADER: Final = struct.Struct(">BxI")
HEADER_BYTES: Final = _HEADER.size
_PDV: Final = struct.Struct(">IBB")
_PDU_AND_PDV: Final = struct.Struct(">BxIIBB")
_BUFFER: Final = 1 << 20
LONGEST_BEFORE: Final = 1 << 20
"""A PDU that negotiates may have so many bytes (no real one has a tenth)."""
_LONGEST_SHORT: Final = 4
"""All others but P-DATA-TF have four bytes."""


class PduType(IntEnum):
    """The seven PDUs (PS3.8 9.3)."""

    A_ASSOCIATE_RQ = 1
    A_ASSOCIATE_AC = 2
    A_ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    A_RELEASE_RQ = 5
    A_RELEASE_RP = 6
    A_ABORT = 7


class State(StrEnum):
    """Where an association is (PS3.8 9.2.1); those of a local user who hesitates are left out."""

    STA2 = "Sta2"
    """Connected; awaiting A-ASSOCIATE-RQ."""
    STA3 = "Sta3"
    """Awaiting our own answer to it."""
    STA5 = "Sta5"
    """Awaiting A-ASSOCIATE-AC or -RJ."""
    STA6 = "Sta6"
    """Established: ready for data."""
    STA7 = "Sta7"
    """Awaiting A-RELEASE-RP."""
    STA8 = "Sta8"
    """Awaiting our own answer to A-RELEASE-RQ."""
    STA9 = "Sta9"
    """Both sides asked for release; we, who requested the association, answer first."""
    STA10 = "Sta10"
    """Both sides asked for release; we, who accepted it, await A-RELEASE-RP."""
    STA11 = "Sta11"
    """As Sta9, and answered: awaiting A-RELEASE-RP."""
    STA12 = "Sta12"
    """As Sta10, and answered by the other side: our own answer is due."""
    STA13 = "Sta13"
    """Over: awaiting the end of the connection."""


_EXPECTED: Final[dict[tuple[PduType, State], State]] = {
    (PduType.A_ASSOCIATE_RQ, State.STA2): State.STA3,  # AE-6
    (PduType.A_ASSOCIATE_AC, State.STA5): State.STA6,  # AE-3
    (PduType.A_ASSOCIATE_RJ, State.STA5): State.STA13,  # AE-4
    (PduType.P_DATA_TF, State.STA6): State.STA6,  # DT-2
    (PduType.P_DATA_TF, State.STA7): State.STA7,  # AR-6
    (PduType.A_RELEASE_RQ, State.STA6): State.STA8,  # AR-2
    (PduType.A_RELEASE_RP, State.STA7): State.STA13,  # AR-3
    (PduType.A_RELEASE_RP, State.STA10): State.STA12,  # AR-10
    (PduType.A_RELEASE_RP, State.STA11): State.STA13,  # AR-3
}
"""Table 9-10: what may come when, and the state after it. All else is answered by AA-8."""


class Pdu(NamedTuple):
    """A PDU as it lies in the buffer: `body` is valid until more bytes are taken in."""

    type: PduType
    body: memoryview


class UpperLayer:
    """One side of one association.

    Parameters
    ----------
    is_requestor
        We ask for the association.
    max_pdu
        The longest P-DATA-TF that we say we take, in bytes without its header.

    Attributes
    ----------
    state
        Where the association is.
    """

    def __init__(self, *, is_requestor: bool, max_pdu: int) -> None:
        self.state = State.STA5 if is_requestor else State.STA2
        self._is_requestor = is_requestor
        self._max_pdu = max_pdu
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0

    # Bytes in

    def space(self) -> memoryview:
        """Return where the next bytes go; what `next_pdu` returned before is then overwritten."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._wanted() > len(self._buffer) - self._start:
            left = bytes(self._view[self._start : self._end])
            if self._wanted() > len(self._buffer):
                # Only as far as a PDU may be long: `next_pdu` has checked that.
                self._buffer = bytearray(self._wanted())
                self._view = memoryview(self._buffer)
            self._buffer[: len(left)] = left
            self._start, self._end = 0, len(left)
        return self._view[self._end :]

    def filled(self, count: int) -> None:
        """Say how many bytes came."""
        self._end += count

    @property
    def has_bytes(self) -> bool:
        """Whether bytes came that `next_pdu` has not given yet."""
        return self._end > self._start

    @property
    def is_amid_pdu(self) -> bool:
        """Whether a PDU has begun to come and is not all here."""
        return 0 < self._end - self._start < self._wanted()

    def _wanted(self) -> int:
        """Return how many bytes the first PDU in the buffer has, header included."""
        if self._end - self._start < HEADER_BYTES:
            return HEADER_BYTES
        return HEADER_BYTES + int(_HEADER.unpack_from(self._buffer, self._start)[1])

    def next_pdu(self) -> Pdu | None:
        """Return the next PDU, ``None`` where more bytes are needed.

        Raises
        ------
        ProtocolError
            It is unknown, too long, or not expected now; `abort` says what to send.
        """
        if self._end - self._start < HEADER_BYTES:
            return None
        number, length = _HEADER.unpack_from(self._buffer, self._start)
        kind = self._checked(number, length)
        stop = self._start + HEADER_BYTES + length
        if stop > self._end:
            return None
        body = self._view[self._start + HEADER_BYTES : stop]
        self._start = stop
        self.state = self._after(kind)
        return Pdu(kind, body)

    def _checked(self, number: int, length: int) -> PduType:
        try:
            kind = PduType(number)
        except ValueError:
            raise ProtocolError(f"a PDU of unknown type {number:02X}H (PS3.8 9.3)") from None
        if kind is PduType.P_DATA_TF:
            longest = self._max_pdu
        elif kind <= PduType.A_ASSOCIATE_AC:
            longest = LONGEST_BEFORE
        else:
            longest = _LONGEST_SHORT
        if length > longest:
            raise ProtocolError(
                f"a {kind.name.replace('_', '-')} PDU of {length} bytes, at most {longest} "
                "were agreed (PS3.8 9.3)"
            )
        return kind

    def _after(self, kind: PduType) -> State:
        if kind is PduType.A_ABORT:
            return State.STA13  # AA-3
        if kind is PduType.A_RELEASE_RQ and self.state is State.STA7:
            return State.STA9 if self._is_requestor else State.STA10  # AR-8
        after = _EXPECTED.get((kind, self.state))
        if after is None:
            raise ProtocolError(
                f"{kind.name.replace('_', '-')} in {self.state}, where PS3.8 9.2 does not allow it"
            )
        return after

    # Bytes out

    def accept(self, pdu: bytes) -> bytes:
        """Answer the request with A-ASSOCIATE-AC."""
        self.state = State.STA6  # AE-7
        return pdu

    def reject(self, *, result: int, source: int, reason: int) -> bytes:
        """Answer the request with A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
        self.state = State.STA13  # AE-8
        return _HEADER.pack(PduType.A_ASSOCIATE_RJ, 4) + bytes((0, result, source, reason))

    def release(self) -> bytes:
        """Ask for the end, or agree to it where the other side asked."""
        if self.state is State.STA6:
            self.state = State.STA7  # AR-1
            return _HEADER.pack(PduType.A_RELEASE_RQ, 4) + bytes(4)
        self.state = State.STA11 if self.state is State.STA9 else State.STA13  # AR-9, AR-4
        return _HEADER.pack(PduType.A_RELEASE_RP, 4) + bytes(4)

    def abort(self, *, by_provider: bool = False, reason: int = 0) -> bytes:
        """End it at once (PS3.8 9.3.8); `reason` counts where the provider aborts."""
        self.state = State.STA13  # AA-1, AA-8
        return _HEADER.pack(PduType.A_ABORT, 4) + bytes((0, 0, 2 if by_provider else 0, reason))


class Fragment(NamedTuple):
    """A presentation data value: a piece of a command set or a data set (PS3.8 9.3.5.1, E.2)."""

    context_id: int
    is_command: bool
    is_last: bool
    data: memoryview


def fragments(body: memoryview) -> list[Fragment]:
    """Return what a P-DATA-TF holds.

    Raises
    ------
    ProtocolError
        Its lengths do not fit.
    """
    found = []
    position, end = 0, len(body)
    while position < end:
        if end - position < _PDV.size:
            raise ProtocolError("a P-DATA-TF breaks off within a presentation data value")
        length, context_id, control = _PDV.unpack_from(body, position)
        stop = position + 4 + length
        if length < 2 or stop > end:
            raise ProtocolError("a presentation data value is longer than its P-DATA-TF")
        data = body[position + _PDV.size : stop]
        found.append(Fragment(context_id, bool(control & 1), bool(control & 2), data))
        position = stop
    if not found:
        raise ProtocolError("a P-DATA-TF without a presentation data value")
    return found


def data_header(context_id: int, length: int, *, is_command: bool, is_last: bool) -> bytes:
    """Return what goes before `length` bytes so that they are a P-DATA-TF of their own."""
    control = (1 if is_command else 0) | (2 if is_last else 0)
    return _PDU_AND_PDV.pack(PduType.P_DATA_TF, length + 6, length + 2, context_id, control)
