"""Tars and patterns are imported like folders; hostile tars end in the report, not on the disk."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomlab import phantoms
from dicomlab.archive import Archive, ImportProgress, ImportReport, Outcome
from dicomlab.catalog import Query
from dicomlab.errors import NotFoundError
from dicomlab.media import open_folder
from dicomlab.safety import Bounds
from tests.small import part10, uid

ENDINGS = {"tar": "", "tar.gz": "gz", "tgz": "gz", "tar.bz2": "bz2", "tar.xz": "xz"}


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Give an empty archive."""
    with Archive.open(tmp_path / "archive") as opened:
        yield opened


def member(name: str, **attributes: object) -> tarfile.TarInfo:
    """Return a member with more than a name."""
    info = tarfile.TarInfo(name)
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info


def put(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Put a file into a tar."""
    tar.addfile(member(name, size=len(data)), io.BytesIO(data))


def outcomes(report: ImportReport) -> dict[str, str]:
    """Return the outcome or the reason of each row, by what stands behind the last ``!/``."""
    return {row.path.rpartition("!/")[2]: row.reason or str(row.outcome) for row in report.rows}


def stored(tmp_path: Path) -> list[bytes]:
    """Return the contents of the archive's files."""
    files = (tmp_path / "archive" / "instances").rglob("*")
    return sorted(path.read_bytes() for path in files if path.is_file())


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("ending", ENDINGS)
def test_tars_of_all_forms_are_imported(
    archive: Archive, tmp_path: Path, ending: str, form: int
) -> None:
    """Every member that is an instance, byte for byte; long names are told whole."""
    long = "/".join(["folder" * 8] * 4) + "/ü.dcm"
    files = {"a.dcm": part10(1, 1, 1), long: part10(1, 1, 2), "notes": b"no DICOM", "empty": b""}
    path = tmp_path / f"in.{ending}"
    with tarfile.open(path, f"w:{ENDINGS[ending]}", format=form) as tar:
        tar.addfile(member("folder", type=tarfile.DIRTYPE))
        for name, data in files.items():
            put(tar, name, data)

    report = archive.import_([path])
    again = archive.import_([path])

    assert outcomes(report) == {
        "a.dcm": "new", long: "new", "notes": "not-dicom", "empty": "not-dicom",
    }  # fmt: skip
    assert stored(tmp_path) == sorted([files["a.dcm"], files[long]])
    assert again.counts[Outcome.ALREADY_THERE] == 2


def test_tars_in_folders_are_read_and_counted(archive: Archive, tmp_path: Path) -> None:
    """They count by their members, and only where the name says that they are tars."""
    (tmp_path / "in").mkdir()
    for name in ("b.tar.gz", "b.tar", "b.bin"):
        with tarfile.open(tmp_path / "in" / name, "w:gz" if "gz" in name else "w") as tar:
            put(tar, "one", part10(1, 1, len(name)))
            put(tar, "two", part10(2, 1, len(name)))
    (tmp_path / "in" / "no.tar").write_bytes(part10(3))
    seen: list[ImportProgress] = []

    report = archive.import_([tmp_path / "in"], progress=seen.append)

    assert [row.path.rpartition("/in/")[2] for row in report.of(Outcome.NEW)] == [
        "b.tar!/one", "b.tar!/two", "b.tar.gz!/one", "b.tar.gz!/two", "no.tar",
    ]  # fmt: skip
    assert [row.path.rpartition("/")[2] for row in report.of(Outcome.NOT_DICOM)] == ["b.bin"]
    assert (seen[-1].files, seen[-1].bytes) == (seen[-1].total_files, seen[-1].total_bytes)


def test_the_tars_of_gnu_tar_are_read(archive: Archive, tmp_path: Path) -> None:
    """GNU tar writes its own long names, sparse files and several compressed streams."""
    (tmp_path / "in" / ("n" * 120)).mkdir(parents=True)
    (tmp_path / "in" / ("n" * 120) / "a.dcm").write_bytes(part10())
    with (tmp_path / "in" / "hole").open("wb") as file:
        file.truncate(1 << 24)
    command = ["tar", "--sparse", "--format=gnu", "-C", tmp_path, "-cf", tmp_path / "x.tar", "in"]
    subprocess.run(command, check=True)
    data = (tmp_path / "x.tar").read_bytes()
    streams = (
        subprocess.run(["gzip", "-c"], input=half, capture_output=True, check=True).stdout
        for half in (data[:700], data[700:])
    )
    (tmp_path / "x.tar.gz").write_bytes(b"".join(streams))

    for name in ("x.tar", "x.tar.gz"):
        found = outcomes(archive.import_([tmp_path / name]))
        assert found.pop("in/hole") == "tar-member"
        assert found.keys() == {f"in/{'n' * 120}/a.dcm"}
    assert stored(tmp_path) == [part10()]


def test_hostile_names_and_links_lead_nowhere(archive: Archive, tmp_path: Path) -> None:
    """Names are shown and never used; links and devices are refused one by one."""
    secret = tmp_path / "secret.dcm"
    secret.write_bytes(part10(9))
    path = tmp_path / "in.tar"
    with tarfile.open(path, "w") as tar:
        put(tar, "../../outside.dcm", part10(1, 1, 1))
        put(tar, "/etc/absolute.dcm", part10(1, 1, 2))
        tar.addfile(member("soft", type=tarfile.SYMTYPE, linkname=str(secret)))
        tar.addfile(member("hard", type=tarfile.LNKTYPE, linkname=str(secret)))
        tar.addfile(member("pipe", type=tarfile.FIFOTYPE))
        tar.addfile(member("disk", type=tarfile.BLKTYPE))
        tar.addfile(member("tty", type=tarfile.CHRTYPE))
        put(tar, "soft", part10(1, 1, 3))

    report = archive.import_([path])

    assert [(row.path.rpartition("!/")[2], row.reason) for row in report.rows] == [
        ("../../outside.dcm", ""), ("/etc/absolute.dcm", ""), ("soft", "link"), ("hard", "link"),
        ("pipe", "not-a-file"), ("disk", "not-a-file"), ("tty", "not-a-file"), ("soft", ""),
    ]  # fmt: skip
    assert sorted(stored(tmp_path)) == sorted(part10(1, 1, number) for number in (1, 2, 3))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["archive", "in.tar", "secret.dcm"]


def header(name: str, size: bytes, kind: bytes = b"0") -> bytes:
    """Return a header block with a size field of one's own."""
    block = bytearray(member(name).tobuf())
    block[124:136], block[156:157], block[148:156] = size, kind, b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("size", "kind"),
    [
        (b"%011o\0" % (len(part10()) + 10_000), b"0"),
        (b"77777777777\0", b"0"),
        (b"\x80" + b"\x7f" * 11, b"0"),
        (b"%011o\0" % 5000, b"x"),
        (b"%011o\0" % 5000, b"L"),
    ],
)
def test_sizes_that_lie_end_the_tar_with_a_line(
    archive: Archive, tmp_path: Path, size: bytes, kind: bytes, *, packed: bool
) -> None:
    """A member longer than its tar: what came before is in, the rest is refused as damaged."""
    path = tmp_path / "in.tar"
    with tarfile.open(path, "w") as tar:
        put(tar, "good", part10(2))
    whole = path.read_bytes()
    first = 512 + -(-len(part10(2)) // 512) * 512
    data = whole[:first] + header("bad", size, kind) + part10()
    path.write_bytes(gzipped(data) if packed else data)

    report = archive.import_([path])

    assert [row.reason for row in report.rows] == ["", "damaged-tar"]
    assert stored(tmp_path) == [part10(2)]


def gzipped(data: bytes) -> bytes:
    """Return data as the program gzip compresses it."""
    return subprocess.run(["gzip", "-c"], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_extended_headers_are_not_held_in_memory(
    archive: Archive, tmp_path: Path, kind: bytes
) -> None:
    """A name of four gigabytes is refused by what its header declares."""
    path = tmp_path / "in.tar"
    path.write_bytes(header("long", b"%011o\0" % ((1 << 32) + 1), kind) + bytes(1024))

    (row,) = archive.import_([path]).rows

    assert row.reason == "tar-header"
    assert str((1 << 32) + 1) in row.message


@pytest.mark.parametrize(
    "record",
    [b"99 path=x\n", b"-1 path=x\n", b"0 path=x\n", b"2 path=x\n", b"x", b"12 size=-5x\n"],
)
def test_pax_records_that_lie_are_damage(archive: Archive, tmp_path: Path, record: bytes) -> None:
    """A length that is none, or a size that is none."""
    path = tmp_path / "in.tar"
    path.write_bytes(header("pax", b"%011o\0" % len(record), b"x") + record.ljust(512, b"\0"))

    assert [row.reason for row in archive.import_([path]).rows] == ["damaged-tar"]


def test_bombs_stop_at_their_bounds(archive: Archive, tmp_path: Path) -> None:
    """Growth and number of members have bounds; what came before them is in the archive."""
    grown, many = tmp_path / "grown.tar.gz", tmp_path / "many.tar"
    with tarfile.open(grown, "w:gz") as tar:
        put(tar, "good", part10(1))
        put(tar, "zeros", bytes(4 << 20))
    with tarfile.open(many, "w") as tar:
        for number in range(1, 6):
            put(tar, f"{number}", part10(2, 1, number))

    first = archive.import_([grown], bounds=Bounds(archive_ratio=10, inflation_slack_bytes=0))
    second = archive.import_([many], bounds=Bounds(archive_entries=3))

    assert [row.reason for row in first.rows] == ["", "archive-ratio"]
    assert [row.reason for row in second.rows] == ["", "", "", "archive-entries"]
    assert len(stored(tmp_path)) == 4


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
@pytest.mark.parametrize("cut", [0.3, 0.7, 0.95])
def test_a_tar_cut_short_says_so(archive: Archive, tmp_path: Path, ending: str, cut: float) -> None:
    """What came before the cut is in, and one line says that the rest is missing."""
    path = tmp_path / f"in.{ending}"
    noise = os.urandom(3000)
    with tarfile.open(path, f"w:{ENDINGS[ending]}") as tar:
        for number in range(1, 5):
            put(tar, f"{number}", part10(1, 1, number, PixelData=noise, Rows=50, Columns=60))
    data = path.read_bytes()
    # The blocks of zeros at the end of a plain tar are no loss.
    whole = len(data.rstrip(b"\0")) if ending == "tar" else len(data)
    path.write_bytes(data[: int(whole * cut)])

    report = archive.import_([path])

    assert [row.reason for row in report.rows[:-1]] == [""] * (len(report.rows) - 1)
    assert report.rows[-1].reason == "damaged-tar"
    assert len(stored(tmp_path)) == len(report.rows) - 1 < 4


def test_what_is_unpacked_leaves_nothing_behind(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members of compressed tars pass through nameless files."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    open_before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  no paths are wanted
    path = tmp_path / "in.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for number in range(1, 300):
            put(tar, f"{number}", part10(1, 1, number))

    for _time in range(2):
        assert archive.import_([path]).is_complete

    assert list(scratch.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) <= open_before + 2  # noqa: PTH208


def test_a_tar_compressed_with_zstd_is_refused_in_words(archive: Archive, tmp_path: Path) -> None:
    """The reader learns what to do."""
    path = tmp_path / "in.tar.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))

    (row,) = archive.import_([path]).rows

    assert row.reason == "tar-compression"


def test_patterns_name_files(archive: Archive, tmp_path: Path) -> None:
    """Each match once, in the order of names, folders with all below them."""
    (tmp_path / "in" / "below").mkdir(parents=True)
    for number, name in enumerate(("b.dcm", "a.dcm", "c.txt", "below/d.dcm"), 1):
        (tmp_path / "in" / name).write_bytes(part10(1, 1, number))

    def found(pattern: str) -> list[str]:
        rows = archive.import_([tmp_path / "in" / pattern]).rows
        return [row.path.rpartition("/in/")[2] or row.reason for row in rows]

    assert found("*.dcm") == ["a.dcm", "b.dcm"]
    assert found("**/*.dcm") == ["a.dcm", "b.dcm", "below/d.dcm"]
    assert found("**") == ["a.dcm", "b.dcm", "below/d.dcm", "c.txt"]
    assert found("[ab].dc?") == ["a.dcm", "b.dcm"]
    assert archive.import_([tmp_path / "in" / "*.no"]).rows[0].reason == "no-match"


def test_a_name_that_looks_like_a_pattern_is_a_name(archive: Archive, tmp_path: Path) -> None:
    """What is there by that name counts."""
    (tmp_path / "scan[1].dcm").write_bytes(part10(1, 1, 1))
    (tmp_path / "scan1.dcm").write_bytes(part10(1, 1, 2))

    report = archive.import_([tmp_path / "scan[1].dcm"])

    assert [row.sop_instance_uid for row in report.rows] == [uid(1, 1, 1)]


def test_a_pattern_follows_no_link_out(archive: Archive, tmp_path: Path) -> None:
    """Nobody named the links that a pattern meets."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.dcm").write_bytes(part10(1, 1, 1))
    (tmp_path / "in" / "a.dcm").write_bytes(part10(1, 1, 2))
    (tmp_path / "in" / "same.dcm").symlink_to(tmp_path / "in" / "a.dcm")
    (tmp_path / "in" / "file.dcm").symlink_to(tmp_path / "out" / "x.dcm")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "out")

    report = archive.import_([tmp_path / "in" / "*", tmp_path / "in" / "*" / "*.dcm"])

    assert [(row.path.rpartition("/in/")[2], row.reason) for row in report.rows] == [
        ("a.dcm", ""), ("file.dcm", "link"), ("folder", "link"), ("folder/x.dcm", "link"),
    ]  # fmt: skip
    assert stored(tmp_path) == [part10(1, 1, 2)]


def test_a_tar_is_a_source_in_place(tmp_path: Path) -> None:
    """Its instances answer, and their frames lie where the tar has them."""
    paths = phantoms.write(phantoms.thorax_ct(slices=3, rows=16), tmp_path / "ct")
    with tarfile.open(tmp_path / "ct.tar", "w") as tar:
        for path in paths:
            tar.add(path, path.name)
    source = open_folder(tmp_path / "ct.tar")
    folder = open_folder(tmp_path / "ct")

    (series,) = source.records(Query("series"))
    instances = source.instances(series["SeriesInstanceUID"])
    others = folder.instances(series["SeriesInstanceUID"])

    assert list(source.records(Query("image"))) == list(folder.records(Query("image")))
    for mine, theirs in zip(instances, others, strict=True):
        assert mine.frames.read(0) == theirs.frames.read(0)
        place = mine.frames.locate(0)
        data = place.path.read_bytes()[place.offset : place.offset + place.length]
        assert data == theirs.frames.read(0)
    with pytest.raises(NotFoundError):
        mine.frames.read(1)
    for (_uid, mine), (_other, theirs) in zip(
        source.retrieve(Query("study")), folder.retrieve(Query("study")), strict=True
    ):
        assert mine.read_at(0, mine.size + 100) == theirs.read_at(0, theirs.size)


def test_a_compressed_tar_cannot_be_read_in_place(tmp_path: Path) -> None:
    """The report says so, member by member, and what to do."""
    with tarfile.open(tmp_path / "in.tar.gz", "w:gz") as tar:
        put(tar, "a.dcm", part10())

    report = open_folder(tmp_path / "in.tar.gz").report

    assert report.instances == 0
    assert report.counts == {"compressed-tar": 1}
