"""Frames decode to what DCMTK and GDCM decode them to: bit for bit, or 40 dB where loss is allowed.

`tests/data/undecodable.csv` lists every real file whose frames are not decoded, with the reason.
"""

from __future__ import annotations

import csv
import warnings
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pydicom
import pytest

from dicomlab.catalog import FileFrames
from dicomlab.errors import DicomlabError
from dicomlab.pixels import decode_frame
from dicomlab.safety import Header
from tests.peers import Peers
from tests.series import header_of

TABLE = Path(__file__).parents[1] / "data" / "undecodable.csv"
ROOT = "1.2.840.10008.1.2"
MOST_FRAMES = 3
"""Of one file: what is wrong with a codec is wrong in its first frames."""

LOSSLESS = {
    ".1.99": ("dcmconv", "+te"),
    ".2": ("dcmconv", "+te"),
    ".4.57": ("dcmdjpeg",),
    ".4.70": ("dcmdjpeg",),
    ".4.80": ("dcmdjpls",),
    ".4.90": ("gdcmconv", "--raw"),
    ".5": ("dcmdrle",),
}
"""Transfer syntax, and the peer's command that makes it Explicit VR Little Endian."""
LOSSY = {
    # +cg: by the marks in the stream, as the attribute is wrong in a file that says RGB (GH195).
    ".4.50": ("dcmdjpeg", "+cg"),
    ".4.51": ("dcmdjpeg", "+cg"),
    ".4.81": ("dcmdjpls",),
    ".4.91": ("gdcmconv", "--raw"),
}


@lru_cache(maxsize=1)
def files_with_pixels(folder: Path) -> dict[str, list[tuple[Path, Header]]]:
    """Return the real files with pixel data by transfer syntax."""
    found = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            try:
                header = header_of(path)
            except DicomlabError:
                continue
            if header.pixel_data is not None:
                found[header.transfer_syntax_uid].append((path, header))
    return found


def undecodable() -> dict[str, str]:
    with TABLE.open(newline="") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file)}


def decoded(path: Path, header: Header) -> list[np.ndarray]:
    frames = FileFrames(path, header)
    count = min(len(frames), MOST_FRAMES)
    return [decode_frame(frames.read(index), frames.description) for index in range(count)]


def plain_frames(path: Path) -> Iterator[np.ndarray]:
    """Yield the frames of a native little endian file, by pydicom and arithmetic."""
    with warnings.catch_warnings():
        # Other people's files: pydicom warns of their character sets.
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
    element = next(
        dataset[name]
        for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
        if name in dataset
    )
    shape = (dataset.Rows, dataset.Columns)
    samples = dataset.get("SamplesPerPixel") or 1
    count = min(int(dataset.get("NumberOfFrames") or 1), MOST_FRAMES)
    allocated = dataset.BitsAllocated
    if element.keyword != "PixelData":
        flat = np.frombuffer(element.value, f"<f{allocated // 8}")
    elif allocated == 1:
        flat = np.unpackbits(np.frombuffer(element.value, np.uint8), bitorder="little")
    else:
        raw = np.frombuffer(element.value, f"<u{allocated // 8}").astype(np.int64)
        values = 1 << dataset.BitsStored
        flat = raw % values
        if dataset.get("PixelRepresentation"):
            flat = np.where(flat >= values // 2, flat - values, flat)
    if dataset.PhotometricInterpretation == "YBR_FULL_422":
        pairs = flat.reshape(-1, 4)
        flat = pairs[:, [0, 2, 3, 1, 2, 3]].reshape(-1)
    size = shape[0] * shape[1] * samples
    for index in range(count):
        frame = flat[index * size : (index + 1) * size]
        if samples == 1:
            yield frame.reshape(shape)
        elif dataset.get("PlanarConfiguration"):
            yield frame.reshape(samples, *shape).transpose(1, 2, 0)
        else:
            yield frame.reshape(*shape, samples)


def peers_frames(peers: Peers, command: tuple[str, ...], path: Path, to: Path) -> list[np.ndarray]:
    """Return the frames as the peer decodes them, none where it cannot."""
    done = peers.run(*command, path, to, check=False)
    if done.returncode or not to.exists():
        return []
    frames = list(plain_frames(to))
    to.unlink()
    return frames


def decibels(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the peak signal to noise ratio, the peak being what was there."""
    noise = float(np.mean((ours.astype(float) - theirs) ** 2))
    peak = float(np.abs(theirs).max()) or 1.0
    return np.inf if noise == 0 else 10 * np.log10(peak**2 / noise)


SYNTAXES = [
    pytest.param(suffix, marks=pytest.mark.smoke if suffix in (".4.80", ".5") else ())
    for suffix in LOSSLESS
]


@pytest.mark.parametrize("suffix", SYNTAXES)
def test_lossless_frames_equal_the_peers(
    peers: Peers, real_data: Path, tmp_path: Path, suffix: str
):
    """Every real file of the transfer syntax, bit for bit."""
    known = undecodable()
    compared, different = 0, []
    for path, header in files_with_pixels(real_data)[ROOT + suffix]:
        name = path.relative_to(real_data).as_posix()
        if name in known:
            continue
        theirs = peers_frames(peers, LOSSLESS[suffix], path, tmp_path / "plain.dcm")
        ours = decoded(path, header)
        if theirs:
            compared += 1
            same = all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
            different += [] if same else [name]

    assert not different
    assert compared > 0


@pytest.mark.parametrize("suffix", list(LOSSY))
def test_lossy_frames_are_as_good_as_the_peers(
    peers: Peers, real_data: Path, tmp_path: Path, suffix: str
):
    """Rounding may differ between decoders: 40 dB, or nothing is right with the colours."""
    known = undecodable()
    compared, different = 0, []
    for path, header in files_with_pixels(real_data)[ROOT + suffix]:
        name = path.relative_to(real_data).as_posix()
        if name in known:
            continue
        theirs = peers_frames(peers, LOSSY[suffix], path, tmp_path / "plain.dcm")
        ours = decoded(path, header)
        for mine, other in zip(ours, theirs, strict=False):
            compared += 1
            quality = decibels(mine, other)
            if quality < 40:
                different.append((name, round(quality, 1)))

    assert not different
    assert compared > 0


@pytest.mark.parametrize("suffix", ["", ".1"])
def test_native_frames_equal_their_bytes(real_data: Path, suffix: str):
    """Every real native file, read by pydicom and unpacked by arithmetic."""
    known = undecodable()
    different = []
    for path, header in files_with_pixels(real_data)[ROOT + suffix]:
        name = path.relative_to(real_data).as_posix()
        if name in known:
            continue
        ours = decoded(path, header)
        same = all(np.array_equal(a, b) for a, b in zip(ours, plain_frames(path), strict=True))
        different += [] if same else [name]

    assert not different


def test_every_file_is_decoded_or_listed_with_its_reason(real_data: Path):
    """A file that is not listed decodes; one that is listed still does not, for that reason."""
    found = {}
    for files in files_with_pixels(real_data).values():
        for path, header in files:
            try:
                decoded(path, header)
            except DicomlabError as error:
                reason = getattr(error, "reason", "") or "unsupported"
                found[path.relative_to(real_data).as_posix()] = reason

    assert found == undecodable()
