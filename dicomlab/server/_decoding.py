"""The workers that decode what strangers compressed."""

from __future__ import annotations

from dicomlab import config
from dicomlab.pixels import DECODING
from dicomlab.safety import WorkerLimits, Workers

__all__ = ["decoding_workers"]


def decoding_workers() -> Workers:
    """Return a pool that decodes frames, within what the configuration allows a frame.

    Raises
    ------
    RefusedError
        The configuration cannot be used.
    """
    if not config.is_set():
        return Workers(DECODING)
    said = config.load().workers
    limits = WorkerLimits(**said.model_dump(exclude={"count"}))
    return Workers(DECODING, count=said.count, limits=limits)
