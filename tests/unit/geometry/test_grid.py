"""A grid says where voxels lie."""

import numpy as np
import pytest

from dicomlab.geometry import Grid

AFFINE = np.array([[0, 0, 0.5, -10], [0, 0.6, 0, 20], [2, 0, 0, 30], [0, 0, 0, 1.0]])


def test_indices_become_points_and_return():
    """(slice, row, column) goes to (x, y, z) by the affine, and back by its inverse."""
    grid = Grid((5, 6, 7), AFFINE)

    assert grid.to_lps([1, 2, 4]) == pytest.approx([-8, 21.2, 32])
    assert grid.to_index(grid.to_lps([[1, 2, 3], [4, 5, 6]])) == pytest.approx(
        np.array([[1, 2, 3], [4, 5, 6]])
    )
    assert grid.spacing_mm == (2, 0.6, 0.5)
    assert grid.direction.tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert grid.corners_lps()[0].tolist() == [-10, 20, 30]
    assert grid.corners_lps()[-1] == pytest.approx([-7, 23, 38])


def test_a_halved_grid_has_its_voxels_amid_the_blocks():
    """The centre of a block of two lies halfway between its voxels; an odd end keeps a voxel."""
    half = Grid((5, 6, 7), AFFINE).downsampled((2, 2, 2))

    assert half.shape == (3, 3, 4)
    assert half.origin_lps == pytest.approx([-9.75, 20.3, 31])
    assert half.spacing_mm == pytest.approx((4, 1.2, 1))


def test_a_grid_without_an_inverse_is_refused():
    """Two axes in one direction are no grid."""
    affine = AFFINE.copy()
    affine[:, 0] = affine[:, 1]

    with pytest.raises(ValueError, match="inverse"):
        Grid((5, 6, 7), affine)


def test_grids_agree_within_a_tolerance():
    """Agreement is measured at the corners, so that a small tilt counts where it is largest."""
    moved = AFFINE.copy()
    moved[0, 2] += 0.001

    assert Grid((5, 6, 7), AFFINE) == Grid((5, 6, 7), AFFINE.copy())
    assert Grid((5, 6, 7), AFFINE).agrees_with(Grid((5, 6, 7), moved), tolerance_mm=0.00601)
    assert not Grid((5, 6, 7), AFFINE).agrees_with(Grid((5, 6, 7), moved), tolerance_mm=0.00599)
