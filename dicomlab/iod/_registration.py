"""Spatial registrations (PS3.3 A.39.1, C.20.2): from one frame of reference to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydicom import Dataset

from dicomlab.errors import NonConformantError, NotFoundError
from dicomlab.geometry import Grid
from dicomlab.iod._codes import Code
from dicomlab.iod._load import Loadable, load
from dicomlab.iod._made import copy_body_part, derived, reference
from dicomlab.iod._origin import DICOMLAB, Equipment, Source, new_uid, source_datasets
from dicomlab.safety import Attributes
from dicomlab.volume import Volume

SPATIAL_REGISTRATION = "1.2.840.10008.5.1.4.1.1.66.1"
_IMAGE_CONTENT = Code("125024", "DCM", "Image Content-based Alignment")


class MatrixType(StrEnum):
    """Frame of Reference Transformation Matrix Type (0070,030C)."""

    RIGID = "RIGID"
    RIGID_SCALE = "RIGID_SCALE"
    AFFINE = "AFFINE"


@dataclass(frozen=True, eq=False)
class Registration:
    """How frames of reference lie to one another.

    Attributes
    ----------
    frame_of_reference_uid
        The one that all matrices lead to.
    matrices
        By Frame of Reference UID: shape (4, 4), takes points of that one, (x, y, z, 1) in LPS mm,
        to points of `frame_of_reference_uid`.
    """

    frame_of_reference_uid: str
    matrices: Mapping[str, NDArray[np.float64]]

    def matrix(self, source: str, target: str | None = None) -> NDArray[np.float64]:
        """Return what takes points of one frame of reference to another, shape (4, 4).

        Parameters
        ----------
        source, target
            Frame of Reference UIDs; the target is the registration's own by default.

        Raises
        ------
        NotFoundError
            The registration does not know one of them.
        """
        found = self._to_own(source)
        if target is None or target == self.frame_of_reference_uid:
            return found
        product: NDArray[np.float64] = np.linalg.inv(self._to_own(target)) @ found
        return product

    def _to_own(self, uid: str) -> NDArray[np.float64]:
        if uid in self.matrices:
            return self.matrices[uid]
        if uid == self.frame_of_reference_uid:
            return np.eye(4)
        raise NotFoundError(
            "The registration does not name the frame of reference "
            "(FrameOfReferenceUID (0020,0052)) that it was asked for."
        )

    def points(
        self, points_lps: ArrayLike, source: str, target: str | None = None
    ) -> NDArray[np.float64]:
        """Return where points of one frame of reference lie in another, shape (..., 3), mm."""
        matrix = self.matrix(source, target)
        given = np.asarray(points_lps, np.float64)
        moved: NDArray[np.float64] = given @ matrix[:3, :3].T + matrix[:3, 3]
        return moved

    def volume(self, volume: Volume, target: str | None = None) -> Volume:
        """Return a volume with its grid in another frame of reference: no voxel is resampled.

        Raises
        ------
        NotFoundError
            The registration does not know the volume's frame of reference.
        """
        matrix = self.matrix(volume.frame_of_reference_uid or "", target)
        grid = Grid(volume.shape, matrix @ volume.affine)
        return replace(
            volume, grid=grid, frame_of_reference_uid=target or self.frame_of_reference_uid
        )


def read_registration(what: Loadable) -> Registration:
    """Return a spatial registration (PS3.3 A.39.1).

    Raises
    ------
    UnsupportedError
        It is an instance of another class.
    NonConformantError
        A matrix is none, or contradicts its type.
    """
    loaded = load(what)
    loaded.check_class("spatial registration", SPATIAL_REGISTRATION)
    own = loaded.header.string("FrameOfReferenceUID") or ""
    matrices = {}
    for item in loaded.header.items("RegistrationSequence"):
        uid = item.string("FrameOfReferenceUID") or own
        product = np.eye(4)
        for registration in item.items("MatrixRegistrationSequence"):
            for one in registration.items("MatrixSequence"):
                product = _matrix(one) @ product
        matrices[uid] = product
    return Registration(own, matrices)


def _matrix(item: Attributes) -> NDArray[np.float64]:
    values = item.numbers("FrameOfReferenceTransformationMatrix")
    if len(values) == 16:
        found = np.array(values).reshape(4, 4)
        is_whole = np.isfinite(found).all() and np.allclose(found[3], (0, 0, 0, 1), atol=1e-6)
        if is_whole and abs(np.linalg.det(found[:3, :3])) > 1e-9 and _is_of_type(found, item):
            return found
    raise NonConformantError(
        "FrameOfReferenceTransformationMatrix (3006,00C6) is no matrix of 16 numbers that ends in "
        "0, 0, 0, 1, has an inverse and is of its declared type (PS3.3 C.20.2.1.1). Correct the "
        "instance at its source.",
        reason="bad-matrix",
        tag=0x300600C6,
        reference="PS3.3 C.20.2.1.1",
    )


def _is_of_type(matrix: NDArray[np.float64], item: Attributes) -> bool:
    """Whether a rigid matrix is one, to what Decimal Strings keep."""
    if item.string("FrameOfReferenceTransformationMatrixType") != MatrixType.RIGID:
        return True
    return _type(matrix) is MatrixType.RIGID


def _type(matrix: NDArray[np.float64]) -> MatrixType:
    product = matrix[:3, :3].T @ matrix[:3, :3]
    if np.linalg.det(matrix[:3, :3]) < 0 or not np.allclose(
        product, np.diag(np.diag(product)), atol=1e-4
    ):
        return MatrixType.AFFINE
    if np.allclose(product, np.eye(3), atol=1e-4):
        return MatrixType.RIGID
    return MatrixType.RIGID_SCALE


def write_registration(
    fixed: Volume,
    moving: Volume,
    matrix: ArrayLike,
    *,
    fixed_source: Source | None = None,
    moving_source: Source | None = None,
    label: str = "REGISTRATION",
    series_description: str = "Registration",
    series_number: int = 304,
    equipment: Equipment = DICOMLAB,
) -> Dataset:
    """Return how one volume lies to another as a spatial registration (PS3.3 A.39.1).

    Parameters
    ----------
    fixed
        The volume whose frame of reference the result is in; the instance joins its study.
    moving
        The volume that is moved.
    matrix
        Shape (4, 4): takes points of `moving` to points of `fixed`, LPS mm. An ITK registration
        gives the transform from fixed to moving: invert that one.
    fixed_source, moving_source
        Where the instances are, for volumes that do not know their origin.

    Returns
    -------
    Dataset
        With File Meta Information.

    Raises
    ------
    ValueError
        It is no affine matrix, or both volumes are in one frame of reference already.
    """
    found = np.asarray(matrix, np.float64)
    if found.shape != (4, 4) or not np.allclose(found[3], (0, 0, 0, 1)):
        raise ValueError("matrix has shape (4, 4) and ends in the row 0, 0, 0, 1")
    if not fixed.frame_of_reference_uid or not moving.frame_of_reference_uid:
        raise ValueError("both volumes need a frame of reference")
    if fixed.frame_of_reference_uid == moving.frame_of_reference_uid:
        raise ValueError("both volumes are in one frame of reference: nothing is to be registered")
    sources = {
        fixed.frame_of_reference_uid: source_datasets(fixed, fixed_source),
        moving.frame_of_reference_uid: source_datasets(moving, moving_source),
    }
    first = sources[fixed.frame_of_reference_uid][0]
    made = derived(
        first,
        SPATIAL_REGISTRATION,
        "REG",
        series_description=series_description,
        series_number=series_number,
        equipment=equipment,
    )
    copy_body_part(first, made)
    made.FrameOfReferenceUID = fixed.frame_of_reference_uid
    made.PositionReferenceIndicator = first.get("PositionReferenceIndicator")
    made.ContentLabel = label
    made.ContentDescription = series_description
    made.ContentCreatorName = None
    made.RegistrationSequence = [
        _item(uid, sources[uid], one)
        for uid, one in (
            (fixed.frame_of_reference_uid, np.eye(4)),
            (moving.frame_of_reference_uid, found),
        )
    ]
    made.ReferencedSeriesSequence, others = [], []
    for datasets in sources.values():
        series = Dataset()
        series.SeriesInstanceUID = datasets[0].SeriesInstanceUID
        series.ReferencedInstanceSequence = [reference(one) for one in datasets]
        if datasets[0].StudyInstanceUID == first.StudyInstanceUID:
            made.ReferencedSeriesSequence.append(series)
        else:
            study = Dataset()
            study.StudyInstanceUID = datasets[0].StudyInstanceUID
            study.ReferencedSeriesSequence = [series]
            others.append(study)
    if others:
        made.StudiesContainingOtherReferencedInstancesSequence = others
    return made


def _item(uid: str, sources: list[Dataset], matrix: NDArray[np.float64]) -> Dataset:
    one, registration, item = Dataset(), Dataset(), Dataset()
    one.FrameOfReferenceTransformationMatrix = [f"{value:.10g}" for value in matrix.ravel()]
    one.FrameOfReferenceTransformationMatrixType = _type(matrix).value
    registration.MatrixSequence = [one]
    registration.RegistrationTypeCodeSequence = [_IMAGE_CONTENT.item()]
    item.FrameOfReferenceUID = uid or new_uid()
    item.ReferencedImageSequence = [reference(source) for source in sources]
    item.MatrixRegistrationSequence = [registration]
    return item
