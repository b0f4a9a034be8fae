"""A volume as viewers ask for it: objects of its store, exact planes, pictures, the scene."""

from __future__ import annotations

import gc
import io
import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicomlab import omezarr
from dicomlab.errors import NotFoundError, StorageError
from dicomlab.geometry import Grid
from dicomlab.pixels import VoiLutFunction, VoiWindow
from dicomlab.viewing import ByteRange, VolumeView, volume_digest
from dicomlab.volume import Volume

SHAPE = (12, 30, 40)


def upright(spacing=(2.0, 0.5, 0.5)) -> Grid:
    """An axial stack: slices towards the head, rows to the back, columns to the left."""
    slice_mm, row_mm, column_mm = spacing
    return Grid(
        SHAPE,
        np.array([[0, 0, column_mm, -10], [0, row_mm, 0, -8], [slice_mm, 0, 0, 100], [0, 0, 0, 1]]),
    )


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 4096, SHAPE).astype(np.uint16)


@pytest.fixture
def volume(values) -> Volume:
    made = Volume.from_array(values, upright(), rescale_intercept=-1024, units="HU", modality="CT")
    return replace(
        made,
        series_instance_uid="1.2.3",
        sop_instance_uids=tuple(f"1.2.3.{n}" for n in range(SHAPE[0])),
        frame_numbers=(1,) * SHAPE[0],
        windows=(VoiWindow(40, 400),),
    )


@pytest.fixture
def view(volume, tmp_path) -> VolumeView:
    return VolumeView(volume, folder=tmp_path)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def expected_grey(values: np.ndarray, center: float, width: float) -> np.ndarray:
    """PS3.3 C.11.2.1.2.1, written out once more."""
    x = values.astype(np.float64)
    y = ((x - (center - 0.5)) / (width - 1) + 0.5) * 255
    y[x <= center - 0.5 - (width - 1) / 2] = 0
    y[x > center - 0.5 + (width - 1) / 2] = 255
    return y


@pytest.mark.parametrize(("axis", "index"), [(0, 0), (0, 11), (1, 0), (1, 29), (2, 17)])
def test_a_plane_is_the_stored_values_to_the_last_bit(view, values, axis, index):
    plane = view.plane(axis, index)

    got = np.frombuffer(plane.data, np.dtype(plane.dtype).newbyteorder("<")).reshape(plane.shape)
    np.testing.assert_array_equal(got, np.take(values, index, axis))


@pytest.mark.parametrize(("axis", "index"), [(0, 12), (0, -1), (1, 30), (2, 40)])
def test_a_plane_that_is_not_there_is_not_found(view, axis, index):
    with pytest.raises(NotFoundError, match="planes"):
        view.plane(axis, index)


def test_an_axial_plane_needs_no_store(view):
    """The first picture does not wait for the conversion."""
    view.plane(0, 3)
    view.rendered_plane(0, 3)

    assert not view.is_ready


def test_a_plane_of_a_coarser_level_is_the_stores(volume, tmp_path):
    store = omezarr.write(volume, tmp_path / "levels.ome.zarr", levels=2)
    plane = VolumeView(volume, store=store).plane(2, 11, level=1)

    got = np.frombuffer(plane.data, plane.dtype).reshape(plane.shape)
    np.testing.assert_array_equal(got, omezarr.read_levels(store)[1].stored[:, :, 11].compute())


def test_a_plane_of_a_level_that_is_not_there_is_not_found(view):
    with pytest.raises(NotFoundError, match="level"):
        view.plane(0, 0, level=9)


def test_an_axial_plane_is_rendered_by_the_window(view, values):
    """Slices towards the head, rows to the back, columns to the left: drawn as they are stored."""
    picture = pixels(view.rendered_plane(0, 4, VoiWindow(300, 1500)))

    wanted = expected_grey(values[4].astype(float) - 1024, 300, 1500)
    assert picture.shape == (30, 40)
    assert np.abs(picture - wanted).max() <= 0.5001


def test_the_least_value_is_white_in_monochrome1(volume, values, tmp_path):
    """MONOCHROME1 is shown inverted, in pictures and by the viewer (PS3.3 C.7.6.3.1.2)."""
    volume = replace(volume, photometric_interpretation="MONOCHROME1")
    view = VolumeView(volume, folder=tmp_path)

    shown = pixels(view.rendered_plane(0, 4, VoiWindow(1000, 2000)))

    expected = 255 - expected_grey(values[4].astype(float) - 1024, 1000, 2000)
    assert np.abs(shown.astype(int) - expected).max() <= 1
    assert view.scene()["volume"]["photometric_interpretation"] == "MONOCHROME1"


def test_the_series_own_window_is_the_first_choice(view):
    assert view.rendered_plane(0, 2) == view.rendered_plane(0, 2, VoiWindow(40, 400))


@pytest.mark.parametrize("axis", [1, 2])
def test_other_planes_show_the_head_on_top_in_true_proportion(view, values, axis):
    """Slices are 2 mm apart and voxels 0.5 mm wide: a slice is four pixels high."""
    picture = pixels(view.rendered_plane(axis, 7, VoiWindow(1024, 4096)))

    cut = np.take(values, 7, axis).astype(float) - 1024
    assert picture.shape == (12 * 4, cut.shape[1])
    top, bottom = picture[0].astype(float), picture[-1].astype(float)
    # The outermost half slice is not mixed with a neighbour.
    assert np.abs(top - expected_grey(cut[-1], 1024, 4096)).max() <= 1
    assert np.abs(bottom - expected_grey(cut[0], 1024, 4096)).max() <= 1


def test_a_picture_has_the_size_that_was_asked_for(view):
    assert Image.open(io.BytesIO(view.rendered_plane(1, 3, size=128))).size == (107, 128)


def test_a_series_without_window_is_shown_by_what_it_holds(values):
    bare = VolumeView(Volume.from_array(values, upright()))

    low, high = np.percentile(values[6], (1, 99))
    assert bare.window.center == pytest.approx((low + high) / 2)
    assert bare.window.width == pytest.approx(high - low + 1)


def test_slices_with_a_rescale_of_their_own_are_shown_as_modality_values(volume, values):
    """PET: the store holds modality values, so scene and planes must too."""
    slopes = np.linspace(0.5, 2.0, SHAPE[0])
    pet = VolumeView(replace(volume, rescale_slope=slopes, rescale_intercept=np.zeros(SHAPE[0])))
    wanted = values.astype(np.float32) * slopes.astype(np.float32)[:, None, None]

    scene = pet.scene()["volume"]
    for axis, index in ((0, 5), (1, 9), (2, 9)):
        plane = pet.plane(axis, index)
        got = np.frombuffer(plane.data, np.float32).reshape(plane.shape)
        np.testing.assert_allclose(got, np.take(wanted, index, axis), rtol=1e-6)
        assert plane.dtype == scene["dtype"] == "float32"
    assert (scene["rescale_slope"], scene["rescale_intercept"]) == (1, 0)


def test_the_scene_says_where_and_what_the_voxels_are(view, volume):
    scene = view.scene(store="/z", plane_url="/p/{axis}/{index}")
    described = scene["volume"]

    assert described["shape"] == list(SHAPE)
    assert described["dtype"] == "uint16"
    np.testing.assert_array_equal(described["index_to_lps"], volume.affine)
    assert (described["rescale_slope"], described["rescale_intercept"]) == (1, -1024)
    assert (described["store"], described["plane_url"]) == ("/z", "/p/{axis}/{index}")
    assert described["windows"] == [{"center": 40, "width": 400, "voi_lut_function": "LINEAR"}]
    assert json.loads(json.dumps(scene)) == scene


def test_every_object_of_a_store_is_given(volume, tmp_path):
    store = omezarr.write(volume, tmp_path / "levels.ome.zarr", levels=3)
    view = VolumeView(volume, store=store)
    files = [path for path in store.rglob("*") if path.is_file()]

    assert len(files) >= 7
    for path in files:
        assert view.chunk(path.relative_to(store).as_posix()) == path.read_bytes()


@pytest.mark.parametrize(
    "key",
    [
        "", "/", "..", "../secret", "0/../../secret", "/etc/passwd", "0/c/0/0/..", "0\\zarr.json",
        "0/c/0/0/0/", "0//zarr.json", "%2e%2e/secret", "zarr.json\0", "zarr.json\n",
        "0/c/0/0/\u0660", "C:/x", "0/c/9/9/9", "9/zarr.json", "0/c/1234567/0/0", "link/zarr.json",
    ],
)  # fmt: skip
def test_no_key_leads_out_of_the_store(view, tmp_path, key):
    (tmp_path / "secret").write_text("secret")
    view.prepare()

    with pytest.raises(NotFoundError):
        view.chunk(key)
    with pytest.raises(NotFoundError):
        view.object_size(key)


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        (ByteRange(offset=3, length=5), slice(3, 8)),
        (ByteRange(offset=10), slice(10, None)),
        (ByteRange(offset=10, length=10**9), slice(10, None)),
        (ByteRange(suffix_length=7), slice(-7, None)),
        (ByteRange(suffix_length=10**9), slice(None)),
        (ByteRange(offset=10**9, length=1), slice(0, 0)),
    ],
)
def test_a_part_of_an_object_is_cut_to_its_end(view, part, wanted):
    whole = view.chunk("zarr.json")

    assert view.chunk("zarr.json", part) == whole[wanted]


def test_a_store_is_made_once_and_kept(volume, tmp_path):
    first = VolumeView(volume, folder=tmp_path).prepare()
    stamp = (first / "zarr.json").stat().st_mtime_ns

    again = VolumeView(volume, folder=tmp_path)

    assert again.is_ready
    assert again.prepare() == first
    assert (first / "zarr.json").stat().st_mtime_ns == stamp


def test_a_store_that_somebody_removed_is_made_again(volume, tmp_path):
    """Also while another view holds what was there."""
    other, view = VolumeView(volume, folder=tmp_path), VolumeView(volume, folder=tmp_path)
    other.prepare()
    shutil.rmtree(view.prepare())

    assert omezarr.read(view.prepare()).shape == volume.shape


def test_what_was_viewed_longest_ago_goes_and_what_is_in_use_stays(volume, tmp_path, monkeypatch):
    """A new store makes room: of those before it the oldest that nobody views is removed."""
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))
    folder = tmp_path / "volumes"
    made = [replace(volume, split={"EchoTime": float(n)}) for n in range(4)]
    views = [VolumeView(one, folder=folder) for one in made]
    stores = [view.prepare() for view in views[:3]]
    size = sum(path.stat().st_size for path in stores[0].rglob("*") if path.is_file())
    for days, store in zip((3, 2, 1), stores, strict=True):
        then = time.time() - days * 86400
        os.utime(store.with_suffix(".use"), (then, then))
    oldest = views[0]
    del views[1:3]
    gc.collect()
    left_by_a_kill = folder / "0123.ome.zarr.partial"
    left_by_a_kill.mkdir()
    (left_by_a_kill / "chunk").write_bytes(bytes(size))
    os.utime(left_by_a_kill, (0, 0))
    (tmp_path / "home").mkdir()
    (tmp_path / "home/config.toml").write_text(
        f"[images.general]\nprepared_bytes = {3 * size + size // 2}\n"
    )

    new = views[-1].prepare()

    assert [store.exists() for store in (*stores, new)] == [True, False, True, True]
    assert not left_by_a_kill.exists()
    assert oldest.plane(0, 0).shape == volume.shape[1:]
    assert {path.suffix for path in folder.iterdir()} <= {".zarr", ".use", ".lock"}


def test_the_store_is_the_volume(view, volume, values):
    np.testing.assert_array_equal(omezarr.read(view.prepare()).stored.compute(), values)


def test_progress_is_told_and_may_end_the_work(view):
    """Ctrl-C in the middle leaves nothing that looks complete."""

    class EnoughError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        assert 0 < done <= total
        raise EnoughError

    with pytest.raises(EnoughError):
        view.prepare(stop)

    assert not view.is_ready
    view.prepare()
    assert view.is_ready


def test_a_folder_that_cannot_be_written_is_a_typed_error(volume, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match="DICOMLAB_HOME"):
        VolumeView(volume, folder=tmp_path / "file" / "volumes").prepare()


def test_a_volume_of_no_instances_leaves_nothing_behind(values):
    """Two arrays have no names that tell them apart, so neither may be kept."""
    view = VolumeView.of(Volume.from_array(values, upright()))
    store = view.prepare()
    folder = store.parent
    assert folder.is_dir()

    del view

    assert not folder.exists()


def test_volumes_of_one_series_have_names_of_their_own(volume):
    echoes = [replace(volume, split={"EchoTime": time}) for time in (4.9, 9.8)]

    assert len({volume_digest(one) for one in (volume, *echoes)}) == 3
    assert volume_digest(volume) == volume_digest(replace(volume))


def test_the_title_tells_echoes_apart_and_names_no_patient(volume):
    echo = replace(volume, series_description="T2", split={"EchoTime": 4.9})

    assert VolumeView(echo).title == "CT · T2 · Echo Time 4.9"


def test_a_sketch_shows_the_three_middle_planes(view):
    """What a printed notebook keeps: side by side, all of one height at the most."""
    sheet = pixels(view.sketch(size=128))

    assert sheet.shape[0] == 128
    axial_width = 128
    axial = sheet[:, :axial_width]
    assert axial.std() > 10
    assert not view.is_ready


def test_the_sketch_of_a_long_volume_reads_few_slices():
    """Five thousand slices are not decoded for a thumbnail."""

    class Counting:
        shape = (5000, 8, 8)
        dtype = np.dtype(np.int16)

        def __init__(self) -> None:
            self.asked = 0

        def read(self, index: int) -> np.ndarray:
            self.asked += 1
            return np.full((8, 8), index, np.int16)

        def read_into(self, start: int, out: np.ndarray) -> None:
            raise AssertionError("a sketch reads no slab")

    reader = Counting()
    affine = np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
    long = Volume(reader, Grid(reader.shape, affine), np.ones(1), np.zeros(1))

    sheet = pixels(VolumeView(long).sketch(size=64))

    assert reader.asked <= 165
    assert sheet.shape[0] == 64


def test_a_wide_window_of_each_function_is_the_standards(view, values):
    sigmoid = VoiWindow(500, 800, VoiLutFunction.SIGMOID)

    picture = pixels(view.rendered_plane(0, 1, sigmoid))

    x = values[1].astype(np.float64) - 1024
    assert np.abs(picture - 255 / (1 + np.exp(-4 * (x - 500) / 800))).max() <= 0.5001


def test_prepare_makes_its_folder_for_the_owner_alone(volume, tmp_path):
    folder = tmp_path / "made"
    VolumeView(volume, folder=folder).prepare()

    assert Path(folder).stat().st_mode & 0o077 == 0
