"""Every exception that dicomlab raises, in one tree.

A class exists where a caller would act differently; what the caller needs for that is an attribute,
so that nobody has to read a message with a regular expression. No message carries patient data:
attributes are named by keyword and tag, instances by SOP Instance UID, values never.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = [
    "AccessError",
    "AssociationError",
    "DicomlabError",
    "GeometryError",
    "HostileInputError",
    "IncompleteError",
    "MissingDependencyError",
    "NonConformantError",
    "NotFoundError",
    "PeerError",
    "PolicyError",
    "RefusedError",
    "RequestError",
    "StatusError",
    "StorageError",
    "UnsupportedError",
    "kind_and_place",
]


def kind_and_place(error: BaseException) -> str:
    """Return an error's type and where in dicomlab it was raised: what a log may say of a bug.

    Its message stays out, because that may hold a value of a patient.
    """
    frames = [
        (frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    own = [(file, line) for file, line in frames if "dicomlab" in Path(file).parts]
    where = "".join(f" at {Path(file).name}:{line}" for file, line in (own or frames)[-1:])
    return f"{type(error).__name__}{where}"


class DicomlabError(Exception):
    """Root of all errors that dicomlab raises on purpose."""


class NonConformantError(DicomlabError):
    """The data breaks the standard.

    Attributes
    ----------
    reason
        Code of the finding for reports and tables, for example ``"not-dicom"`` or ``"truncated"``.
    tag
        The attribute at fault, ``None`` where it is not one attribute.
    reference
        The clause of the standard, for example ``"PS3.5 7.1.2"``.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        tag: int | None = None,
        reference: str | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.tag = tag
        self.reference = reference


class GeometryError(NonConformantError):
    """The slices of a series form no regular grid; `reason` is a `dicomlab.geometry.Defect`.

    Attributes
    ----------
    numbers
        What was measured, by name with its unit: ``{"worst_gap_mm": 6.0, "median_gap_mm": 3.0}``.
    remedies
        What a caller can do, each a sentence that names an option.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        tag: int | None = None,
        reference: str | None = None,
        numbers: Mapping[str, float] | None = None,
        remedies: Sequence[str] = (),
    ) -> None:
        super().__init__(
            " ".join((message, *remedies)), reason=reason, tag=tag, reference=reference
        )
        self.numbers = dict(numbers or {})
        self.remedies = tuple(remedies)


class UnsupportedError(DicomlabError):
    """Valid DICOM that dicomlab does not handle.

    Attributes
    ----------
    transfer_syntax_uid, sop_class_uid
        What is not handled, ``None`` where it plays no part.
    """

    def __init__(
        self,
        message: str,
        *,
        transfer_syntax_uid: str | None = None,
        sop_class_uid: str | None = None,
    ) -> None:
        super().__init__(message)
        self.transfer_syntax_uid = transfer_syntax_uid
        self.sop_class_uid = sop_class_uid


class NotFoundError(DicomlabError, LookupError):
    """There is no such study, series, instance or frame."""


class MissingDependencyError(DicomlabError, ImportError):
    """An optional package is not installed; the message says what to install."""


class RefusedError(DicomlabError):
    """A bound or rule of our own said no.

    Attributes
    ----------
    rule
        Name of the rule or bound.
    limit, found
        The bound and what was found, ``None`` where the rule is not a number.
    """

    def __init__(
        self,
        message: str,
        *,
        rule: str,
        limit: float | None = None,
        found: float | None = None,
    ) -> None:
        super().__init__(message)
        self.rule = rule
        self.limit = limit
        self.found = found


class HostileInputError(RefusedError):
    """Input breaks a bound of the border: size, depth, inflation, dimensions, names, time."""


class PolicyError(RefusedError):
    """A de-identification, share or courtesy rule said no."""


class AccessError(DicomlabError):
    """Not signed in, not allowed or expired: one neutral message for all three."""


class IncompleteError(DicomlabError):
    """A long call was done in part.

    Attributes
    ----------
    report
        What was done and what was not.
    """

    def __init__(self, message: str, *, report: object) -> None:
        super().__init__(message)
        self.report = report


class RequestError(DicomlabError):
    """Somebody asks us for what cannot be answered so.

    Attributes
    ----------
    status
        The HTTP status that says it.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class StorageError(DicomlabError):
    """Disk full, permission missing, or stored data corrupt."""


class PeerError(DicomlabError):
    """The other side refused, failed or fell silent."""


class AssociationError(PeerError):
    """An association was rejected, aborted or timed out (PS3.8 9.3).

    Attributes
    ----------
    source, reason
        As in the PDU that ended it, ``None`` where none came.
    """

    def __init__(
        self, message: str, *, source: int | None = None, reason: int | None = None
    ) -> None:
        super().__init__(message)
        self.source = source
        self.reason = reason


class StatusError(PeerError):
    """A DIMSE or HTTP status that means failure.

    Attributes
    ----------
    status
        The number as received.
    details
        What else the peer said, by attribute keyword or header name.
    """

    def __init__(
        self, message: str, *, status: int, details: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.details = dict(details or {})
