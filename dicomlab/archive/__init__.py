"""The durable store: files as received, and an index that answers queries."""

from dicomlab.archive._archive import Archive
from dicomlab.archive._backup import CopyReport
from dicomlab.archive._deletion import DeletedRow, DeleteReport
from dicomlab.archive._findings import CheckReport, CheckRow, Problem
from dicomlab.archive._import import ImportProgress
from dicomlab.archive._notes import QuarantineEntry
from dicomlab.archive._place import Place
from dicomlab.archive._quarantine import Quarantine
from dicomlab.archive._quarantine_files import QuarantineBounds
from dicomlab.archive._report import ImportReport, ImportRow, Outcome
from dicomlab.archive._retention import ExpiredRow, RetentionReport, Rule

__all__ = [
    "Archive",
    "CheckReport",
    "CheckRow",
    "CopyReport",
    "DeleteReport",
    "DeletedRow",
    "ExpiredRow",
    "ImportProgress",
    "ImportReport",
    "ImportRow",
    "Outcome",
    "Place",
    "Problem",
    "Quarantine",
    "QuarantineBounds",
    "QuarantineEntry",
    "RetentionReport",
    "Rule",
]
