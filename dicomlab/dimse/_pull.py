"""Studies from a peer into a store: only what is missing, proved against the peer's own list."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Final

from dicomlab.catalog import Finds, Match, Query, Stores, Value
from dicomlab.dimse._association import Association
from dicomlab.dimse._identifier import QUERY_SYNTAXES
from dicomlab.dimse._negotiation import Accepted, numbered
from dicomlab.dimse._peer import Peer
from dicomlab.dimse._retrieve import Retrieval, Retrieved, get_contexts, move
from dicomlab.dimse._services import GET_CLASSES, MOVE_CLASSES, PATIENT_ROOT
from dicomlab.errors import (
    AssociationError,
    DicomlabError,
    IncompleteError,
    StorageError,
    UnsupportedError,
)
from dicomlab.standard import Level

_UIDS_AT_ONCE: Final = 200
_TRIES: Final = 2


@dataclass(frozen=True, slots=True)
class Wanted:
    """A study, or part of one, that shall be pulled."""

    study: str
    series: str | None = None
    instance: str | None = None

    @property
    def matches(self) -> dict[str, Match]:
        """Return what a query for its instances asks."""
        keys = {
            "StudyInstanceUID": self.study,
            "SeriesInstanceUID": self.series,
            "SOPInstanceUID": self.instance,
        }
        return {keyword: uid for keyword, uid in keys.items() if uid is not None}


@dataclass
class PullRow:
    """What became of one study, or part of one.

    Attributes
    ----------
    expected
        Instances that the peer lists.
    already_there
        Of those, how many were here before.
    received
        How many came.
    missing
        SOP Instance UIDs that the peer lists and that are not here, with the reason where one is
        known.
    error
        Why it could not be pulled, empty where it could.
    """

    study_instance_uid: str
    series_instance_uid: str | None = None
    expected: int = 0
    already_there: int = 0
    received: int = 0
    bytes: int = 0
    missing: dict[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether all that the peer lists is here."""
        return not self.missing and not self.error


@dataclass
class PullReport:
    """What a pull did.

    Attributes
    ----------
    rows
        One for each study, or part of one, in the order asked for.
    interrupted
        It was stopped before its end.
    """

    peer: str
    rows: list[PullRow] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether all that was asked for, and that the peer lists, is here."""
        return not self.interrupted and all(row.is_complete for row in self.rows)

    @property
    def received(self) -> int:
        """Instances that came."""
        return sum(row.received for row in self.rows)

    @property
    def bytes(self) -> int:
        """Bytes of the data sets that came."""
        return sum(row.bytes for row in self.rows)

    def to_dict(self) -> dict[str, object]:
        """Return it for machines."""
        return {
            **asdict(self),
            "is_complete": self.is_complete,
            "received": self.received,
            "bytes": self.bytes,
        }

    def __str__(self) -> str:
        expected = sum(row.expected for row in self.rows)
        there = sum(row.already_there for row in self.rows)
        summary = (
            f"{len(self.rows)} asked for, {expected} instances at {self.peer}: {self.received} "
            f"received ({self.bytes:,} bytes), {there} here before."
        )
        lines = [summary]
        for row in self.rows:
            if row.error:
                lines.append(f"{row.study_instance_uid}: {row.error}")
            elif row.missing:
                lines.append(f"{row.study_instance_uid}: {len(row.missing)} are missing.")
        if self.interrupted:
            lines.append("Interrupted: pull the same again for the rest.")
        return "\n".join(lines)


class Pull:
    """Pulls what is wanted, several at a time as the peer allows.

    Parameters
    ----------
    here
        Where it is looked up what is here already.
    stores
        Who takes what comes.
    node
        AE title by which the peer knows a node of ours that stores to the same place: for peers
        without C-GET.
    progress
        Called with the instances that are done, and how many there are so far as is known.
    stop
        Says whether to stop.
    """

    def __init__(
        self,
        peer: Peer,
        here: Finds,
        stores: Stores,
        *,
        node: str | None = None,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._peer = peer
        self._here = here
        self._stores = stores
        self._node = node
        self._progress = progress
        self._stopped = threading.Event()
        self._stop = stop
        self._lock = threading.Lock()
        self._done = self._total = 0
        self._cut: list[tuple[Wanted, PullRow]] = []

    def run(self, wanted: Iterable[Wanted]) -> PullReport:
        """Pull, and report.

        Raises
        ------
        IncompleteError
            Our disk is full or fails; its `report` has what was done.
        """
        started = time.monotonic()
        listed = list(dict.fromkeys(wanted))
        report = PullReport(
            self._peer.remote.aet, [PullRow(one.study, one.series) for one in listed]
        )
        pool = ThreadPoolExecutor(self._peer.remote.associations, "dicomlab-pull")
        try:
            for future in [
                pool.submit(self._one, one, row)
                for one, row in zip(listed, report.rows, strict=True)
            ]:
                future.result()
            # Some peers cut one of two associations: what failed so is tried once more, alone.
            for one, row in list(self._cut):
                row.error = ""
                self._one(one, row)
        except KeyboardInterrupt:
            report.interrupted = True
        except StorageError as error:
            report.interrupted = True
            raise IncompleteError(
                f"The pull stopped before its end. {error} What was received is kept; pull the "
                "same again for the rest.",
                report=report,
            ) from error
        finally:
            self._stopped.set()
            pool.shutdown(cancel_futures=True)
            report.seconds = time.monotonic() - started
            report.interrupted |= self._stop()
        return report

    def _is_stopped(self) -> bool:
        return self._stopped.is_set() or self._stop()

    def _one(self, wanted: Wanted, row: PullRow) -> None:
        if self._is_stopped():
            row.error = "not begun"
            return
        try:
            self._pull(wanted, row)
        except StorageError:
            self._stopped.set()
            raise
        except AssociationError as error:
            row.error = str(error)
            with self._lock:
                if (wanted, row) not in self._cut:
                    self._cut.append((wanted, row))
        except DicomlabError as error:
            row.error = str(error)

    def _pull(self, wanted: Wanted, row: PullRow) -> None:
        answers = self._peer.records(Query.of(Level.IMAGE, wanted.matches))
        there = {str(one["SOPInstanceUID"]): one for one in answers}
        here = self._held(wanted)
        row.expected = len(there)
        row.missing = {}
        row.already_there = len(there.keys() & here)
        missing = {uid: one for uid, one in there.items() if uid not in here}
        with self._lock:
            self._total += len(missing)
        classes = [str(one["SOPClassUID"]) for one in missing.values() if one["SOPClassUID"]]
        for attempt in range(_TRIES):
            if not missing or self._is_stopped():
                break
            try:
                self._fetch(wanted, missing, classes, row, is_first=attempt == 0)
            except AssociationError:
                # What came is durable: only the rest is asked for again, once.
                if attempt + 1 == _TRIES:
                    row.missing = dict.fromkeys(missing, "")
                    raise
            left = self._held(wanted)
            missing = {uid: one for uid, one in missing.items()
                       if uid not in left and uid not in row.missing}  # fmt: skip
        row.missing |= {uid: "" for uid in missing if uid not in row.missing}

    def _held(self, wanted: Wanted) -> set[str]:
        query = Query.of(Level.IMAGE, wanted.matches)
        return {str(one["SOPInstanceUID"]) for one in self._here.records(query)}

    def _fetch(
        self,
        wanted: Wanted,
        missing: Mapping[str, Mapping[str, Value]],
        classes: Sequence[str],
        row: PullRow,
        *,
        is_first: bool,
    ) -> None:
        contexts, roles = get_contexts(classes)
        with self._peer.remote.associate(contexts, roles=roles) as association:
            context = _first(association, GET_CLASSES)
            if context is not None:
                retrieval = Retrieval(
                    association, self._stores, told=self._told(row), stop=self._is_stopped
                )
                for keys in _keys(wanted, missing, row, context, whole=is_first):
                    if not self._is_stopped():
                        retrieval.get(context, keys)
                _note(row, retrieval.result)
                return
        self._fetch_by_move(wanted, missing, row, is_first=is_first)

    def _fetch_by_move(
        self,
        wanted: Wanted,
        missing: Mapping[str, Mapping[str, Value]],
        row: PullRow,
        *,
        is_first: bool,
    ) -> None:
        if self._node is None:
            raise UnsupportedError(
                "The peer has no C-GET. Start a node of ours that it knows as a destination, and "
                "pull with node=AE_TITLE: then it is asked to send there (C-MOVE)."
            )
        proposals = numbered([(uid, QUERY_SYNTAXES) for uid in MOVE_CLASSES])
        with self._peer.remote.associate(proposals) as association:
            context = _first(association, MOVE_CLASSES)
            if context is None:
                raise UnsupportedError("The peer has neither C-GET nor C-MOVE for our AE title.")
            for keys in _keys(wanted, missing, row, context, whole=is_first):
                result = move(association, context, keys, self._node)
                _note(row, result)
        row.received += len(missing.keys() & self._held(wanted))

    def _told(self, row: PullRow) -> Callable[[str, int], None]:
        def told(_uid: str, size: int) -> None:
            with self._lock:
                self._done += 1
                row.received += 1
                row.bytes += size
                self._progress(self._done, self._total)

        return told


def _first(association: Association, classes: Sequence[str]) -> Accepted | None:
    found = (association.context_for(uid) for uid in classes)
    return next((one for one in found if one is not None), None)


def _note(row: PullRow, result: Retrieved) -> None:
    row.received -= len(result.refused)
    row.missing |= result.refused
    row.missing |= dict.fromkeys(result.failed, "the peer could not give it")


def _keys(
    wanted: Wanted,
    missing: Mapping[str, Mapping[str, Value]],
    row: PullRow,
    context: Accepted,
    *,
    whole: bool,
) -> list[dict[str, Value]]:
    """Return the identifiers that ask for what is missing: wholes where all of it is."""
    any_record = next(iter(missing.values()))
    base: dict[str, Value] = {"StudyInstanceUID": wanted.study}
    if context.abstract_syntax in PATIENT_ROOT:
        base["PatientID"] = any_record.get("PatientID")
    if whole and not row.already_there and wanted.instance is None:
        if wanted.series is None:
            return [{**base, "QueryRetrieveLevel": "STUDY"}]
        return [{**base, "SeriesInstanceUID": wanted.series, "QueryRetrieveLevel": "SERIES"}]
    by_series: dict[str, list[str]] = {}
    for uid, record in missing.items():
        by_series.setdefault(str(record["SeriesInstanceUID"]), []).append(uid)
    return [
        {
            **base,
            "SeriesInstanceUID": series,
            "SOPInstanceUID": tuple(uids[at : at + _UIDS_AT_ONCE]),
            "QueryRetrieveLevel": "IMAGE",
        }
        for series, uids in by_series.items()
        for at in range(0, len(uids), _UIDS_AT_ONCE)
    ]
