"""Sound files of others are accepted: pydicom's own test files, what DCMTK and GDCM write.

What is refused all the same stands in a committed table with its reason, and another reader agrees.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from PIL import Image
from pydicom.errors import InvalidDicomError

from dicomlab import phantoms
from dicomlab.archive import Archive, ImportReport, Outcome
from dicomlab.catalog import Query
from tests.peers import Peers

TABLE = Path(__file__).parents[1] / "data" / "pydicom_refusals.csv"
FILES = Path(pydicom.data.__file__).resolve().parent
UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
FOLDERS = ("test_files", "charset_files", "palettes")
SIZE = {"slices": 2, "rows": 32}

Make = Callable[[Peers, Path], None]
"""Writes files of a peer into a folder."""


def listed() -> dict[str, str]:
    """Return path and reason of each of pydicom's files that is expected to be refused."""
    with TABLE.open(newline="") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ImportReport:
    """Import all files that are installed with pydicom, once."""
    with Archive.open(tmp_path_factory.mktemp("pydicom") / "archive") as archive:
        return archive.import_(
            [FILES / name for name in ("test_files", "charset_files", "palettes")]
        )


@pytest.mark.smoke
def test_pydicoms_files_are_accepted_or_listed(report: ImportReport) -> None:
    """A new refusal fails, and so does a listed file that is accepted now."""
    refused = {
        str(Path(row.path).relative_to(FILES)): row.reason
        for row in report.rows
        if row.outcome in (Outcome.REFUSED, Outcome.NOT_DICOM)
    }

    assert refused == listed()
    assert len(report.rows) - len(refused) > 150


def test_what_is_refused_is_in_quarantine_or_says_why(report: ImportReport) -> None:
    """Nothing that came is lost without a word."""
    for row in report.of(Outcome.REFUSED):
        assert bool(row.quarantine) != bool(row.not_kept), row.path


@pytest.mark.filterwarnings("ignore")  # pydicom warns of what these files get wrong
def test_pydicom_finds_the_same_faults_in_its_files() -> None:
    """UIDs are missing, the prefix is, a media directory is one, and pixels are cut off."""
    for name, reason in listed().items():
        path = FILES / name
        if reason == "not-dicom":
            with pytest.raises(InvalidDicomError):
                pydicom.dcmread(path)
            continue
        data = pydicom.dcmread(path, force=True)
        if reason == "missing-uid":
            assert not all(data.get(keyword) for keyword in UIDS), name
        elif reason == "media-directory":
            assert "DirectoryRecordSequence" in data, name
        else:
            assert reason == "truncated", name


def test_the_truncated_are_refused_by_dcmtk_too(peers: Peers) -> None:
    """dcmdump fails on each of them."""
    names = [name for name, reason in listed().items() if reason == "truncated"]

    codes = [peers.run("dcmdump", FILES / name, check=False).returncode for name in names]

    assert names
    assert 0 not in codes


def sources(folder: Path) -> tuple[Path, Path]:
    """Write a grey and a coloured instance; return their paths."""
    (grey, *_rest) = phantoms.write(phantoms.thorax_ct(seed=3, **SIZE), folder / "grey")
    (colour, *_rest) = phantoms.write(phantoms.colour(seed=4), folder / "colour")
    return grey, colour


def by_dcmtk(peers: Peers, folder: Path) -> None:
    """Let DCMTK write in each encoding, from other files, and derived objects."""
    grey, colour = sources(folder.parent)
    for name, options in {
        "implicit": ["+ti"], "explicit": ["+te"], "big": ["+tb"], "deflated": ["+td"],
        "bare": ["-F", "+te"], "bare-implicit": ["-F", "+ti"], "undefined": ["-e"],
        "defined": ["+e"], "group-lengths": ["+g"], "padded": ["+p", "512", "64"],
        "no-unknown": ["-u"],
    }.items():  # fmt: skip
        peers.run("dcmconv", *options, grey, folder / f"{name}.dcm")
        peers.run("dcmconv", *options, colour, folder / f"{name}-colour.dcm")
    peers.run("dcmcjpeg", "+e1", grey, folder / "jpeg-lossless.dcm")
    peers.run("dcmcjpeg", "+eb", colour, folder / "jpeg-baseline.dcm")
    peers.run("dcmcjpeg", "+ee", grey, folder / "jpeg-extended.dcm")
    peers.run("dcmdjpeg", folder / "jpeg-lossless.dcm", folder / "from-jpeg.dcm")
    peers.run("dcmcjpls", grey, folder / "jpegls.dcm")
    peers.run("dcmcjpls", "+en", colour, folder / "jpegls-near.dcm")
    peers.run("dcmcrle", colour, folder / "rle.dcm")
    peers.run("dcmcrle", grey, folder / "rle-grey.dcm")
    peers.run("dcmscale", "+Sxf", "0.5", grey, folder / "half.dcm")
    peers.run("dcmquant", colour, folder / "palette.dcm")
    peers.run("dcmpsmk", grey, folder / "state.dcm")
    Image.new("RGB", (16, 12), (200, 30, 90)).save(folder.parent / "picture.jpg")
    Image.new("L", (16, 12), 70).save(folder.parent / "picture.bmp")
    for name, options in {
        "secondary": ["-sc"], "new-secondary": ["-nsc"], "photograph": ["-vlp"],
    }.items():  # fmt: skip
        peers.run("img2dcm", *options, folder.parent / "picture.jpg", folder / f"{name}.dcm")
    peers.run("img2dcm", "-i", "BMP", folder.parent / "picture.bmp", folder / "bmp.dcm")
    (folder.parent / "text.pdf").write_bytes(b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n")
    peers.run("pdf2dcm", folder.parent / "text.pdf", folder / "pdf.dcm")
    (folder.parent / "part.stl").write_bytes(bytes(80) + bytes(4))
    peers.run("stl2dcm", folder.parent / "part.stl", folder / "stl.dcm")
    (folder.parent / "grey.xml").write_bytes(peers.run("dcm2xml", "+Wb", grey).stdout)
    peers.run("xml2dcm", folder.parent / "grey.xml", folder / "from-xml.dcm")


def by_gdcm(peers: Peers, folder: Path) -> None:
    """Let GDCM write in each encoding, and from pictures."""
    grey, colour = sources(folder.parent)
    for name in ("raw", "jpeg", "jpegls", "j2k", "rle"):
        peers.run("gdcmconv", f"--{name}", grey, folder / f"{name}.dcm")
        peers.run("gdcmconv", f"--{name}", colour, folder / f"{name}-colour.dcm")
    for name in ("implicit", "explicit", "deflated"):
        peers.run("gdcmconv", f"--{name}", grey, folder / f"{name}.dcm")
    Image.new("L", (16, 12), 70).save(folder.parent / "picture.pgm")
    Image.new("RGB", (16, 12), (200, 30, 90)).save(folder.parent / "picture.jpg")
    for name in ("pgm", "jpg"):
        peers.run("gdcmimg", folder.parent / f"picture.{name}", folder / f"from-{name}.dcm")
    peers.run("gdcmanon", "--dumb", "--empty", "10,10", grey, folder / "emptied.dcm")
    peers.run("gdcmconv", "--raw", colour, "--planar-configuration", "1", folder / "planes.dcm")


@pytest.mark.parametrize("make", [by_dcmtk, by_gdcm], ids=["dcmtk", "gdcm"])
def test_what_peers_write_is_accepted(make: Make, peers: Peers, tmp_path: Path) -> None:
    """Every file that their tools write, in each encoding, is in the archive as it came."""
    folder = tmp_path / "in"
    folder.mkdir()
    make(peers, folder)
    written = sorted(folder.iterdir())

    with Archive.open(tmp_path / "archive") as archive:
        report = archive.import_([folder])

        kept = {Outcome.NEW, Outcome.OTHER_CONTENT, Outcome.ALREADY_THERE}
        left = {row.path.rpartition("/")[2]: row.reason for row in report.rows
                if row.outcome not in kept}  # fmt: skip
        assert left == {}
        assert len(report.rows) == len(written) >= 15
        assert archive.check().is_sound
        assert list(archive.records(Query("image")))
