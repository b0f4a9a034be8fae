"""Planes form a grid, or the reason why not is named."""

import numpy as np
import pytest

from dicomlab.errors import GeometryError
from dicomlab.geometry import Defect, even_spacing, slice_normal, stack_planes

AXIAL = (1, 0, 0, 0, 1, 0)


def axial(heights, **options):
    positions = [(-100, -120, height) for height in heights]
    return stack_planes(positions, AXIAL, (0.8, 0.7), (512, 256), **options)


def reason(heights, **options) -> GeometryError:
    with pytest.raises(GeometryError) as caught:
        axial(heights, **options)
    return caught.value


def test_slices_are_ordered_along_the_normal():
    """Whatever the order of arrival, the first slice is the lowest along the normal."""
    stack = axial([10, -5, 5, 0])

    assert stack.order.tolist() == [1, 3, 2, 0]
    assert stack.grid.shape == (4, 512, 256)
    assert stack.grid.spacing_mm == pytest.approx((5, 0.8, 0.7))
    assert stack.grid.to_lps([3, 1, 2]) == pytest.approx([-98.6, -119.2, 10])


def test_the_axes_are_right_handed():
    """Column, row and slice direction are right-handed, as LPS is."""
    cosines = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    orientation = np.concatenate((cosines[0], cosines[1]))
    positions = np.arange(4)[:, None] * slice_normal(orientation)

    direction = stack_planes(positions, orientation, (1, 1), (2, 2)).grid.direction

    assert np.linalg.det(direction[:, ::-1]) == pytest.approx(1)


def test_a_missing_slice_is_a_gap():
    """The error says how many are missing."""
    error = reason([0, 2, 4, 8, 10, 14])

    assert error.reason == Defect.GAP
    assert error.numbers["missing_slices"] == 2
    assert error.numbers["median_gap_mm"] == 2
    assert any("gaps" in remedy for remedy in error.remedies)


def test_gaps_of_no_multiple_are_uneven():
    """Half a step too far is no missing slice."""
    error = reason([0, 2, 4, 7, 9])

    assert error.reason == Defect.UNEVEN_SPACING
    assert error.numbers["worst_gap_mm"] == 3


def test_gaps_that_grow_are_uneven_even_if_each_is_near_the_last():
    """It is the place of each slice that counts: small steps add up."""
    heights = np.cumsum(1 + 0.001 * np.arange(100))

    assert reason(heights).reason == Defect.UNEVEN_SPACING


def test_rounded_positions_are_even():
    """Positions written with two decimals lie within 0.005 mm of where they are."""
    heights = np.round(np.arange(200) * 0.6249, 2)

    assert axial(heights).grid.spacing_mm[0] == pytest.approx(0.6249, abs=1e-4)


def test_two_slices_in_one_place_are_duplicates():
    """Nothing may be left out in silence."""
    error = reason([0, 2, 2, 4])

    assert error.reason == Defect.DUPLICATE_POSITION
    assert error.numbers["duplicates"] == 1


def test_a_tilted_stack_is_refused_and_exact_when_asked_for():
    """Planes lean by 20 degrees, steps are upright: the angle is named."""
    lean = np.radians(20)
    orientation = (1, 0, 0, 0, np.cos(lean), np.sin(lean))
    positions = [(0, 0, 3.0 * number) for number in range(10)]

    with pytest.raises(GeometryError) as caught:
        stack_planes(positions, orientation, (1, 1), (64, 64))
    grid = stack_planes(positions, orientation, (1, 1), (64, 64), allow_tilt=True).grid

    assert caught.value.reason == Defect.TILT
    assert caught.value.numbers["tilt_degrees"] == pytest.approx(20)
    assert grid.to_lps([4, 0, 0]) == pytest.approx([0, 0, 12])
    assert grid.to_lps([4, 2, 0]) == pytest.approx([0, 2 * np.cos(lean), 12 + 2 * np.sin(lean)])
    assert not grid.is_orthogonal


def test_a_slice_that_is_shifted_in_its_plane_is_refused():
    """Even along the normal, but beside the line."""
    positions = [(0, 0, 0), (0, 0.5, 3), (0, 0, 6)]

    with pytest.raises(GeometryError) as caught:
        stack_planes(positions, AXIAL, (1, 1), (4, 4))

    assert caught.value.reason == Defect.TILT


def test_a_single_slice_needs_its_thickness():
    """How far it reaches must come from somewhere."""
    assert reason([7]).reason == Defect.SINGLE_SLICE
    assert axial([7], slice_spacing_mm=5).grid.spacing_mm == pytest.approx((5, 0.8, 0.7))


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        ((1, 0, 0, 0, 0.9, 0), Defect.NOT_ORTHONORMAL),
        ((1, 0, 0, 0.1, 0.995, 0), Defect.NOT_ORTHONORMAL),
        ((1, 0, 0, 1, 0, 0), Defect.NOT_ORTHONORMAL),
        ((1, 0, 0), Defect.MISSING_ORIENTATION),
        ((np.nan, 0, 0, 0, 1, 0), Defect.MISSING_ORIENTATION),
    ],
)
def test_directions_must_be_unit_vectors_at_right_angles(orientation, expected):
    """PS3.3 C.7.6.2.1.1."""
    with pytest.raises(GeometryError) as caught:
        slice_normal(orientation)

    assert caught.value.reason == expected


@pytest.mark.parametrize("spacing", [(0, 1), (-1, 1), (np.inf, 1), (1,), ()])
def test_pixel_spacing_must_be_a_spacing(spacing):
    """Nothing is assumed for it."""
    with pytest.raises(GeometryError) as caught:
        stack_planes([(0, 0, 0), (0, 0, 1)], AXIAL, spacing, (4, 4))

    assert caught.value.reason == Defect.MISSING_SPACING


def test_even_spacing_is_not_the_thickness():
    """The spacing is the distance of the centres."""
    assert even_spacing(np.array([4.5, 0, 1.5, 3])) == pytest.approx(1.5)
