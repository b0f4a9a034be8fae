"""Compressed frames of strangers, decoded where a crash costs one frame."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from dicomlab.pixels._decode import decode_into
from dicomlab.pixels._description import FrameDescription
from dicomlab.safety import Workers
from dicomlab.standard import transfer_syntax

DECODING = "dicomlab.pixels._capped:decode"
"""The job that `Workers` for `CappedDecoder` must know."""

_CODECS = (
    "deflate_decode", "dicomrle_decode", "htj2k_decode", "jpeg2k_decode", "jpeg8_decode",
    "jpegls_decode", "jpegxl_decode",
)  # fmt: skip


class CappedDecoder:
    """A `DecodeInto` that has compressed frames decoded by capped workers, others in this process.

    A frame whose decoder crashes, hangs or asks for too much memory is a
    `dicomlab.errors.HostileInputError`; the frames beside it are not touched by that.

    Parameters
    ----------
    workers
        A pool that knows the job `DECODING`; who made it closes it.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def __call__(
        self,
        encoded: bytes,
        description: FrameDescription,
        out: NDArray[np.generic],
        *,
        number: int = 0,
    ) -> None:
        """Decode a frame into an array of the description's shape and dtype."""
        if not transfer_syntax(description.transfer_syntax_uid).is_encapsulated:
            decode_into(encoded, description, out)
            return
        whole = out if out.flags.c_contiguous else np.empty_like(out, order="C")
        note = json.dumps([asdict(description), number]).encode()
        self._workers.run(DECODING, encoded, note, whole.reshape(-1).view(np.uint8).data)
        if whole is not out:
            out[...] = whole


def decode(data: memoryview, note: bytes, out: memoryview) -> None:
    """Decode one frame; runs in a worker."""
    described, number = json.loads(note)
    description = FrameDescription(**described)
    frame = np.frombuffer(out, description.dtype).reshape(description.shape)
    decode_into(bytes(data), description, frame, number=number)


def prepare() -> None:
    """Load the codecs, which a worker could not."""
    for name in _CODECS:
        getattr(imagecodecs, name)
    with suppress(ImportError):
        import_module("cv2").setNumThreads(1)
