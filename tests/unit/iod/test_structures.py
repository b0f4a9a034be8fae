"""Structure sets: masks to contours in the patient and back, holes and all."""

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomlab import phantoms
from dicomlab.errors import GeometryError, NonConformantError, NotFoundError, UnsupportedError
from dicomlab.geometry import Grid
from dicomlab.iod import read_structure_set, write_structure_set
from tests.derived import ct_volume, series_of


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    return ct_volume(tmp_path_factory.mktemp("ct"))


def masks(volume):
    """Return a ball with a hollow, and two pieces that touch in a corner."""
    z, y, x = np.indices(volume.shape)
    apart = np.hypot(y - 15, x - 16)
    ball = (apart < 10) & (apart > 4) & (z > 0) & (z < 5)
    pieces = np.zeros(volume.shape, bool)
    pieces[2, 2:5, 2:5] = pieces[2, 5:8, 5:8] = True
    return {"ball": ball, "pieces": pieces}


def test_masks_come_back(volume):
    """Voxel for voxel, lazily, with names and types."""
    given = masks(volume)

    read = read_structure_set(
        write_structure_set(volume, given, label="PLAN", interpreted_types={"ball": "PTV"})
    )

    for name, mask in given.items():
        found = read.mask(name, volume)
        np.testing.assert_array_equal(found.compute(), mask)
        np.testing.assert_array_equal(found.array[2].compute(), mask[2])
    assert read.label == "PLAN"
    assert [(roi.number, roi.name, roi.interpreted_type) for roi in read.rois] == [
        (1, "ball", "PTV"),
        (2, "pieces", ""),
    ]
    assert read.referenced_series_uids == (volume.series_instance_uid,)


def test_contours_enclose_the_area_of_the_mask(volume):
    """In square millimetres, by the surveyor's formula; each on the slice that it refers to."""
    mask = masks(volume)["ball"]

    roi = read_structure_set(write_structure_set(volume, {"ball": mask})).roi("ball")

    areas = 0.0
    for contour in roi.contours:
        x, y, z = contour.points_lps.T
        assert np.ptp(z) == 0
        areas += abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
        slice_ = volume.sop_instance_uids.index(contour.sop_instance_uid)
        assert z[0] == pytest.approx(volume.grid.to_lps((slice_, 0, 0))[2], abs=1e-6)
    pixel = volume.spacing_mm[1] * volume.spacing_mm[2]
    assert areas == pytest.approx(mask.sum() * pixel, rel=1e-6)


def test_an_oblique_volume_keeps_its_masks(tmp_path):
    """Contours lie in the planes of the slices, wherever those point."""
    phantoms.write(phantoms.head_mr(slices=5, rows=24), tmp_path)
    volume = series_of(tmp_path).volume()
    mask = np.zeros(volume.shape, bool)
    mask[1:4, 5:15, 6:9] = True

    found = read_structure_set(write_structure_set(volume, {"a": mask})).mask("a", volume)

    np.testing.assert_array_equal(found.compute(), mask)


def structures(contours, frame="2.25.9", geometric="CLOSED_PLANAR"):
    """Return a structure set of one region, from points in mm."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.3", "2.25.1"
    made.StudyInstanceUID, made.SeriesInstanceUID = "2.25.2", "2.25.3"
    roi, drawn = Dataset(), Dataset()
    roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = 7, "it", frame
    drawn.ReferencedROINumber = 7
    drawn.ContourSequence = []
    for points in contours:
        item = Dataset()
        item.ContourGeometricType = geometric
        item.NumberOfContourPoints = len(points)
        item.ContourData = [str(value) for value in np.ravel(points)]
        drawn.ContourSequence.append(item)
    made.StructureSetROISequence, made.ROIContourSequence = [roi], [drawn]
    return made


def square(z, low=0.5, high=3.5):
    return [(low, low, z), (high, low, z), (high, high, z), (low, high, z)]


def test_contours_of_wider_planes_reach_half_way():
    """Drawn every 4 mm, asked for every 1 mm: each slice takes the nearest plane, none beyond."""
    grid = Grid((20, 5, 5), np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]]))

    found = read_structure_set(structures([square(4), square(8)])).mask("it", grid).compute()

    filled = np.flatnonzero(found.any(axis=(1, 2)))
    np.testing.assert_array_equal(filled, np.arange(2, 11))
    assert (found[2:11].sum(axis=(1, 2)) == 9).all()


def test_a_plane_left_out_stays_empty():
    """Between planes 1 mm apart a missing one is a gap, not a mistake."""
    grid = Grid((8, 5, 5), np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]]))
    drawn = structures([square(1), square(2), square(5)])

    found = read_structure_set(drawn).mask(7, grid).compute()

    assert np.flatnonzero(found.any(axis=(1, 2))).tolist() == [1, 2, 5]


def test_a_contour_within_another_is_a_hole():
    """By the even-odd rule; points and open lines enclose nothing."""
    grid = Grid((1, 9, 9), np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]]))
    both = [square(0, 0.5, 7.5), square(0, 2.5, 5.5)]

    assert read_structure_set(structures(both)).mask(7, grid).compute().sum() == 49 - 9
    opened = structures(both, geometric="OPEN_PLANAR")
    assert read_structure_set(opened).mask(7, grid).compute().sum() == 0


def test_what_cannot_be_a_mask_is_refused(volume):
    """Other planes, another frame of reference, broken points, unknown names, other classes."""
    grid = volume.grid
    sagittal = structures([[(0, 0, 0), (0, 50, 0), (0, 50, 90), (0, 0, 90)]], None)
    with pytest.raises(GeometryError) as refused:
        read_structure_set(sagittal).mask(7, grid)
    assert refused.value.reason == "other-planes"
    with pytest.raises(GeometryError) as refused:
        read_structure_set(structures([square(0)])).mask(7, volume)
    assert refused.value.reason == "other-frame-of-reference"
    broken = structures([square(0)])
    broken.ROIContourSequence[0].ContourSequence[0].NumberOfContourPoints = 5
    with pytest.raises(NonConformantError, match="ContourData"):
        read_structure_set(broken)
    with pytest.raises(NotFoundError):
        read_structure_set(structures([])).roi("other")
    with pytest.raises(UnsupportedError, match="structure set"):
        read_structure_set(next(phantoms.thorax_ct(slices=1, rows=8)))
    with pytest.raises(ValueError, match="shape"):
        write_structure_set(volume, {"a": np.zeros((1, 2, 3))})
    with pytest.raises(ValueError, match="name"):
        write_structure_set(volume, {"": np.zeros(volume.shape)})
