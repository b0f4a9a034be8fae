"""Whole slides are lazy arrays, and hold what highdicom puts together."""

import highdicom as hd
import numpy as np
import pydicom
import pytest

from dicomlab import phantoms
from dicomlab.errors import NonConformantError, NotFoundError, UnsupportedError
from dicomlab.iod import read_slide

STORED = {
    "apply_real_world_transform": False,
    "apply_presentation_lut": False,
    "apply_modality_transform": False,
    "apply_voi_transform": False,
}
FOLDER = "ImagingDataCommons__highdicom/data/test_files"


def test_real_slides_are_what_highdicom_puts_together(real_data):
    """Tiles by number and by place, colour and grey, native and compressed."""
    compared = 0
    for path in sorted((real_data / FOLDER).glob("sm_image*.dcm")):
        (level,) = read_slide([path]).levels

        expected = hd.imread(path).get_total_pixel_matrix(**STORED)

        found = level.array
        assert found.shape == level.shape == expected.shape
        assert found.dtype == level.dtype
        np.testing.assert_array_equal(found.compute(), expected)
        np.testing.assert_array_equal(found[7:23, 31:].compute(), expected[7:23, 31:])
        compared += 1

    assert compared == 8


def test_levels_are_sorted_and_the_label_stands_apart(real_data):
    """A pyramid from its instances in any order."""
    fine = pydicom.dcmread(real_data / FOLDER / "sm_image.dcm")
    coarse = pydicom.dcmread(real_data / FOLDER / "sm_image.dcm")
    label = pydicom.dcmread(real_data / FOLDER / "sm_image.dcm")
    coarse.TotalPixelMatrixRows = coarse.TotalPixelMatrixColumns = 20
    coarse.NumberOfFrames = 4
    coarse.PixelData = coarse.PixelData[: 4 * 300]
    label.ImageType = ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]

    slide = read_slide([label, coarse, fine])

    assert [level.rows for level in slide.levels] == [50, 20]
    assert slide.others["LABEL"].shape == (50, 50, 3)
    np.testing.assert_array_equal(slide.levels[1].read(0, 1), fine.pixel_array[1])
    with pytest.raises(NotFoundError, match="no tile"):
        slide.levels[1].read(2, 0)


def test_what_is_no_level_is_told(real_data):
    """No instance, another class, a matrix of no size, tiles beyond it, several planes."""
    with pytest.raises(NotFoundError):
        read_slide([])
    with pytest.raises(UnsupportedError, match="whole-slide"):
        read_slide([next(phantoms.thorax_ct(slices=1, rows=8))])
    for change, error in (
        ({"TotalPixelMatrixRows": 0}, NonConformantError),
        ({"TotalPixelMatrixRows": 10}, NonConformantError),
        ({"NumberOfOpticalPaths": 2}, UnsupportedError),
    ):
        broken = pydicom.dcmread(real_data / FOLDER / "sm_image.dcm")
        for keyword, value in change.items():
            setattr(broken, keyword, value)
        with pytest.raises(error):
            read_slide([broken])
