"""What goes into OME-Zarr comes out again, whatever it is, and the levels are means."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dicomlab import omezarr
from dicomlab.geometry import Grid
from dicomlab.omezarr._pyramid import halve
from dicomlab.volume import Volume

KINDS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


@st.composite
def affines(draw) -> np.ndarray:
    """Return any affine with an inverse, tilted and mirrored ones among them."""
    directions = np.linalg.qr(draw(hnp.arrays(np.float64, (3, 3), elements=st.floats(-1, 1))))[0]
    affine = np.eye(4)
    affine[:3, :3] = directions * draw(hnp.arrays(np.float64, 3, elements=st.floats(0.01, 20)))
    affine[0, 0] += draw(st.floats(0, 1e-3))
    affine[:3, 3] = draw(hnp.arrays(np.float64, 3, elements=NUMBERS))
    return affine


@st.composite
def volumes(draw) -> Volume:
    """Return a volume of any type, with sizes around those of a chunk."""
    sizes = st.one_of(st.integers(1, 6), st.sampled_from([31, 32, 33, 65, 127, 129, 130]))
    slices = draw(sizes)
    shape = (slices, draw(sizes), draw(st.integers(1, 40)))
    kind = np.dtype(draw(st.sampled_from(KINDS)))
    noise = np.random.default_rng(draw(st.integers(0, 99))).bytes(int(np.prod(shape)) * 8)
    if kind.kind == "f":
        array = (np.frombuffer(noise, np.int64) / 2**40).astype(kind)
    else:
        array = np.frombuffer(noise, kind)
    array = array[: np.prod(shape)].reshape(shape)
    one = st.one_of(st.just(1.0), st.floats(1e-6, 1e3))
    slopes = draw(st.one_of(one, hnp.arrays(np.float64, slices, elements=one)))
    volume = Volume.from_array(
        array,
        Grid(shape, draw(affines())),
        rescale_slope=slopes,
        rescale_intercept=draw(st.sampled_from([0.0, -1024.0, 0.1])),
        units=draw(st.text(max_size=5)),
    )
    return replace(
        volume,
        sop_instance_uids=draw(st.sampled_from([(), ("1.2.3",) * slices])),
        split=draw(
            st.dictionaries(
                st.sampled_from(["EchoTime", "AcquisitionNumber"]),
                st.one_of(NUMBERS, st.integers(-(2**31), 2**31), st.text(max_size=4)),
            )
        ),
        pixel_padding_value=draw(st.sampled_from([None, -2000, 0])),
    )


@settings(max_examples=40, deadline=None)
@given(volume=volumes(), levels=st.sampled_from([None, 1, 3]))
def test_read_gives_back_what_was_written(volume, levels):
    """Voxel for voxel, the affine and every attribute."""
    with tempfile.TemporaryDirectory() as folder:
        store = omezarr.write(volume, Path(folder) / "v.zarr", levels=levels)

        found = omezarr.verify(store, volume)
        again = omezarr.read(store).reader.read(volume.shape[0] - 1)

    assert found.is_equal
    assert found.affine_difference == 0
    assert again.tobytes() == volume.reader.planes[-1].tobytes()


@settings(max_examples=40, deadline=None)
@given(
    block=hnp.arrays(
        st.sampled_from([np.int8, np.uint16, np.int16, np.int32]),
        st.tuples(*[st.integers(1, 7)] * 3),
        elements=st.integers(0, 127),
    )
)
def test_levels_are_means_of_the_voxels_there_are(block):
    """Each voxel is the mean of its block as far as that reaches, rounded halves up."""
    means = halve(block)

    for place in np.ndindex(means.shape):
        part = block[tuple(slice(2 * index, 2 * index + 2) for index in place)]
        assert means[place] == np.floor(part.mean(dtype=np.float64) + 0.5)
