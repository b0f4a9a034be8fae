"""File-sets that others made are read whole: every instance that they hold, and no other."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import subprocess
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pydicom
import pytest

import dicomlab as dl
from dicomlab import phantoms
from dicomlab.archive import Outcome
from dicomlab.catalog import Query
from tests.file_sets import write_file_set
from tests.peers import Peers


@dataclass(frozen=True)
class Medium:
    """A medium, by what its application profile asks for (PS3.11).

    Attributes
    ----------
    profile
        As dcmmkdir names it, which checks the files against it.
    transfer_syntax_uid
        One that the profile allows.
    requirement
        The row that its reading proves.
    """

    profile: str
    transfer_syntax_uid: str
    requirement: str


MEDIA = {
    # STD-GEN-CD, PS3.11 annex D.
    "cd": Medium("-Pgp", "1.2.840.10008.1.2.1", "S-213"),
    # STD-GEN-DVD-JPEG, PS3.11 annex H: here lossless JPEG.
    "dvd": Medium("-Pdv", "1.2.840.10008.1.2.4.70", "S-215"),
    # An iPod is a USB disk: STD-GEN-USB-JPEG, PS3.11 annex J.
    "ipod": Medium("-Pfl", "1.2.840.10008.1.2.4.70", "S-217"),
}

Maker = Callable[[Peers, Medium, Path, Path], Path]
"""Makes a file-set of the files in one folder, in another, and returns its root."""


def made(folder: Path, transfer_syntax_uid: str) -> Path:
    """Make two studies, the same ones at each call, in a transfer syntax."""
    further = {
        "StudyID": "1", "AccessionNumber": "A1", "transfer_syntax_uid": transfer_syntax_uid,
    }  # fmt: skip
    phantoms.write(phantoms.thorax_ct(slices=3, rows=16, **further), folder)
    phantoms.write(phantoms.head_mr(slices=2, rows=16, seed=2, **further), folder)
    return folder


def laid_out(files: Path, folder: Path) -> list[str]:
    """Copy files to names that DICOM allows on media (PS3.10 8.2), and return these."""
    names = []
    for number, path in enumerate(sorted(files.iterdir())):
        place = folder / path.name[:2] / f"IM{number:04d}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
        names.append(str(place.relative_to(folder)))
    return names


def by_dcmtk(program: str) -> Maker:
    """Return how a program of DCMTK makes a file-set."""

    def make(peers: Peers, medium: Medium, files: Path, folder: Path) -> Path:
        names = laid_out(files, folder)
        # dcmgpdir knows the profile of CD-R only, and has to be told to take others' syntaxes.
        profile = medium.profile if program == "dcmmkdir" else "-Nxc"
        peers.run(program, profile, "+I", "+id", folder, "+D", folder / "DICOMDIR", *names)
        return folder

    return make


def by_gdcm(peers: Peers, _medium: Medium, files: Path, folder: Path) -> Path:
    """Make a file-set with GDCM, which walks a folder itself."""
    laid_out(files, folder)
    peers.run("gdcmgendir", "-r", "-i", folder, "-o", folder / "DICOMDIR")
    return folder


def by_pydicom(_peers: Peers, _medium: Medium, files: Path, folder: Path) -> Path:
    """Make a file-set with pydicom."""
    return write_file_set((pydicom.dcmread(path) for path in sorted(files.iterdir())), folder)


def by_orthanc(peers: Peers, _medium: Medium, files: Path, folder: Path) -> Path:
    """Let Orthanc make the file-set of each study, and unpack both into folders of one disc."""
    program = peers.find("Orthanc")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir()
    settings = {
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": False,
        "StorageDirectory": str(folder.with_name("orthanc")),
        "IndexDirectory": str(folder.with_name("orthanc")),
        "Plugins": [],
    }
    config = folder.with_name("orthanc.json")
    config.write_text(json.dumps(settings))
    quiet = subprocess.DEVNULL
    server = subprocess.Popen([program, config], stdout=quiet, stderr=quiet)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            await_answer(client)
            for path in sorted(files.iterdir()):
                client.post("/instances", content=path.read_bytes()).raise_for_status()
            for study in client.get("/studies").json():
                answer = client.get(f"/studies/{study}/media").raise_for_status()
                with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
                    packed.extractall(folder / study)
    finally:
        server.terminate()
        server.wait(30)
    return folder


def await_answer(client: httpx.Client) -> None:
    """Wait until a server answers, at most half a minute."""
    deadline = time.monotonic() + 30
    while True:
        try:
            client.get("/system").raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
        else:
            return


MAKERS: dict[str, Maker] = {
    "dcmmkdir": by_dcmtk("dcmmkdir"),
    "dcmgpdir": by_dcmtk("dcmgpdir"),
    "gdcmgendir": by_gdcm,
    "pydicom": by_pydicom,
    "orthanc": by_orthanc,
}
SETS = [
    pytest.param(
        (medium, maker),
        id=f"{name}-{maker}",
        marks=pytest.mark.req(medium.requirement, check="K14"),
    )
    for name, medium in MEDIA.items()
    for maker in MAKERS
    # GDCM makes a DICOMDIR of uncompressed files only.
    if (name, maker) not in (("dvd", "gdcmgendir"), ("ipod", "gdcmgendir"))
]


@dataclass(frozen=True)
class Made:
    """A file-set: its root, the files that it was made of, and the same without compression."""

    root: Path
    files: Path
    plain: Path


@pytest.fixture(params=SETS)
def disc(request: pytest.FixtureRequest, peers: Peers, tmp_path: Path) -> Made:
    """Give a file-set for each medium by each maker."""
    medium, maker = request.param
    files = made(tmp_path / "files", medium.transfer_syntax_uid)
    plain = made(tmp_path / "plain", "1.2.840.10008.1.2.1")
    return Made(MAKERS[maker](peers, medium, files, tmp_path / "disc"), files, plain)


def contents(folder: Path) -> dict[str, str]:
    """Return hash by SOP Instance UID of the instances below a folder, as pydicom reads them."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "DICOMDIR":
            uid = pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID
            found[str(uid)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def directories(folder: Path) -> list[Path]:
    """Return the DICOMDIRs of a tree."""
    return sorted(folder.rglob("DICOMDIR"))


@pytest.mark.req("S-220")
def test_every_instance_of_a_file_set_is_stored_and_found(disc: Made, tmp_path: Path) -> None:
    """Nothing is missing or refused; what is stored is what lies on the disc, byte for byte."""
    expected = contents(disc.root)
    # pydicom reads what the DICOMDIRs list; all of them together list every instance.
    listed = {
        str(record.ReferencedSOPInstanceUIDInFile)
        for path in directories(disc.root)
        for record in pydicom.dcmread(path).DirectoryRecordSequence
        if "ReferencedSOPInstanceUIDInFile" in record
    }

    with dl.open_archive(tmp_path / "archive") as archive:
        report = archive.import_(disc.root)
        again = archive.import_(*directories(disc.root))
        stored = {
            uid: hashlib.sha256(source.read_at(0, source.size)).hexdigest()
            for uid, source in archive.source.retrieve(Query("image"))
        }
        table = archive.find("image")

    assert len(expected) == 5
    assert expected.keys() == contents(disc.files).keys() == listed
    assert stored == expected
    assert report.is_complete
    refused = [row.reason for row in report.rows if row.reason]
    assert refused == ["media-directory"] * len(directories(disc.root))
    assert again.counts[Outcome.ALREADY_THERE] == 5
    assert set(table["SOPInstanceUID"]) == expected.keys()


def test_a_file_set_is_read_in_place(disc: Made) -> None:
    """By its DICOMDIR: the same series as the files' own, with their pixels."""
    expected = dl.open(disc.plain)
    together: list[str] = []

    for path in directories(disc.root):
        source = dl.open(path)
        uids = source.find("series")["SeriesInstanceUID"].tolist()
        for uid in uids:
            mine, theirs = source.series(uid).instances, expected.series(uid).instances
            assert [one.uid for one in mine] == [one.uid for one in theirs]
            for one, other in zip(mine, theirs, strict=True):
                assert (one.pixels() == other.pixels()).all()
        assert source.report.counts == {"media-directory": 1}
        together += uids

    assert sorted(together) == sorted(expected.find("series")["SeriesInstanceUID"])


def test_what_is_gone_is_missed(disc: Made, tmp_path: Path) -> None:
    """A file that a peer's DICOMDIR lists and the copy has lost is named in the report."""
    files = [path for path in disc.root.rglob("*") if path.is_file() and path.name != "DICOMDIR"]
    gone = min(files)
    gone.unlink()

    with dl.open_archive(tmp_path / "archive") as archive:
        report = archive.import_(disc.root)

    (missed,) = [row for row in report.rows if row.reason == "missing-file"]
    (directory,) = [p for p in directories(disc.root) if gone.is_relative_to(p.parent)]
    assert missed.path == f"{directory}!/{gone.relative_to(directory.parent)}"
    assert report.counts[Outcome.NEW] == 4
    assert not report.is_complete


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of change of all below a folder."""
    paths = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_size, path.stat().st_ctime_ns) for path in paths}


def test_a_medium_is_only_read(disc: Made, tmp_path: Path) -> None:
    """A player's disk holds other things as well, and may be read-only: nothing on it changes."""
    for name in ("iPod_Control/Device/SysInfo", "Notes/Help", ".Trashes/._x", "Photos/a.jpg"):
        (disc.root / name).parent.mkdir(parents=True, exist_ok=True)
        (disc.root / name).write_bytes(b"no DICOM")
    for path in (*disc.root.rglob("*"), disc.root):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = snapshot(disc.root)

    with dl.open_archive(tmp_path / "archive") as archive:
        report = archive.import_(disc.root)
    found = dl.open(disc.root).find("image")

    assert snapshot(disc.root) == before
    assert report.is_complete
    assert report.counts[Outcome.NEW] == len(found) == 5
    assert report.counts[Outcome.NOT_DICOM] == 4
