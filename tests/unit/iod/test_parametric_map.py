"""Numbers of a computation go out as a parametric map and come back the same."""

import dask.array as da
import numpy as np
import pytest

from dicomlab import phantoms
from dicomlab.errors import UnsupportedError
from dicomlab.iod import Code, read_parametric_map, write_parametric_map
from dicomlab.volume import Volume
from tests.derived import ct_volume, series_of

HU = Code("[hnsf'U]", "UCUM", "Hounsfield unit")
T1 = Code("113063", "DCM", "T1")


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    return ct_volume(tmp_path_factory.mktemp("ct"))


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_values_come_back(volume, kind):
    """Bit for bit, on the same grid, with units and quantity."""
    values = np.random.default_rng(1).normal(size=volume.shape).astype(kind)

    found = read_parametric_map(
        write_parametric_map(volume, values, units=HU, quantity=T1, series_description="A map")
    )

    assert found.compute().dtype == kind
    np.testing.assert_array_equal(found.compute(), values)
    np.testing.assert_array_equal(found.array[3].compute(), values[3])
    assert found.grid.agrees_with(volume.grid)
    assert (found.units, found.series_description) == ("[hnsf'U]", "T1")
    assert found.frame_of_reference_uid == volume.frame_of_reference_uid


def test_a_dask_array_goes_out(volume):
    """Whole numbers become float32."""
    made = write_parametric_map(volume, da.ones(volume.shape, dtype="int16", chunks=2) * 7)

    found = read_parametric_map(made)

    assert found.compute().dtype == np.float32
    assert (found.compute() == 7).all()
    assert found.units == ""
    sources = {
        source.ReferencedSOPInstanceUID
        for frame in made.PerFrameFunctionalGroupsSequence
        for derivation in frame.DerivationImageSequence
        for source in derivation.SourceImageSequence
    }
    assert sources == set(volume.sop_instance_uids)


def test_a_multi_frame_source_keeps_its_order(tmp_path):
    """Slices go to the frames that they came from."""
    phantoms.write(phantoms.enhanced_ct(slices=4, rows=16), tmp_path)
    volume = series_of(tmp_path).volume()
    values = np.arange(volume.grid.shape[0] * 256, dtype=np.float32).reshape(volume.shape)

    found = read_parametric_map(write_parametric_map(volume, values))

    np.testing.assert_array_equal(found.compute(), values)
    assert found.grid.agrees_with(volume.grid)


def test_mistakes_are_told(volume):
    """Another shape, nothing finite, no source, another class."""
    with pytest.raises(ValueError, match="shape"):
        write_parametric_map(volume, np.zeros((1, 2, 3)))
    with pytest.raises(ValueError, match="finite"):
        write_parametric_map(volume, np.full(volume.shape, np.nan))
    with pytest.raises(UnsupportedError, match="array"):
        write_parametric_map(
            Volume.from_array(np.zeros(volume.shape), volume.grid), np.zeros(volume.shape)
        )
    with pytest.raises(UnsupportedError, match="parametric map"):
        read_parametric_map(next(phantoms.thorax_ct(slices=1, rows=8)))
