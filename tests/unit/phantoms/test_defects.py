"""Each defect is the one that its name says, and spoils nothing else."""

from __future__ import annotations

from math import degrees

import numpy as np
import pytest
from pydicom import Dataset

from dicomlab import phantoms


@pytest.fixture
def series() -> list[Dataset]:
    """Return seven slices, 2 mm apart."""
    return list(phantoms.thorax_ct(slices=7, rows=8, spacing_mm=(2.0, 4.0, 4.0)))


def heights(datasets: list[Dataset]) -> list[float]:
    """Return where slices lie, from the head down."""
    return [float(i.ImagePositionPatient[2]) for i in datasets]


def test_a_gap(series):
    """One slice is missing in the middle; the others are untouched."""
    made = phantoms.with_gap(series)

    assert np.diff(heights(made)).tolist() == [-2, -2, -4, -2, -2]
    assert len(series) == 7


def test_a_duplicate(series):
    """Two slices lie in one place, each an instance of its own."""
    made = phantoms.with_duplicate(series)

    assert sorted(heights(made)).count(0.0) == 2
    assert len({i.SOPInstanceUID for i in made}) == 8
    assert all(i.file_meta.MediaStorageSOPInstanceUID == i.SOPInstanceUID for i in made)


def test_a_tilted_gantry(series):
    """The normal leans by the angle; the steps do not."""
    made = phantoms.tilted(series, degrees=20)
    row, column = np.array(made[0].ImageOrientationPatient, float).reshape(2, 3)
    step = np.diff([i.ImagePositionPatient for i in made], axis=0)[0]
    cosine = abs(np.cross(row, column) @ step) / np.linalg.norm(step)

    assert degrees(np.arccos(cosine)) == pytest.approx(20)
    assert float(series[0].ImageOrientationPatient[4]) == 1


def test_mixed_orientation(series):
    """Some slices are axial, some coronal."""
    made = phantoms.with_mixed_orientation(series)

    assert len({tuple(i.ImageOrientationPatient) for i in made}) == 2


def test_unlike_sizes(series):
    """One slice has half the rows, and pixels for just those."""
    made = phantoms.with_unlike_sizes(series)

    assert [i.Rows for i in made] == [8, 8, 8, 4, 8, 8, 8]
    np.testing.assert_array_equal(made[3].pixel_array, series[3].pixel_array[:4])


def test_a_missing_position(series):
    """One slice does not say where it lies."""
    made = phantoms.without_position(series)

    assert ["ImagePositionPatient" in i for i in made].count(False) == 1
    assert all("ImagePositionPatient" in i for i in series)


def test_shuffling_hides_the_order_and_loses_nothing(series):
    """Instance numbers rise in the new order, positions do not; the slices are the same."""
    made = phantoms.shuffled(series, seed=1)

    assert [i.InstanceNumber for i in made] == [1, 2, 3, 4, 5, 6, 7]
    assert heights(made) not in (heights(series), heights(series)[::-1])
    assert sorted(heights(made)) == sorted(heights(series))
    assert heights(made) == heights(phantoms.shuffled(series, seed=1))


def test_too_few_slices_have_no_middle(series):
    """A defect in the middle needs slices around it."""
    with pytest.raises(ValueError, match="3 or more"):
        phantoms.with_gap(series[:2])
