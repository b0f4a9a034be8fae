"""The durable store: files as received, and an index that answers queries."""

from dicomlab.archive._archive import Archive
from dicomlab.archive._import import ImportProgress
from dicomlab.archive._report import ImportReport, ImportRow, Outcome

__all__ = ["Archive", "ImportProgress", "ImportReport", "ImportRow", "Outcome"]
