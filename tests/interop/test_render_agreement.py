"""Grey and colour pictures equal those of DCMTK's dcm2pnm within one grey level."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicomlab import phantoms
from dicomlab.catalog import FileFrames
from dicomlab.errors import DicomlabError
from dicomlab.pixels import (
    Presentation,
    VoiLutFunction,
    VoiWindow,
    decode_frame,
    overlays,
    transcode,
)
from dicomlab.safety import FileBytes, Header, read_header
from tests.peers import Peers
from tests.series import header_of

EXPLICIT = "1.2.840.10008.1.2.1"
NATIVE = ("1.2.840.10008.1.2", EXPLICIT, "1.2.840.10008.1.2.2")
LARGEST = 600 << 10
FUNCTIONS = {VoiLutFunction.LINEAR: "+Wfl", VoiLutFunction.SIGMOID: "+Wfs"}
WINDOWS = [
    VoiWindow(center, width, function)
    for center, width in ((40, 400), (300.5, 1500), (-600, 1), (50, 3))
    for function in FUNCTIONS
]


def window_options(window: VoiWindow) -> tuple[str, ...]:
    return "+Ww", str(window.center), str(window.width), FUNCTIONS[window.function]


def their_picture(
    peers: Peers, path: Path, folder: Path, *options: str, frame: int = 0
) -> np.ndarray | None:
    """Return what dcm2pnm makes of a native file, ``None`` where it cannot."""
    target = folder / "theirs.png"
    done = peers.run("dcm2pnm", "-O", "+F", str(frame + 1), *options, "+on", path, target,
                     check=False)  # fmt: skip
    if done.returncode:
        return None
    return np.asarray(Image.open(io.BytesIO(target.read_bytes())))


@pytest.mark.parametrize(
    "shown", ["MONOCHROME1", pytest.param("MONOCHROME2", marks=pytest.mark.smoke)]
)
def test_windows_of_both_functions(peers: Peers, tmp_path: Path, shown: str):
    """Linear and sigmoid, wide, narrow and a step, of CT and its inverse."""
    dataset = next(iter(phantoms.thorax_ct(slices=2, rows=64, PhotometricInterpretation=shown)))
    path = tmp_path / "ct.dcm"
    dataset.save_as(path, enforce_file_format=True)
    header = header_of(path)
    presentation = Presentation.from_attributes(header, EXPLICIT)

    for window in WINDOWS:
        theirs = their_picture(peers, path, tmp_path, *window_options(window))
        ours = presentation.render(dataset.PixelData, window=window)

        assert theirs is not None
        assert np.abs(ours.astype(int) - theirs).max() <= 1, window


@pytest.mark.parametrize("frame", [0, 2])
def test_frames_of_enhanced_and_colour_objects(peers: Peers, tmp_path: Path, frame: int):
    """Each frame by its own functional groups, colour by pixel and by plane."""
    window = VoiWindow(40, 400)
    for name, dataset in (
        ("enhanced", next(iter(phantoms.enhanced_ct(slices=4, rows=48)))),
        ("pixel", next(iter(phantoms.colour(frames=3, rows=48)))),
        ("plane", next(iter(phantoms.colour(frames=3, rows=48, planar_configuration=1)))),
    ):
        path = tmp_path / "object.dcm"
        dataset.save_as(path, enforce_file_format=True)
        frames = FileFrames(path, header_of(path))
        presentation = Presentation.from_attributes(header_of(path), EXPLICIT, frame=frame)

        options = window_options(window) if name == "enhanced" else ()
        theirs = their_picture(peers, path, tmp_path, *options, frame=frame)
        ours = presentation.render(frames.read(frame), window=window)

        assert theirs is not None
        assert np.abs(ours.astype(int) - theirs).max() <= 1, name


def test_overlays_are_drawn_alike(peers: Peers, tmp_path: Path):
    """A plane at full brightness, where its origin says."""
    dataset = next(iter(phantoms.thorax_ct(slices=2, rows=64)))
    bits = np.indices((40, 40)).sum(axis=0) % 7 == 0
    for element, vr, value in (
        (0x10, "US", 40), (0x11, "US", 40), (0x40, "CS", "G"), (0x50, "SS", [11, 15]),
        (0x100, "US", 1), (0x102, "US", 0),
        (0x3000, "OW", np.packbits(bits.ravel(), bitorder="little").tobytes()),
    ):  # fmt: skip
        dataset.add_new(0x60000000 | element, vr, value)
    path = tmp_path / "ct.dcm"
    dataset.save_as(path, enforce_file_format=True)
    presentation = Presentation.from_attributes(header_of(path), EXPLICIT)
    window = VoiWindow(40, 400)

    target = tmp_path / "theirs.png"
    peers.run("dcm2pnm", "+O", "0", *window_options(window), "+on", path, target)
    ours = presentation.render(dataset.PixelData, window=window, with_overlays=True)

    theirs = np.asarray(Image.open(io.BytesIO(target.read_bytes())))
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def real_kinds(folder: Path) -> list[tuple[Path, Header]]:
    """Return one small real file for each way of being shown."""
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
        if told.number_of_frames * told.frame_bytes > LARGEST:
            continue
        key = (
            replace(told, rows=1, columns=1, number_of_frames=1, transfer_syntax_uid=""),
            header.string("Modality"),
            bool(header.items("VOILUTSequence")),
            bool(header.items("ModalityLUTSequence")),
            bool(header.strings("WindowCenter")),
            header.string("PresentationLUTShape"),
            bool(overlays(header)),
        )
        found.setdefault(key, (path, header))
    return list(found.values())


def chosen(presentation: Presentation, stored: np.ndarray) -> tuple[str, ...]:
    """Return the options by which dcm2pnm uses what the object says of itself."""
    if stored.ndim == 3 or presentation.palette is not None:
        return ()
    if presentation.windows:
        return window_options(presentation.windows[0])
    return ("+Wl", "1") if presentation.voi_lut is not None else window_options(VoiWindow(100, 500))


def test_real_files_are_shown_alike(peers: Peers, real_data: Path, tmp_path: Path):
    """One of each kind, by its own window or table, or by a window where it has none."""
    compared, different = 0, []
    for path, header in real_kinds(real_data):
        presentation = Presentation.from_attributes(header, header.transfer_syntax_uid)
        try:
            frames = FileFrames(path, header)
            stored = decode_frame(frames.read(0), frames.description)
            options = chosen(presentation, stored)
            window = VoiWindow(100, 500) if options[1:2] == ("100",) else None
            ours = presentation.render(frames.read(0), window=window)
            plain = path
            if header.transfer_syntax_uid not in NATIVE:
                plain = tmp_path / "plain.dcm"
                with FileBytes(path) as source, plain.open("w+b") as target:
                    transcode(source, target, EXPLICIT)
        except DicomlabError:
            continue
        theirs = their_picture(peers, plain, tmp_path, *options)
        if theirs is None:
            continue  # float pixels, and palettes of 16 bits, are not shown by DCMTK 3.6.7
        compared += 1
        off = np.abs(ours.astype(int) - theirs)
        # DCMTK rounds each term of YBR to RGB by itself: two levels off in some pixels.
        is_ybr = presentation.description.photometric_interpretation.startswith("YBR_FULL")
        if off.max() > 1 and not (is_ybr and off.max() == 2 and (off > 1).mean() < 0.02):
            different.append((path.relative_to(real_data).as_posix(), int(off.max())))

    assert not different
    assert compared > 25
