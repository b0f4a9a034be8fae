"""The head, the multi-frame and the colour phantom: geometry, frames, planes."""

from __future__ import annotations

import numpy as np
import pytest

from dicomlab import phantoms
from dicomlab.errors import UnsupportedError


def test_the_head_is_oblique_and_evenly_spaced():
    """Planes lean against every axis; positions step along their normal."""
    made = list(phantoms.head_mr(slices=5, rows=16, columns=12, spacing_mm=(3.0, 2.0, 2.5)))
    orientation = np.array(made[0].ImageOrientationPatient, float).reshape(2, 3)
    positions = np.array([i.ImagePositionPatient for i in made], float)
    normal = np.cross(*orientation)

    assert np.allclose(orientation @ orientation.T, np.eye(2), atol=1e-12)
    assert np.count_nonzero(np.abs(normal) > 0.03) == 3
    np.testing.assert_allclose(np.diff(positions, axis=0), 3.0 * np.tile(normal, (4, 1)), atol=1e-9)
    # The origin is the middle of the stack.
    far = positions[-1] + orientation[0] * 11 * 2.5 + orientation[1] * 15 * 2.0
    np.testing.assert_allclose(positions[0] + far, 0, atol=1e-9)


def test_two_echoes_share_every_position():
    """The echoes of a plane follow each other: same place, other Echo Time and contrast."""
    made = list(phantoms.head_mr(slices=3, rows=32, echoes=2))

    assert [float(i.EchoTime) for i in made] == [14, 96] * 3
    assert len({i.SeriesInstanceUID for i in made}) == 1
    for first, second in zip(made[::2], made[1::2], strict=True):
        assert first.ImagePositionPatient == second.ImagePositionPatient
        assert first.SOPInstanceUID != second.SOPInstanceUID
        assert not np.array_equal(first.pixel_array, second.pixel_array)


def test_the_multi_frame_object_is_the_series_in_one_instance():
    """Frames have the values and positions of the single-frame slices."""
    size = {"seed": 3, "slices": 4, "rows": 16, "columns": 20}
    (whole,) = phantoms.enhanced_ct(**size)
    slices = list(phantoms.thorax_ct(**size))
    groups = whole.PerFrameFunctionalGroupsSequence

    assert whole.NumberOfFrames == 4
    np.testing.assert_array_equal(whole.pixel_array, [i.pixel_array for i in slices])
    assert [g.PlanePositionSequence[0].ImagePositionPatient for g in groups] == [
        i.ImagePositionPatient for i in slices
    ]
    assert [list(g.FrameContentSequence[0].DimensionIndexValues) for g in groups] == [
        [1, 1], [1, 2], [1, 3], [1, 4],
    ]  # fmt: skip


def test_colour_by_pixel_and_by_plane_are_the_same_picture():
    """Planar configuration changes the order of the bytes, not the picture."""
    (by_pixel,) = phantoms.colour(frames=2, rows=24)
    (by_plane,) = phantoms.colour(frames=2, rows=24, planar_configuration=1)

    assert by_pixel.pixel_array.shape == (2, 24, 32, 3)
    assert by_pixel.PixelData != by_plane.PixelData
    np.testing.assert_array_equal(by_pixel.pixel_array, by_plane.pixel_array)
    assert np.any(by_pixel.pixel_array[..., 0] != by_pixel.pixel_array[..., 2])


@pytest.mark.parametrize(
    "make", [phantoms.head_mr, phantoms.enhanced_ct, phantoms.thorax_ct, phantoms.colour]
)
def test_a_transfer_syntax_that_is_not_made_is_refused(make):
    """A lossy syntax would spoil the promise of exact pixels."""
    with pytest.raises(UnsupportedError) as caught:
        next(make(rows=8, transfer_syntax_uid="1.2.840.10008.1.2.4.50"))

    assert caught.value.transfer_syntax_uid == "1.2.840.10008.1.2.4.50"


def test_sizes_that_cannot_be_are_refused():
    """The call itself fails."""
    with pytest.raises(ValueError, match="echoes is 3"):
        phantoms.head_mr(echoes=3)
    with pytest.raises(ValueError, match="1 or more"):
        phantoms.colour(frames=0)
    with pytest.raises(ValueError, match="0 or 1"):
        phantoms.colour(planar_configuration=2)
