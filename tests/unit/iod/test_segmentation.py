"""Segmentations are written from masks and read back as the same voxels, lazily."""

import dask.array as da
import numpy as np
import pytest

from dicomlab import phantoms
from dicomlab.errors import GeometryError, NotFoundError, UnsupportedError
from dicomlab.geometry import Grid
from dicomlab.iod import Code, Segment, read_segmentation, write_segmentation
from dicomlab.volume import Volume
from tests.derived import ct_volume, series_of

LUNG = Segment(
    "Lung", type=Code("39607008", "SCT", "Lung"), algorithm_name="threshold", tracking_id="lung 1",
    tracking_uid="2.25.77",
)  # fmt: skip


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    return ct_volume(tmp_path_factory.mktemp("ct"))


def masks(volume):
    """Return labels 1 and 2 on some slices, none on the first and the last."""
    labels = np.zeros(volume.shape, np.uint8)
    labels[1:3, 4:9, 5:11] = 1
    labels[2:5, 15:20, 3:30] = 2
    return labels


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_labels_come_back(volume, kind):
    """Voxel for voxel, with their segments, on the slices of what was segmented."""
    labels = masks(volume)

    read = read_segmentation(write_segmentation(volume, labels, [LUNG, "Band"], type=kind))
    found = read.labels(like=volume)

    np.testing.assert_array_equal(found.compute(), labels)
    np.testing.assert_array_equal(found.array[2].compute(), labels[2])
    np.testing.assert_array_equal(read.segment("Band", like=volume).compute(), labels == 2)
    assert found.grid == volume.grid
    assert read.type == kind
    assert [one.number for one in read.segments] == [1, 2]
    assert read.segments[0].type == LUNG.type
    assert (read.segments[0].tracking_id, read.segments[0].tracking_uid) == ("lung 1", "2.25.77")
    assert read.referenced_series_uids == (volume.series_instance_uid,)


def test_without_a_likeness_the_grid_is_its_own(volume):
    """From the first plane with a segment to the last: each voxel in its place in the patient."""
    labels = masks(volume)

    found = read_segmentation(write_segmentation(volume, labels)).labels()

    assert found.shape == (4, *volume.shape[1:])
    np.testing.assert_array_equal(found.compute(), labels[1:5])
    np.testing.assert_allclose(found.grid.to_lps((0, 3, 4)), volume.grid.to_lps((1, 3, 4)))


def test_planes_left_out_are_empty(volume):
    """A gap between segments is no defect: those planes hold nothing."""
    labels = np.zeros(volume.shape, np.uint8)
    labels[[0, 3]] = 1

    found = read_segmentation(write_segmentation(volume, labels)).labels()

    np.testing.assert_array_equal(found.compute(), labels[:4])


def test_fractions_come_back(volume):
    """To the steps of a byte, from 0 to 1."""
    fractions = np.zeros(volume.shape)
    fractions[2, :, :] = np.linspace(0, 1, volume.shape[2])

    read = read_segmentation(write_segmentation(volume, fractions, ["Fat"]))
    found = read.segment(1, like=volume).compute()

    assert np.abs(found - fractions).max() <= 0.5 / 255 + 1e-7
    with pytest.raises(UnsupportedError, match="fractional"):
        read.labels()


def test_segments_may_overlap(volume):
    """One mask a segment: both come back, and labels say that they cannot."""
    both = np.zeros((2, *volume.shape), bool)
    both[0, 1, 2:8, 2:8] = True
    both[1, 1, 5:12, 5:12] = True

    read = read_segmentation(write_segmentation(volume, both, ["a", "b"]))

    for number in (1, 2):
        np.testing.assert_array_equal(read.segment(number, like=volume).compute(), both[number - 1])
    with pytest.raises(UnsupportedError, match="overlap"):
        read.labels(like=volume).compute()


def test_a_dask_array_is_a_mask(volume):
    """A result of Dask goes in as it is."""
    lazy = da.from_array(masks(volume), chunks=(1, 32, 32))

    read = read_segmentation(write_segmentation(volume, lazy))

    np.testing.assert_array_equal(read.labels(like=volume).compute(), masks(volume))


def test_frames_of_a_multi_frame_source_are_referred_to(tmp_path):
    """Enhanced CT: the frame numbers are those of the slices, whatever their order."""
    phantoms.write(phantoms.enhanced_ct(slices=4, rows=16), tmp_path)
    volume = series_of(tmp_path).volume()
    labels = np.zeros(volume.shape, np.uint8)
    labels[1, 2:5, 3:7] = 1

    made = write_segmentation(volume, labels)

    (frame,) = made.PerFrameFunctionalGroupsSequence
    (source,) = frame.DerivationImageSequence[0].SourceImageSequence
    assert source.ReferencedSOPInstanceUID == volume.sop_instance_uids[0]
    assert source.ReferencedFrameNumber == volume.frame_numbers[1]
    np.testing.assert_array_equal(read_segmentation(made).labels(like=volume).compute(), labels)


def test_each_frame_refers_to_its_slice(volume):
    """The SOP Instance UID of the slice that a frame was made from."""
    labels = np.zeros(volume.shape, np.uint8)
    labels[4, 2:5, 3:7] = 1

    made = write_segmentation(volume, labels)

    (frame,) = made.PerFrameFunctionalGroupsSequence
    (source,) = frame.DerivationImageSequence[0].SourceImageSequence
    assert source.ReferencedSOPInstanceUID == volume.sop_instance_uids[4]
    assert made.StudyInstanceUID == volume.study_instance_uid
    assert made.FrameOfReferenceUID == volume.frame_of_reference_uid


def test_another_grid_is_refused(volume):
    """A mask is never moved to voxels that it was not drawn on."""
    read = read_segmentation(write_segmentation(volume, masks(volume)))
    shifted = volume.grid.index_to_lps.copy()
    shifted[0, 3] += 0.5

    with pytest.raises(GeometryError) as refused:
        read.labels(like=Grid(volume.shape, shifted))
    assert refused.value.reason == "other-grid"


def test_mistakes_are_told(volume):
    """Shapes, types, names, and a volume that comes from nowhere."""
    labels = masks(volume)
    for wrong in (labels[:2], labels.astype("c8"), labels[0], labels.astype(float)):
        with pytest.raises(ValueError, match=r"mask|lie between"):
            write_segmentation(volume, wrong)
    with pytest.raises(ValueError, match="2 segments"):
        write_segmentation(volume, labels, ["one"])
    with pytest.raises(UnsupportedError, match="array"):
        write_segmentation(Volume.from_array(labels, volume.grid), labels)
    read = read_segmentation(write_segmentation(volume, labels))
    with pytest.raises(NotFoundError):
        read.segment(9)
    with pytest.raises(UnsupportedError, match="no segmentation"):
        read_segmentation(next(phantoms.thorax_ct(slices=1, rows=8)))
