"""DIMSE command sets: what a message asks or answers (PS3.7 9.3, 10.3 and E)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from dicomlab.dimse._errors import ProtocolError

_ELEMENT: Final = struct.Struct("<HHI")
_US: Final = struct.Struct("<H")
_UL: Final = struct.Struct("<I")
_NO_DATA_SET: Final = 0x0101
_HAS_DATA_SET: Final = 0x0000

_FIELDS: Final[Mapping[str, tuple[int, str]]] = {
    "AffectedSOPClassUID": (0x0002, "UI"),
    "RequestedSOPClassUID": (0x0003, "UI"),
    "CommandField": (0x0100, "US"),
    "MessageID": (0x0110, "US"),
    "MessageIDBeingRespondedTo": (0x0120, "US"),
    "MoveDestination": (0x0600, "AE"),
    "Priority": (0x0700, "US"),
    "CommandDataSetType": (0x0800, "US"),
    "Status": (0x0900, "US"),
    "ErrorComment": (0x0902, "LO"),
    "ErrorID": (0x0903, "US"),
    "AffectedSOPInstanceUID": (0x1000, "UI"),
    "RequestedSOPInstanceUID": (0x1001, "UI"),
    "EventTypeID": (0x1002, "US"),
    "ActionTypeID": (0x1008, "US"),
    "NumberOfRemainingSuboperations": (0x1020, "US"),
    "NumberOfCompletedSuboperations": (0x1021, "US"),
    "NumberOfFailedSuboperations": (0x1022, "US"),
    "NumberOfWarningSuboperations": (0x1023, "US"),
    "MoveOriginatorApplicationEntityTitle": (0x1030, "AE"),
    "MoveOriginatorMessageID": (0x1031, "US"),
}
"""Keyword to element number in group 0000 and VR, in order of the numbers (PS3.7 E.1)."""


class CommandField(IntEnum):
    """Command Field (0000,0100); a response is its request with the highest bit set."""

    C_STORE_RQ = 0x0001
    C_GET_RQ = 0x0010
    C_FIND_RQ = 0x0020
    C_MOVE_RQ = 0x0021
    C_ECHO_RQ = 0x0030
    N_EVENT_REPORT_RQ = 0x0100
    N_GET_RQ = 0x0110
    N_SET_RQ = 0x0120
    N_ACTION_RQ = 0x0130
    N_CREATE_RQ = 0x0140
    N_DELETE_RQ = 0x0150
    C_CANCEL_RQ = 0x0FFF


RESPONSE: Final = 0x8000


class CommandSet:
    """One command set as it was received; what it lacks is ``None``."""

    __slots__ = ("_elements",)

    def __init__(self, elements: Mapping[int, bytes]) -> None:
        self._elements = elements

    def number(self, keyword: str) -> int | None:
        """Return a US value.

        Raises
        ------
        ProtocolError
            It has not two bytes.
        """
        raw = self._elements.get(_FIELDS[keyword][0])
        if not raw:
            return None
        if len(raw) != 2:
            raise ProtocolError(f"{keyword} of a command set has {len(raw)} bytes, not 2")
        return int(_US.unpack(raw)[0])

    def text(self, keyword: str) -> str:
        """Return a text or UID without padding, ``""`` where it is absent."""
        raw = self._elements.get(_FIELDS[keyword][0], b"")
        return raw.decode("ascii", "replace").strip(" \0")

    def required(self, keyword: str) -> int:
        """Return a US value that every such message has.

        Raises
        ------
        ProtocolError
            It has none.
        """
        value = self.number(keyword)
        if value is None:
            raise ProtocolError(f"{keyword} is missing from a command set (PS3.7 9.3)")
        return value

    @property
    def field(self) -> int:
        """Command Field."""
        return self.required("CommandField")

    @property
    def has_data_set(self) -> bool:
        """Whether a data set follows."""
        return self.required("CommandDataSetType") != _NO_DATA_SET


def decode_command(data: bytes) -> CommandSet:
    """Return a command set from Implicit VR Little Endian (PS3.7 6.3.1).

    Raises
    ------
    ProtocolError
        It is none.
    """
    elements: dict[int, bytes] = {}
    position, end = 0, len(data)
    while position < end:
        if end - position < _ELEMENT.size:
            raise ProtocolError("a command set breaks off within an element")
        group, element, length = _ELEMENT.unpack_from(data, position)
        position += _ELEMENT.size
        if group != 0 or length > end - position:
            raise ProtocolError("a command set holds what is no element of group 0000")
        elements[element] = data[position : position + length]
        position += length
    return CommandSet(elements)


def encode_command(values: Mapping[str, int | str | None], *, has_data_set: bool) -> bytes:
    """Return a command set; what is ``None`` is left out, the type of the data set is put in."""
    complete = {
        **values,
        "CommandDataSetType": _HAS_DATA_SET if has_data_set else _NO_DATA_SET,
    }
    parts = []
    for keyword, (element, vr) in _FIELDS.items():
        value = complete.get(keyword)
        if value is None:
            continue
        raw = _US.pack(int(value)) if vr == "US" else _padded(str(value), vr)
        parts.append(_ELEMENT.pack(0, element, len(raw)) + raw)
    body = b"".join(parts)
    return _ELEMENT.pack(0, 0, 4) + _UL.pack(len(body)) + body


def _padded(text: str, vr: str) -> bytes:
    raw = text.encode("ascii", "replace")
    return raw + (b"\0" if vr == "UI" else b" ") if len(raw) % 2 else raw
