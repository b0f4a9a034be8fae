"""The levels of a pyramid: what they hold and where they lie."""

import numpy as np
import pytest

from dicomlab.geometry import Grid
from dicomlab.omezarr._layout import plan
from dicomlab.omezarr._pyramid import halve


def grid(*shape: int) -> Grid:
    return Grid(shape, np.array([[0, 0, 0.5, -10], [0, 0.6, 0, 20], [2, 0, 0, 30], [0, 0, 0, 1]]))


def test_integers_are_rounded_halves_up():
    """2 x 2 x 2 voxels become floor(sum / 8 + 1/2), below zero as above."""
    block = np.zeros((2, 2, 4), np.int16)
    block[0, 0] = [4, 0, -4, 0]

    assert halve(block).tolist() == [[[1, 0]]]
    assert halve(block - 1).tolist() == [[[0, -1]]]


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "int32", "uint32"])
def test_sums_do_not_overflow(kind):
    """The mean of eight of the greatest values is that value, and of the least likewise."""
    bounds = np.iinfo(kind)

    assert halve(np.full((2, 2, 2), bounds.max, kind)).item() == bounds.max
    assert halve(np.full((2, 2, 2), bounds.min, kind)).item() == bounds.min


def test_floating_point_is_summed_in_double_precision():
    """A small value survives beside a great one that cancels out."""
    block = np.array([[[1e8, -1e8], [1, 1]], [[1, 1], [1, 1]]], np.float32)

    assert halve(block).item() == 6 / 8
    assert halve(block).dtype == np.float32


def test_an_odd_end_is_the_mean_of_what_there_is():
    """At the end of an odd axis, the mean is of four, two or one voxel."""
    block = np.arange(27, dtype=np.int32).reshape(3, 3, 3) * 8

    means = halve(block)

    assert means.shape == (2, 2, 2)
    assert means[0, 0, 0] == block[:2, :2, :2].mean()
    assert means[0, 0, 1] == block[:2, :2, 2].mean()
    assert means[1, 0, 1] == block[2, :2, 2].mean()
    assert means[1, 1, 1] == block[2, 2, 2]


def test_an_axis_of_one_voxel_stays():
    """A single slice is halved within its plane and does not move."""
    levels = plan(grid(1, 900, 700), 2, levels=3)

    assert [level.shape for level in levels] == [(1, 900, 700), (1, 450, 350), (1, 225, 175)]
    assert {level.grid.spacing_mm[0] for level in levels} == {2.0}
    assert {level.grid.origin_lps[2] for level in levels} == {30.0}


def test_each_level_lies_where_its_blocks_lie():
    """The centre of a voxel is the mean of the centres of the voxels that made it."""
    whole = grid(64, 64, 64)
    made_from = np.indices((4, 4, 4)).reshape(3, -1).T + np.array([8, 12, 40])

    third = plan(whole, 2, levels=3)[2].grid

    np.testing.assert_allclose(
        third.to_lps([2, 3, 10]), whole.to_lps(made_from).mean(axis=0), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(
    ("shape", "count"), [((500, 512, 512), 4), ((5000, 512, 512), 5), ((40, 64, 64), 1)]
)
def test_levels_go_down_to_what_loads_at_once(shape, count):
    """The coarsest level has at most 2**19 voxels, the one before has more."""
    levels = plan(grid(*shape), 2)

    assert len(levels) == count
    assert np.prod(levels[-1].shape) <= 2**19
    assert all(np.prod(level.shape) > 2**19 for level in levels[:-1])


def test_chunks_share_an_axis_evenly():
    """No chunk of a 168 or 514 wide plane is a sliver, and blocks of two never straddle chunks."""
    level = plan(grid(70, 168, 514), 2)[0]

    assert level.chunks == (32, 84, 104)


def test_large_planes_have_thinner_slabs():
    """A slab of a volume with planes of 2457 x 1996 stays within 64 MB."""
    level = plan(grid(60, 2457, 1996), 2)[0]

    assert level.chunks[0] == 4
    assert level.chunks[0] * 2457 * 1996 * 2 <= 64 * 2**20 < 2 * level.chunks[0] * 2457 * 1996 * 2


def test_a_pyramid_has_a_level():
    """No levels at all is a wrong call."""
    with pytest.raises(ValueError, match="levels must be at least 1"):
        plan(grid(4, 4, 4), 2, levels=0)
