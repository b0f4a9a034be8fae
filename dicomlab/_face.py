"""The public face: sources as a researcher holds them, answering with DataFrames."""

from __future__ import annotations

import atexit
import ssl
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import lru_cache
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

import pandas as pd

from dicomlab import config
from dicomlab.archive import Archive as Store
from dicomlab.archive import DeleteReport, ImportProgress, ImportReport, RetentionReport
from dicomlab.archive import Quarantine as Refused
from dicomlab.catalog import Browsable, Instance, Match, Query, Record, Series, Stores, Study
from dicomlab.dimse import (
    STORED_SYNTAXES,
    Node,
    Pull,
    PullReport,
    Push,
    PushReport,
    Service,
    Wanted,
    configured_peers,
    remote_ae,
)
from dicomlab.dimse import Peer as RemotePeer
from dicomlab.errors import IncompleteError, NotFoundError, UnsupportedError
from dicomlab.journal import Job, Journal, Task, open_configured
from dicomlab.media import ExportReport, FolderSource, ScanReport, open_folder
from dicomlab.media import export as export_to
from dicomlab.standard import UNIQUE_KEY, Level, attribute

if TYPE_CHECKING:
    from dicomlab.dicomweb import DicomWebSource

PathOrText: TypeAlias = str | PathLike[str]
_T = TypeVar("_T")

COLUMNS: dict[Level, tuple[str, ...]] = {
    Level.PATIENT: (
        "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
        "NumberOfPatientRelatedStudies",
    ),
    Level.STUDY: (
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
        "StudyDescription", "ModalitiesInStudy", "AccessionNumber",
        "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "StudyInstanceUID",
    ),
    Level.SERIES: (
        "PatientName", "PatientID", "StudyDate", "Modality", "SeriesNumber", "SeriesDescription",
        "BodyPartExamined", "NumberOfSeriesRelatedInstances", "SeriesInstanceUID",
        "StudyInstanceUID",
    ),
    Level.IMAGE: (
        "PatientID", "Modality", "SeriesNumber", "InstanceNumber", "SOPClassUID", "Rows",
        "Columns", "NumberOfFrames", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID",
    ),
}  # fmt: skip
"""What `find` shows of each level unless asked for more."""

_ENTRY_TEXTS = ("id", "reason", "message", "source")
_ENTRY_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_COUNTED = 100
_WHOLE = frozenset(("IS", "US", "SS", "UL", "SL"))
_REAL = frozenset(("DS", "FL", "FD"))


def to_dataframe(
    records: Iterable[Record], level: Level, *, include: Sequence[str] = ()
) -> pd.DataFrame:
    """Return records as a tidy table: one row an entity, one column a keyword.

    Dates are ``datetime64``, whole numbers ``Int64``, other numbers ``float64``, several values a
    tuple, everything else text; what the source left out is missing (``NA`` or ``NaT``). A date or
    number that is none (PS3.5 6.2) is missing too: the record keeps the text.
    """
    rows = list(records)
    columns = [*COLUMNS[level], *(word for word in include if word not in COLUMNS[level])]
    frame = pd.DataFrame(
        {word: _column(word, [row.get(word) for row in rows]) for word in columns},
        columns=columns,
    )
    frame.attrs["level"] = str(level)
    return frame


def _column(keyword: str, values: list[object]) -> pd.Series[Any]:
    vr, vm = attribute(keyword).vr, attribute(keyword).vm
    if vm != "1" or vr == "SQ":
        return pd.Series(values, dtype="object")
    if vr == "DA":
        days = pd.to_datetime(pd.Series(values, dtype="str"), format="%Y%m%d", errors="coerce")
        return days.astype("datetime64[s]")
    if vr in _WHOLE:
        return pd.Series([_whole(value) for value in values], dtype="Int64")
    if vr in _REAL:
        return pd.to_numeric(pd.Series(values, dtype="object"), errors="coerce").astype("float64")
    return pd.Series([_text(value) for value in values], dtype="str")


def _whole(value: object) -> int | None:
    """Return a whole number that a table can hold, ``None`` for anything else."""
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    return None


def _text(value: object) -> str | None:
    """Return one text; several values, where the standard allows one, as DICOM writes them."""
    if isinstance(value, tuple):
        return "\\".join(map(str, value))
    return None if value in (None, "") else str(value)


class Collection:
    """Studies that can be looked through: what the archive and a folder have in common."""

    def __init__(self, source: Browsable) -> None:
        self.source = source

    def find(
        self,
        level: str = "study",
        *,
        include: Sequence[str] = (),
        limit: int | None = None,
        offset: int = 0,
        order_by: Sequence[str] = (),
        **matches: Match,
    ) -> pd.DataFrame:
        """Return what matches as a DataFrame (PS3.4 C.2.2.2).

        Parameters
        ----------
        level
            ``"patient"``, ``"study"``, ``"series"`` or ``"image"``: what one row stands for.
        include
            Keywords to show besides the usual ones.
        limit, offset, order_by
            How many rows, from which, in which order; a keyword with ``-`` before it descends.
        **matches
            Keyword to what it must match: a value, a wildcard (``"DOE*"``), a range
            (``"20240101-"``), a list (any of them), ``""`` for anything.

        Raises
        ------
        NotFoundError
            A keyword is none; the message names near ones.
        """
        options = {"include": include, "limit": limit, "offset": offset, "order_by": order_by}
        query = Query.of(level, matches, **options)
        return to_dataframe(self.source.records(query), query.level, include=include)

    def studies(self, **matches: Match) -> list[Study]:
        """Return the studies that match."""
        return [
            Study(self.source, row) for row in self.source.records(Query.of(Level.STUDY, matches))
        ]

    def study(self, study_instance_uid: str) -> Study:
        """Return a study by its UID."""
        return Study(self.source, self._one(Level.STUDY, study_instance_uid))

    def series(self, series_instance_uid: str) -> Series:
        """Return a series by its UID."""
        return Series(self.source, self._one(Level.SERIES, series_instance_uid))

    def instance(self, sop_instance_uid: str) -> Instance:
        """Return an instance by its UID."""
        return Instance(self.source, self._one(Level.IMAGE, sop_instance_uid))

    def export(
        self,
        folder: PathOrText,
        level: str = "study",
        *,
        transfer_syntax_uid: str | None = None,
        **matches: Match,
    ) -> ExportReport:
        """Write what matches into a folder, as files by UIDs, without loss.

        Parameters
        ----------
        folder
            Where to; what an earlier export wrote there is left.
        level, **matches
            As in `find`: all instances of what matches are written.
        transfer_syntax_uid
            How they shall be coded; as they are by default.
        """
        with _bar("exporting", "instances") as update:
            return export_to(
                self.source,
                Query.of(level, matches),
                folder,
                transfer_syntax_uid=transfer_syntax_uid,
                progress=update,
            )

    def _one(self, level: Level, uid: str) -> Record:
        for record in self.source.records(Query.of(level, {UNIQUE_KEY[level]: uid})):
            return record
        raise NotFoundError(f"No {level.lower()} has {UNIQUE_KEY[level]} {uid} here.")

    def __repr__(self) -> str:
        found = sum(1 for _ in self.source.records(Query(Level.STUDY, limit=_COUNTED)))
        more = " or more" if found == _COUNTED else ""
        return f"<{type(self).__name__}: {found} studies{more}>"

    def _repr_html_(self) -> str:
        return self.find(limit=20).to_html(index=False)


class Folder(Collection):
    """Studies in a folder, a file, a zip or a tar, read in place: nothing is imported."""

    source: FolderSource

    def __init__(self, source: FolderSource) -> None:
        super().__init__(source)

    @property
    def report(self) -> ScanReport:
        """What was left out, and why."""
        return self.source.report


class Quarantine(Refused):
    """Files that the archive refused, and why; `table` has them as a DataFrame."""

    def __init__(self, source: Refused) -> None:
        super().__init__(source.files, source.importing, source.audit)

    def table(self) -> pd.DataFrame:
        """Return one row for each file, the oldest first."""
        entries = self.list()
        uids = {keyword: [one.uids.get(keyword) for one in entries] for keyword in _ENTRY_UIDS}
        texts = {name: [getattr(one, name) for one in entries] for name in _ENTRY_TEXTS}
        received = pd.to_datetime([one.received for one in entries], utc=True, errors="coerce")
        return pd.DataFrame({
            **{name: pd.Series(values, dtype="str") for name, values in texts.items()},
            "size": pd.Series([one.size for one in entries], dtype="int64"),
            "received": pd.Series(received, dtype="datetime64[s, UTC]"),
            **{name: pd.Series(values, dtype="str") for name, values in uids.items()},
        })  # fmt: skip


class Archive(Collection):
    """The durable local archive."""

    source: Store

    def __init__(self, store: Store) -> None:
        super().__init__(store)

    def import_(
        self,
        *paths: PathOrText,
        progress: Callable[[ImportProgress], None] | None = None,
    ) -> ImportReport:
        """Bring files, folders, zips and tars into the archive and report on each.

        Parameters
        ----------
        *paths
            What to import: paths, or patterns such as ``scans/**/*.dcm``.
        progress
            Called after each group of files; without it a bar is shown where somebody is
            watching, in a terminal or a notebook.
        """
        if progress is not None:
            return self.source.import_(paths, progress=progress)
        with _bar("importing", "files") as update:
            return self.source.import_(
                paths, progress=lambda done: update(done.files, done.total_files)
            )

    @property
    def quarantine(self) -> Quarantine:
        """Files that were refused: to be listed, looked at, released or discarded."""
        return Quarantine(self.source.quarantine)

    def delete(
        self,
        *uids: str,
        level: str = "study",
        dry_run: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> DeleteReport:
        """Delete studies (or series, or instances) for good: from the index, then their files.

        Parameters
        ----------
        *uids
            Which, by UID; ``archive.delete(*table["StudyInstanceUID"])`` takes a column.
        level
            What the UIDs are: ``"study"``, ``"series"`` or ``"image"``.
        dry_run
            Delete nothing; the report says what would be deleted, and how much that is.
        progress
            Called after each UID; without it a bar is shown where somebody is watching.

        Raises
        ------
        NotFoundError
            The archive does not hold one of them: nothing is deleted.
        """
        found = Level(level)
        if progress is not None:
            return self.source.delete(uids, level=found, dry_run=dry_run, progress=progress)
        with _bar("deleting", found.lower()) as update:
            return self.source.delete(uids, level=found, dry_run=dry_run, progress=update)

    def pull(
        self,
        peer: Peer,
        wanted: pd.DataFrame | Iterable[str],
        *,
        through: Callable[[Stores], Stores] | None = None,
        node: Node | None = None,
        wait: bool = True,
    ) -> PullReport | Job[PullReport]:
        """Fetch studies from a PACS into the archive: only what is missing here.

        The peer is asked what it has, gives what is not here (C-GET, or C-MOVE to `node`), and
        what it gave is compared with its list. Stopped in between, by Control-C or a dead line,
        the same call goes on where it ended.

        Parameters
        ----------
        peer
            Where from, as `connect` gives it.
        wanted
            A table that `Peer.find` answered, of studies, series or images; or Study Instance UIDs.
        through
            Makes of the archive what takes the instances: a transform on the way.
        node
            A node of ours that serves this archive and that the peer knows: for a peer without
            C-GET.
        wait
            With ``False`` a job is returned at once; its `result` is the report.

        Raises
        ------
        IncompleteError
            The archive's disk is full or fails; its `report` has what was done.
        """
        listed = _wanted(wanted)

        def work(task: Task) -> PullReport:
            with self.source.receiver() as receiver, _bar("pulling", "instances") as update:

                def progress(done: int, total: int) -> None:
                    task.report(done, total)
                    update(done, total)

                pull = Pull(
                    peer.source, self.source, receiver if through is None else through(receiver),
                    node=None if node is None else node.aet, progress=progress,
                    stop=lambda: task.is_cancelled,
                )  # fmt: skip
                return pull.run(listed)

        return _run(JobKind.PULL, work, wait=wait)

    def push(
        self,
        peer: Peer,
        wanted: pd.DataFrame | Iterable[str],
        *,
        resend: int = 0,
        missing_only: bool = False,
        wait: bool = True,
    ) -> PushReport | Job[PushReport]:
        """Send studies of the archive to a PACS (C-STORE).

        Instances go as they are stored; where the peer takes no such transfer syntax they are
        transcoded. A refusal ends the push (PS3.4 B.2.3).

        Parameters
        ----------
        peer
            Where to, as `connect` gives it.
        wanted
            A table that `find` answered, of studies, series or images; or Study Instance UIDs.
        resend
            How often an instance is sent again for which the peer is out of resources.
        missing_only
            Ask the peer first, and send what it does not have: so a push that failed goes on.
        wait
            With ``False`` a job is returned at once; its `result` is the report.

        Raises
        ------
        IncompleteError
            The peer refused an instance or the line went dead; its `report` has what was done.
        AssociationError
            The peer cannot be reached, or rejects us.
        """
        queries = _queries(_wanted(wanted))

        def work(task: Task) -> PushReport:
            with _bar("pushing", "instances") as update:

                def progress(done: int, total: int) -> None:
                    task.report(done, total)
                    update(done, total)

                push = Push(
                    peer.source, self.source, resend=resend, missing_only=missing_only,
                    pause=task.pause, progress=progress, stop=lambda: task.is_cancelled,
                )  # fmt: skip
                return push.run(queries)

        return _run(JobKind.PUSH, work, wait=wait)

    def expired(self) -> RetentionReport:
        """Return the studies that have expired by the rules of the configuration, and why.

        The rules are the tables ``retention`` of ``config.toml``; nothing is deleted.
        """
        return self.source.expired()

    def expire(self, progress: Callable[[int, int], None] | None = None) -> RetentionReport:
        """Delete the studies that have expired by the rules of the configuration."""
        if progress is not None:
            return self.source.expire(progress=progress)
        with _bar("deleting", "studies") as update:
            return self.source.expire(progress=update)

    def close(self) -> None:
        """Let go of the index."""
        self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Peer:
    """A PACS or another application entity of the DICOM network, asked over the network.

    Attributes
    ----------
    source
        The peer as the rest of dicomlab sees it.
    """

    def __init__(self, source: RemotePeer) -> None:
        self.source = source

    def echo(self) -> float:
        """Ask whether it is there (C-ECHO); return how long the answer took, in seconds.

        Raises
        ------
        AssociationError
            It cannot be reached, rejects us, or falls silent.
        """
        return self.source.echo()

    def find(
        self,
        level: str = "study",
        *,
        include: Sequence[str] = (),
        limit: int | None = None,
        offset: int = 0,
        order_by: Sequence[str] = (),
        partial: bool = False,
        **matches: Match,
    ) -> pd.DataFrame:
        """Return what matches as a DataFrame, as `Archive.find` does (C-FIND).

        A list, Series or column is asked for value by value where the standard has no lists, and
        the answers come in its order. ``frame.attrs["certificate"]`` says what was asked, whether
        the answer is whole, and which values of a list matched nothing (``"unmatched"``) or
        several (``"ambiguous"``). Control-C makes the peer stop (C-CANCEL).

        Parameters
        ----------
        level
            ``"patient"``, ``"study"``, ``"series"`` or ``"image"``: what one row stands for.
        include
            Keywords to ask for besides the usual ones.
        limit, offset, order_by
            How many rows, from which, in which order; a keyword with ``-`` before it descends.
        partial
            Return what came although the peer keeps some back.
        **matches
            Keyword to what it must match; see `dicomlab.Query`.

        Raises
        ------
        IncompleteError
            The peer cuts its answers, and smaller questions do not help.
        NotFoundError
            A keyword is none; the message names near ones.
        """
        options = {"include": include, "limit": limit, "offset": offset, "order_by": order_by}
        query = Query.of(level, matches, **options)
        answers = self.source.records(query)
        rows: list[Record] = []
        try:
            rows.extend(answers)
        except IncompleteError:
            if not partial:
                raise
        frame = to_dataframe(rows, query.level, include=include)
        frame.attrs["certificate"] = answers.certificate.to_dict()
        return frame

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.source.remote}>"


class WebPeer(Collection):
    """A DICOMweb server: its studies are found, opened and fetched like those of an archive."""

    source: DicomWebSource

    def __init__(self, source: DicomWebSource) -> None:
        super().__init__(source)

    def close(self) -> None:
        """Close all connections."""
        self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class JobKind(StrEnum):
    """The jobs of the network."""

    PULL = "pull"
    PUSH = "push"


@lru_cache(maxsize=1)
def _journal(_home: Path) -> Journal:
    """Return the journal of this process; opened when it is first needed, closed at its end."""
    journal = open_configured()
    atexit.register(journal.close)
    return journal


def _run(kind: JobKind, work: Callable[[Task], _T], *, wait: bool) -> _T | Job[_T]:
    job = _journal(config.home()).start(kind, work)
    if not wait:
        return job
    try:
        return job.result()
    except KeyboardInterrupt:
        # The work ends at its next instance, and its report says what was done.
        job.cancel()
        return job.result()


def _wanted(wanted: pd.DataFrame | Iterable[str]) -> list[Wanted]:
    """Return what a table or a list of UIDs names."""
    if not isinstance(wanted, pd.DataFrame):
        listed = [wanted] if isinstance(wanted, str) else list(wanted)
        return [Wanted(study) for study in listed]
    keys = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
    if keys[0] not in wanted.columns:
        raise ValueError(
            "The table has no column StudyInstanceUID: ask for studies, series or images."
        )
    # The level that it was asked at: a table of studies has no column of the levels below.
    columns = [key for key in keys if key in wanted.columns]
    return [Wanted(*row) for row in wanted[columns].itertuples(index=False, name=None)]


def _queries(wanted: Iterable[Wanted]) -> list[Query]:
    """Return the queries for all that is wanted: a few with lists, not one for each."""
    studies: list[str] = []
    series: list[str] = []
    images: dict[str, list[str]] = {}
    for one in wanted:
        if one.instance is not None and one.series is not None:
            images.setdefault(one.series, []).append(one.instance)
        elif one.series is not None:
            series.append(one.series)
        else:
            studies.append(one.study)
    found = [Query(Level.STUDY, StudyInstanceUID=studies)] if studies else []
    found += [Query(Level.SERIES, SeriesInstanceUID=series)] if series else []
    found += [Query(Level.IMAGE, SeriesInstanceUID=of, SOPInstanceUID=uids)
              for of, uids in images.items()]  # fmt: skip
    return found


@contextmanager
def _bar(label: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show progress in a terminal or a notebook, nothing elsewhere."""
    from tqdm.auto import tqdm  # noqa: PLC0415  it looks for a notebook when it is imported

    in_notebook = "ipykernel" in sys.modules
    with tqdm(
        desc=label, unit=f" {unit}", leave=False, disable=not (in_notebook or sys.stderr.isatty())
    ) as shown:

        def update(done: int, total: int | None) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield update


def open_archive(
    location: PathOrText | None = None,
    *,
    index: str | None = None,
    quota_bytes: int | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> Archive:
    """Open the archive at a folder, by default the configured one; it is made where absent.

    Its files may also be in a store that fsspec reaches, by URL (``s3://bucket/folder``), with
    ``storage_options`` for its driver. Its index is SQLite, in the folder or for a URL under
    ``DICOMLAB_HOME``, or a PostgreSQL database by its URL. What would make the stored files larger
    than ``quota_bytes`` is refused. What is not said here is what the table ``archive`` of
    ``config.toml`` under ``DICOMLAB_HOME`` says; the folder ``archive`` there where it says
    nothing.

    Raises
    ------
    RefusedError
        The configuration cannot be used; the message names what is wrong in it.
    """
    opened = Store.open(
        location,
        index=index,
        quota_bytes=quota_bytes,
        storage_options=storage_options,
        journal=open_configured,
    )
    return Archive(opened)


def open(location: PathOrText) -> Folder:  # noqa: A001  the public name of DESIGN
    """Open a folder, file, zip or tar of DICOM as a source, without importing anything.

    Raises
    ------
    NotFoundError
        There is no such path.
    UnsupportedError
        The location is a URL: those are not opened yet.
    ValueError
        The location is empty: the current folder is ``"."``.
    """
    text = fspath(location)
    if not text.strip():
        raise ValueError('The location is empty: give a path; the current folder is "."')
    if "://" in text:
        raise UnsupportedError(
            "open() takes a path: a folder, a file or a zip on this machine, no URL."
        )
    return Folder(open_folder(text))


def connect(
    location: str,
    *,
    aet: str | None = None,
    auth: str | tuple[str, str] | None = None,
    timeout_s: float = 40.0,
    max_pdu: int = 16384,
    transfer_syntaxes: Sequence[str] = (),
    tls: ssl.SSLContext | None = None,
) -> Peer | WebPeer:
    """Return a PACS, other application entity or DICOMweb server by its address or name.

    Nothing is sent yet.

    Parameters
    ----------
    location
        ``dicom://AET@host:port``, ``dicoms://AET@host:port`` for a secured link, or the name of a
        table in ``peers`` of ``config.toml``; ``https://host/dicom-web`` or the name of a table in
        ``dicomweb`` for a DICOMweb server, which takes `auth` and `timeout_s` only.
    aet
        Our own AE title; by default the configured one, or ``DICOMLAB``.
    auth
        For DICOMweb: a bearer token, or user and password; by default what is configured.
    timeout_s
        How long the peer may be silent.
    max_pdu
        The longest P-DATA-TF that we take, 4096 to 131072 bytes.
    transfer_syntaxes
        UIDs to offer when instances are sent, the best first.
    tls
        What secures the link, as `dicomlab.dimse.client_context` makes it.

    Raises
    ------
    ValueError
        The address is none.
    RefusedError
        No peer of this name is configured.
    """
    from dicomlab.dicomweb import is_web, web_source  # noqa: PLC0415  HTTP is slow to import

    if is_web(location):
        return WebPeer(web_source(location, auth=auth, timeout_s=timeout_s))
    remote = remote_ae(
        location, aet=aet, timeout_s=timeout_s, max_pdu=max_pdu,
        transfer_syntaxes=transfer_syntaxes, tls=tls,
    )  # fmt: skip
    return Peer(RemotePeer(remote))


def node(
    archive: Archive,
    *,
    aet: str | Sequence[str] | None = None,
    port: int | None = None,
    addresses: Sequence[str] | None = None,
    destinations: Mapping[str, str] | None = None,
    allow_aets: Iterable[str] | None = None,
    allow_addresses: Sequence[str] | None = None,
    open: bool = False,  # noqa: A002  the word of the configuration
    stores: bool = True,
    unrestricted: bool = True,
    transfer_syntaxes: Sequence[str] = (),
    max_pdu: int = 16384,
    timeout_s: float = 40.0,
    tls: ssl.SSLContext | None = None,
) -> Node:
    """Serve an archive on the DICOM network: echo, store, find, get and move.

    ``with dl.node(archive) as node:`` listens until the block ends. An instance is acknowledged
    when it is on disk and indexed.

    Parameters
    ----------
    archive
        What is served, and what takes what is sent.
    aet
        Our AE titles; calls to others are rejected. By default the configured one, ``DICOMLAB``.
    port
        TCP port, 0 for any free one; by default the configured one, 11112.
    addresses
        Addresses to listen on; by default those configured, which is this machine alone.
    destinations
        Where C-MOVE may send: AE title to ``dicom://AET@host:port``. The configured peers are
        known as well.
    allow_aets, allow_addresses
        Who may call: AE titles, and addresses or networks (``"10.1.0.0/16"``).
    open
        Anybody on the network may call.
    stores
        Whether instances are taken.
    unrestricted
        Whether private and unknown SOP classes are taken as well.
    transfer_syntaxes
        What instances are taken in, the best first; by default all, compressed ones first.
    max_pdu
        The longest P-DATA-TF that we take, 4096 to 131072 bytes.
    timeout_s
        How long a caller may be silent.
    tls
        What secures the port, as `dicomlab.dimse.server_context` makes it.

    Raises
    ------
    RefusedError
        It would take calls from everybody, without ``open=True``.
    StorageError
        The port is taken, or the archive cannot be written.
    """
    local = config.load().aes["main"] if config.is_set() else config.LocalAE()
    titles = (aet,) if isinstance(aet, str) else tuple(aet or (local.aet,))
    known = {**configured_peers(), **{
        title: remote_ae(url, aet=titles[0]) for title, url in (destinations or {}).items()
    }}  # fmt: skip
    receiver = archive.source.receiver() if stores else None
    try:
        service = Service(
            archive.source,
            receiver,
            aets=titles,
            destinations=known,
            allow_aets=None if allow_aets is None else frozenset(allow_aets),
            allow_addresses=allow_addresses,
            transfer_syntaxes=tuple(transfer_syntaxes) or STORED_SYNTAXES,
            unrestricted=unrestricted,
            max_pdu=max_pdu,
            timeout_s=timeout_s,
            tls=tls,
            record=_journal(config.home()).record_all,
        )
        return Node(
            service,
            port=local.port if port is None else port,
            addresses=addresses or local.addresses,
            open_to_all=open,
            on_close=receiver.close if receiver is not None else lambda: None,
        )
    except BaseException:
        if receiver is not None:
            receiver.close()
        raise
