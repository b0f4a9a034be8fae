"""Where voxels lie and what they hold: dcm2niix and ITK say the same of the real files.

`tests/data/geometry.csv` lists every part of a series that is refused and every disagreement, each
with who is right and why. What is not listed fails the test, and so does what is listed and passes.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  its own habit

from dicomlab.catalog import InstanceData
from dicomlab.errors import DicomlabError
from dicomlab.volume import Examined, Volume, examine
from tests.peers import Peers
from tests.series import header_of, instance

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "tests" / "data" / "geometry.csv"
TOLERANCE_MM = 1e-3
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Finding:
    """What is not as one would wish; the first three columns of the table."""

    path: str
    part: str
    finding: str


@dataclass(frozen=True)
class Placed:
    """Somebody else's array, axes (i, j, k), and the affine from there to LPS mm."""

    values: np.ndarray
    affine: np.ndarray


@dataclass(frozen=True)
class Survey:
    findings: list[Finding]
    series: int
    opened: int
    compared: int
    agreeing: int
    answers: Counter[str]


@pytest.fixture(scope="module")
def kept() -> list[Survey]:
    """Hold the survey for all tests here: it takes a minute."""
    return []


@pytest.fixture
def survey(kept: list[Survey], peers: Peers, real_data: Path, tmp_path: Path) -> Survey:
    """Compare every volume of every series."""
    peers.find("dcm2niix")
    if not kept:
        sitk.ProcessObject.SetGlobalWarningDisplay(False)
        kept.append(surveyed(peers, real_data, tmp_path))
    return kept[0]


def surveyed(peers: Peers, real_data: Path, scratch: Path) -> Survey:
    findings: list[Finding] = []
    answers: Counter[str] = Counter()
    agreeing = compared = opened = 0
    all_series = series_of(real_data)
    for number, instances in enumerate(all_series):
        parts = examine(instances)
        volumes = [part.volume for part in parts if part.volume is not None]
        findings += [refusal(part, instances, real_data) for part in parts if part.refusal]
        opened += bool(volumes)
        if not volumes:
            continue
        folder = scratch / f"series{number}"
        converted = convert(peers, instances, folder)
        heard = []
        for volume in volumes:
            said = against_dcm2niix(peers, volume, instances, converted, folder)
            if said in ("ok", "no output"):
                with_itk = against_itk(volume, instances)
                said = said if with_itk is None else f"{said}/{with_itk}"
            answers[said] += 1
            heard.append(said)
            if said not in AGREED:
                where = first_path(volume.sop_instance_uids, instances, real_data)
                findings.append(Finding(where, told(volume.split), said))
        compared += not {"no output", UNREADABLE}.intersection(heard)
        agreeing += AGREED.issuperset(heard)
    return Survey(findings, len(all_series), opened, compared, agreeing, answers)


def series_of(folder: Path) -> list[list[InstanceData]]:
    """Return the instances with pixels by series; the folders at the top are kept apart."""
    found: dict[tuple[str, str | None], dict[str, InstanceData]] = defaultdict(dict)
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        try:
            header = header_of(path)
        except DicomlabError:
            continue
        if header.pixel_data is not None:
            one = instance(path, header)
            key = (path.relative_to(folder).parts[0], header.string("SeriesInstanceUID"))
            found[key].setdefault(one.sop_instance_uid or str(path), one)
    return [list(instances.values()) for _, instances in sorted(found.items(), key=str)]


def told(split) -> str:
    return " ".join(
        f"{key}={' '.join(f'{x:g}' for x in value) if isinstance(value, tuple) else value}"
        for key, value in split.items()
    )


def first_path(uids: Sequence[str], instances: Sequence[InstanceData], root: Path) -> str:
    paths = [one.frames.path for one in instances if one.sop_instance_uid in uids]
    return min(path.relative_to(root).as_posix() for path in paths)


def refusal(part: Examined, instances: Sequence[InstanceData], root: Path) -> Finding:
    reason = getattr(part.refusal, "reason", "") or "unsupported"
    return Finding(
        first_path(part.sop_instance_uids, instances, root), told(part.split), f"refused: {reason}"
    )


def convert(peers: Peers, instances: Sequence[InstanceData], folder: Path) -> list[Placed]:
    """Return every volume that dcm2niix makes of the instances; it has no other way but files."""
    given, made = folder / "in", folder / "out"
    given.mkdir(parents=True)
    made.mkdir()
    for number, one in enumerate(instances):
        (given / f"{number:05}.dcm").symlink_to(one.frames.path)
    # -p n: the standard's rescale, not Philips' private one. It exits 1 where it made nothing.
    peers.run("dcm2niix", "-b", "n", "-z", "n", "-p", "n", "-o", made, given, check=False)
    return list(read_nifti(sorted(made.glob("*.nii"))))


def read_nifti(paths: Sequence[Path]) -> Iterator[Placed]:
    for path in paths:
        loaded = nibabel.load(path)
        values = loaded.get_fdata()
        affine = RAS_TO_LPS @ loaded.affine
        if values.ndim == 3:
            yield Placed(values, affine)
        elif values.ndim == 4:
            for point in range(values.shape[3]):
                yield Placed(values[..., point], affine)


def against_dcm2niix(
    peers: Peers,
    volume: Volume,
    instances: Sequence[InstanceData],
    converted: Sequence[Placed],
    folder: Path,
) -> str:
    """Return "ok", "no output", or how the nearest of dcm2niix' volumes differs."""
    said = [compare(volume, other) for other in converted]
    if "ok" in said:
        return "ok"
    own = [one for one in instances if one.sop_instance_uid in volume.sop_instance_uids]
    if len(own) < len(instances):
        # Copies of one image under several UIDs: dcm2niix keeps one of them. Ask for this one.
        again = folder / own[0].sop_instance_uid
        said = [compare(volume, other) for other in convert(peers, own, again)]
    if not said:
        return "no output"
    # Geometry that fits goes before one that does not.
    return "ok" if "ok" in said else f"dcm2niix: {min(said, key=ORDER.index)}"


def against_itk(volume: Volume, instances: Sequence[InstanceData]) -> str | None:
    """Return "ok", how ITK's reader differs, or ``None`` where it has no such volume.

    It reads the frames of an instance as one stack, whatever they are, and files in a given order.
    """
    by_uid = {one.sop_instance_uid: one for one in instances}
    uids = list(dict.fromkeys(volume.sop_instance_uids))
    frames = sum(len(by_uid[uid].frames) for uid in uids)
    if frames != volume.shape[0] or (len(uids) > 1 and frames != len(uids)):
        return None
    names = [str(by_uid[uid].frames.path) for uid in uids]
    try:
        if len(names) == 1:
            image = sitk.ReadImage(names[0])
        else:
            reader = sitk.ImageSeriesReader()
            reader.SetFileNames(names)
            image = reader.Execute()
    except RuntimeError:
        return None
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    said = compare(volume, Placed(sitk.GetArrayFromImage(image).T, affine))
    return said if said == "ok" else f"itk: {said}"


AGREED = frozenset(("ok", "ok/ok", "no output/ok"))
UNREADABLE = "no output/itk: unreadable"
ORDER = ("ok", "values", "unreadable", "corners", "axes", "shape")


def compare(volume: Volume, other: Placed) -> str:
    """Return "ok" where corner voxels lie together to 1e-3 mm and all values are equal."""
    found = axes_of(volume, other)
    if found is None:
        return "axes"
    axes, signs, offset, affine = found
    if tuple(other.values.shape[axis] for axis in axes) != volume.shape:
        return "shape"
    corners = np.array(list(itertools.product(*((0, size - 1) for size in volume.shape))), float)
    indices = np.empty_like(corners)
    for ours, theirs in enumerate(axes):
        indices[:, theirs] = signs[ours] * corners[:, ours] + offset[theirs]
    places = indices @ affine[:3, :3].T + affine[:3, 3]
    outside = indices.min() < 0 or (indices.max(axis=0) >= other.values.shape).any()
    apart = np.linalg.norm(volume.grid.to_lps(corners) - places, axis=1).max()
    if outside or apart > TOLERANCE_MM:
        return "corners"
    turned = np.transpose(other.values, axes)
    return compare_values(volume, np.flip(turned, [axis for axis in range(3) if signs[axis] < 0]))


def compare_values(volume: Volume, expected: np.ndarray) -> str:
    try:
        values = volume.compute()
    except DicomlabError:
        return "unreadable"
    if values.dtype.kind == "i":
        return "ok" if np.array_equal(values, expected) else "values"
    # Slope and intercept pass through float32 on the way to NIfTI, and in ours.
    atol = 1e-6 * max(1.0, float(np.abs(expected).max()))
    return "ok" if np.allclose(values, expected, rtol=1e-5, atol=atol) else "values"


def axes_of(volume: Volume, other: Placed):
    """Return which of the other's axes each of ours is, signs, offset, and the other's affine."""
    affine = other.affine.copy()
    if volume.shape[0] == 1 and 1 in other.values.shape:
        # Of a single slice, the distance to the next one has no meaning.
        alone = other.values.shape.index(1)
        affine[:3, alone] *= volume.spacing_mm[0] / np.linalg.norm(affine[:3, alone])
    turn = np.linalg.inv(affine) @ volume.affine
    whole = np.rint(turn[:3, :3]).astype(int)
    if (np.abs(whole).sum(axis=0) != 1).any() or (np.abs(whole).sum(axis=1) != 1).any():
        return None
    axes = [int(np.abs(whole[:, ours]).argmax()) for ours in range(3)]
    signs = [int(whole[theirs, ours]) for ours, theirs in enumerate(axes)]
    return axes, signs, np.rint(turn[:3, 3]), affine


def test_geometry_and_values_agree_with_dcm2niix_and_itk(survey: Survey):
    """Every refusal and disagreement is in the table, and everything in the table is still so."""
    with TABLE.open(newline="") as file:
        listed = {Finding(row["path"], row["part"], row["finding"]) for row in csv.DictReader(file)}
    found = set(survey.findings)

    assert len(found) == len(survey.findings), "the columns do not tell two findings apart"
    assert not sorted(found - listed, key=str), "not in tests/data/geometry.csv"
    assert not sorted(listed - found, key=str), "in tests/data/geometry.csv, but no longer so"


def test_every_row_says_why():
    """A row names the clause and who is right; no row stands for more than it names."""
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))

    assert rows
    for row in rows:
        assert len(row["explanation"].split()) >= 4, row
        assert row["reference"], row
        assert not set("*?") & set(row["path"]), row


def test_most_series_that_open_are_compared(survey: Survey):
    """The figures of the closing note; written to build/results and shown."""
    figures = {
        "series with pixels": survey.series,
        "series with a volume": survey.opened,
        "series compared, all volumes": survey.compared,
        "series that agree, all volumes": survey.agreeing,
        "share of series compared": round(survey.compared / survey.opened, 3),
        "volumes by answer (dcm2niix/ITK)": dict(survey.answers.most_common()),
        "findings": dict(Counter(finding.finding for finding in survey.findings).most_common()),
    }
    target = ROOT / "build" / "results" / "geometry-agreement.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(figures, indent=1))
    print(json.dumps(figures, indent=1))

    assert survey.compared / survey.opened > 0.9


@pytest.mark.parametrize("part", ["ge/fmri/001", "ge/dti/001", "philips/fmri/001"])
def test_repetitions_told_apart_on_request_agree_with_dcm2niix(
    peers: Peers, real_data: Path, tmp_path: Path, part: str
):
    """The remedy that the refusal names gives the volumes that dcm2niix guesses."""
    folder = real_data / "icometrix__dicom2nifti" / "tests" / "data" / part
    instances = [instance(path) for path in sorted(folder.iterdir())]
    converted = convert(peers, instances, tmp_path)

    opened = [one.volume for one in examine(instances, split_by="InstanceNumber")]

    assert len(opened) == len(converted) > 1
    for volume, other in zip(opened, converted, strict=True):
        assert compare(volume, other) == "ok"
