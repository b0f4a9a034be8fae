"""Other readers open what we write: ome-zarr-models, ngff-zarr, zarr, xarray and Dask."""

import dask.array as da
import ngff_zarr
import numpy as np
import ome_zarr_models
import pytest
import xarray as xr
import zarr
from ome_zarr_models.v05 import Image

from dicomlab import omezarr
from dicomlab.geometry import Grid
from dicomlab.volume import Volume

AXIAL = np.array([[0, 0, 0.5, -10], [0, 0.6, 0, 20], [2, 0, 0, 30], [0, 0, 0, 1.0]])
# Sagittal slices from right to left, rows downwards, columns backwards.
SAGITTAL = np.array([[3, 0, 0, -60], [0, 0, 0.5, -90], [0, -0.5, 0, 110], [0, 0, 0, 1.0]])
OBLIQUE = AXIAL @ np.array([[0.8, -0.6, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


@pytest.fixture(params=["alike", "unlike"])
def volume(request) -> Volume:
    """Return a volume whose slices share their rescale, and one whose slices do not."""
    array = np.random.default_rng(5).integers(0, 4000, (70, 131, 140), np.int16)
    slopes = 2.5 if request.param == "alike" else np.linspace(0.5, 2, 70)
    return Volume.from_array(array, Grid(array.shape, AXIAL), rescale_slope=slopes)


@pytest.fixture
def store(volume, tmp_path):
    return omezarr.write(volume, tmp_path / "v.zarr", levels=3)


def shown(volume: Volume) -> np.ndarray:
    """Return what the levels hold: stored values, or modality values where slices differ."""
    slopes = volume.rescale_slope
    if (slopes == slopes[0]).all():
        return volume.reader.planes
    return volume.reader.planes.astype(np.float32) * slopes.astype(np.float32)[:, None, None]


@pytest.mark.smoke
@pytest.mark.parametrize("affine", [AXIAL, SAGITTAL, OBLIQUE], ids=["axial", "sagittal", "oblique"])
def test_ome_zarr_models_finds_it_valid(tmp_path, affine):
    """The group is a valid OME-Zarr 0.5 image, whatever its orientation."""
    array = np.zeros((40, 130, 140), np.int16)
    volume = Volume.from_array(array, Grid(array.shape, affine))
    store = omezarr.write(volume, tmp_path / "v.zarr", levels=3)

    image = ome_zarr_models.open_ome_zarr(zarr.open_group(str(store), mode="r"))

    assert isinstance(image, Image)
    (multiscale,) = image.ome_attributes.multiscales
    assert [axis.name for axis in multiscale.axes] == ["z", "y", "x"]
    assert {axis.unit for axis in multiscale.axes} == {"millimeter"}
    assert [dataset.path for dataset in multiscale.datasets] == ["0", "1", "2"]


def test_ngff_zarr_reads_values_and_places(volume, store):
    """ngff-zarr finds every level, its values, spacing and origin."""
    read = ngff_zarr.from_ngff_zarr(str(store), validate=True)

    first, second, third = read.images
    assert np.array_equal(np.asarray(first.data), shown(volume))
    assert first.dims == ("z", "y", "x")
    assert first.scale == {"z": 2.0, "y": 0.6, "x": 0.5}
    assert first.translation == {"z": 30.0, "y": 20.0, "x": -10.0}
    assert second.scale == {"z": 4.0, "y": 1.2, "x": 1.0}
    assert second.translation == {"z": 31.0, "y": 20.3, "x": -9.75}
    assert third.data.shape == (18, 33, 35)


def test_zarr_reads_every_level(volume, store):
    """zarr-python, whose writer we do not use, decodes every chunk of every level."""
    group = zarr.open_group(str(store), mode="r")
    expected = shown(volume).astype(np.float64)

    for path in "012":
        array = group[path]
        assert array.nchunks_initialized == array.nchunks
        np.testing.assert_allclose(array[:], expected, rtol=1e-6, atol=1)
        odd = [(0, size % 2) for size in expected.shape]
        expected = np.pad(expected, odd, mode="edge")
        slices, rows, columns = (size // 2 for size in expected.shape)
        expected = expected.reshape(slices, 2, rows, 2, columns, 2).mean(axis=(1, 3, 5))


def test_dask_reads_it(volume, store):
    """Dask opens a level from the path alone."""
    assert np.array_equal(da.from_zarr(str(store), component="0").compute(), shown(volume))


def test_xarray_reads_it(volume, store):
    """xarray opens a level with the names of its axes; levels share these, so it opens one."""
    others = ["1", "2"]

    level = xr.open_zarr(str(store), consolidated=False, drop_variables=others)["0"]

    assert level.dims == ("z", "y", "x")
    assert np.array_equal(level.values, shown(volume))


@pytest.mark.parametrize(
    ("affine", "expected"),
    [
        (AXIAL, ["inferior-to-superior", "anterior-to-posterior", "right-to-left"]),
        (SAGITTAL, ["right-to-left", "superior-to-inferior", "anterior-to-posterior"]),
        (OBLIQUE, [None, None, None]),
    ],
    ids=["axial", "sagittal", "oblique"],
)
def test_orientation_is_said_where_it_has_a_name(tmp_path, affine, expected):
    """Axes along the patient's carry RFC-4's words; axes of an oblique volume carry none."""
    array = np.zeros((4, 5, 6), np.int16)
    store = omezarr.write(Volume.from_array(array, Grid(array.shape, affine)), tmp_path / "v.zarr")

    axes = zarr.open_group(str(store), mode="r").attrs["ome"]["multiscales"][0]["axes"]

    assert [axis.get("orientation", {}).get("value") for axis in axes] == expected
