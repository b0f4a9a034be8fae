"""What a data set must say of its pixels once they are coded otherwise (PS3.3 C.7.6.1 and 3)."""

from __future__ import annotations

import struct
from uuid import UUID, uuid5

from dicomlab.pixels._description import FrameDescription
from dicomlab.pixels._encode import Loss
from dicomlab.pixels._rewrite import Changes
from dicomlab.pixels._syntaxes import HTJ2K, JPEG, JPEG_2000, JPEG_LS, JPEG_XL
from dicomlab.safety import Header
from dicomlab.standard import TransferSyntax, tag_of

_NAMESPACE = UUID("8c0ac0de-2d0b-4c36-9f4e-5b1f9d3f2c57")
_DECIMAL_CHARACTERS = 16


def described(description: FrameDescription, header: Header) -> Changes:
    """Return the attributes of the pixel module that differ from those of the header."""
    changes: dict[int, tuple[str, bytes]] = {}
    photometric = description.photometric_interpretation
    if header.string("PhotometricInterpretation") != photometric:
        changes[tag_of("PhotometricInterpretation")] = ("CS", photometric.encode())
    numbers = {} if description.is_float else {"HighBit": description.high_bit}
    if description.samples_per_pixel > 1:
        numbers["PlanarConfiguration"] = description.planar_configuration
    for keyword, value in numbers.items():
        if header.integer(keyword) != value:
            changes[tag_of(keyword)] = ("US", struct.pack("<H", value))
    return changes


def method_of(syntax: TransferSyntax) -> str:
    """Return the defined term of Lossy Image Compression Method (0028,2114) of a coding."""
    uid = syntax.uid
    families = {
        "ISO_10918_1": uid in JPEG,
        "ISO_14495_1": uid in JPEG_LS,
        "ISO_15444_1": uid in JPEG_2000,
        "ISO_15444_15": uid in HTJ2K,
        "ISO_18181_1": uid in JPEG_XL,
        "ISO_13818_2": uid.startswith(("1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.101")),
        "ISO_23008_2": uid.startswith(("1.2.840.10008.1.2.4.107", "1.2.840.10008.1.2.4.108")),
        "ISO_14496_10": syntax.is_video,
    }
    return next((term for term, is_so in families.items() if is_so), "")


def lossy_history(header: Header, method: str, ratio: float) -> Changes:
    """Return the history of loss with one step more; its length does not depend on the ratio."""
    ratios = [*header.strings("LossyImageCompressionRatio")]
    methods = [*header.strings("LossyImageCompressionMethod")]
    steps = max(len(ratios), len(methods))
    ratios += [""] * (steps - len(ratios))
    methods += [""] * (steps - len(methods))
    step = f"{ratio:.2f}".ljust(_DECIMAL_CHARACTERS)
    return {
        tag_of("LossyImageCompression"): ("CS", b"01"),
        tag_of("LossyImageCompressionRatio"): ("DS", "\\".join((*ratios, step)).encode()),
        tag_of("LossyImageCompressionMethod"): ("CS", "\\".join((*methods, method)).encode()),
    }


def derived_uid(sop_instance_uid: str, transfer_syntax_uid: str, loss: Loss) -> str:
    """Return the UID of a derived instance: the same for the same source, coding and loss."""
    key = f"{sop_instance_uid} {transfer_syntax_uid} {loss}"
    return f"2.25.{uuid5(_NAMESPACE, key).int}"


def derivation(header: Header, sop_instance_uid: str, new_uid: str) -> Changes:
    """Return what says that an instance was made from another with loss (PS3.3 C.7.6.1.1.3)."""
    image_type = ["DERIVED", *header.strings("ImageType")[1:]]
    source: Changes = {
        tag_of("ReferencedSOPClassUID"): ("UI", (header.string("SOPClassUID") or "").encode()),
        tag_of("ReferencedSOPInstanceUID"): ("UI", sop_instance_uid.encode()),
        tag_of("PurposeOfReferenceCodeSequence"): (
            "SQ",
            [_code("121320", "Uncompressed predecessor")],
        ),
    }
    codes: list[Header | Changes] = [
        *header.items("DerivationCodeSequence"),
        _code("113040", "Lossy Compression"),
    ]
    sources: list[Header | Changes] = [*header.items("SourceImageSequence"), source]
    return {
        tag_of("SOPInstanceUID"): ("UI", new_uid.encode()),
        tag_of("ImageType"): ("CS", "\\".join(image_type).encode()),
        tag_of("DerivationCodeSequence"): ("SQ", codes),
        tag_of("SourceImageSequence"): ("SQ", sources),
        # A signature no longer fits what it signs.
        tag_of("DigitalSignaturesSequence"): None,
        tag_of("MACParametersSequence"): None,
    }


def _code(value: str, meaning: str) -> Changes:
    return {
        tag_of("CodeValue"): ("SH", value.encode()),
        tag_of("CodingSchemeDesignator"): ("SH", b"DCM"),
        tag_of("CodeMeaning"): ("LO", meaning.encode()),
    }
