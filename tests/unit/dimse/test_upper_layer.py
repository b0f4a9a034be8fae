"""The upper layer without a socket: what may come when, and what is too much."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomlab.dimse._command import decode_command, encode_command
from dicomlab.dimse._errors import ProtocolError
from dicomlab.dimse._upper_layer import (
    PduType,
    State,
    UpperLayer,
    data_header,
    fragments,
)

RELEASE_RQ = struct.pack(">BxI4x", 5, 4)
RELEASE_RP = struct.pack(">BxI4x", 6, 4)
ABORT = struct.pack(">BxI4x", 7, 4)
REQUEST = struct.pack(">BxI", 1, 68) + bytes(68)


def layer_in(state: State, *, is_requestor: bool = False) -> UpperLayer:
    layer = UpperLayer(is_requestor=is_requestor, max_pdu=16384)
    layer.state = state
    return layer


def take(layer: UpperLayer, data: bytes) -> list[PduType]:
    """Feed bytes as a socket would, and return the kinds of what was recognised."""
    found = []
    while data:
        space = layer.space()
        count = min(len(space), len(data))
        space[:count] = data[:count]
        layer.filled(count)
        data = data[count:]
        while (pdu := layer.next_pdu()) is not None:
            found.append(pdu.type)
    return found


def data_pdu(payload: bytes) -> bytes:
    return data_header(1, len(payload), is_command=False, is_last=True) + payload


@pytest.mark.parametrize(
    ("pdu", "state", "after"),
    [
        (REQUEST, State.STA2, State.STA3),
        (data_pdu(b"ab"), State.STA6, State.STA6),
        (data_pdu(b"ab"), State.STA7, State.STA7),
        (RELEASE_RQ, State.STA6, State.STA8),
        (RELEASE_RP, State.STA7, State.STA13),
        (ABORT, State.STA2, State.STA13),
        (ABORT, State.STA5, State.STA13),
        (ABORT, State.STA6, State.STA13),
        (RELEASE_RQ, State.STA7, State.STA10),
    ],
)
def test_what_may_come_changes_the_state(pdu: bytes, state: State, after: State) -> None:
    """Table 9-10 of PS3.8."""
    layer = layer_in(state)

    assert len(take(layer, pdu)) == 1
    assert layer.state is after


@pytest.mark.parametrize(
    ("pdu", "state"),
    [
        (data_pdu(b"ab"), State.STA2),
        (data_pdu(b"ab"), State.STA5),
        (REQUEST, State.STA6),
        (RELEASE_RQ, State.STA2),
        (RELEASE_RP, State.STA6),
        (struct.pack(">BxI", 9, 0), State.STA6),
    ],
)
def test_what_may_not_come_is_a_violation(pdu: bytes, state: State) -> None:
    """Action AA-8: the association is aborted."""
    with pytest.raises(ProtocolError):
        take(layer_in(state), pdu)


@pytest.mark.parametrize(
    ("kind", "length", "state"),
    [
        (PduType.A_ASSOCIATE_RQ, 0xFFFFFFFF, State.STA2),
        (PduType.A_ASSOCIATE_RQ, (1 << 20) + 1, State.STA2),
        (PduType.P_DATA_TF, 16385, State.STA6),
        (PduType.A_RELEASE_RQ, 5, State.STA6),
        (PduType.A_ABORT, 1 << 30, State.STA2),
    ],
)
def test_a_pdu_that_is_too_long_is_refused_by_its_header(
    kind: PduType, length: int, state: State
) -> None:
    """Six bytes are enough to refuse it: nothing is kept for what will not be taken."""
    with pytest.raises(ProtocolError, match="at most"):
        take(layer_in(state), struct.pack(">BxI", kind, length))


def test_both_sides_ask_for_release() -> None:
    """Collision: the requestor answers first (AR-8, AR-9), the acceptor afterwards (AR-10)."""
    requestor = layer_in(State.STA6, is_requestor=True)
    acceptor = layer_in(State.STA6)
    first, second = requestor.release(), acceptor.release()

    take(requestor, second)
    take(acceptor, first)
    assert (requestor.state, acceptor.state) == (State.STA9, State.STA10)
    answer = requestor.release()
    take(acceptor, answer)
    assert (requestor.state, acceptor.state) == (State.STA11, State.STA12)
    take(requestor, acceptor.release())

    assert (requestor.state, acceptor.state) == (State.STA13, State.STA13)


@given(st.lists(st.binary(max_size=5000), min_size=1, max_size=40), st.data())
def test_pdus_do_not_depend_on_how_the_bytes_come(
    payloads: list[bytes], data: st.DataObject
) -> None:
    """TCP has no borders: any cut gives the same payloads."""
    stream = b"".join(map(data_pdu, payloads))
    layer = layer_in(State.STA6)
    found: list[bytes] = []

    while stream:
        count = data.draw(st.integers(1, max(1, len(stream))))
        space = layer.space()
        count = min(count, len(space))
        space[:count] = stream[:count]
        layer.filled(count)
        stream = stream[count:]
        while (pdu := layer.next_pdu()) is not None:
            found += [bytes(one.data) for one in fragments(pdu.body)]

    assert found == payloads


@given(st.binary(max_size=200))
def test_any_bytes_are_pdus_or_a_violation(data: bytes) -> None:
    """No other error comes out, whatever goes in."""
    for state in (State.STA2, State.STA5, State.STA6):
        layer = layer_in(state)
        try:
            take(layer, data)
            fragments(memoryview(data))
        except ProtocolError:
            continue


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_set_or_a_violation(data: bytes) -> None:
    """The same of what a command set may be."""
    try:
        command = decode_command(data)
        _ = (command.field, command.has_data_set, command.text("AffectedSOPInstanceUID"))
    except ProtocolError:
        pass


def test_a_command_set_is_what_pydicom_reads() -> None:
    """In order, with group length and even lengths (PS3.7 6.3.1)."""
    from io import BytesIO

    from pydicom.filereader import read_dataset

    encoded = encode_command(
        {
            "CommandField": 1,
            "MessageID": 7,
            "AffectedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
            "AffectedSOPInstanceUID": "1.2.3",
            "Priority": 0,
            "MoveOriginatorMessageID": None,
        },
        has_data_set=True,
    )

    found = read_dataset(BytesIO(encoded), is_implicit_VR=True, is_little_endian=True)

    assert found.CommandGroupLength == len(encoded) - 12
    assert found.AffectedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert (found.CommandField, found.MessageID, found.CommandDataSetType) == (1, 7, 0)
    assert found.AffectedSOPInstanceUID == "1.2.3"
    assert "MoveOriginatorMessageID" not in found
    assert [element.tag for element in found] == sorted(element.tag for element in found)
