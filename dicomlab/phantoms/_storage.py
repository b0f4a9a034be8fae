"""One instance of each storage class that a workstation must take, dciodvfy clean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pydicom import Dataset

from dicomlab.errors import UnsupportedError
from dicomlab.phantoms import _storage_documents as documents
from dicomlab.phantoms import _storage_images as images
from dicomlab.phantoms import _storage_magnetic as magnetic
from dicomlab.phantoms import _storage_therapy as therapy
from dicomlab.phantoms import _storage_waveforms as waveforms
from dicomlab.phantoms._encoding import EXPLICIT_VR_LITTLE_ENDIAN, encode
from dicomlab.phantoms._instances import Value, check_keywords, file_meta, uid

Maker = Callable[[int], Dataset]

MAKERS: Final[Mapping[str, Maker]] = {
    **images.MAKERS,
    **magnetic.MAKERS,
    **documents.MAKERS,
    **therapy.MAKERS,
    **waveforms.MAKERS,
}
"""What makes an instance of each SOP Class, by UID."""


def storage_classes() -> tuple[str, ...]:
    """Return the SOP Class UIDs that `storage_instance` makes."""
    return tuple(MAKERS)


def storage_instance(
    sop_class_uid: str,
    *,
    seed: int = 0,
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN,
    **attributes: Value,
) -> Dataset:
    """Make one small instance of a storage class, the same for the same arguments.

    Parameters
    ----------
    sop_class_uid
        One of `storage_classes`.
    seed
        Another seed is another patient.
    transfer_syntax_uid
        One that `encode` knows; a compressed one for images alone.
    **attributes
        By keyword, in place of the phantom's own; ``None`` removes one.

    Raises
    ------
    UnsupportedError
        There is no phantom of that class, or not in that transfer syntax.
    ValueError
        An unknown keyword.
    """
    check_keywords(attributes)
    maker = MAKERS.get(sop_class_uid)
    if maker is None:
        raise UnsupportedError(
            f"There is no phantom of SOP Class {sop_class_uid}.", sop_class_uid=sop_class_uid
        )
    made = maker(seed)
    made.SOPClassUID = sop_class_uid
    made.SeriesInstanceUID = uid(seed, "storage", sop_class_uid)
    made.SOPInstanceUID = uid(seed, "storage", sop_class_uid, "instance")
    for keyword, value in attributes.items():
        if value is not None:
            setattr(made, keyword, value)
        elif keyword in made:
            delattr(made, keyword)
    made.file_meta = file_meta(made, EXPLICIT_VR_LITTLE_ENDIAN)
    return encode(made, transfer_syntax_uid)
