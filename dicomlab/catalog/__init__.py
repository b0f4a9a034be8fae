"""What there is: records, queries, and the protocols of everything that studies are asked of."""

from dicomlab.catalog._query import Query
from dicomlab.catalog._source import (
    Attributes,
    Finds,
    FrameLocation,
    Frames,
    InstanceData,
    ReadsHeaders,
    Record,
    Retrieves,
    Source,
    Value,
)

__all__ = [
    "Attributes",
    "Finds",
    "FrameLocation",
    "Frames",
    "InstanceData",
    "Query",
    "ReadsHeaders",
    "Record",
    "Retrieves",
    "Source",
    "Value",
]
