"""Derived objects are valid by dciodvfy, and other readers find in them what was written."""

import highdicom as hd
import numpy as np
import pydicom
import pytest

from dicomlab import phantoms
from dicomlab.iod import (
    Code,
    Segment,
    dose_volume_histogram,
    read_dose,
    read_dose_volume_histograms,
    read_parametric_map,
    read_segmentation,
    read_structure_set,
    write_key_objects,
    write_parametric_map,
    write_registration,
    write_segmentation,
    write_structure_set,
)
from tests.derived import ct_volume, findings, series_of


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    return ct_volume(tmp_path_factory.mktemp("ct"))


def labels_of(volume):
    labels = np.zeros(volume.shape, np.uint8)
    labels[1:3, 4:9, 5:11] = 1
    labels[2:5, 15:20, 3:30] = 2
    return labels


@pytest.mark.smoke
def test_a_segmentation_has_no_finding(peers, volume, tmp_path):
    """Binary and fractional; the label map's class is newer than dciodvfy."""
    labels = labels_of(volume)
    manual = Segment("By hand", algorithm_type="MANUAL", description="drawn")

    for name, made in (
        ("binary", write_segmentation(volume, labels, ["a", manual])),
        ("fractional", write_segmentation(volume, labels / 2.0, ["a"])),
    ):
        assert findings(peers, made, tmp_path / f"{name}.dcm") == []


def test_highdicom_reads_our_labels(volume, tmp_path):
    """By its own reader, on the source's instances."""
    labels = labels_of(volume)
    write_segmentation(volume, labels, ["a", "b"]).save_as(tmp_path / "seg.dcm")

    read = hd.seg.segread(tmp_path / "seg.dcm")
    found = read.get_pixels_by_source_instance(
        list(volume.sop_instance_uids), combine_segments=True, assert_missing_frames_are_empty=True
    )

    np.testing.assert_array_equal(found, labels)


def test_real_segmentations_are_what_highdicom_reads(real_data):
    """Binary, fractional and label map, of CT, CR and microscopy: every frame of every segment."""
    folder = real_data / "ImagingDataCommons__highdicom/data/test_files"
    compared = 0
    for path in sorted(folder.glob("seg_image*.dcm")):
        mine, theirs = read_segmentation(path), hd.seg.segread(path)
        assert len(mine) == theirs.number_of_frames
        assert {one.number: one.label for one in mine.segments} == {
            number: theirs.get_segment_description(number).segment_label
            for number in theirs.segment_numbers
        }
        for frame in range(0, len(mine), max(1, len(mine) // 4)):
            expected = theirs.get_stored_frame(frame + 1)
            np.testing.assert_array_equal(mine.frame(frame), expected)
            compared += 1

    assert compared > 20


def test_a_real_segmentation_lies_where_highdicom_puts_it(real_data):
    """As a volume in the patient: the same voxels at the same places."""
    path = (
        real_data / "ImagingDataCommons__highdicom/data/test_files/seg_image_ct_binary_overlap.dcm"
    )
    mine = read_segmentation(path)

    theirs = hd.seg.segread(path).get_volume(combine_segments=False, allow_missing_positions=True)

    for number, segment in enumerate(mine.segments):
        found = mine.segment(segment.number)
        expected = theirs.array[..., number]
        if not np.allclose(theirs.affine[:3, 3], found.affine[:3, 3], atol=1e-3):
            expected = expected[::-1]  # Either end may be the first.
        np.testing.assert_array_equal(found.compute(), expected)


def test_a_structure_set_has_no_finding(peers, volume, tmp_path):
    """Contours, references, observations."""
    labels = labels_of(volume)

    made = write_structure_set(volume, {"a": labels == 1, "b": labels == 2})

    assert findings(peers, made, tmp_path / "rt.dcm") == []


def test_a_real_plans_histograms_are_those_of_the_planning_system(real_data):
    """Contours to masks to histograms: within a few per cent of what the planning system stored.

    It samples and cuts in its own way; small regions differ most, so those above 50 cm3 count.
    """
    folder = real_data / "dicompyler-core-0.5.6/tests/testdata/example_data"
    dose, structures = read_dose(folder / "rtdose.dcm"), read_structure_set(folder / "rtss.dcm")
    compared = 0
    for number, theirs in read_dose_volume_histograms(folder / "rtdose.dcm").items():
        if not 50 < theirs.total_volume_cm3 < 5000:
            continue
        mine = dose_volume_histogram(dose, structures.mask(number, dose))
        assert mine.total_volume_cm3 == pytest.approx(theirs.total_volume_cm3, rel=0.015)
        assert mine.mean == pytest.approx(theirs.mean, rel=0.02)
        wanted = np.array([0.02, 0.5, 0.9])
        np.testing.assert_allclose(
            mine.dose_to(wanted), theirs.dose_to(wanted), rtol=0.05, atol=0.01
        )
        compared += 1

    assert compared == 4


def test_other_derived_objects_have_no_finding(peers, volume, tmp_path_factory, tmp_path):
    """Parametric map, registration, key object selection."""
    moving = tmp_path_factory.mktemp("mr")
    phantoms.write(phantoms.head_mr(slices=3, rows=16), moving)
    values = volume.compute().astype(np.float32)

    made = {
        "map": write_parametric_map(volume, values, units=Code("1", "UCUM", "no units")),
        "registration": write_registration(volume, series_of(moving).volume(), np.eye(4)),
        "key-objects": write_key_objects(volume.origin()[:2], description="these"),
    }

    found = {
        name: [
            line
            for line in findings(peers, one, tmp_path / name)
            # PS3.3 C.8.32.3.1 has QUANTITY as what the values are; dciodvfy is older.
            if "Unrecognized defined term = <QUANTITY>" not in line
        ]
        for name, one in made.items()
    }
    assert found == {name: [] for name in made}


def test_real_parametric_maps_are_what_pydicom_reads(real_data):
    """Single and double precision, by another maker."""
    folder = real_data / "pydicom__pydicom-data/data_store/data"
    for name in ("parametric_map_float.dcm", "parametric_map_double_float.dcm"):
        found = read_parametric_map(folder / name, slice_spacing_mm=1.0)
        expected = pydicom.dcmread(folder / name).pixel_array
        np.testing.assert_array_equal(found.compute(), expected.reshape(found.shape))


@pytest.mark.parametrize("make", [phantoms.thorax_ct, phantoms.thorax_pet, phantoms.head_mr])
def test_a_derived_series_has_no_finding(peers, make, tmp_path):
    """Of each class, whole numbers and others; an MR has no rescale in its module, and says so."""
    phantoms.write(make(slices=2, rows=16), tmp_path / "source")
    volume = series_of(tmp_path / "source").volume()
    values = volume.compute()

    for number, result in enumerate((values, values / 3.0)):
        for one in volume.to_series(result, description="Computed"):
            found = [
                line
                for line in findings(peers, one, tmp_path / f"{number}.dcm")
                if "Rescale" not in line or make is not phantoms.head_mr
            ]
            assert found == []
