"""What is transcoded is read by DCMTK, GDCM and pydicom's own decoders to the same values.

Generated objects of every kind of pixels, and one real file of each kind, go through every transfer
syntax that can hold them.
"""

import io
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from dicomlab import phantoms
from dicomlab.catalog import FileFrames
from dicomlab.errors import DicomlabError, UnsupportedError
from dicomlab.pixels import can_encode_losslessly, decode_frame, transcode
from dicomlab.safety import FileBytes, Header, read_header
from dicomlab.standard import TRANSFER_SYNTAXES
from tests.peers import Peers

ROOT = "1.2.840.10008.1.2"
EXPLICIT = ROOT + ".1"
PEER = {
    "": ("dcmconv", "+te"),
    ".1.99": ("dcmconv", "+te"),
    ".2": ("dcmconv", "+te"),
    # +cn: YBR_FULL stays what it is.
    ".4.57": ("dcmdjpeg", "+te", "+cn"),
    ".4.70": ("dcmdjpeg", "+te", "+cn"),
    ".4.80": ("dcmdjpls", "+te"),
    ".4.81": ("dcmdjpls", "+te"),
    ".4.90": ("gdcmconv", "--raw"),
    ".4.91": ("gdcmconv", "--raw"),
    ".5": ("dcmdrle", "+te"),
}
"""Transfer syntax, and the peer's command that makes it Explicit VR Little Endian."""
ENCODERS = {
    ".4.57": ("dcmcjpeg", "+el", "+sv", "5"),
    ".4.70": ("dcmcjpeg", "+e1"),
    ".4.80": ("dcmcjpls", "+el"),
    ".4.90": ("gdcmconv", "--j2k"),
    ".5": ("dcmcrle",),
    ".1.99": ("dcmconv", "+td"),
    ".2": ("dcmconv", "+tb"),
}
LOSSLESS = [uid for uid in TRANSFER_SYNTAXES if can_encode_losslessly(uid)]


def kinds() -> dict[str, pydicom.Dataset]:
    """Return generated objects, small, of each kind of pixels."""
    ct = next(iter(phantoms.thorax_ct(slices=2, rows=48)))
    signed = next(iter(phantoms.thorax_ct(slices=2, rows=48)))
    values = signed.pixel_array.astype(np.int16) * 16 - 20_000
    signed.BitsStored, signed.HighBit, signed.PixelRepresentation = 16, 15, 1
    signed.PixelData = values.tobytes()
    return {
        "16 signed bits": signed,
        "12 bits": ct,
        "frames": next(iter(phantoms.enhanced_ct(slices=4, rows=48))),
        "colour": next(iter(phantoms.colour(frames=2, rows=48))),
        "colour by plane": next(iter(phantoms.colour(frames=1, rows=48, planar_configuration=1))),
        "odd size": next(iter(phantoms.colour(frames=3, rows=33, columns=35))),
    }


def decoded(path: Path) -> list[np.ndarray]:
    """Return the frames by our own decoder."""
    with FileBytes(path) as file:
        header = read_header(file)
    frames = FileFrames(path, header)
    return [decode_frame(frames.read(n), frames.description) for n in range(len(frames))]


def to(path: Path, target: Path, uid: str) -> None:
    with FileBytes(path) as source, target.open("w+b") as file:
        transcode(source, file, uid, workers=2)


@pytest.mark.parametrize("suffix", list(PEER))
def test_peers_read_what_we_transcode(peers: Peers, tmp_path: Path, suffix: str):
    """Each generated object: the peer's values are those before."""
    for name, dataset in kinds().items():
        plain, coded, back = (tmp_path / f"{part}.dcm" for part in ("plain", "coded", "back"))
        dataset.save_as(plain, enforce_file_format=True)

        to(plain, coded, ROOT + suffix)

        peers.run(*PEER[suffix], coded, back)
        expected, found = pydicom.dcmread(plain), pydicom.dcmread(back)
        assert np.array_equal(found.pixel_array, expected.pixel_array), name
        assert found.SOPInstanceUID == expected.SOPInstanceUID
        back.unlink()


@pytest.mark.parametrize("suffix", list(ENCODERS))
def test_we_read_what_peers_encode(peers: Peers, tmp_path: Path, suffix: str):
    """The other direction: values and, transcoded by us, the native file."""
    for name, dataset in kinds().items():
        plain, coded, back = (tmp_path / f"{part}.dcm" for part in ("plain", "coded", "back"))
        dataset.save_as(plain, enforce_file_format=True)
        peers.run(*ENCODERS[suffix], plain, coded)
        uid = str(pydicom.dcmread(coded, stop_before_pixels=True).file_meta.TransferSyntaxUID)
        assert uid == ROOT + suffix

        to(coded, back, EXPLICIT)

        assert np.array_equal(pydicom.dcmread(back).pixel_array, dataset.pixel_array), name


@pytest.mark.smoke
def test_32_bits_are_turned_as_dcmtk_turns_them(peers: Peers, tmp_path: Path):
    """A dose of 32 bits in Explicit VR Big Endian: two words, the lower first (PS3.5 8.1.1)."""
    dataset = next(iter(phantoms.thorax_ct(slices=2, rows=16)))
    values = np.random.default_rng(4).integers(0, 1 << 32, (dataset.Rows, dataset.Columns))
    dataset.BitsAllocated = dataset.BitsStored = 32
    dataset.HighBit, dataset.PixelRepresentation = 31, 0
    dataset.PixelData = values.astype("<u4").tobytes()
    dataset.save_as(tmp_path / "plain.dcm", enforce_file_format=True)

    peers.run("dcmconv", "+tb", tmp_path / "plain.dcm", tmp_path / "theirs.dcm")
    to(tmp_path / "plain.dcm", tmp_path / "ours.dcm", ROOT + ".2")

    assert np.array_equal(decoded(tmp_path / "theirs.dcm")[0], values)
    ours, theirs = (pydicom.dcmread(tmp_path / f"{name}.dcm") for name in ("ours", "theirs"))
    assert ours.PixelData == theirs.PixelData


@pytest.mark.parametrize("uid", [ROOT + end for end in (".4.201", ".4.203")])
def test_openjpeg_reads_our_htj2k(tmp_path: Path, uid: str):
    """By another codec under pydicom; DCMTK 3.6.7 and GDCM 3.0 do not know HTJ2K."""
    pytest.importorskip("openjpeg")
    for name, dataset in kinds().items():
        dataset.save_as(tmp_path / "plain.dcm", enforce_file_format=True)

        to(tmp_path / "plain.dcm", tmp_path / "coded.dcm", uid)

        found = pydicom.dcmread(tmp_path / "coded.dcm")
        found.pixel_array_options(decoding_plugin="pylibjpeg", raw=False)
        assert np.array_equal(found.pixel_array, dataset.pixel_array), name


def complaints(peers: Peers, path: Path) -> set[str]:
    """Return the errors of dciodvfy, each once."""
    done = peers.run("dciodvfy", path, check=False)
    lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
    return {line for line in lines if line.startswith("Error")}


@pytest.mark.parametrize("suffix", [".4.70", ".4.80", ".4.90", ".5", ""])
def test_dciodvfy_finds_nothing_new(peers: Peers, tmp_path: Path, suffix: str):
    """What was a valid object still is one."""
    for name, dataset in kinds().items():
        dataset.save_as(tmp_path / "plain.dcm", enforce_file_format=True)

        to(tmp_path / "plain.dcm", tmp_path / "coded.dcm", ROOT + suffix)

        before = complaints(peers, tmp_path / "plain.dcm")
        assert complaints(peers, tmp_path / "coded.dcm") <= before, name


def real_kinds(folder: Path) -> dict[tuple[object, ...], tuple[Path, Header]]:
    """Return one small real file for each coding and each kind of pixels."""
    found: dict[tuple[object, ...], tuple[Path, Header]] = {}
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: (path.stat().st_size, path)):
        try:
            with FileBytes(path) as file:
                header = read_header(file)
            if header.pixel_data is None:
                continue
            told = FileFrames(path, header).description
        except DicomlabError:
            continue
        several = told.number_of_frames > 1
        if told.number_of_frames * told.frame_bytes > 600 << 10:
            continue
        key = replace(told, rows=1, columns=1, number_of_frames=1)
        found.setdefault((key, several), (path, header))
    return found


def test_real_files_survive_every_syntax(peers: Peers, real_data: Path, tmp_path: Path):
    """Ours into each syntax and back; DCMTK and GDCM agree on what is in between."""
    compared: dict[str, int] = {}
    wrong = []
    for path, _ in real_kinds(real_data).values():
        try:
            expected = decoded(path)
        except DicomlabError:
            continue  # test_decode_agreement lists these
        for uid in LOSSLESS:
            coded = tmp_path / "coded.dcm"
            try:
                to(path, coded, uid)
            except UnsupportedError:
                continue
            ours = decoded(coded)
            compared[uid] = compared.get(uid, 0) + 1
            same = all(map(np.array_equal, ours, expected)) and len(ours) == len(expected)
            if not same:
                wrong.append((path.relative_to(real_data).as_posix(), uid))

    assert not wrong
    assert set(compared) == set(LOSSLESS)
    assert min(compared.values()) > 5


def test_real_files_are_read_by_peers_in_between(peers: Peers, real_data: Path, tmp_path: Path):
    """One syntax for each peer: RLE, JPEG Lossless and JPEG-LS by DCMTK, JPEG 2000 by GDCM."""
    compared, wrong = 0, []
    for path, header in real_kinds(real_data).values():
        if header.integer("BitsAllocated") not in (8, 16):
            continue
        for suffix in (".5", ".4.70", ".4.80", ".4.90"):
            coded, back = tmp_path / "coded.dcm", tmp_path / "back.dcm"
            back.unlink(missing_ok=True)
            try:
                expected = decoded(path)
                to(path, coded, ROOT + suffix)
            except DicomlabError:
                continue
            done = peers.run(*PEER[suffix], coded, back, check=False)
            if done.returncode or not back.exists():
                encoder = ENCODERS[suffix]
                known = not peers.run(*encoder, path, tmp_path / "t.dcm", check=False).returncode
                if known and header.transfer_syntax_uid == EXPLICIT:
                    wrong.append((path.name, suffix, "the peer cannot read it"))
                continue
            theirs = decoded(back)
            compared += 1
            if not all(map(np.array_equal, theirs, expected)):
                wrong.append((path.name, suffix, "other values"))

    assert not wrong
    assert compared > 40


def test_warnings_are_none(tmp_path: Path):
    """pydicom has nothing to say of what we write."""
    dataset = kinds()["frames"]
    dataset.save_as(tmp_path / "plain.dcm", enforce_file_format=True)
    for uid in LOSSLESS:
        to(tmp_path / "plain.dcm", tmp_path / "coded.dcm", uid)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read = pydicom.dcmread(io.BytesIO((tmp_path / "coded.dcm").read_bytes()))
            assert str(read)
