"""An archive whose files are in an object store: nothing is lost, little is read."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, event

from dicomlab import phantoms
from dicomlab.archive import Archive, Outcome, Problem
from dicomlab.archive._remote import Patience, Remote
from dicomlab.archive._store import name_of
from dicomlab.catalog import Query, Series
from dicomlab.cli import main
from dicomlab.errors import MissingDependencyError, StorageError, UnsupportedError
from tests.postgres import Postgres
from tests.small import part10, uid
from tests.stores import S3, SECRET


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a DICOMLAB_HOME, where the index of a store is."""
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with six files to import."""
    made = tmp_path / "in"
    made.mkdir()
    for number in range(6):
        (made / str(number)).write_bytes(part10(1 + number % 2, 1, number))
    return made


@pytest.fixture
def url(s3: S3) -> str:
    """Give the URL of an archive that is not there yet."""
    return f"s3://{s3.bucket()}/some/archive"


@pytest.fixture
def archive(s3: S3, url: str, folder: Path) -> Iterator[Archive]:
    """Give an archive of six instances."""
    with Archive.open(url, storage_options=s3.options()) as opened:
        assert opened.import_([folder]).counts[Outcome.NEW] == 6
        yield opened


def stored(s3: S3, url: str) -> dict[str, bytes]:
    """Return the content of each object among the instances, by its hash."""
    files = s3.files()
    found = files.find(f"{url.removeprefix('s3://')}/instances")
    return {path.rpartition("/")[2].removesuffix(".dcm"): files.cat_file(path) for path in found}


def test_objects_are_named_by_their_hashes(archive: Archive, s3: S3, url: str) -> None:
    """Nothing else stands among them, and nothing waits on the local disk."""
    objects = stored(s3, url)

    assert len(objects) == 6
    assert all(name == hashlib.sha256(data).hexdigest() for name, data in objects.items())
    assert not list((archive._store.staging / "incoming").iterdir())
    assert archive.check().rows == []


def test_objects_are_there_before_the_index_says_so(
    s3: S3, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Upload, look, note the order, commit, and only then acknowledge."""
    trace: list[str] = []

    def traced(name: str) -> None:
        whole = getattr(Remote, name)

        def run(self: Remote, *args: Any) -> Any:
            result = whole(self, *args)
            trace.append(name)
            return result

        monkeypatch.setattr(Remote, name, run)

    looked: list[str] = []
    expect = Remote._expect

    def expected(self: Remote, path: str, size: int) -> None:
        expect(self, path, size)
        looked.append(path)

    def committed(_connection: object) -> None:
        trace.append("commit")

    with Archive.open(url, storage_options=s3.options()) as archive:
        traced("put")
        traced("write_text")
        monkeypatch.setattr(Remote, "_expect", expected)
        event.listen(Engine, "commit", committed)
        try:
            archive.import_([folder], progress=lambda _: trace.append("acknowledge"))
        finally:
            event.remove(Engine, "commit", committed)

    assert trace == ["put"] * 6 + ["write_text", "commit", "acknowledge"]
    assert len(set(looked)) == 6


def test_a_second_import_uploads_nothing(
    archive: Archive, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks that each object is there, and no more."""

    def never(*_: object) -> None:
        raise AssertionError("nothing is to be uploaded")

    monkeypatch.setattr(Remote, "put", never)
    monkeypatch.setattr(Remote, "list", never)

    assert archive.import_([folder]).counts[Outcome.ALREADY_THERE] == 6


def test_what_is_new_is_not_looked_for_before_it_is_uploaded(
    s3: S3, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index knows that it is new; nothing is listed."""
    with Archive.open(url, storage_options=s3.options()) as archive:

        def never(*_: object) -> None:
            raise AssertionError("the store is not to be asked")

        monkeypatch.setattr(Remote, "size", never)
        monkeypatch.setattr(Remote, "list", never)

        assert archive.import_([folder]).counts[Outcome.NEW] == 6


def test_the_index_comes_back_from_the_objects_in_order(
    archive: Archive, s3: S3, url: str, tmp_path: Path, folder: Path
) -> None:
    """The local index is lost; what every import noted gives the order of arrival."""
    (tmp_path / "more").mkdir()
    for number in range(20, 14, -1):
        (tmp_path / "more" / f"{30 - number}").write_bytes(part10(1, 2, number))
    archive.import_([tmp_path / "more"])
    before = {
        level: list(archive.records(Query(level)))
        for level in ("patient", "study", "series", "image")
    }
    headers = [archive.header(str(row["SOPInstanceUID"])) for row in before["image"]]
    archive.close()
    (archive._store.staging / "index.sqlite3").unlink()

    with Archive.open(url, storage_options=s3.options()) as again:
        assert not list(again.records(Query("image")))
        report = again.check(rebuild=True)

        assert report.is_sound
        after = {level: list(again.records(Query(level))) for level in before}
        assert after == before
        assert [again.header(str(row["SOPInstanceUID"])) for row in after["image"]] == headers
        assert again.check().rows == []


def test_an_object_without_a_note_has_the_time_of_the_store(
    archive: Archive, s3: S3, url: str
) -> None:
    """The notes of arrivals are lost too: everything is indexed all the same."""
    files = s3.files()
    for path in files.find(f"{url.removeprefix('s3://')}/arrivals"):
        files.rm_file(path)
    archive.close()
    (archive._store.staging / "index.sqlite3").unlink()

    with Archive.open(url, storage_options=s3.options()) as again:
        assert again.check(repair=True).is_sound
        assert len(list(again.records(Query("image")))) == 6


def test_damaged_lost_and_strange_objects_are_found_and_healed(
    archive: Archive, s3: S3, url: str, folder: Path
) -> None:
    """Repair sets wrong bytes aside and keeps them; the next import brings the instances back."""
    files = s3.files()
    root = url.removeprefix("s3://")
    flipped, cut, lost, *_ = stored(s3, url)
    wrong = stored(s3, url)[flipped][:-1] + b"\x55"
    files.pipe_file(f"{root}/{name_of(flipped)}", wrong)
    files.pipe_file(f"{root}/{name_of(cut)}", stored(s3, url)[cut][:100])
    files.rm_file(f"{root}/{name_of(lost)}")
    files.pipe_file(f"{root}/instances/note.txt", b"hello")
    files.pipe_file(f"{root}/instances/ab/x.dcm", b"hello")

    found = archive.check(repair=True)
    healed = archive.import_([folder])
    after = archive.check()

    assert {row.name for row in found.of(Problem.DAMAGED)} == {name_of(flipped), name_of(cut)}
    assert [row.name for row in found.of(Problem.MISSING)] == [name_of(lost)]
    assert {row.name for row in found.of(Problem.STRANGE)} == {
        "instances/note.txt", "instances/ab/x.dcm",
    }  # fmt: skip
    kept = files.find(f"{root}/damaged")
    assert wrong in [files.cat_file(path) for path in kept]
    assert len(kept) == 2
    assert healed.counts[Outcome.ALREADY_THERE] == 6
    assert {row.problem for row in after.rows} == {Problem.STRANGE}


def test_a_deleted_study_is_gone_from_the_store(
    archive: Archive, s3: S3, url: str, folder: Path
) -> None:
    """Its objects too, also those set aside; importing it again brings it back."""
    files = s3.files()
    one = next(iter(stored(s3, url)))
    files.pipe_file(f"{url.removeprefix('s3://')}/{name_of(one)}", b"damaged")
    archive.check(repair=True)
    archive.import_([folder])

    archive.delete([uid(1), uid(2)])

    assert stored(s3, url) == {}
    assert files.find(f"{url.removeprefix('s3://')}/damaged") == []
    assert archive.check().rows == []
    assert archive.import_([folder]).counts[Outcome.NEW] == 6
    assert archive.check().rows == []


def test_a_frame_of_a_large_object_is_read_alone(
    s3: S3, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Header and frame of a multi-frame object cost their own bytes, not all of it."""
    (instance,) = phantoms.thorax_ct(slices=1, rows=256)
    pixels = np.random.default_rng(1).integers(0, 1000, (64, 256, 256), dtype=np.int16)
    instance.NumberOfFrames = 64
    instance.PixelData = pixels.tobytes()
    (tmp_path / "large").mkdir()
    instance.save_as(tmp_path / "large" / "1", enforce_file_format=True)
    read: list[int] = []
    whole = Remote.read

    def counted(self: Remote, name: str, offset: int, size: int) -> bytes:
        read.append(size)
        return whole(self, name, offset, size)

    with Archive.open(url, storage_options=s3.options()) as archive:
        archive.import_([tmp_path / "large"])
        monkeypatch.setattr(Remote, "read", counted)

        (data,) = archive.instances(instance.SeriesInstanceUID)
        assert data.frames is not None
        frame = data.frames.read(40)

    assert frame == pixels[40].tobytes()
    assert len(data.frames) == 64
    assert sum(read) < 3 * 256 * 256 * 2
    assert len(read) == 2


def test_a_volume_of_a_store_goes_to_another_process(s3: S3, url: str, tmp_path: Path) -> None:
    """It is lazy, equals that of the local files, and can be pickled, as Dask's workers ask."""
    slices = list(phantoms.thorax_ct(slices=8, rows=32))
    phantoms.write(slices, tmp_path / "ct")
    expected = np.stack([one.pixel_array for one in slices])
    with Archive.open(url, storage_options=s3.options()) as archive:
        archive.import_([tmp_path / "ct"])
        (record,) = archive.records(Query("series"))
        volume = Series(archive, record).volume()
        frames = archive.instances(slices[0].SeriesInstanceUID)[0].frames

        assert sorted(map(bytes, np.asarray(volume.stored))) == sorted(map(bytes, expected))
        assert pickle.loads(pickle.dumps(frames)).read(0) == frames.read(0)


def test_the_index_may_be_in_postgresql(
    s3: S3, url: str, folder: Path, postgres: Postgres, home: Path
) -> None:
    """Two machines share the store and the index; an instance is new for one of them."""
    index = postgres.database()

    with (
        Archive.open(url, index=index, storage_options=s3.options()) as one,
        Archive.open(url, index=index, storage_options=s3.options()) as other,
    ):
        assert one.import_([folder]).counts[Outcome.NEW] == 6
        assert other.import_([folder]).counts[Outcome.ALREADY_THERE] == 6
        assert other.check().rows == []
        assert {row["SOPInstanceUID"] for row in other.records(Query("image"))} == {
            uid(1 + number % 2, 1, number) for number in range(6)
        }
        assert not list(home.rglob("index.sqlite3"))


def test_the_index_may_be_in_a_file_elsewhere(
    s3: S3, url: str, folder: Path, tmp_path: Path
) -> None:
    """The same archive with an index on another disk; each store has an index of its own."""
    index = f"sqlite:///{tmp_path / 'elsewhere.sqlite3'}"

    with Archive.open(url, index=index, storage_options=s3.options()) as archive:
        archive.import_([folder])
    with Archive.open(f"{url}-2", storage_options=s3.options()) as other:
        assert not list(other.records(Query("image")))

    assert (tmp_path / "elsewhere.sqlite3").stat().st_size > 0


def test_keys_may_come_from_the_environment(
    s3: S3, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """As on the command line, where no options are given."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

    for command in (["import", str(folder)], ["archive", "check"]):
        with pytest.raises(SystemExit) as ended:
            main([*command, "--archive", url])
        assert ended.value.code == 0

    assert "6 new" in capsys.readouterr().out
    with Archive.open(url, storage_options=s3.options()) as archive:
        assert len(list(archive.records(Query("image")))) == 6


def test_a_quota_counts_objects(s3: S3, url: str, folder: Path) -> None:
    """What goes beyond it is refused, and the local disk is looked at as well."""
    size = (folder / "0").stat().st_size

    with Archive.open(url, storage_options=s3.options(), quota_bytes=2 * size + 1) as archive:
        report = archive.import_([folder])

        assert report.counts[Outcome.NEW] == 2
        assert {row.reason for row in report.of(Outcome.REFUSED)} == {"quota"}


def test_a_bucket_that_is_not_there_is_one_sentence(s3: S3) -> None:
    """It is not made: a name mistyped is a mistake, not a wish."""
    with pytest.raises(StorageError, match="is not there") as caught:
        Archive.open("s3://no-such-bucket-1/x", storage_options=s3.options())

    assert "no-such-bucket" not in str(caught.value)


def test_what_is_there_must_be_an_archive_that_we_know(s3: S3, url: str) -> None:
    """An archive of a later kind is not touched."""
    s3.files().pipe_file(f"{url.removeprefix('s3://')}/archive.txt", b"dicomlab archive 9\n")

    with pytest.raises(UnsupportedError, match="newer"):
        Archive.open(url, storage_options=s3.options())


def test_secrets_are_nowhere_to_be_seen(archive: Archive, home: Path) -> None:
    """Not in the place, not in what errors or logs show, not in files."""
    archive.close()
    shown = repr(archive.place) + repr(archive._store._remote) + str(vars(archive.place.open()))

    assert SECRET not in shown
    for path in home.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("location", "error", "says"),
    [
        ("s3://key:hidden@bucket/x", ValueError, "no password"),
        ("s3://bucket/x?token=hidden", ValueError, "no options"),
        ("s3://", ValueError, "one place"),
        ("simplecache::s3://bucket/x", ValueError, "one place"),
        ("https://host/x", UnsupportedError, "http address"),
        ("nonsense://host/x", UnsupportedError, "nonsense://"),
        ("gs://bucket/x", MissingDependencyError, "fsspec\\[gs\\]"),
    ],
)
def test_a_location_that_cannot_be_an_archive(
    location: str, error: type[Exception], says: str
) -> None:
    """One clear sentence, which repeats nothing that may be secret."""
    with pytest.raises(error, match=says) as caught:
        Archive.open(location)

    assert "hidden" not in str(caught.value)


def test_a_file_url_is_a_folder(tmp_path: Path, folder: Path) -> None:
    """The local folder is the quickest store; its URL is but another name of it."""
    with Archive.open(f"file://{tmp_path}/an%20archive") as archive:
        archive.import_([folder])
        assert archive.place.location == str(tmp_path / "an archive")

    assert len(list((tmp_path / "an archive" / "instances").rglob("*.dcm"))) == 6


def test_patience_doubles_to_a_bound() -> None:
    """The waits are those between five tries; half of each is left to chance."""
    waits: list[float] = []
    patience = Patience(first_s=0.2, longest_s=1.0, sleep=waits.append)

    for failures in range(1, 5):
        patience.wait(failures)

    for waited, longest in zip(waits, (0.2, 0.4, 0.8, 1.0), strict=True):
        assert longest / 2 <= waited <= longest
