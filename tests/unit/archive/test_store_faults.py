"""The network and the server fail: nothing acknowledged is lost, and the next try completes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dicomlab.archive import Archive, ImportProgress, ImportReport, Outcome, Place
from dicomlab.archive._object_store import ObjectStore
from dicomlab.archive._remote import Patience, Remote
from dicomlab.catalog import Query
from dicomlab.errors import IncompleteError, StorageError
from tests.faulty import Fault, Faulty, Request, before
from tests.small import part10, uid
from tests.stores import S3, SECRET

FILES = 6
TRIES = 3
# A connection that was kept open and is reset: aiohttp itself asks once more on a new one.
ON_A_KEPT_CONNECTION = {Fault.RESET, Fault.LOST}
PASSING = [Fault.RESET, Fault.ERROR, Fault.BUSY, Fault.LOST, Fault.SILENT]


@dataclass(frozen=True)
class Impatient(Place):
    """An archive in a store, with a clock that notes the waits and does not wait."""

    waits: list[float] = field(default_factory=list)
    folder: Path = Path()

    def open(self) -> ObjectStore:
        patience = Patience(tries=TRIES, sleep=self.waits.append)
        return ObjectStore(Remote(self.location, self.storage_options, patience), self.folder)


@pytest.fixture
def proxy(s3: S3) -> Iterator[Faulty]:
    """Give a proxy before the server."""
    with before(s3.endpoint) as faulty:
        yield faulty


@pytest.fixture
def place(s3: S3, proxy: Faulty, tmp_path: Path) -> Impatient:
    """Give the place of an archive behind the proxy."""
    quick = {"connect_timeout": 2, "read_timeout": 0.5}
    options = s3.options(proxy.endpoint) | {"config_kwargs": quick}
    location = f"s3://{s3.bucket()}/archive"
    return Impatient(location, storage_options=options, folder=tmp_path / "staging")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder of files to import."""
    made = tmp_path / "in"
    made.mkdir()
    for number in range(FILES):
        (made / str(number)).write_bytes(part10(1, 1, number))
    return made


def found(archive: Archive) -> set[object]:
    """Return the SOP Instance UIDs that the index shows."""
    return {row["SOPInstanceUID"] for row in archive.records(Query("image"))}


class Failing:
    """A plan: the first request for each object of a kind fails, or all do."""

    def __init__(self, fault: Fault, methods: str, part: str = "", *, always: bool = False) -> None:
        self.fault = fault
        self.methods = methods.split()
        self.part = part
        self.always = always
        self.seen: set[tuple[str, str]] = set()

    def __call__(self, request: Request) -> Fault | None:
        key = request.method, request.path.partition("?")[0]
        if request.method not in self.methods or self.part not in request.path:
            return None
        if key in self.seen and not self.always:
            return None
        self.seen.add(key)
        return self.fault


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("methods", ["PUT", "HEAD"])
def test_a_fault_that_passes_is_not_noticed(
    place: Impatient, proxy: Faulty, folder: Path, fault: Fault, methods: str
) -> None:
    """Each object's first request fails: the import completes, and says so truly."""
    with Archive(place) as archive:
        proxy.plan = Failing(fault, methods, "/instances/")
        report = archive.import_([folder])
        proxy.plan = lambda _: None

        assert report.counts[Outcome.NEW] == FILES
        assert len(proxy.faults) == FILES
        assert len(place.waits) == FILES or (fault in ON_A_KEPT_CONNECTION and not place.waits)
        assert archive.check().rows == []


@pytest.mark.parametrize("fault", [*PASSING, Fault.DENIED])
def test_a_fault_that_stays_ends_the_import_with_the_truth(
    place: Impatient, proxy: Faulty, folder: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was told is in the store and in the index; one clear sentence; a second import works."""
    monkeypatch.setattr("dicomlab.archive._import._GROUP_FILES", 2)
    monkeypatch.setattr("dicomlab.archive._import._AHEAD", 0)
    told: list[ImportProgress] = []
    plan = Failing(fault, "PUT", "/instances/", always=True)

    def tell(progress: ImportProgress) -> None:
        told.append(progress)
        proxy.plan = plan  # the first group is in, the second may be

    with Archive(place) as archive:
        with pytest.raises(IncompleteError, match="Writing to the archive's store") as caught:
            archive.import_([folder], progress=tell)
        proxy.plan = lambda _: None

        report = caught.value.report
        assert isinstance(report, ImportReport)
        acknowledged = {row.sop_instance_uid for row in report.of(Outcome.NEW)}
        assert 2 <= told[-1].files <= len(acknowledged) < FILES
        assert acknowledged == found(archive)
        for _, source in archive.retrieve(Query("image")):
            assert len(source.read_at(0, source.size)) == source.size
        tries = 1 if fault is Fault.DENIED else TRIES
        tries *= 2 if fault in ON_A_KEPT_CONNECTION else 1
        for path in {one.path for one in proxy.faults}:
            assert sum(one.path == path for one in proxy.faults) <= tries
        message = str(caught.value)
        assert not any(word in message for word in (SECRET, "127.0.0.1", "bucket-", "instances/"))
        assert ("access was denied" in message) == (fault is Fault.DENIED)

        assert archive.import_([folder]).is_complete
        assert found(archive) == {uid(1, 1, number) for number in range(FILES)}
        assert archive.check().rows == []
    assert not list((place.folder / "incoming").iterdir())


def test_the_note_of_arrivals_comes_before_the_index(
    place: Impatient, proxy: Faulty, folder: Path
) -> None:
    """Without it nothing is acknowledged; the objects are found by the next import."""
    with Archive(place) as archive:
        proxy.plan = Failing(Fault.BUSY, "PUT", "/arrivals/", always=True)
        with pytest.raises(IncompleteError):
            archive.import_([folder])
        proxy.plan = lambda _: None

        assert found(archive) == set()
        assert archive.import_([folder]).counts[Outcome.NEW] == FILES
        assert archive.check().rows == []


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.RESET, Fault.SILENT])
def test_a_body_that_is_cut_short_is_read_again(
    place: Impatient, proxy: Faulty, folder: Path, fault: Fault
) -> None:
    """Never are fewer bytes given than there are; where they cannot be had, that is said."""
    expected = {hashlib.sha256(path.read_bytes()).digest() for path in folder.iterdir()}
    with Archive(place) as archive:
        archive.import_([folder])

        proxy.plan = Failing(fault, "GET", "/instances/")
        read = {
            hashlib.sha256(source.read_at(0, source.size)).digest()
            for _, source in archive.retrieve(Query("image"))
        }
        proxy.plan = Failing(fault, "GET", "/instances/", always=True)
        with pytest.raises(StorageError, match=f"Reading a stored instance failed after {TRIES}"):
            archive.instances(uid(1, 1))

    assert read == expected


def test_a_check_of_a_store_that_fails_says_so(
    place: Impatient, proxy: Faulty, folder: Path
) -> None:
    """No report at all, rather than one that calls every instance damaged."""
    with Archive(place) as archive:
        archive.import_([folder])
        proxy.plan = Failing(Fault.BUSY, "GET", always=True)

        with pytest.raises(StorageError):
            archive.check(repair=True)

        proxy.plan = lambda _: None
        assert archive.check().rows == []


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.BUSY])
def test_deleting_and_setting_aside_survive_lost_answers(
    s3: S3, place: Impatient, proxy: Faulty, folder: Path, fault: Fault
) -> None:
    """What was done already is not an error the second time."""
    files = s3.files()
    root = place.location.removeprefix("s3://")
    with Archive(place) as archive:
        archive.import_([folder])
        bad = files.find(f"{root}/instances")[0]
        files.pipe_file(bad, b"damaged")

        proxy.plan = Failing(fault, "DELETE PUT")
        (row,) = archive.check(repair=True).rows
        kept = files.find(f"{root}/damaged")
        archive.import_([folder])
        archive.delete([uid(1)])
        proxy.plan = lambda _: None

        assert (row.detail, len(kept)) == ("set aside", 1)
        assert files.find(f"{root}/instances") == files.find(f"{root}/damaged") == []
        assert archive.check().rows == []


def test_a_server_that_is_not_there_is_one_sentence(place: Impatient, proxy: Faulty) -> None:
    """It is tried as often as is allowed, and no more; the waits double."""
    proxy.plan = lambda _: Fault.RESET

    with pytest.raises(StorageError, match=f"after {TRIES} tries"):
        Archive(place)

    first, second = place.waits
    assert 0.1 <= first <= 0.2 <= second <= 0.4
