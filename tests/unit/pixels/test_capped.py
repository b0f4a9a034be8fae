"""Compressed frames decoded by capped workers are those decoded in this process."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from functools import partial

import av
import imagecodecs
import numpy as np
import pytest
from pydicom.encaps import generate_frames

from dicomlab import phantoms
from dicomlab.errors import HostileInputError, NonConformantError
from dicomlab.pixels import (
    DECODING,
    CappedDecoder,
    FrameDescription,
    can_decode,
    decode_frame,
)
from dicomlab.safety import WorkerLimits, Workers
from dicomlab.standard import TRANSFER_SYNTAXES

JPEG, JPEG_EXTENDED, JPEG_LS, JPEG_2000, RLE = (
    "1.2.840.10008.1.2." + end for end in ("4.50", "4.51", "4.80", "4.90", "5")
)
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (16, 24), dtype=np.uint8)
DECODABLE = sorted(
    uid
    for uid, one in TRANSFER_SYNTAXES.items()
    if one.is_encapsulated and not one.is_video and can_decode(uid)
)


@pytest.fixture(scope="module")
def decoder() -> Iterator[CappedDecoder]:
    with Workers(DECODING, count=1) as workers:
        yield CappedDecoder(workers)


def description(uid: str, values: np.ndarray = GREY) -> FrameDescription:
    bits = values.dtype.itemsize * 8
    return FrameDescription(
        *values.shape, 1, bits, bits, bits - 1, values.dtype.kind == "i", transfer_syntax_uid=uid
    )


def rle() -> bytes:
    (made,) = phantoms.thorax_ct(slices=1, rows=16)
    return next(generate_frames(phantoms.encode(made, RLE).PixelData))


_JPEG = partial(imagecodecs.jpeg8_encode, GREY)
_JPEG_2000 = partial(imagecodecs.jpeg2k_encode, GREY, codecformat="j2k", reversible=True, level=0)
_JPEG_XL = partial(imagecodecs.jpegxl_encode, GREY, lossless=True)
FRAMES = {
    **dict.fromkeys(("4.50", "4.51", "4.53", "4.55"), _JPEG),
    **dict.fromkeys(("4.57", "4.70"), partial(_JPEG, lossless=True, predictor=1)),
    **dict.fromkeys(("4.80", "4.81"), partial(imagecodecs.jpegls_encode, GREY)),
    **dict.fromkeys(("4.90", "4.91"), _JPEG_2000),
    **dict.fromkeys(
        ("4.201", "4.202", "4.203"), partial(imagecodecs.htj2k_encode, GREY, reversible=True)
    ),
    **dict.fromkeys(("4.110", "4.112"), _JPEG_XL),
    "4.111": lambda: imagecodecs.jpegxl_encode_jpeg(_JPEG()),
    "1.98": GREY.tobytes,
    "8.1": partial(zlib.compress, GREY.tobytes(), wbits=-15),
    "5": rle,
}
"""How a frame is made, by the end of the UID. A syntax that is new here needs its codec loaded in
`prepare` too."""


def encoded(uid: str) -> bytes:
    """Return a small grey frame in a transfer syntax."""
    return bytes(FRAMES[uid.removeprefix("1.2.840.10008.1.2.")]())


@pytest.mark.parametrize("uid", DECODABLE)
def test_a_worker_decodes_every_syntax_that_we_decode(uid, decoder):
    """A worker can load no codec any more: each is there before."""
    frame = encoded(uid)
    shape = np.empty((16, 16), "i2") if uid == RLE else GREY

    found = decode_frame(frame, description(uid, shape), decode=decoder)

    assert np.array_equal(found, decode_frame(frame, description(uid, shape)))
    assert found.std() > 1


def film() -> bytes:
    """Return ten frames of H.264, each of one grey."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="h264") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(10):
            grey = np.full((64, 96, 3), 20 * number, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        output.mux(stream.encode())
    return buffer.getvalue()


def test_a_worker_decodes_any_frame_of_a_video(decoder):
    """Its decoder gets no thread of its own there, and needs none."""
    told = FrameDescription(
        64, 96, 3, 8, 8, 7, number_of_frames=10, transfer_syntax_uid="1.2.840.10008.1.2.4.102"
    )

    frame = decode_frame(film(), told, number=7, decode=decoder)

    assert np.abs(frame.astype(int) - 140).max() <= 4


def test_a_frame_goes_where_it_is_wanted(decoder):
    """Also into an array that is no piece of memory of its own."""
    out = np.zeros((16, 48), np.uint8)

    decoder(encoded(JPEG_LS), description(JPEG_LS), out[:, ::2])

    assert np.array_equal(out[:, ::2], GREY)
    assert not out[:, 1::2].any()


def test_a_damaged_frame_is_told_as_in_this_process(decoder):
    with pytest.raises(NonConformantError) as here:
        decode_frame(encoded(JPEG_LS)[:40], description(JPEG_LS))
    with pytest.raises(NonConformantError) as there:
        decode_frame(encoded(JPEG_LS)[:40], description(JPEG_LS), decode=decoder)

    assert str(there.value) == str(here.value)
    assert vars(there.value) == vars(here.value)


def test_native_frames_need_no_worker():
    """They are copied, not decoded: a closed pool does not matter."""
    workers = Workers(DECODING)
    workers.close()
    plain = description("1.2.840.10008.1.2.1")

    found = decode_frame(GREY.tobytes(), plain, decode=CappedDecoder(workers))

    assert np.array_equal(found, GREY)


def test_a_frame_beyond_the_bound_is_refused_before_a_worker_sees_it():
    limits = WorkerLimits(shared_bytes=256)
    with (
        Workers(DECODING, limits=limits) as workers,
        pytest.raises(HostileInputError, match="open it in Python") as found,
    ):
        decode_frame(encoded(JPEG_LS), description(JPEG_LS), decode=CappedDecoder(workers))

    assert found.value.rule == "worker_bytes"
