"""What input may ask of us at the most."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits that input must keep; breaking one is a `dicomlab.errors.HostileInputError`.

    Attributes
    ----------
    elements
        Elements in one data set, all depths together.
    depth
        Sequences within sequences.
    inflated_bytes, inflation_ratio, inflation_slack_bytes
        A deflated data set may grow to
        ``min(inflated_bytes, inflation_ratio * input + inflation_slack_bytes)``.
    header_bytes
        A data set without its pixel data.
    frames, image_bytes
        What the attributes of an image may declare.
    frame_ratio, frame_slack_bytes
        A compressed frame may grow to ``frame_ratio * input + frame_slack_bytes``.
    archive_entries, archive_ratio
        Members of a zip or tar, and how far one may grow.
    """

    elements: int = 1_000_000
    depth: int = 100
    inflated_bytes: int = 512 * _MIB
    inflation_ratio: int = 200
    inflation_slack_bytes: int = 16 * _MIB
    header_bytes: int = 512 * _MIB
    frames: int = 1_000_000
    image_bytes: int = 4096 * _MIB
    frame_ratio: int = 1000
    frame_slack_bytes: int = 64 * _MIB
    archive_entries: int = 100_000
    archive_ratio: int = 100

    def inflated(self, compressed: int) -> int:
        """Return how many bytes so many deflated ones may become."""
        return min(
            self.inflated_bytes, self.inflation_ratio * compressed + self.inflation_slack_bytes
        )

    def decoded(self, compressed: int) -> int:
        """Return how many bytes a compressed frame of so many may become."""
        return self.frame_ratio * compressed + self.frame_slack_bytes


DEFAULT_BOUNDS = Bounds()
