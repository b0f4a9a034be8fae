"""Planes as pictures: windowed to eight bits, turned as they are read, in true proportion."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dicomlab.geometry import Grid
from dicomlab.pixels import VoiWindow

__all__ = ["as_shown", "picture", "png", "to_grey", "usual_window"]


def to_grey(values: NDArray[np.generic], window: VoiWindow) -> NDArray[np.uint8]:
    """Return modality values as grey levels from 0 to 255 (PS3.3 C.11.2)."""
    return np.rint(window.apply(values) * 255).astype(np.uint8)


def usual_window(values: NDArray[np.generic]) -> VoiWindow:
    """Return a window that shows what a plane holds, for a series that brings none of its own.

    It spans the values from the first to the ninety-ninth hundredth.
    """
    low, high = (float(v) for v in np.percentile(values.astype(np.float64), (1, 99)))
    width = max(high - low, 1.0)
    return VoiWindow(center=low + width / 2, width=width + 1)


def as_shown(plane: NDArray[np.generic], axis: int, grid: Grid) -> NDArray[np.generic]:
    """Return a plane turned as it is read: head or front up, the patient's right on the left.

    Parameters
    ----------
    plane
        Shape of the two axes that are left, in their order.
    axis
        The axis that was cut: 0 slice, 1 row, 2 column.
    grid
        Says where the axes point in the patient.
    """
    vertical, horizontal = (a for a in range(3) if a != axis)
    # Down the picture runs towards the feet or the back, to its right the patient's left or back.
    if _runs_against(grid, vertical, (1, 1, -1)):
        plane = plane[::-1]
    if _runs_against(grid, horizontal, (1, 1, -1)):
        plane = plane[:, ::-1]
    return plane


def picture(
    grey: NDArray[np.uint8], spacing_mm: tuple[float, float], size: int | None = None
) -> Image.Image:
    """Return grey levels as a picture whose pixels are square.

    Parameters
    ----------
    grey
        Shape (row, column).
    spacing_mm
        Between rows and between columns.
    size
        Longer side, pixels; by default as many as keep every voxel.
    """
    finest = min(spacing_mm)
    height, width = (n * mm / finest for n, mm in zip(grey.shape, spacing_mm, strict=True))
    scale = 1.0 if size is None else size / max(height, width)
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    made = Image.fromarray(grey)
    if made.size == shape:
        return made
    return made.resize(shape, Image.Resampling.BILINEAR, reducing_gap=2.0)


def png(image: Image.Image) -> bytes:
    """Return a picture as PNG."""
    target = io.BytesIO()
    image.save(target, "PNG", compress_level=4)
    return target.getvalue()


def _runs_against(grid: Grid, axis: int, wanted: tuple[int, int, int]) -> bool:
    along = grid.direction[:, axis]
    patient = int(np.abs(along).argmax())
    return float(along[patient]) * wanted[patient] < 0
