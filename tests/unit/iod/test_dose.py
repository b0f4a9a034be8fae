"""Dose-volume histograms are what arithmetic says."""

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomlab.errors import GeometryError, UnsupportedError
from dicomlab.geometry import Grid
from dicomlab.iod import dose_volume_histogram, read_dose, read_dose_volume_histograms
from dicomlab.volume import Volume

AXIAL = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])


def ramp(shape=(11, 21, 41), spacing=2.0):
    """Return a dose that rises by 0.5 Gy a mm from left to right."""
    affine = AXIAL * spacing
    affine[3, 3] = 1
    x = np.arange(shape[2]) * spacing
    values = np.broadcast_to(0.5 * x, shape).astype(np.float64)
    return Volume.from_array(values, Grid(shape, affine), units="GY", modality="RTDOSE")


def region(dose, spacing, inside):
    """Return a mask on a finer grid, inside where a function of x, y, z says so."""
    shape = tuple(int((size - 1) * 2.0 / spacing) + 1 for size in dose.shape)
    affine = AXIAL * spacing
    affine[3, 3] = 1
    z, y, x = np.indices(shape) * spacing
    return Volume.from_array(inside(x, y, z).astype(np.uint8), Grid(shape, affine))


def test_a_box_in_a_ramp():
    """Doses from 5 to 15 Gy, in equal parts."""
    dose = ramp()
    box = region(dose, 1.0, lambda x, y, z: (x >= 10) & (x <= 30) & (y < 10) & (z < 8))

    found = dose_volume_histogram(dose, box)

    assert found.total_volume_cm3 == pytest.approx(21 * 10 * 8 / 1000)
    assert (found.minimum, found.maximum) == (5, 15)
    assert found.mean == pytest.approx(10)
    # 21 columns: 11 of them lie at 20 mm, which gets 10 Gy, or beyond.
    np.testing.assert_allclose(
        found.volume_receiving([0, 5, 10, 10.01, 15, 15.01]),
        np.array([21, 21, 11, 10, 1, 0]) * 80 / 1000,
    )
    np.testing.assert_allclose(found.dose_to([1, 11 / 21, 1 / 21]), [5, 10, 15])


def test_a_sphere_in_a_ramp():
    """The cap beyond a plane has the volume V = pi h^2 (3 r - h) / 3."""
    dose = ramp((21, 21, 41))
    radius = 15.0
    ball = region(
        dose, 0.5, lambda x, y, z: (x - 40) ** 2 + (y - 20) ** 2 + (z - 20) ** 2 <= radius**2
    )

    found = dose_volume_histogram(dose, ball)

    assert found.total_volume_cm3 == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.005)
    assert found.mean == pytest.approx(20, abs=1e-6)
    for beyond in (-10, -5, 0, 5, 10):
        # Between two planes of voxels, which are 0.5 mm apart.
        height = radius - beyond - 0.25
        cap = np.pi * height**2 * (3 * radius - height) / 3 / 1000
        assert found.volume_receiving(20 + 0.5 * (beyond + 0.25)) == pytest.approx(cap, rel=0.01)


def test_the_table_is_cumulative():
    """It falls from all to nothing, in cm3 and in per cent."""
    dose = ramp()
    table = dose_volume_histogram(dose, region(dose, 2.0, lambda x, y, z: x < 20)).to_dataframe(1)

    assert list(table.columns) == ["dose", "volume_cm3", "volume_percent"]
    assert table.volume_percent.iloc[0] == 100
    assert (table.volume_cm3.diff().dropna() <= 0).all()


def test_a_region_beyond_the_dose_is_refused_until_somebody_says_its_dose():
    """No dose is made up."""
    dose = ramp()
    far = Volume.from_array(
        np.ones((2, 2, 2), np.uint8), Grid((2, 2, 2), AXIAL + np.eye(4, k=3) * 79.5)
    )

    with pytest.raises(GeometryError) as refused:
        dose_volume_histogram(dose, far)
    assert refused.value.reason == "beyond-the-grid"
    assert refused.value.numbers == {"outside": 4, "voxels": 8}
    assert dose_volume_histogram(dose, far, outside=0.0).minimum == 0
    with pytest.raises(GeometryError, match="no voxel"):
        dose_volume_histogram(dose, region(dose, 2.0, lambda x, y, z: x < -1))


def stored(kind, data, **values):
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.2", "2.25.1"
    made.StudyInstanceUID, made.SeriesInstanceUID = "2.25.2", "2.25.3"
    item, region_ = Dataset(), Dataset()
    region_.ReferencedROINumber = 3
    item.DVHType, item.DoseUnits, item.DVHDoseScaling = kind, "GY", "2"
    item.DVHVolumeUnits, item.DVHNumberOfBins = values.get("units", "CM3"), len(data) // 2
    item.DVHData = [str(value) for value in data]
    item.DVHReferencedROISequence = [region_]
    made.DVHSequence = [item]
    return made


@pytest.mark.parametrize(
    ("kind", "data"),
    [("CUMULATIVE", [0.5, 10, 0.5, 10, 0.5, 4]), ("DIFFERENTIAL", [0.5, 0, 0.5, 6, 0.5, 4])],
)
def test_stored_histograms_are_read(kind, data):
    """Cumulative and differential ones say the same."""
    found = read_dose_volume_histograms(stored(kind, data))[3]

    assert found.total_volume_cm3 == 10
    np.testing.assert_allclose(found.volume_receiving([0, 1, 1.5, 2, 2.5]), [10, 10, 4, 4, 0])
    with pytest.raises(UnsupportedError, match="CM3"):
        read_dose_volume_histograms(stored(kind, data, units="PERCENT"))
    with pytest.raises(UnsupportedError, match="no dose grid"):
        read_dose(stored(kind, data))
