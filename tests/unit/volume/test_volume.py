"""A volume gives modality values, lazily, with its place in the patient."""

import numpy as np
import pytest

from dicomlab.geometry import Grid
from dicomlab.volume import ArrayReader, Volume

AFFINE = np.array([[0, 0, 0.5, -10], [0, 0.6, 0, 20], [2, 0, 0, 30], [0, 0, 0, 1.0]])


def grid(*shape: int) -> Grid:
    return Grid(shape, AFFINE)


class CountingReader(ArrayReader):
    """Counts the planes that were asked for."""

    def __init__(self, array):
        super().__init__(array)
        self.asked = []

    def read(self, index):
        self.asked.append(index)
        return super().read(index)

    def read_into(self, start, out):
        self.asked.extend(range(start, start + len(out)))
        super().read_into(start, out)


def counting(array: np.ndarray, **options) -> tuple[Volume, CountingReader]:
    reader = CountingReader(array)
    ones = np.ones(len(array))
    return Volume(reader, grid(*array.shape), ones, ones * 0, **options), reader


def test_one_slice_reads_one_plane():
    """Indexing one slice, or a part of it, reads that plane and no other."""
    stored = np.arange(5 * 4 * 3, dtype=np.uint16).reshape(5, 4, 3)
    volume, reader = counting(stored)

    first = volume.array[3].compute()
    part = volume.stored[2, 1:3, ::-1].compute()
    strided = volume.array[::2, 0].compute()

    assert first.tolist() == stored[3].tolist()
    assert part.tolist() == stored[2, 1:3, ::-1].tolist()
    assert strided.tolist() == stored[::2, 0].tolist()
    assert sorted(reader.asked) == [0, 2, 2, 3, 4]


def test_opening_reads_nothing():
    """Shape, type and coordinates need no pixel."""
    volume, reader = counting(np.zeros((5, 4, 3), np.int16))

    assert volume.array.chunks == ((1,) * 5, (4,), (3,))
    assert volume.to_xarray().sizes == {"slice": 5, "row": 4, "column": 3}
    assert repr(volume)
    assert reader.asked == []


@pytest.mark.parametrize(
    ("kind", "bits", "slope", "intercept", "expected"),
    [
        (np.uint16, 12, 1.0, -1024.0, np.int16),
        (np.uint16, None, 1.0, -1024.0, np.int32),
        (np.int16, None, 1.0, 0.0, np.int16),
        (np.int16, None, 2.0, 0.0, np.int32),
        (np.uint32, None, 1.0, 0.0, np.int64),
        (np.int16, None, 0.5, 0.0, np.float32),
        (np.int16, None, [1, 1, 2], 0.0, np.float32),
        (np.uint32, None, 0.5, 0.0, np.float64),
        (np.float32, None, 1.0, 0.0, np.float32),
    ],
)
def test_values_stay_integers_where_they_can(kind, bits, slope, intercept, expected):
    """The type has room for every stored value that the bits allow."""
    stored = np.array([0, 1, 2], kind).repeat(4).reshape(3, 2, 2)
    ones = np.ones(3)
    volume = Volume(
        ArrayReader(stored), grid(3, 2, 2), ones * slope, ones * intercept, bits_stored=bits
    )

    expected_values = stored * (ones * slope)[:, None, None] + intercept
    assert volume.dtype == expected
    assert volume.array.dtype == expected
    assert volume.array.compute().dtype == expected
    assert volume.compute().tolist() == expected_values.tolist()
    assert volume.array.compute().tolist() == expected_values.tolist()


def test_itk_gets_the_exact_place():
    """ITK finds each corner voxel where the grid has it, with the same value."""
    stored = np.arange(3 * 4 * 5, dtype=np.uint16).reshape(3, 4, 5)
    oblique = np.eye(4)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    oblique[:3, :3] = turn * (2.5, 0.7, 0.9)
    oblique[:3, 3] = (-31.25, 12.5, 640.125)
    volume = Volume.from_array(stored, Grid((3, 4, 5), oblique), rescale_intercept=-7)

    image = volume.to_itk()

    for index in ((0, 0, 0), (2, 3, 4), (1, 0, 4)):
        column, row, plane = index[2], index[1], index[0]
        point = image.TransformIndexToPhysicalPoint([column, row, plane])
        assert np.array(point) == pytest.approx(volume.grid.to_lps(index), abs=1e-9)
        assert image.GetPixel([column, row, plane]) == int(stored[index]) - 7


def test_xarray_has_lps_coordinates():
    """On an axial grid x, y and z are LPS mm; the axes carry mm along themselves."""
    volume = Volume.from_array(np.zeros((3, 4, 5), np.int16), grid(3, 4, 5), units="HU")

    table = volume.to_xarray()

    assert table.z.to_numpy().tolist() == [30, 32, 34]
    assert table.x.to_numpy().tolist() == [-10, -9.5, -9, -8.5, -8]
    assert table.sel(slice=32).z.item() == 32
    assert table.attrs["units"] == "HU"
    assert table.attrs["index_to_lps"] == AFFINE.tolist()


def test_a_description_cannot_write_html():
    """Text from files is shown as text."""
    volume = Volume.from_array(
        np.zeros((1, 1, 1), np.int16), grid(1, 1, 1), series_description="<img src=x>"
    )

    assert "<img" not in volume._repr_html_()
    assert "&lt;img src=x&gt;" in volume._repr_html_()


def test_metadata_must_fit_the_slices():
    """UIDs that are not one a slice are a mistake of the caller."""
    with pytest.raises(ValueError, match="sop_instance_uids"):
        Volume(
            ArrayReader(np.zeros((3, 2, 2))),
            grid(3, 2, 2),
            np.ones(3),
            np.zeros(3),
            sop_instance_uids=("1.2",),
        )
