"""What holds for every phantom, whatever is asked for."""

from __future__ import annotations

import functools
import io

import imagecodecs
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread, dcmwrite
from pydicom.encaps import generate_frames

from dicomlab import phantoms

TRANSFER_SYNTAXES = [
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.5",
]


DECODERS = {
    "1.2.840.10008.1.2.4.70": imagecodecs.jpeg8_decode,
    "1.2.840.10008.1.2.4.80": imagecodecs.jpegls_decode,
    "1.2.840.10008.1.2.4.90": imagecodecs.jpeg2k_decode,
}
pet = functools.partial(phantoms.thorax_pet, slices=1)
ultrasound = functools.partial(phantoms.colour, frames=1)


def pixels_of(instance):
    """Return the pixels of the only frame."""
    decode = DECODERS.get(instance.file_meta.TransferSyntaxUID)
    if decode is None:
        return instance.pixel_array
    (frame,) = generate_frames(instance.PixelData, number_of_frames=1)
    return decode(frame)


def file_of(instance) -> bytes:
    """Return an instance as the bytes of its file."""
    file = io.BytesIO()
    dcmwrite(file, instance, enforce_file_format=True)
    return file.getvalue()


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**40),
    slices=st.integers(1, 6),
    rows=st.integers(1, 20),
    columns=st.integers(1, 20),
    spacing_mm=st.tuples(*[st.floats(0.05, 40)] * 3),
)
def test_any_size_and_spacing_is_written_as_asked(seed, slices, rows, columns, spacing_mm):
    """Positions span the stack that was asked for, to what 16 characters can say."""
    made = list(
        phantoms.thorax_ct(
            seed=seed, slices=slices, rows=rows, columns=columns, spacing_mm=spacing_mm
        )
    )
    first, last = (np.array(made[i].ImagePositionPatient, float) for i in (0, -1))

    assert all(i.pixel_array.shape == (rows, columns) for i in made)
    np.testing.assert_allclose(made[0].PixelSpacing, spacing_mm[1:], rtol=1e-9)
    np.testing.assert_allclose(first - last, [0, 0, (slices - 1) * spacing_mm[0]], atol=1e-6)


@settings(max_examples=60)
@given(
    make=st.sampled_from([pet, ultrasound]),
    transfer_syntax_uid=st.sampled_from(TRANSFER_SYNTAXES),
    rows=st.integers(1, 17),
    columns=st.integers(1, 17),
)
def test_pixels_do_not_depend_on_the_encoding(make, transfer_syntax_uid, rows, columns):
    """Byte order, odd lengths and compression change the file, not the pixels."""
    (native,) = make(rows=rows, columns=columns)
    (other,) = make(rows=rows, columns=columns, transfer_syntax_uid=transfer_syntax_uid)
    read = dcmread(io.BytesIO(file_of(other)))

    assert read.file_meta.TransferSyntaxUID == transfer_syntax_uid
    np.testing.assert_array_equal(pixels_of(read), native.pixel_array)
    assert len(native.PixelData) % 2 == 0
