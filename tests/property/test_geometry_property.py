"""Geometry holds for every orientation, spacing and order of arrival."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomlab.errors import GeometryError
from dicomlab.geometry import Defect, Grid, even_spacing, slice_normal, stack_planes

SEEDS = st.integers(0, 2**32 - 1)


def orientation_of(rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(3, 3)))[0][:2].reshape(-1)


@given(n=st.integers(2, 60), spacing=st.floats(0.1, 10), seed=SEEDS)
def test_spacing_does_not_depend_on_arrival(n, spacing, seed):
    """Slices may arrive in any order; the spacing is the same."""
    distances = np.random.default_rng(seed).permutation(spacing * np.arange(n))

    assert even_spacing(distances) == pytest.approx(spacing)


@given(n=st.integers(2, 40), spacing=st.floats(0.2, 10), seed=SEEDS)
def test_every_slice_lies_where_its_position_says(n, spacing, seed):
    """Oblique planes in any order: the grid gives each slice its own position back."""
    rng = np.random.default_rng(seed)
    orientation = orientation_of(rng)
    positions = rng.normal(scale=200, size=3) + np.arange(n)[:, None] * spacing * slice_normal(
        orientation
    )
    rng.shuffle(positions)

    stack = stack_planes(positions, orientation, (0.7, 0.9), (5, 6))

    corners = np.stack((np.arange(n), np.zeros(n), np.zeros(n)), axis=1)
    assert stack.grid.to_lps(corners) == pytest.approx(positions[stack.order], abs=1e-9)
    assert stack.grid.is_orthogonal


@given(n=st.integers(4, 60), spacing=st.floats(0.2, 10), seed=SEEDS)
def test_one_missing_slice_is_always_found(n, spacing, seed):
    """Any slice but the first and the last leaves a gap."""
    rng = np.random.default_rng(seed)
    distances = np.delete(spacing * np.arange(n), rng.integers(1, n - 1))

    with pytest.raises(GeometryError) as caught:
        even_spacing(rng.permutation(distances))

    # Of three slices with one missing between two, none can say which gap is the wide one.
    assert caught.value.reason in (Defect.GAP, Defect.UNEVEN_SPACING)
    assert n == 4 or caught.value.reason == Defect.GAP


@given(seed=SEEDS)
def test_points_return_from_index_space(seed):
    """to_index undoes to_lps for every affine that has an inverse."""
    rng = np.random.default_rng(seed)
    affine = np.eye(4)
    affine[:3] = rng.normal(size=(3, 4)) + 3 * np.eye(3, 4)
    grid = Grid((4, 5, 6), affine)
    points = rng.normal(scale=100, size=(7, 3))

    assert grid.to_lps(grid.to_index(points)) == pytest.approx(points, abs=1e-6)
