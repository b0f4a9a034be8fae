"""Whatever the values, size and bits: what is encoded without loss is decoded to the same."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dicomlab.errors import UnsupportedError
from dicomlab.pixels import (
    FrameDescription,
    can_encode_losslessly,
    decode_frame,
    decoded_photometric_interpretation,
    encode_frame,
    encoded_description,
)
from dicomlab.standard import TRANSFER_SYNTAXES

LOSSLESS = sorted(uid for uid in TRANSFER_SYNTAXES if can_encode_losslessly(uid))


@st.composite
def frames(draw) -> tuple[np.ndarray, FrameDescription]:
    allocated = draw(st.sampled_from([8, 16, 32]))
    stored = draw(st.integers(2, min(allocated, 32)))
    is_signed = draw(st.booleans())
    samples = draw(st.sampled_from([1, 3])) if not is_signed and allocated < 32 else 1
    shape = (draw(st.integers(1, 40)), draw(st.integers(1, 40)))
    least = -(1 << (stored - 1)) if is_signed else 0
    told = FrameDescription(
        *shape,
        samples,
        allocated,
        stored,
        stored - 1,
        is_signed,
        photometric_interpretation="RGB" if samples == 3 else "MONOCHROME2",
    )
    elements = st.integers(least, least + (1 << stored) - 1)
    return draw(arrays.arrays(told.dtype, told.shape, elements=elements)), told


@given(frame=frames(), uid=st.sampled_from(LOSSLESS))
def test_lossless_syntaxes_lose_nothing(frame, uid):
    """Single rows and columns, flat and noisy, signed and of odd depths."""
    values, told = frame
    try:
        target = encoded_description(told, uid)
    except UnsupportedError:
        return

    encoded = encode_frame(values, target)

    assert np.array_equal(decode_frame(encoded, target), values)
    meant = decoded_photometric_interpretation(encoded, target)
    assert meant == told.photometric_interpretation
