"""What DICOM says: attributes, UIDs, transfer syntaxes, levels and keys."""

from dicomlab.standard._dictionary import (
    STORAGE_CLASSES,
    Attribute,
    attribute,
    attribute_at,
    keyword_of,
    sop_class_name,
    tag_of,
    tag_text,
    uid_name,
    vr_of,
)
from dicomlab.standard._implementation import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
)
from dicomlab.standard._levels import (
    AGGREGATES,
    ITEM_KEYS,
    LEVEL_KEYS,
    UNIQUE_KEY,
    Level,
    level_of,
)
from dicomlab.standard._transfer_syntaxes import (
    TRANSFER_SYNTAXES,
    TransferSyntax,
    transfer_syntax,
)

__all__ = [
    "AGGREGATES",
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION_NAME",
    "ITEM_KEYS",
    "LEVEL_KEYS",
    "STORAGE_CLASSES",
    "TRANSFER_SYNTAXES",
    "UNIQUE_KEY",
    "Attribute",
    "Level",
    "TransferSyntax",
    "attribute",
    "attribute_at",
    "keyword_of",
    "level_of",
    "sop_class_name",
    "tag_of",
    "tag_text",
    "transfer_syntax",
    "uid_name",
    "vr_of",
]
