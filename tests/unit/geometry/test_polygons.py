"""Polygons are filled by the even-odd rule, and outlines give a mask back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dicomlab.geometry import mask_outlines, polygon_mask, trilinear


def area(polygon):
    following = np.roll(polygon, -1, axis=0)
    return abs((polygon[:, 0] * following[:, 1] - following[:, 0] * polygon[:, 1]).sum()) / 2


def test_a_triangle_holds_the_centres_within():
    """Counted by hand: rows 1 to 3 of a right triangle."""
    triangle = np.array([(0.5, 0.5), (3.5, 0.5), (3.5, 3.5)])

    found = polygon_mask([triangle], (5, 5))

    expected = np.zeros((5, 5), bool)
    expected[1, 1:2] = expected[2, 1:3] = expected[3, 1:4] = True
    # The hypotenuse passes through (1, 1), (2, 2), (3, 3): such centres belong to one side.
    np.testing.assert_array_equal(found | np.eye(5, dtype=bool), expected | np.eye(5, dtype=bool))


def test_neighbours_share_no_pixel_and_leave_none_out():
    """Two halves of a square with corners on pixel centres fill it once."""
    left = np.array([(0, 0), (4, 0), (4, 2), (0, 2)], float)
    right = left + np.array((0, 2))

    both = [polygon_mask([one], (5, 5)) for one in (left, right)]

    assert not (both[0] & both[1]).any()
    assert both[0].sum() + both[1].sum() == 16


def test_a_circle_has_its_area():
    """To the accuracy of counting pixels."""
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = np.column_stack((50 + 40 * np.sin(angles), 60 + 40 * np.cos(angles)))

    assert polygon_mask([circle], (120, 120)).sum() == pytest.approx(np.pi * 1600, rel=0.005)


def test_polygons_beyond_the_plane_are_cut():
    """What lies outside costs nothing and changes nothing."""
    large = np.array([(-10, -10), (30, -10), (30, 30), (-10, 30)], float)

    assert polygon_mask([large], (4, 6)).all()
    assert not polygon_mask([large + 100], (4, 6)).any()


@given(arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_outlines_give_the_mask_back(mask):
    """Any mask: pieces that touch in a corner, holes, islands in holes."""
    outlines = mask_outlines(mask)

    np.testing.assert_array_equal(polygon_mask(outlines, mask.shape), mask)
    assert sum(map(area, outlines)) == mask.sum()


def test_a_ring_is_one_polygon():
    """Its hole is joined to it by a channel (PS3.3 C.8.8.6.3)."""
    mask = np.ones((7, 7), bool)
    mask[3, 3] = False

    (outline,) = mask_outlines(mask)

    assert len(outline) == 4 + 1 + 4 + 1


def test_values_between_voxels():
    """Linear in each axis, exact at the centres, NaN beyond them."""
    values = np.arange(24.0).reshape(2, 3, 4)
    inside = np.array([(0.5, 1.25, 2.5), (1, 2, 3), (0, 0, 0)])

    found = trilinear(values, inside)

    np.testing.assert_allclose(found, inside @ (12, 4, 1))
    assert np.isnan(trilinear(values, [(0, 0, 3.1), (-0.1, 0, 0)])).all()
    assert trilinear(values[:1], [(0, 1, 1)]) == values[0, 1, 1]
