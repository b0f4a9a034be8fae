"""What there is: records, queries, and the protocols of everything that studies are asked of."""

from dicomlab.catalog._criteria import (
    AnyOf,
    Criterion,
    Empty,
    Equals,
    Items,
    Match,
    NameGroups,
    Range,
    Universal,
    Wildcard,
)
from dicomlab.catalog._frames import (
    ByteFrames,
    FileFrames,
    MemberFrames,
    PartFrames,
    StoredFrames,
)
from dicomlab.catalog._handles import Browsable, Instance, Series, Study
from dicomlab.catalog._json import INLINE_BYTES, Json, JsonAttributes, JsonObject, dicom_json
from dicomlab.catalog._matching import values_of
from dicomlab.catalog._normal import NUMBER_VRS, name_forms, normal_form
from dicomlab.catalog._query import CombinedRange, Query
from dicomlab.catalog._records import (
    OWN_KEYS,
    agreed,
    instance_record,
    level_record,
    patient_key,
    summarise,
    value_of,
)
from dicomlab.catalog._source import (
    Finds,
    FrameLocation,
    Frames,
    InstanceData,
    ReadsHeaders,
    Record,
    Retrieves,
    Scalar,
    Source,
    Value,
)
from dicomlab.safety import Attributes

__all__ = [
    "INLINE_BYTES",
    "NUMBER_VRS",
    "OWN_KEYS",
    "AnyOf",
    "Attributes",
    "Browsable",
    "ByteFrames",
    "CombinedRange",
    "Criterion",
    "Empty",
    "Equals",
    "FileFrames",
    "Finds",
    "FrameLocation",
    "Frames",
    "Instance",
    "InstanceData",
    "Items",
    "Json",
    "JsonAttributes",
    "JsonObject",
    "Match",
    "MemberFrames",
    "NameGroups",
    "PartFrames",
    "Query",
    "Range",
    "ReadsHeaders",
    "Record",
    "Retrieves",
    "Scalar",
    "Series",
    "Source",
    "StoredFrames",
    "Study",
    "Universal",
    "Value",
    "Wildcard",
    "agreed",
    "dicom_json",
    "instance_record",
    "level_record",
    "name_forms",
    "normal_form",
    "patient_key",
    "summarise",
    "value_of",
    "values_of",
]
