"""A registration moves grids and points, and no voxel."""

import numpy as np
import pytest

from dicomlab import phantoms
from dicomlab.errors import NonConformantError, NotFoundError, UnsupportedError
from dicomlab.iod import read_registration, write_registration
from tests.derived import ct_volume, series_of

ANGLE = 0.3
MATRIX = np.array(
    [
        [np.cos(ANGLE), -np.sin(ANGLE), 0, 12.5],
        [np.sin(ANGLE), np.cos(ANGLE), 0, -7.25],
        [0, 0, 1, 30],
        [0, 0, 0, 1],
    ]
)


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    moving = tmp_path_factory.mktemp("mr")
    phantoms.write(phantoms.head_mr(slices=4, rows=16), moving)
    return ct_volume(tmp_path_factory.mktemp("ct")), series_of(moving).volume()


def test_a_volume_is_moved(volumes):
    """Each voxel's point is the matrix times the old one; the values are untouched."""
    fixed, moving = volumes

    registration = read_registration(write_registration(fixed, moving, MATRIX))
    moved = registration.volume(moving)

    corners = np.column_stack((moving.grid.corners_lps(), np.ones(8)))
    np.testing.assert_allclose(moved.grid.corners_lps(), (corners @ MATRIX.T)[:, :3], atol=1e-6)
    assert moved.frame_of_reference_uid == fixed.frame_of_reference_uid
    np.testing.assert_array_equal(moved.compute(), moving.compute())


def test_points_go_both_ways(volumes):
    """There and back is where they were."""
    fixed, moving = volumes
    registration = read_registration(write_registration(fixed, moving, MATRIX))
    points = np.array([[1.0, 2, 3], [-40, 5, 100]])
    here, there = moving.frame_of_reference_uid, fixed.frame_of_reference_uid

    back = registration.points(registration.points(points, here), there, here)

    np.testing.assert_allclose(back, points, atol=1e-6)
    np.testing.assert_allclose(registration.points(points, there), points)
    with pytest.raises(NotFoundError, match="frame of reference"):
        registration.matrix("2.25.404")


@pytest.mark.parametrize(
    ("change", "kind"),
    [(np.eye(4), "RIGID"), (np.diag((2, 2, 3, 1.0)), "RIGID_SCALE"),
     (np.eye(4) + np.eye(4, k=1) * [0, 0.2, 0, 0], "AFFINE")],
)  # fmt: skip
def test_the_type_is_what_the_matrix_is(volumes, change, kind):
    """Rigid, with scale, or any affine one (PS3.3 C.20.2.1.2)."""
    made = write_registration(*volumes, MATRIX @ change)

    item = made.RegistrationSequence[1].MatrixRegistrationSequence[0].MatrixSequence[0]
    assert item.FrameOfReferenceTransformationMatrixType == kind


def test_references_name_both_series(volumes):
    """Of this study and of the other one."""
    fixed, moving = volumes
    made = write_registration(fixed, moving, MATRIX)

    (own,) = made.ReferencedSeriesSequence
    (study,) = made.StudiesContainingOtherReferencedInstancesSequence
    assert own.SeriesInstanceUID == fixed.series_instance_uid
    assert study.ReferencedSeriesSequence[0].SeriesInstanceUID == moving.series_instance_uid


def test_matrices_of_one_registration_follow_one_another(volumes):
    """The first is applied first (PS3.3 C.20.2.1.1)."""
    fixed, moving = volumes
    made = write_registration(fixed, moving, MATRIX)
    steps = made.RegistrationSequence[1].MatrixRegistrationSequence[0].MatrixSequence
    scale = type(steps[0])()
    scale.FrameOfReferenceTransformationMatrix = list(np.diag((2.0, 2, 2, 1)).ravel())
    scale.FrameOfReferenceTransformationMatrixType = "RIGID_SCALE"
    steps.append(scale)

    found = read_registration(made).matrix(moving.frame_of_reference_uid)

    np.testing.assert_allclose(found, np.diag((2, 2, 2, 1)) @ MATRIX, atol=1e-8)


@pytest.mark.parametrize(
    "values",
    [[1.0] * 15, [0.0] * 16, [*np.eye(4).ravel()[:12], 1, 0, 0, 1],
     list(np.diag((2.0, 1, 1, 1)).ravel())],
)  # fmt: skip
def test_what_is_no_matrix_is_refused(volumes, values):
    """Too short, without inverse, with a projection, or not rigid though it says so."""
    made = write_registration(*volumes, np.eye(4))
    item = made.RegistrationSequence[1].MatrixRegistrationSequence[0].MatrixSequence[0]
    item.FrameOfReferenceTransformationMatrix = [str(value) for value in values]

    with pytest.raises(NonConformantError, match="3006,00C6"):
        read_registration(made)


def test_mistakes_are_told(volumes):
    """No matrix, one frame of reference, another class."""
    fixed, moving = volumes
    with pytest.raises(ValueError, match="shape"):
        write_registration(fixed, moving, np.eye(3))
    with pytest.raises(ValueError, match="one frame of reference"):
        write_registration(fixed, fixed, np.eye(4))
    with pytest.raises(UnsupportedError, match="registration"):
        read_registration(next(phantoms.thorax_ct(slices=1, rows=8)))
