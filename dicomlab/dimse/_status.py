"""What a DIMSE status means (PS3.7 C, PS3.4 B.2.3, C.4)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from pynetdicom.status import (
    GENERAL_STATUS,
    QR_FIND_SERVICE_CLASS_STATUS,
    QR_GET_SERVICE_CLASS_STATUS,
    QR_MOVE_SERVICE_CLASS_STATUS,
    STORAGE_SERVICE_CLASS_STATUS,
)

from dicomlab.dimse._command import CommandField, CommandSet
from dicomlab.errors import StatusError

_TABLES: Final[Mapping[CommandField, Mapping[int, tuple[str, str]]]] = {
    CommandField.C_STORE_RQ: STORAGE_SERVICE_CLASS_STATUS,
    CommandField.C_FIND_RQ: QR_FIND_SERVICE_CLASS_STATUS,
    CommandField.C_GET_RQ: QR_GET_SERVICE_CLASS_STATUS,
    CommandField.C_MOVE_RQ: QR_MOVE_SERVICE_CLASS_STATUS,
}
_ADVICE: Final = {
    0xA7: "It is out of resources: try later, or ask for less.",
    0xA8: "It does not know where to send: have our AE title, host and port entered there.",
    0xA9: "What was sent does not fit the SOP class: see its log.",
    0xC: "It could not understand or process what was sent: see its log.",
    0x01: "Check that it supports the service for this SOP class.",
}


class Status(IntEnum):
    """The statuses that we answer with."""

    SUCCESS = 0x0000
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    PROCESSING_FAILURE = 0x0110
    UNRECOGNISED_OPERATION = 0x0211
    OUT_OF_RESOURCES = 0xA700
    UNABLE_TO_COUNT = 0xA701
    UNABLE_TO_PERFORM = 0xA702
    MOVE_DESTINATION_UNKNOWN = 0xA801
    NOT_OF_SOP_CLASS = 0xA900
    SOME_FAILED = 0xB000
    CANNOT_UNDERSTAND = 0xC000
    CANCELLED = 0xFE00
    PENDING = 0xFF00
    PENDING_KEYS_IGNORED = 0xFF01


PENDING: Final = frozenset((Status.PENDING, Status.PENDING_KEYS_IGNORED))
STORED_WITH_WARNING: Final = frozenset((0xB000, 0xB006, 0xB007))
"""Of C-STORE: elements coerced, elements discarded, data set does not match the SOP class."""


def meaning(operation: CommandField, status: int) -> str:
    """Return what a status of an operation means, in the standard's words."""
    table = _TABLES.get(operation, GENERAL_STATUS)
    category, text = table.get(status) or GENERAL_STATUS.get(status) or ("", "")
    return text or (f"{category.lower()}" if category else "not a status of this service")


def failure(operation: CommandField, command: CommandSet, *, doing: str) -> StatusError:
    """Return the error for a status that means failure.

    Parameters
    ----------
    doing
        What was asked, for the message.
    """
    status = command.required("Status")
    advice = _ADVICE.get(status >> 8) or _ADVICE.get(status >> 12) or "See the peer's log."
    details = {"ErrorComment": command.text("ErrorComment")}
    return StatusError(
        f"The peer refused {doing}: status {status:04X}H, "
        f"{meaning(operation, status).lower()}. {advice}",
        status=status,
        details={keyword: text for keyword, text in details.items() if text},
    )
