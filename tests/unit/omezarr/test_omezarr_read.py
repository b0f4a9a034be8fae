"""A volume read from OME-Zarr: lazy, equal to what was written, and honest about damage."""

import json
from dataclasses import replace

import numpy as np
import pytest
import zarr

from dicomlab import omezarr
from dicomlab.errors import NotFoundError, StorageError, UnsupportedError
from dicomlab.geometry import Grid
from dicomlab.pixels import VoiLutFunction, VoiWindow
from dicomlab.volume import SuvInputs, Volume

OBLIQUE = np.array(
    [
        [0.1 / 3, 0.61, -0.35, -10.123456789012345],
        [0.7, 0.2, 0.1, 1 / 3],
        [2.9, -0.1, 0.02, 1e-17],
        [0, 0, 0, 1],
    ]
)


def noise(kind="int16", shape=(70, 150, 140)) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 100, shape).astype(kind)


def full(**changes) -> Volume:
    """Return a PET volume that says something in every attribute."""
    array = noise()
    volume = Volume.from_array(
        array,
        Grid(array.shape, OBLIQUE),
        rescale_slope=np.random.default_rng(1).uniform(1e-4, 30, 70),
        units="BQML",
        modality="PT",
        series_description="Ganzkörper ☢ <b>",
    )
    return replace(
        volume,
        series_instance_uid="1.2.3",
        study_instance_uid="1.2",
        frame_of_reference_uid="1.9",
        sop_instance_uids=tuple(f"1.2.3.{number}" for number in range(70)),
        frame_numbers=tuple(range(1, 71)),
        split={"EchoTime": 4.9, "AcquisitionNumber": 3, "ImageType": "PRIMARY", "Axis": (1.0, 0.5)},
        windows=(VoiWindow(1 / 3, 2e4, VoiLutFunction.SIGMOID, "warm"), VoiWindow(40.0, 400.0)),
        suv=SuvInputs(
            patient_weight_kg=71.3,
            radionuclide_total_dose_bq=3.7e8,
            acquisition_times=("20240101120000.5", None),
            corrected_image=("DECY", "ATTN"),
            decay_factors=(1.0123456789, None),
        ),
        pixel_padding_value=-2000,
        photometric_interpretation="MONOCHROME1",
        bits_stored=12,
        **changes,
    )


def test_what_is_read_is_what_was_written(tmp_path):
    """Every voxel and every attribute, and the affine to the last bit."""
    volume = full()

    found = omezarr.read(omezarr.write(volume, tmp_path / "v.zarr"))

    assert np.array_equal(found.affine, volume.affine)
    assert np.array_equal(found.rescale_slope, volume.rescale_slope)
    assert np.array_equal(found.rescale_intercept, volume.rescale_intercept)
    assert found.dtype == volume.dtype
    for name in (
        "units", "modality", "series_description", "series_instance_uid", "study_instance_uid",
        "frame_of_reference_uid", "sop_instance_uids", "frame_numbers", "split", "windows", "suv",
        "pixel_padding_value", "bits_stored", "shape",
    ):  # fmt: skip
        assert getattr(found, name) == getattr(volume, name), name
    assert np.array_equal(found.stored.compute(), volume.reader.planes)
    assert np.array_equal(found.array.compute(), volume.array.compute())
    assert np.array_equal(found.compute(), volume.compute())
    assert {name: type(value) for name, value in found.split.items()} == {
        "EchoTime": float, "AcquisitionNumber": int, "ImageType": str, "Axis": tuple,
    }  # fmt: skip


def test_dask_has_the_chunks_of_the_store(tmp_path):
    """One Dask chunk reads one chunk file, for stored and for modality values."""
    found = omezarr.read(omezarr.write(full(), tmp_path / "v.zarr"))

    assert found.stored.chunks == ((32, 32, 6), (76, 74), (70, 70))
    assert found.array.chunks == found.stored.chunks
    assert found.array.dtype == found.dtype == np.float32
    assert np.array_equal(found.array[33:40, 5, ::7].compute(), full().compute()[33:40, 5, ::7])


def test_planes_and_slabs(tmp_path):
    """The reader gives any plane, and any run of planes."""
    volume = full()
    reader = omezarr.read(omezarr.write(volume, tmp_path / "v.zarr")).reader
    slab = np.empty((40, 150, 140), np.int16)

    reader.read_into(25, slab)

    assert np.array_equal(reader.read(69), volume.reader.planes[69])
    assert np.array_equal(slab, volume.reader.planes[25:65])


def test_levels_hold_stored_values_where_slices_share_their_rescale(tmp_path):
    """A CT's levels keep its integers; each level is a volume on its own grid."""
    array = noise(shape=(64, 80, 96))
    volume = Volume.from_array(
        array, Grid(array.shape, OBLIQUE), rescale_slope=2, rescale_intercept=-1024
    )

    levels = omezarr.read_levels(omezarr.write(volume, tmp_path / "v.zarr", levels=3))

    sums = array.reshape(32, 2, 40, 2, 48, 2).sum(axis=(1, 3, 5), dtype=np.int64)
    assert [level.shape for level in levels] == [(64, 80, 96), (32, 40, 48), (16, 20, 24)]
    assert np.array_equal(levels[0].stored.compute(), array)
    assert np.array_equal(levels[1].stored.compute(), (sums + 4) // 8)
    assert np.array_equal(levels[1].compute(), (sums + 4) // 8 * 2 - 1024)
    assert np.array_equal(levels[1].grid.to_lps([0, 0, 0]), volume.grid.to_lps(np.full(3, 0.5)))


def test_levels_hold_modality_values_where_slices_differ(tmp_path):
    """Stored values of PET slices with unlike slopes are not averaged; modality values are."""
    array = np.full((4, 4, 4), 100, np.int16)
    volume = Volume.from_array(
        array, Grid(array.shape, OBLIQUE), rescale_slope=[1, 3, 5, 7], units="BQML"
    )

    store = omezarr.write(volume, tmp_path / "v.zarr", levels=2)
    fine, coarse = omezarr.read_levels(store)

    assert fine.compute()[:, 0, 0].tolist() == [100, 300, 500, 700]
    assert coarse.compute()[:, 0, 0].tolist() == [200, 600]
    assert coarse.units == "BQML"
    assert omezarr.read(store).stored.dtype == np.int16


@pytest.mark.parametrize("kind", ["int16", "uint16", "uint32", "int32", "float32"])
@pytest.mark.parametrize("slope", [1e-30, 0.0, -3.7, 1e30])
def test_the_worst_slopes_lose_no_stored_value(tmp_path, kind, slope):
    """Stored values come back bit for bit however little the modality values keep of them."""
    if kind == "float32":
        array = np.array([0.1, -0.0, np.finfo(kind).tiny, 1e-45, 3e7, np.nan], kind)
    else:
        bounds = np.iinfo(kind)
        array = np.array([bounds.min, bounds.min + 1, 0, 1, bounds.max - 1, bounds.max], kind)
    array = np.stack([array.reshape(1, 6)] * 3)
    volume = Volume.from_array(
        array, Grid(array.shape, OBLIQUE), rescale_slope=[slope, 2.0, 1 / 3], rescale_intercept=1e9
    )

    found = omezarr.read(omezarr.write(volume, tmp_path / "v.zarr"))

    assert found.reader.dtype == array.dtype
    assert np.asarray(found.stored).tobytes() == array.tobytes()


def test_verify_counts_what_differs(tmp_path):
    """One changed voxel, affine element or attribute is found and named."""
    volume = full()
    store = omezarr.write(volume, tmp_path / "v.zarr")
    array = volume.reader.planes.copy()
    array[40, 3, 3] += 1
    moved = volume.affine.copy()
    moved[0, 3] += 1e-6

    changed = replace(volume, reader=type(volume.reader)(array), units="CNTS")
    shifted = replace(volume, grid=Grid(volume.shape, moved))
    heard = []

    assert omezarr.verify(store, volume, progress=lambda *told: heard.append(told)).is_equal
    assert heard == [(32, 70), (64, 70), (70, 70)]
    found = omezarr.verify(store, changed)
    assert (found.voxels, found.unequal_voxels) == (array.size, 1)
    assert found.unequal_attributes == ("units",)
    assert not found.is_equal
    found = omezarr.verify(store, shifted)
    assert found.affine_difference == pytest.approx(1e-6)
    assert not found.is_equal


def test_verify_of_another_shape(tmp_path):
    """A volume of another shape or type has no voxel in common."""
    one = Volume.from_array(noise(shape=(4, 5, 6)), Grid((4, 5, 6), OBLIQUE))
    other = Volume.from_array(noise("uint8", shape=(4, 5, 7)), Grid((4, 5, 7), OBLIQUE))

    found = omezarr.verify(omezarr.write(one, tmp_path / "v.zarr"), other)

    assert found.unequal_attributes == ("shape", "dtype")
    assert found.unequal_voxels == found.voxels == 4 * 5 * 7


def test_nothing_there(tmp_path):
    """A path without a store, a file and an empty folder are not found; so is an unfinished one."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()

    for name in ("none", "file", "empty"):
        with pytest.raises(NotFoundError, match="no OME-Zarr here"):
            omezarr.read(tmp_path / name)


def test_a_foreign_store_is_unsupported(tmp_path):
    """What others wrote says too little for a volume."""
    zarr.create_group(str(tmp_path / "v.zarr"), zarr_format=3)

    with pytest.raises(UnsupportedError, match="did not write it"):
        omezarr.read(tmp_path / "v.zarr")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda said: said.pop("index_to_lps"), "index_to_lps"),
        (lambda said: said.update(rescale_slope="wide"), "rescale_slope"),
        (lambda said: said["index_to_lps"].__setitem__(0, [0, 0, 0, 0]), "inverse"),
        (lambda said: said["sop_instance_uids"].pop(), "sop_instance_uids"),
        (lambda said: said["rescale_slope"].pop(), "makes no volume"),
        (lambda said: said.update(stored_path="9"), "no array '9'"),
        (lambda said: said.update(version=2), "version"),
    ],
)
def test_damaged_attributes_are_named(tmp_path, damage, message):
    """A group whose attributes make no volume is damaged, and the error says where."""
    store = omezarr.write(full(), tmp_path / "v.zarr")
    group = json.loads((store / "zarr.json").read_text())
    damage(group["attributes"]["dicomlab"])
    (store / "zarr.json").write_text(json.dumps(group))

    with pytest.raises(StorageError, match=message):
        omezarr.read(store)


def test_damaged_metadata(tmp_path):
    """A torn zarr.json is damage, not a traceback."""
    store = omezarr.write(full(), tmp_path / "v.zarr")
    (store / "zarr.json").write_text('{"zarr_format": 3, "node')

    with pytest.raises(StorageError):
        omezarr.read(store)


def test_a_lost_chunk_is_not_read_as_zeros(tmp_path):
    """A store that lacks a chunk file does not open."""
    store = omezarr.write(full(), tmp_path / "v.zarr")
    (store / "stored" / "c" / "1" / "0" / "1").unlink()

    with pytest.raises(StorageError, match="1 of the 12 chunks"):
        omezarr.read(store)


@pytest.mark.parametrize("left", [0, 10, 40])
def test_a_damaged_chunk_is_a_storage_error(tmp_path, left):
    """Planes of a chunk that does not decode cannot be read; the others can."""
    store = omezarr.write(full(), tmp_path / "v.zarr")
    chunk = store / "stored" / "c" / "1" / "0" / "1"
    chunk.write_bytes(chunk.read_bytes()[:left])
    reader = omezarr.read(store).reader

    with pytest.raises(StorageError, match="damaged"):
        reader.read(40)
    assert np.array_equal(reader.read(31), full().reader.planes[31])
