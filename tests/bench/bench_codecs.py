"""Frames decoded and instances transcoded, for each transfer syntax that peers know.

Sixteen frames of 512 x 512 CT, 12 bits. Decoding is measured in memory, one frame after the other,
against imagecodecs called by itself, pydicom's default and GDCM under pydicom. Transcoding is
measured from file to file, against the programs of DCMTK and GDCM, and against ourselves with one
worker.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from measure import Result, beside, missing, seconds
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder

from dicomlab import phantoms
from dicomlab.pixels import FrameDescription, decode_frame, transcode
from dicomlab.safety import FileBytes, read_header

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.peers import PeerMissingError, find

ROOT = "1.2.840.10008.1.2"
EXPLICIT = ROOT + ".1"
FRAMES, SIDE = 16, 512
SYNTAXES: dict[str, tuple[str, Callable[[bytes], np.ndarray]]] = {
    ".4.70": ("JPEG Lossless", imagecodecs.jpeg8_decode),
    ".4.80": ("JPEG-LS", imagecodecs.jpegls_decode),
    ".4.90": ("JPEG 2000", partial(imagecodecs.jpeg2k_decode, numthreads=1)),
    ".4.201": ("HTJ2K", imagecodecs.htj2k_decode),
    ".4.110": ("JPEG XL", partial(imagecodecs.jpegxl_decode, numthreads=1)),
    ".5": ("RLE", partial(imagecodecs.dicomrle_decode, dtype="<u2")),
}
COMPRESS = {
    ".4.70": (("dcmcjpeg", "+e1"), ("gdcmconv", "--jpeg")),
    ".4.80": (("dcmcjpls", "+el"), ("gdcmconv", "--jpegls")),
    ".4.90": ((), ("gdcmconv", "--j2k")),
    ".5": (("dcmcrle",), ("gdcmconv", "--rle")),
}
EXPAND = {
    ".4.70": (("dcmdjpeg",), ("gdcmconv", "--raw")),
    ".4.80": (("dcmdjpls",), ("gdcmconv", "--raw")),
    ".4.90": ((), ("gdcmconv", "--raw")),
    ".5": (("dcmdrle",), ("gdcmconv", "--raw")),
}


def to(path: Path, target: Path, uid: str, workers: int | None = None) -> None:
    with FileBytes(path) as source, target.open("w+b") as file:
        transcode(source, file, uid, workers=workers)


def by_program(command: tuple[str, ...], path: Path, target: Path) -> None:
    subprocess.run([str(find(command[0])), *command[1:], str(path), str(target)], check=True,
                   capture_output=True)  # fmt: skip


def decoding(path: Path, suffix: str, repeat: int) -> list[Result]:
    """Return our figures beside those of the libraries."""
    name, codec = SYNTAXES[suffix]
    uid = ROOT + suffix
    dataset = pydicom.dcmread(path)
    frames = list(generate_frames(dataset.PixelData, number_of_frames=FRAMES))
    with FileBytes(path) as file:
        told = FrameDescription.from_attributes(read_header(file), uid)
    pixels = FRAMES * SIDE * SIDE * 2 / 1e6
    label = f"decode {FRAMES} CT frames, {name} {suffix}"

    def ours() -> float:
        return pixels / seconds(lambda: [decode_frame(frame, told) for frame in frames])

    peers: dict[str, Callable[[], object]] = {
        "imagecodecs": lambda: [codec(frame) for frame in frames],
    }
    decoder = None
    if suffix != ".4.110":
        decoder = get_decoder(uid)
        peers["pydicom's default"] = lambda: decoder.as_array(dataset, raw=True)
        if "gdcm" in decoder.available_plugins:
            peers["GDCM"] = lambda: decoder.as_array(dataset, raw=True, decoding_plugin="gdcm")
    results = []
    for peer, work in peers.items():
        results.append(
            beside(
                label,
                ours,
                lambda work=work: pixels / seconds(work),
                repeat=repeat,
                unit="MB/s",
                peer_name=peer,
                goal=1.0,
                more_is_better=True,
            )
        )
    return results


def transcoding(folder: Path, native: Path, suffix: str, repeat: int) -> list[Result]:
    """Return our figures beside those of the programs, there and back."""
    name, _ = SYNTAXES[suffix]
    coded = folder / f"coded{suffix}.dcm"
    results = []
    for verb, path, uid, commands in (
        ("compress", native, ROOT + suffix, COMPRESS.get(suffix, ())),
        ("expand", coded, EXPLICIT, EXPAND.get(suffix, ())),
    ):
        label = f"{verb} {FRAMES} CT frames, {name} {suffix}"
        target = folder / "target.dcm"

        def ours(path: Path = path, target: Path = target, uid: str = uid) -> float:
            return seconds(lambda: to(path, target, uid))

        for command in filter(None, commands):
            options = {"repeat": repeat, "unit": "s", "peer_name": command[0], "goal": 1.0}
            try:
                find(command[0])
            except PeerMissingError as error:
                results.append(missing(label, "s", command[0], str(error), goal=1.0))
                continue
            peer = partial(by_program, command, path, folder / "theirs.dcm")
            results.append(beside(label, ours, lambda peer=peer: seconds(peer), **options))
        alone = partial(to, path, folder / "alone.dcm", uid, 1)
        results.append(
            beside(
                f"{label}, {os.cpu_count()} workers",
                ours,
                lambda alone=alone: seconds(alone),
                repeat=repeat,
                unit="s",
                peer_name="1 worker",
            )
        )
    return results


def run(repeat: int) -> list[Result]:
    """Measure each syntax, and check that what is decoded are the values that were encoded."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        native = folder / "native.dcm"
        dataset = next(iter(phantoms.enhanced_ct(slices=FRAMES, rows=SIDE)))
        dataset.save_as(native, enforce_file_format=True)
        for suffix in SYNTAXES:
            coded = folder / f"coded{suffix}.dcm"
            to(native, coded, ROOT + suffix)
            to(coded, folder / "back.dcm", EXPLICIT)
            back = pydicom.dcmread(folder / "back.dcm")
            assert np.array_equal(back.pixel_array, dataset.pixel_array)
            results += decoding(coded, suffix, repeat)
            results += transcoding(folder, native, suffix, repeat)
    return results
