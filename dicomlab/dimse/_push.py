"""Instances to a peer: in contexts that fit them, and again only where that may help."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from dicomlab.catalog import Query, Source
from dicomlab.dimse._association import Association
from dicomlab.dimse._command import CommandField, CommandSet
from dicomlab.dimse._negotiation import Context
from dicomlab.dimse._part10 import stored_instance
from dicomlab.dimse._peer import Peer
from dicomlab.dimse._send import context_of, contexts_for, send_instance
from dicomlab.dimse._status import STORED_WITH_WARNING, Status, failure, meaning
from dicomlab.errors import AssociationError, IncompleteError, PeerError, UnsupportedError
from dicomlab.safety import ByteSource
from dicomlab.standard import Level

_TRANSIENT: Final = range(0xA700, 0xA800)
"""Out of resources: the only refusal that may be another one later (PS3.4 B.2.3)."""
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0


@dataclass
class PushReport:
    """What a push did.

    Attributes
    ----------
    sent
        SOP Instance UIDs that the peer says it has stored.
    warnings
        Of those, which with a warning: status and its meaning.
    failed
        Those that were refused or could not be sent, with the reason.
    left
        Those that were not tried any more: push again with ``missing_only=True``.
    already_there
        Those that the peer had, where it was asked.
    """

    peer: str
    sent: list[str] = field(default_factory=list)
    warnings: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    already_there: list[str] = field(default_factory=list)
    bytes: int = 0
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether the peer has all of it."""
        return not self.failed and not self.left

    def to_dict(self) -> dict[str, object]:
        """Return it for machines."""
        return {**asdict(self), "is_complete": self.is_complete}

    def __str__(self) -> str:
        return (
            f"{len(self.sent)} instances sent to {self.peer} ({self.bytes:,} bytes), "
            f"{len(self.already_there)} there before, {len(self.failed)} failed, "
            f"{len(self.left)} left."
        )


class Push:
    """Sends instances of a source to a peer, on one association after the other.

    Parameters
    ----------
    resend
        How often an instance is sent again that the peer is out of resources for.
    missing_only
        Ask the peer first what it has, and send the rest.
    pause
        Waits so many seconds before sending again.
    progress
        Called with the instances that are done, and how many there are.
    stop
        Says whether to stop.
    """

    def __init__(
        self,
        peer: Peer,
        source: Source,
        *,
        resend: int = 0,
        missing_only: bool = False,
        pause: Callable[[float], object] | None = None,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._peer = peer
        self._source = source
        self._resend = resend
        self._missing_only = missing_only
        self._pause = pause or threading.Event().wait
        self._progress = progress
        self._stop = stop
        self.report = PushReport(peer.remote.aet)

    def run(self, queries: Sequence[Query]) -> PushReport:
        """Send all instances of what matches.

        Raises
        ------
        IncompleteError
            The peer refused an instance, or the association ended: what was not sent is in
            ``report.left``. The association was aborted.
        AssociationError
            There was no association at all.
        """
        started = time.monotonic()
        wanted = self._wanted(queries)
        self.report.left = list(wanted)
        total = len(wanted)
        preferred = self._peer.remote.transfer_syntaxes
        try:
            for contexts in contexts_for(wanted.values(), preferred):
                self._send_group(contexts, wanted, queries, total)
        finally:
            self.report.seconds = time.monotonic() - started
        return self.report

    def _wanted(self, queries: Sequence[Query]) -> dict[str, tuple[str, str]]:
        """Return SOP class and transfer syntax of what is to go, by SOP Instance UID."""
        found: dict[str, tuple[str, str]] = {}
        for query in queries:
            for uid, data in self._source.retrieve(query):
                one = stored_instance(data)
                found[uid] = (one.sop_class_uid, one.transfer_syntax)
        if self._missing_only and found:
            for query in queries:
                for there in self._peer.records(_images_of(query, self._source)):
                    uid = str(there["SOPInstanceUID"])
                    if found.pop(uid, None) is not None:
                        self.report.already_there.append(uid)
        return found

    def _send_group(
        self,
        contexts: tuple[Context, ...],
        wanted: Mapping[str, tuple[str, str]],
        queries: Sequence[Query],
        total: int,
    ) -> None:
        classes = {one.abstract_syntax for one in contexts}
        part = {uid for uid in self.report.left if wanted[uid][0] in classes}
        if not part:
            return
        association = self._peer.remote.associate(contexts)
        try:
            for query in queries:
                for uid, data in self._source.retrieve(query):
                    if uid in part:
                        part.discard(uid)
                        self._send_one(association, uid, data)
                        self._progress(total - len(self.report.left), total)
                    if self._stop():
                        association.release()
                        return
        except PeerError as error:
            # S-103 to S-111: the association is aborted, the job fails, its rest is kept.
            association.abort()
            raise IncompleteError(
                f"{error} {len(self.report.sent)} instances were sent, {len(self.report.left)} "
                "were not: push again with missing_only=True.",
                report=self.report,
            ) from error
        except BaseException:
            association.abort()
            raise
        association.release()

    def _send_one(self, association: Association, uid: str, data: ByteSource) -> None:
        preferred = self._peer.remote.transfer_syntaxes
        try:
            instance = stored_instance(data)
            context = context_of(association, instance, preferred)
            for attempt in range(self._resend + 1):
                answer = send_instance(association, context, instance)
                if answer.required("Status") not in _TRANSIENT or attempt == self._resend:
                    break
                self._pause(min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S))
            self._settle(uid, answer)
        except UnsupportedError as error:
            self.report.failed[uid] = str(error)
            self.report.left.remove(uid)
            return
        except AssociationError:
            raise
        self.report.bytes += data.size

    def _settle(self, uid: str, answer: CommandSet) -> None:
        """Count an instance as its status says (S-102 to S-109)."""
        status = answer.required("Status")
        if status == Status.SUCCESS or status in STORED_WITH_WARNING:
            self.report.sent.append(uid)
            self.report.left.remove(uid)
            if status:
                words = meaning(CommandField.C_STORE_RQ, status)
                self.report.warnings[uid] = f"{status:04X}H {words}"
            return
        error = failure(CommandField.C_STORE_RQ, answer, doing=f"the instance {uid}")
        self.report.failed[uid] = str(error)
        self.report.left.remove(uid)
        raise error


def _images_of(query: Query, source: Source) -> Query:
    """Return the query for the images of what matches a query of a source, by study."""
    studies = sorted(
        {str(one["StudyInstanceUID"]) for one in source.records(query) if one["StudyInstanceUID"]}
    )
    return Query(Level.IMAGE, StudyInstanceUID=studies)
