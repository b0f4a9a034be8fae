"""The service classes that we speak, by SOP class UID (PS3.4, PS3.6 annex A)."""

from __future__ import annotations

from typing import Final

from dicomlab.standard import STORAGE_CLASSES, TRANSFER_SYNTAXES, transfer_syntax

VERIFICATION: Final = "1.2.840.10008.1.1"
PATIENT_FIND: Final = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.1.2"
PATIENT_GET: Final = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"

FIND_CLASSES: Final = (STUDY_FIND, PATIENT_FIND)
MOVE_CLASSES: Final = (STUDY_MOVE, PATIENT_MOVE)
GET_CLASSES: Final = (STUDY_GET, PATIENT_GET)
PATIENT_ROOT: Final = frozenset((PATIENT_FIND, PATIENT_MOVE, PATIENT_GET))

_FIRST: Final = (
    "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2",
)  # fmt: skip
STORED_SYNTAXES: Final = (
    *(uid for uid in TRANSFER_SYNTAXES if transfer_syntax(uid).is_encapsulated),
    *_FIRST,
)
"""What we take instances in, the best first: compressed ones come as the peer holds them."""

_IMAGES: Final = "1.2.840.10008.5.1.4.1.1."
_SECURITY: Final = "1.2.840.10008.5.1.4.1.1.501."
USUAL_CLASSES: Final = tuple(
    uid for uid in STORAGE_CLASSES if uid.startswith(_IMAGES) and not uid.startswith(_SECURITY)
)
"""Storage classes of medical images and documents, which a retrieve must expect."""
