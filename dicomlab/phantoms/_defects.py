"""Series that form no regular grid, or do not look as if they did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import cos, radians, sin

import numpy as np
from pydicom import Dataset

from dicomlab.phantoms import _noise
from dicomlab.phantoms._instances import copied, decimals, file_meta, uid


def shuffled(datasets: Iterable[Dataset], *, seed: int = 0) -> list[Dataset]:
    """Return the instances in another order, numbered anew in it.

    So neither Instance Number (0020,0013) nor the name that `write` gives says where a slice lies.
    """
    originals = list(datasets)
    order = _noise.permutation(_noise.stream(seed, 31), len(originals))
    made = [_twin(originals[index]) for index in order]
    for number, instance in enumerate(made, 1):
        instance.InstanceNumber = number
    return made


def with_gap(datasets: Iterable[Dataset]) -> list[Dataset]:
    """Return the instances without the one in the middle."""
    made = list(datasets)
    del made[_middle(made)]
    return made


def with_duplicate(datasets: Iterable[Dataset]) -> list[Dataset]:
    """Return the instances and one more, in the place of the one in the middle."""
    made = list(datasets)
    second = _twin(made[_middle(made)])
    second.SOPInstanceUID = uid(second.SOPInstanceUID, "duplicate")
    second.InstanceNumber = 1 + max(int(instance.InstanceNumber) for instance in made)
    second.file_meta = file_meta(second, second.file_meta.TransferSyntaxUID)
    return [*made, second]


def tilted(datasets: Iterable[Dataset], *, degrees: float = 15.0) -> list[Dataset]:
    """Return the instances as from a CT with its gantry tilted: planes lean, steps stay upright.

    Positions move along the table, not along the normal of the planes, so the voxels are no boxes.
    The tilt is Gantry/Detector Tilt (0018,1120); pixels stay as they are.
    """
    made = [_twin(instance) for instance in datasets]
    # Nine decimals are more than a gantry knows, and the same on every machine.
    down = [0.0, round(cos(radians(degrees)), 9), round(sin(radians(degrees)), 9)]
    for instance in made:
        instance.ImageOrientationPatient = decimals([1.0, 0.0, 0.0, *down])
        instance.GantryDetectorTilt = decimals([degrees])[0]
    return made


def with_mixed_orientation(datasets: Iterable[Dataset]) -> list[Dataset]:
    """Return the instances, the second half of them turned to coronal planes."""
    made = [_twin(instance) for instance in datasets]
    for instance in made[_middle(made) :]:
        instance.ImageOrientationPatient = ["1", "0", "0", "0", "0", "-1"]
    return made


def with_unlike_sizes(datasets: Iterable[Dataset]) -> list[Dataset]:
    """Return the instances, the one in the middle cut to half its rows."""
    made = list(datasets)
    middle = _middle(made)
    cut = _twin(made[middle])
    cut.Rows = cut.Rows // 2
    cut["PixelData"].value = np.array(made[middle].pixel_array[: cut.Rows]).tobytes()
    made[middle] = cut
    return made


def without_position(datasets: Iterable[Dataset]) -> list[Dataset]:
    """Return the instances, the one in the middle without Image Position (Patient)."""
    made = list(datasets)
    made[_middle(made)] = _twin(made[_middle(made)])
    del made[_middle(made)].ImagePositionPatient
    return made


def _middle(datasets: Sequence[Dataset]) -> int:
    """Return the index of the one in the middle; fewer than three have none.

    Raises
    ------
    ValueError
        There are fewer than three.
    """
    if len(datasets) < 3:
        raise ValueError(f"{len(datasets)} instance(s): a defect in the middle needs 3 or more.")
    return len(datasets) // 2


def _twin(original: Dataset) -> Dataset:
    """Return a copy to change, the original's encoding with it."""
    twin = copied(original)
    twin.file_meta = file_meta(original, original.file_meta.TransferSyntaxUID)
    return twin
