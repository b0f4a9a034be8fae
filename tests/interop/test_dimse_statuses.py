"""What becomes of each status, of silence and of a dead line (PS3.4 B.2.3, C.4; PS3.7 C)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

import dicomlab as dl
from dicomlab import _face, config
from dicomlab.catalog import Query
from dicomlab.dimse import Peer, RemoteAE, remote_ae
from dicomlab.dimse._command import decode_command, encode_command
from dicomlab.dimse._push import Push
from dicomlab.dimse._retrieve import Retrieval, get_contexts
from dicomlab.errors import AssociationError, IncompleteError, StatusError
from dicomlab.journal import EventKind, JobState, Outcome
from dicomlab.standard import UNIQUE_KEY, Level
from tests.scripted import Clock, scripted, silent
from tests.small import part10

STUDY = "1.2.3.4"
FAILURES = {
    "S-103": (0xA700, 0xA701, 0xA77F, 0xA7FF),
    "S-104": (0xA900, 0xA97F, 0xA9FF),
    "S-105": (0xC000, 0xC123, 0xCFFF),
    "S-109": (0x0110, 0x0122, 0x0211, 0xA800, 0xFE00, 0x1234),
}
WARNINGS = {"S-106": 0xB000, "S-107": 0xB007, "S-108": 0xB006}


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dl.Archive]:
    """Hold three instances, and a home of the test's own."""
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))
    (tmp_path / "in").mkdir()
    for number in (1, 2, 3):
        (tmp_path / "in" / f"{number}").write_bytes(part10(1, 1, number))
    with dl.open_archive(tmp_path / "archive") as opened:
        opened.import_(tmp_path / "in")
        yield opened


def last_job() -> Any:
    return next(iter(_face._journal(config.home()).jobs()))


@pytest.mark.req("S-102")
def test_success_is_counted(archive: dl.Archive) -> None:
    """0000: each instance was received."""
    with scripted(lambda _event: 0x0000) as peer:
        report = archive.push(dl.connect(peer.url), archive.find())

    assert report.is_complete
    assert sorted(report.sent) == sorted(peer.stored)
    assert not peer.aborted.is_set()
    assert last_job().state is JobState.DONE


@pytest.mark.parametrize(
    ("row", "status"),
    [
        pytest.param(row, status, marks=pytest.mark.req(row), id=f"{row}-{status:04X}")
        for row, statuses in FAILURES.items()
        for status in statuses
    ],
)
def test_a_refused_instance_ends_the_push(archive: dl.Archive, row: str, status: int) -> None:
    """A-ABORT, the job failed, the status and what it means is said, and an alert is raised."""
    del row
    alerts: list[Any] = []
    end = _face._journal(config.home()).on_alert(alerts.append)
    with scripted(lambda _event: status) as peer:
        with pytest.raises(IncompleteError, match=f"{status:04X}H") as caught:
            archive.push(dl.connect(peer.url), archive.find())
        assert peer.aborted.wait(60)
    end()

    assert isinstance(caught.value.__cause__, StatusError)
    assert caught.value.__cause__.status == status
    report = caught.value.report
    assert (len(report.failed), len(report.left)) == (1, 2)  # type: ignore[attr-defined]
    assert last_job().state is JobState.FAILED
    assert [one.kind for one in alerts] == [EventKind.JOB_ENDED]
    assert alerts[0].outcome is Outcome.SERIOUS_FAILURE


@pytest.mark.parametrize(
    ("row", "status"),
    [
        pytest.param(row, status, marks=pytest.mark.req(row), id=row)
        for row, status in WARNINGS.items()
    ],
)
def test_a_warning_is_a_success_that_is_told(archive: dl.Archive, row: str, status: int) -> None:
    """Coercion, discarded elements, another SOP class: stored, with the meaning in the report."""
    del row
    with scripted(lambda _event: status) as peer:
        report = archive.push(dl.connect(peer.url), archive.find())

    assert report.is_complete
    assert len(report.sent) == 3
    assert all(text.startswith(f"{status:04X}H ") for text in report.warnings.values())
    assert len(report.warnings) == 3
    assert not peer.aborted.is_set()


def test_every_status_is_a_success_a_warning_or_a_failure(archive: dl.Archive) -> None:
    """All 65,536 of them."""
    push = Push(Peer(remote_ae("dicom://A@127.0.0.1:1")), archive.source)
    good = []
    for status in range(0x10000):
        push.report.left = ["1.2.3"]
        command = decode_command(encode_command({"Status": status}, has_data_set=False))
        with suppress(StatusError):
            push._settle("1.2.3", command)
            good.append(status)

    assert good == [0x0000, 0xB000, 0xB006, 0xB007]


@pytest.mark.req("S-112")
def test_a_failed_push_goes_on_with_what_is_missing(archive: dl.Archive) -> None:
    """In the end the peer has each instance, none twice."""
    statuses = iter([0x0000, 0xA700, 0x0000, 0x0000])
    held: dict[str, Dataset] = {}

    def store(event: Any) -> int:
        status = next(statuses)
        if status == 0x0000:
            held[str(event.request.AffectedSOPInstanceUID)] = event.dataset
        return status

    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        yield from answers(event.identifier, list(held))

    with scripted(store, find) as peer:
        with pytest.raises(IncompleteError):
            archive.push(dl.connect(peer.url), archive.find())
        report = archive.push(dl.connect(peer.url), archive.find(), missing_only=True)

    assert (len(report.already_there), len(report.sent)) == (1, 2)
    assert len(peer.stored) == len(set(peer.stored)) == 3


def answers(asked: Dataset, uids: list[str]) -> Iterator[tuple[int, Dataset | None]]:
    """Answer a query as a PACS of one study would."""
    level = asked.QueryRetrieveLevel
    key = UNIQUE_KEY[Level(level)]
    values = (
        uids if level == "IMAGE" else [uids[0].rsplit(".", {"STUDY": 2, "SERIES": 1}[level])[0]]
    )
    for value in values:
        one = Dataset()
        one.QueryRetrieveLevel = level
        setattr(one, key, value)
        yield 0xFF00, one


@pytest.mark.req("S-113")
def test_out_of_resources_is_tried_again_where_asked_for(archive: dl.Archive) -> None:
    """With growing pauses; without being asked for it fails."""
    pauses: list[float] = []
    statuses = iter([0xA700, 0xA700, 0x0000, 0x0000, 0x0000])
    with scripted(lambda _event: next(statuses)) as peer:
        push = Push(Peer(remote_ae(peer.url)), archive.source, resend=2, pause=pauses.append)
        report = push.run([Query("study")])
    with scripted(lambda _event: 0xA700) as peer, pytest.raises(IncompleteError):
        Push(Peer(remote_ae(peer.url)), archive.source, pause=pauses.append).run([Query("study")])

    assert report.is_complete
    assert pauses == [1.0, 2.0]


def black_hole(port: int, timeout_s: float = 40.0) -> RemoteAE:
    return remote_ae(f"dicom://HOLE@127.0.0.1:{port}", timeout_s=timeout_s, clock=Clock(timeout_s))


@pytest.mark.req("S-099")
@pytest.mark.parametrize("timeout_s", [40.0, 3.0])
def test_a_peer_that_never_answers_is_given_up(timeout_s: float) -> None:
    """After 40 s by default, as long as configured otherwise."""
    with silent() as port:
        remote = black_hole(port, timeout_s)
        with pytest.raises(AssociationError, match=f"silent for {timeout_s:g} s"):
            Peer(remote).echo()
    assert remote_ae("dicom://A@127.0.0.1:1").timeout_s == 40.0


def test_half_a_pdu_is_not_waited_for_longer() -> None:
    """A peer that sends a byte now and then does not prolong its time."""
    with silent(b"\x02\x00\x00\x00") as port, pytest.raises(AssociationError, match="half a PDU"):
        Peer(black_hole(port)).echo()


# PEER pynetdicom 3.0.4 leaves its own socket to the collector when it is aborted in a handler.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.req("S-110")
@pytest.mark.req("S-117")
@pytest.mark.req("S-119")
@pytest.mark.parametrize("call", ["store", "find", "get"])
def test_a_peer_that_falls_silent_is_given_up(archive: dl.Archive, call: str) -> None:
    """Amid a push, a query or a retrieve: A-ABORT, and the call ends with an error."""
    go_on = threading.Event()

    def store(_event: Any) -> int:
        assert go_on.wait(60)
        return 0x0000

    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        yield store(event), None

    def get(event: Any) -> Iterator[int]:
        yield store(event)

    def push(source: Peer) -> None:
        Push(source, archive.source).run([Query("study")])

    def ask(source: Peer) -> None:
        list(source.records(Query("study")))

    def fetch(source: Peer) -> None:
        contexts, roles = get_contexts(["1.2.840.10008.5.1.4.1.1.7"])
        with (
            archive.source.receiver() as stores,
            source.remote.associate(contexts, roles=roles) as association,
        ):
            context = association.context_for("1.2.840.10008.5.1.4.1.2.2.3")
            assert context is not None
            Retrieval(association, stores).get(context, {"StudyInstanceUID": STUDY})

    calls = {"store": push, "find": ask, "get": fetch}
    with scripted(store, find, get) as peer:
        source = Peer(remote_ae(peer.url, timeout_s=0.5))
        with pytest.raises((AssociationError, IncompleteError), match=r"silent for 0\.5 s"):
            calls[call](source)
        go_on.set()
        assert peer.aborted.wait(60)


@pytest.mark.parametrize(
    ("row", "action"),
    [
        pytest.param("S-111", "abort", marks=pytest.mark.req("S-111"), id="abort"),
        pytest.param("S-111", "kill", marks=pytest.mark.req("S-111"), id="kill"),
    ],
)
def test_a_peer_that_goes_leaves_a_failed_job(archive: dl.Archive, row: str, action: str) -> None:
    """A-ABORT, or the end of the connection amid the push."""
    del row

    def store(event: Any) -> int:
        if action == "abort":
            event.assoc.abort()
        else:
            event.assoc.dul.socket.socket.close()
        return 0x0000

    with scripted(store) as peer, pytest.raises(IncompleteError) as caught:
        archive.push(dl.connect(peer.url), archive.find())

    assert isinstance(caught.value.__cause__, AssociationError)
    assert len(caught.value.report.left) == 3  # type: ignore[attr-defined]
    assert last_job().state is JobState.FAILED


def finder(*last: int, count: int = 2) -> Callable[[Any], Iterator[tuple[int, Dataset | None]]]:
    """Return a C-FIND that answers some studies and ends with statuses."""

    def find(_event: Any) -> Iterator[tuple[int, Dataset | None]]:
        for number in range(count):
            one = Dataset()
            one.QueryRetrieveLevel = "STUDY"
            one.StudyInstanceUID = f"{STUDY}.{number}"
            yield (0xFF00, 0xFF01)[number % 2], one
        for status in last:
            yield status, None

    return find


@pytest.mark.req("S-116")
@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB006, 0xB007])
def test_pending_answers_go_on_until_a_good_end(status: int) -> None:
    """FF00 and FF01 are answers; success and the warnings of the register end them."""
    with scripted(find=finder(status)) as peer:
        found = dl.connect(peer.url).find()

    assert len(found) == 2
    assert not peer.aborted.is_set()


@pytest.mark.req("S-116")
@pytest.mark.parametrize("status", [0xA700, 0xA7FF, 0xA900, 0xA9AA, 0xC000, 0xCFFF, 0x0110, 0x0122])
def test_a_refused_query_is_an_error(status: int) -> None:
    """With the status and what it means; the association is aborted."""
    with scripted(find=finder(status)) as peer:
        with pytest.raises(StatusError, match=f"{status:04X}H") as caught:
            dl.connect(peer.url).find()
        assert peer.aborted.wait(60)

    assert caught.value.status == status


def test_a_reader_who_stops_makes_the_peer_stop() -> None:
    """C-CANCEL: the peer ends within its next answer, and the association is released."""
    cancelled: list[bool] = []

    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        for number in range(1_000_000):
            if event.is_cancelled:
                cancelled.append(True)
                yield 0xFE00, None
                return
            one = Dataset()
            one.QueryRetrieveLevel = "STUDY"
            one.StudyInstanceUID = f"{STUDY}.{number}"
            yield 0xFF00, one

    with scripted(find=find) as peer:
        answered = dl.connect(peer.url).source.records(Query("study", limit=3))
        rows = list(answered)
        del answered

    assert len(rows) == 3
    assert cancelled == [True]


@pytest.mark.parametrize("last", [0xB001, 0xFE00])
def test_an_answer_that_the_peer_cuts_is_asked_for_in_parts(last: int) -> None:
    """By date, until no part is cut: in the end each study is there once."""
    studies = {f"{STUDY}.{n}": f"2024{1 + n // 28:02d}{1 + n % 28:02d}" for n in range(250)}
    most = 40

    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        low, dash, high = event.identifier.StudyDate.partition("-")
        high = high or ("99991231" if dash or not low else low)
        matching = [uid for uid, day in studies.items() if (low or "0") <= day <= high]
        for uid in matching[:most]:
            one = Dataset()
            one.QueryRetrieveLevel = "STUDY"
            one.StudyInstanceUID, one.StudyDate = uid, studies[uid]
            yield 0xFF00, one
        if len(matching) > most:
            yield last, None

    with scripted(find=find) as peer:
        found = dl.connect(peer.url).find()

    certificate = found.attrs["certificate"]
    assert sorted(found["StudyInstanceUID"]) == sorted(studies)
    assert certificate["capped"] > 5
    assert certificate["findings"] == ["undated-unproved"]


def test_a_cap_that_nobody_says_is_found_by_its_round_number() -> None:
    """100 answers of 250, and success."""
    studies = {f"{STUDY}.{n}": f"2024{1 + n // 28:02d}{1 + n % 28:02d}" for n in range(250)}

    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        low, dash, high = event.identifier.StudyDate.partition("-")
        high = high or ("99991231" if dash or not low else low)
        matching = [uid for uid, day in studies.items() if (low or "0") <= day <= high]
        for uid in matching[:100]:
            one = Dataset()
            one.QueryRetrieveLevel = "STUDY"
            one.StudyInstanceUID, one.StudyDate = uid, studies[uid]
            yield 0xFF00, one

    with scripted(find=find) as peer:
        found = dl.connect(peer.url).find()

    assert len(found) == 250


def test_a_cap_that_cannot_be_split_is_an_error() -> None:
    """All of one second: the caller hears of it, and may have what came."""

    def find(_event: Any) -> Iterator[tuple[int, Dataset | None]]:
        for number in range(5):
            one = Dataset()
            one.QueryRetrieveLevel = "STUDY"
            one.StudyInstanceUID = f"{STUDY}.{number}"
            one.StudyDate, one.StudyTime = "20240101", "120000"
            yield 0xFF00, one
        yield 0xB001, None

    with scripted(find=find) as peer:
        with pytest.raises(IncompleteError, match="smaller parts"):
            dl.connect(peer.url).find()
        partial = dl.connect(peer.url).find(partial=True)

    assert len(partial) == 5
    assert not partial.attrs["certificate"]["is_complete"]


def test_the_commands_of_a_store_are_in_the_log(archive: dl.Archive) -> None:
    """A push is a job with its beginning and its end in the journal."""
    journal = _face._journal(config.home())
    before = len(list(journal.events()))
    with scripted(lambda _event: 0x0000) as peer:
        archive.push(dl.connect(peer.url), archive.find())

    kinds = [one.kind for one in journal.events()][before:]
    assert kinds == [EventKind.JOB_QUEUED, EventKind.JOB_STARTED, EventKind.JOB_ENDED]
