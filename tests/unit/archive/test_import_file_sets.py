"""A file-set is taken by its files; what its DICOMDIR gets wrong, or lies about, is told."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from dicomlab.archive import Archive, ImportReport
from dicomlab.catalog import Query
from dicomlab.media import open_folder
from tests.file_sets import write_file_set
from tests.small import data_set, part10, uid

FIRST_ID = b"PT000000\\ST000000\\SE000000\\IM000000 "
UIDS = {uid(1, 1, number) for number in (1, 2, 3)}


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Give an empty archive."""
    with Archive.open(tmp_path / "archive") as opened:
        yield opened


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    """Give a file-set of three instances that pydicom wrote."""
    further = {"StudyTime": "120000", "StudyID": "1", "AccessionNumber": "1"}
    return write_file_set(
        (data_set(1, 1, number, **further) for number in (1, 2, 3)), tmp_path / "disc"
    )


def change(disc: Path, old: bytes, new: bytes) -> None:
    """Change bytes of the DICOMDIR; their number stays, so that its offsets do."""
    path = disc / "DICOMDIR"
    data = path.read_bytes()
    assert old in data
    assert len(old) == len(new)
    path.write_bytes(data.replace(old, new, 1))


def problems(report: ImportReport) -> list[tuple[str, str]]:
    """Return name and reason of what was not taken, without the DICOMDIR itself."""
    return [
        (row.path.rpartition("/disc/")[2], row.reason)
        for row in report.rows
        if row.reason not in ("", "media-directory")
    ]


def uids(archive: Archive) -> set[object]:
    """Return the instances of the archive."""
    return {record["SOPInstanceUID"] for record in archive.records(Query("image"))}


@pytest.mark.parametrize("name", ["", "DICOMDIR"])
def test_a_sound_file_set_is_taken_whole(archive: Archive, disc: Path, name: str) -> None:
    """By its folder or by its DICOMDIR; that the DICOMDIR is no instance is no fault."""
    report = archive.import_([disc / name])
    source = open_folder(disc / name)

    assert report.is_complete
    assert problems(report) == []
    assert [row.reason for row in report.rows].count("media-directory") == 1
    assert uids(archive) == UIDS
    assert {record["SOPInstanceUID"] for record in source.records(Query("image"))} == UIDS


@pytest.mark.parametrize("rename", [str.lower, "{};1".format, lambda name: f"{name}.;1".lower()])
def test_copies_of_discs_may_change_case_and_add_versions(
    archive: Archive, disc: Path, rename: object
) -> None:
    """As a mounted ISO 9660 shows names."""
    assert callable(rename)
    for path in sorted(disc.rglob("*"), reverse=True):
        path.rename(path.with_name(rename(path.name)))

    report = archive.import_([disc])

    assert problems(report) == []
    assert report.is_complete
    assert uids(archive) == UIDS


def test_a_file_that_is_gone_is_told(archive: Archive, disc: Path) -> None:
    """The copy is not whole, and the report says which file is missing."""
    (disc / "PT000000" / "ST000000" / "SE000000" / "IM000001").unlink()

    report = archive.import_([disc])
    again = open_folder(disc).report

    gone = ("DICOMDIR!/PT000000/ST000000/SE000000/IM000001", "missing-file")
    assert problems(report) == [gone]
    assert not report.is_complete
    assert len(uids(archive)) == 2
    assert again.counts["missing-file"] == 1


@pytest.mark.req("S-222")
def test_files_that_no_directory_lists_are_taken(archive: Archive, disc: Path) -> None:
    """Beside the listed ones, and where there is no DICOMDIR at all."""
    (disc / "more.dcm").write_bytes(part10(2))
    (disc / "DICOMDIR").rename(disc / "elsewhere")
    first = archive.import_([disc])
    (disc / "elsewhere").rename(disc / "DICOMDIR")
    second = archive.import_([disc / "DICOMDIR"])

    assert first.is_complete
    assert second.is_complete
    assert uids(archive) == {*UIDS, uid(2, 1, 1)}


@pytest.mark.req("S-222")
@pytest.mark.parametrize(
    "file_id",
    [
        b"..\\secret.dcm", b"PT000000\\..\\..\\secret.dcm", b"../secret.dcm", b"\\etc\\passwd",
        b"/etc/passwd", b".\\PT000000", b"PT000000\\LINK\\secret.dcm", b"LINK.DCM", b"link.dcm",
        b"A\\\\B",
    ],
)  # fmt: skip
def test_nothing_outside_is_touched(
    archive: Archive, disc: Path, tmp_path: Path, file_id: bytes
) -> None:
    """Paths upwards, absolute ones and links are refused, and no byte outside is read."""
    (tmp_path / "secret.dcm").write_bytes(part10(9))
    (disc / "PT000000" / "LINK").symlink_to(tmp_path)
    (disc / "LINK.DCM").symlink_to(tmp_path / "secret.dcm")
    change(disc, FIRST_ID, file_id.ljust(len(FIRST_ID)))

    with Watch() as watch:
        report = archive.import_([disc])

    assert [reason for _name, reason in problems(report)].count("outside-file-set") == 1
    assert uids(archive) == UIDS
    inside = (str(disc), str(tmp_path / "archive"))
    assert watch.touched
    assert [path for path in watch.touched if not path.startswith(inside)] == []
    change(disc, file_id.ljust(len(FIRST_ID)), FIRST_ID)
    assert "outside-file-set" not in [reason for _name, reason in problems(archive.import_([disc]))]


class Watch:
    """Notes what is opened and listed, by Python's own audit events (PEP 578)."""

    def __init__(self) -> None:
        self.touched: list[str] = []
        self._is_on = False
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._is_on and event in ("open", "os.scandir", "os.listdir"):
            path = arguments[0]
            if isinstance(path, str | bytes | os.PathLike):
                self.touched.append(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100

    def __enter__(self) -> Self:
        self._is_on = True
        return self

    def __exit__(self, *_: object) -> None:
        self._is_on = False


def offsets(disc: Path, element: int) -> list[int]:
    """Return where the values of an offset element of group 4 lie in the DICOMDIR."""
    data = (disc / "DICOMDIR").read_bytes()
    tag = struct.pack("<HH2sH", 4, element, b"UL", 4)
    found, at = [], data.find(tag)
    while at >= 0:
        found.append(at + 8)
        at = data.find(tag, at + 1)
    return found


@pytest.mark.parametrize(
    ("element", "number", "to"),
    [
        (0x1200, 0, "itself"),  # the root's first record
        (0x1200, 0, "nothing"),
        (0x1400, 0, "first"),  # the next of the patient: the patient
        (0x1420, 0, "first"),  # what is below the patient: the patient
        (0x1400, 3, "nowhere"),
        (0x1420, 1, "nothing"),
    ],
)
def test_offsets_that_lead_nowhere_or_round_lose_nothing(
    archive: Archive, disc: Path, element: int, number: int, to: str
) -> None:
    """Loops end, the report says that the DICOMDIR is damaged, and all files are taken."""
    path = disc / "DICOMDIR"
    data = bytearray(path.read_bytes())
    at = offsets(disc, element)[number]
    first = struct.unpack_from("<I", data, offsets(disc, 0x1200)[0])[0]
    new = {"first": first, "nothing": 0, "nowhere": 0x7FFFFFF1, "itself": at}[to]
    data[at : at + 4] = struct.pack("<I", new)
    path.write_bytes(data)

    report = archive.import_([path])

    assert problems(report) == [("DICOMDIR", "damaged-directory")]
    assert uids(archive) == UIDS


@pytest.mark.req("S-222")
@pytest.mark.parametrize(
    ("data", "reasons"),
    [
        (b"", ["not-dicom"]),
        (b"no DICOM at all", ["not-dicom"]),
        (None, ["truncated"]),
        (part10(2), []),
    ],
)
def test_a_wrong_directory_is_no_obstacle(
    archive: Archive, disc: Path, data: bytes | None, reasons: list[str]
) -> None:
    """Empty, text, cut short, or an instance under this name: the files are taken all the same."""
    path = disc / "DICOMDIR"
    path.write_bytes(path.read_bytes()[:-500] if data is None else data)

    report = archive.import_([path])

    assert [reason for _name, reason in problems(report)] == reasons
    assert uids(archive) >= UIDS


@pytest.mark.req("S-222")
def test_a_directory_of_another_disc_is_told(archive: Archive, disc: Path) -> None:
    """None of its files is there; those that are there are taken."""
    (disc / "PT000000").rename(disc / "OTHER")

    report = archive.import_([disc])

    assert [reason for _name, reason in problems(report)] == ["missing-file"] * 3
    assert uids(archive) == UIDS


def test_records_out_of_use_promise_nothing(archive: Archive, disc: Path) -> None:
    """A deleted record may name a file that is gone (PS3.3 F.3.2.2)."""
    (disc / "PT000000" / "ST000000" / "SE000000" / "IM000000").unlink()
    data = bytearray((disc / "DICOMDIR").read_bytes())
    flag = struct.pack("<HH2sHH", 4, 0x1410, b"US", 2, 0xFFFF)
    image = data.rfind(flag, 0, data.find(FIRST_ID))
    data[image + 8 : image + 10] = b"\0\0"
    (disc / "DICOMDIR").write_bytes(data)

    assert problems(archive.import_([disc])) == []


def test_a_pipe_of_this_name_is_not_opened(archive: Archive, tmp_path: Path) -> None:
    """It would block for ever."""
    (tmp_path / "disc").mkdir()
    os.mkfifo(tmp_path / "disc" / "DICOMDIR")

    assert problems(archive.import_([tmp_path / "disc"])) == [("DICOMDIR", "not-a-file")]
