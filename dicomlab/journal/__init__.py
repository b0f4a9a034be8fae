"""What happened: an event log in a hash chain, and the records of long calls."""

from dicomlab.journal._chain import Fault, Verification
from dicomlab.journal._configured import open_configured
from dicomlab.journal._event import Count, Entry, Event, EventKind, Outcome
from dicomlab.journal._head import Head
from dicomlab.journal._job import Job, JobRecord, JobState, Progress, Task
from dicomlab.journal._journal import Journal

__all__ = [
    "Count",
    "Entry",
    "Event",
    "EventKind",
    "Fault",
    "Head",
    "Job",
    "JobRecord",
    "JobState",
    "Journal",
    "Outcome",
    "Progress",
    "Task",
    "Verification",
    "open_configured",
]
