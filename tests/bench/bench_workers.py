"""Frames decoded by capped workers, beside the same decoded in this process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from ct_series import thorax
from measure import Result, beside, seconds

from dicomlab.catalog import FileFrames
from dicomlab.pixels import DECODING, CappedDecoder, DecodeInto, FrameDescription, decode_into
from dicomlab.safety import FileBytes, Workers, read_header

PROCESSES = 2
SLICES = 40
SYNTAXES = {
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG 2000": "1.2.840.10008.1.2.4.90",
    "RLE": "1.2.840.10008.1.2.5",
}
GOAL = 1 / 1.15
"""Workers shall cost at most 15 % more time a frame."""


def frames(syntax: str) -> tuple[list[bytes], FrameDescription]:
    """Return the compressed frames of a CT of 512 by 512, in memory."""
    found = []
    for path in sorted(thorax(SLICES, syntax).iterdir()):
        with FileBytes(path) as file:
            one = FileFrames(path, read_header(file))
        found.append(one.read(0))
    return found, one.description


def per_frame(
    decode: DecodeInto, encoded: list[bytes], description: FrameDescription, threads: int
) -> float:
    """Return how many ms a frame takes while so many threads decode."""

    def some(own: list[bytes]) -> None:
        out = np.empty(description.shape, description.dtype)
        for frame in own:
            decode(frame, description, out)

    parts = [encoded[number::threads] for number in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        taken = seconds(lambda: list(pool.map(some, parts)))
    return 1000 * taken / len(encoded)


def run(repeat: int) -> list[Result]:
    """Measure each syntax with as many threads as processes, and one at a time."""
    results = []
    with Workers(DECODING, count=PROCESSES) as workers:
        capped = CappedDecoder(workers)
        for name, syntax in SYNTAXES.items():
            encoded, description = frames(syntax)
            for threads, goal in ((PROCESSES, GOAL), (1, None)):
                results.append(
                    beside(
                        f"{name} frame in {threads} worker{'s' * (threads > 1)}",
                        partial(per_frame, capped, encoded, description, threads),
                        partial(per_frame, decode_into, encoded, description, threads),
                        repeat=repeat,
                        unit="ms",
                        peer_name="in this process",
                        goal=goal,
                    )
                )
    return results
