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
from dicomlab.catalog._frames import FileFrames
from dicomlab.catalog._normal import name_forms, normal_form
from dicomlab.catalog._query import CombinedRange, Query
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
    "AnyOf",
    "Attributes",
    "CombinedRange",
    "Criterion",
    "Empty",
    "Equals",
    "FileFrames",
    "Finds",
    "FrameLocation",
    "Frames",
    "InstanceData",
    "Items",
    "Match",
    "NameGroups",
    "Query",
    "Range",
    "ReadsHeaders",
    "Record",
    "Retrieves",
    "Scalar",
    "Source",
    "Universal",
    "Value",
    "Wildcard",
    "name_forms",
    "normal_form",
]
