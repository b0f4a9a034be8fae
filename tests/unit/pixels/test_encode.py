"""Frames that are encoded without loss come back whole, and say rightly what they are."""

from dataclasses import replace

import numpy as np
import pytest

from dicomlab.errors import UnsupportedError
from dicomlab.pixels import (
    FrameDescription,
    Loss,
    can_decode,
    can_encode,
    can_encode_losslessly,
    decode_frame,
    decoded_photometric_interpretation,
    encode_frame,
    encoded_description,
    read_codestream,
)
from dicomlab.standard import TRANSFER_SYNTAXES

ROOT = "1.2.840.10008.1.2"
LOSSLESS = [uid for uid in TRANSFER_SYNTAXES if can_encode_losslessly(uid)]
SHAPES = {
    "8 bits": (1, 8, 8, False, "MONOCHROME2"),
    "5 of 8 bits": (1, 8, 5, False, "MONOCHROME1"),
    "8 signed bits": (1, 8, 8, True, "MONOCHROME2"),
    "8 of 16 bits": (1, 16, 8, False, "MONOCHROME2"),
    "12 of 16 bits": (1, 16, 12, False, "MONOCHROME2"),
    "12 signed bits": (1, 16, 12, True, "MONOCHROME2"),
    "16 bits": (1, 16, 16, False, "MONOCHROME2"),
    "16 signed bits": (1, 16, 16, True, "MONOCHROME2"),
    "32 bits": (1, 32, 32, False, "MONOCHROME2"),
    "single bits": (1, 1, 1, False, "MONOCHROME2"),
    "RGB": (3, 8, 8, False, "RGB"),
    "RGB of 16 bits": (3, 16, 16, False, "RGB"),
    "YBR_FULL": (3, 8, 8, False, "YBR_FULL"),
    "palette": (1, 8, 8, False, "PALETTE COLOR"),
    "palette of 16 bits": (1, 16, 16, False, "PALETTE COLOR"),
}


def frame(shape: str, rows: int = 23, columns: int = 38) -> tuple[np.ndarray, FrameDescription]:
    samples, allocated, stored, signed, photometric = SHAPES[shape]
    told = FrameDescription(
        rows, columns, samples, allocated, stored, stored - 1, signed, False, photometric
    )
    generator = np.random.default_rng(3)
    noise = generator.integers(0, 1 << stored, told.shape, dtype=np.uint64)
    noise[:5] = noise[0, 0]
    values = noise.astype(np.int64) - (1 << (stored - 1) if signed else 0)
    return values.astype(told.dtype), told


def refused(shape: str, uid: str) -> bool:
    """Return whether the tables of PS3.5 8.2 and the codecs leave a pair out."""
    _, allocated, stored, signed, photometric = SHAPES[shape]
    end = uid.removeprefix(ROOT)
    if end in (".4.57", ".4.70", ".4.80", ".4.81"):
        return allocated not in (8, 16)
    if end in (".5", ".4.201", ".4.203"):
        return allocated == 1
    if end in (".4.90", ".4.91"):
        return stored > 23
    if end in (".4.110", ".4.112"):
        return allocated not in (8, 16) or signed or photometric == "YBR_FULL"
    return False


@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("uid", LOSSLESS)
def test_without_loss_all_comes_back(uid, shape):
    """Every syntax with every kind of pixels that it can hold."""
    values, told = frame(shape)
    if refused(shape, uid):
        with pytest.raises(UnsupportedError) as caught:
            encoded_description(told, uid)
        assert caught.value.transfer_syntax_uid == uid
        return

    target = encoded_description(told, uid)
    encoded = encode_frame(values, target)

    assert decode_frame(encoded, target).tolist() == values.tolist()
    meant = decoded_photometric_interpretation(encoded, target)
    assert meant == told.photometric_interpretation
    stream = read_codestream(encoded, uid)
    if stream is not None:
        assert not stream.is_lossy
        if ".4.8" not in uid:  # JPEG-LS codes all bits that are allocated
            assert stream.precision == max(told.bits_stored, 2 if stream.process else 1)


@pytest.mark.parametrize("shape", ["12 of 16 bits", "12 signed bits"])
@pytest.mark.parametrize("uid", [ROOT + ".4.201", ROOT + ".4.203"])
def test_htj2k_of_few_bits_is_read_by_openjpeg(uid, shape):
    """The bits that the header tells are those that another decoder undoes."""
    import imagecodecs

    values, told = frame(shape)
    encoded = encode_frame(values, encoded_description(told, uid))

    assert imagecodecs.jpeg2k_decode(encoded).tolist() == values.tolist()


@pytest.mark.parametrize(
    ("end", "shape", "becomes"),
    [
        (".4.50", "8 bits", "MONOCHROME2"),
        (".4.50", "RGB", "YBR_FULL_422"),
        (".4.51", "12 of 16 bits", "MONOCHROME2"),
        (".4.81", "16 bits", "MONOCHROME2"),
        (".4.81", "RGB", "RGB"),
        (".4.91", "12 of 16 bits", "MONOCHROME2"),
        (".4.91", "RGB", "YBR_ICT"),
        (".4.112", "8 bits", "MONOCHROME2"),
        (".4.112", "RGB", "XYB"),
    ],
)
def test_loss_is_allowed_and_small(end, shape, becomes):
    """A smooth picture keeps 35 dB, and the codestream says that it lost."""
    _, told = frame(shape, 64, 80)
    rows, columns = np.mgrid[0:64, 0:80]
    top = (1 << told.bits_stored) - 1
    plane = (rows + columns) / 142 * top * 0.9
    smooth = plane if told.samples_per_pixel == 1 else np.stack((plane, plane / 2, plane / 3), -1)
    values = smooth.astype(told.dtype)

    target = encoded_description(told, ROOT + end, loss=Loss())
    encoded = encode_frame(values, target, loss=Loss())

    decoded = decode_frame(encoded, target)
    noise = np.mean((decoded.astype(float) - values) ** 2)
    assert 10 * np.log10(top**2 / noise) > 35
    assert target.photometric_interpretation == becomes
    meant = decoded_photometric_interpretation(encoded, target)
    assert meant == told.photometric_interpretation
    stream = read_codestream(encoded, ROOT + end)
    assert stream is not None
    assert stream.is_lossy or end == ".4.112"


def test_near_lossless_keeps_its_bound():
    """No value of JPEG-LS changes by more than is allowed."""
    values, told = frame("16 bits")
    target = encoded_description(told, ROOT + ".4.81", loss=Loss(max_error=3))

    decoded = decode_frame(encode_frame(values, target, loss=Loss(max_error=3)), target)

    assert 0 < np.abs(decoded.astype(int) - values).max() <= 3


@pytest.mark.parametrize(
    ("end", "shape", "loss", "why"),
    [
        (".4.50", "8 bits", None, "always loses"),
        (".4.90", "8 bits", Loss(), "never loses"),
        (".4.81", "12 signed bits", Loss(), "signed"),
        (".4.91", "palette", Loss(), "palette"),
        (".4.102", "8 bits", None, "not encoded"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(end, shape, loss, why):
    """The message says what does not fit."""
    _, told = frame(shape)

    with pytest.raises(UnsupportedError, match=why):
        encoded_description(told, ROOT + end, loss=loss)


def test_float_frames_stay_native():
    """No encapsulated syntax is for Float Pixel Data."""
    told = FrameDescription(4, 5, 1, 32, 32, 31, is_float=True)
    values = np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5)

    target = encoded_description(told, ROOT + ".2")
    assert decode_frame(encode_frame(values, target), target).tolist() == values.tolist()
    with pytest.raises(UnsupportedError, match="float"):
        encoded_description(told, ROOT + ".5")


def test_values_that_are_not_as_described_are_a_mistake():
    """A wrong shape is the caller's own error."""
    values, told = frame("8 bits")

    with pytest.raises(ValueError, match="shape"):
        encode_frame(values, replace(told, rows=24))


def test_what_is_encoded_is_decoded():
    """Nothing is written here that cannot be read here."""
    assert {uid for uid in TRANSFER_SYNTAXES if can_encode(uid)} <= {
        uid for uid in TRANSFER_SYNTAXES if can_decode(uid)
    }
    assert len(LOSSLESS) == 17
