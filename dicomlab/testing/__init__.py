"""Contract suites and strategies for tests of sources, ours and those of others.

Needs the extra ``testing`` (pytest and hypothesis); nothing in dicomlab imports it.
"""

from dicomlab.testing._contract import (
    Announcer,
    AnnouncesContract,
    FindsContract,
    ReadsHeadersContract,
    RetrievesContract,
    SourceContract,
    SourceOf,
    contract_instances,
)
from dicomlab.testing._strategies import NAMES, Asked, asked, series_records

__all__ = [
    "NAMES",
    "Announcer",
    "AnnouncesContract",
    "Asked",
    "FindsContract",
    "ReadsHeadersContract",
    "RetrievesContract",
    "SourceContract",
    "SourceOf",
    "asked",
    "contract_instances",
    "series_records",
]
