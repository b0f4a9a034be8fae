"""Solids painted on one axial plane, with edges as soft as the scanner's.

A plane knows the position of its pixels, so any plane can be painted alone, and two modalities
painted on unlike grids show the same body.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float, float]
Box = tuple[slice, slice]


class Canvas:
    """One axial plane that solids are painted on, later ones over earlier ones.

    Parameters
    ----------
    x, y
        Positions of columns and rows in LPS mm, rising.
    z
        Position of the plane, mm.
    edge_mm
        Width over which the edge of a solid fades.
    background
        What there is before anything is painted.
    """

    def __init__(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.float32],
        z: float,
        *,
        edge_mm: float,
        background: float,
    ) -> None:
        self.x = x
        self.y = y
        self.z = z
        self.edge_mm = edge_mm
        self.values = np.full((y.size, x.size), background, np.float32)

    def box(self, low: tuple[float, float], high: tuple[float, float]) -> Box:
        """Return the pixels between two corners (x, y), edge included."""
        margin = self.edge_mm
        return (
            slice(
                int(np.searchsorted(self.y, low[1] - margin)),
                int(np.searchsorted(self.y, high[1] + margin)),
            ),
            slice(
                int(np.searchsorted(self.x, low[0] - margin)),
                int(np.searchsorted(self.x, high[0] + margin)),
            ),
        )

    def cover(self, depth_mm: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how much of a pixel lies in a solid, from its depth under the surface."""
        share = depth_mm * np.float32(1 / self.edge_mm)
        share += np.float32(0.5)
        return np.clip(share, np.float32(0), np.float32(1), out=share)

    def blend(self, box: Box, cover: NDArray[np.float32], value: float) -> None:
        """Lay a value over a box, as far as it is covered."""
        under = self.values[box]
        cover *= np.float32(value) - under
        under += cover


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid, upright along z; `squareness` makes its cross-section fuller, 0 to below 1.

    Attributes
    ----------
    turn
        (cosine, sine) of its turn about z.
    """

    centre: Point
    semi_axes: Point
    squareness: float = 0.0
    turn: tuple[float, float] = (1.0, 0.0)

    def reaches(self, z: float, margin: float) -> bool:
        """Say whether it touches a plane."""
        return abs(z - self.centre[2]) < self.semi_axes[2] + margin

    def paint(self, canvas: Canvas, value: float) -> None:
        """Paint it."""
        a, b, c = self.semi_axes
        if not self.reaches(canvas.z, canvas.edge_mm):
            return
        # A turned one has its corner at most this far away; a square one never leaves the box.
        wide, high = (a, b) if self.turn[1] == 0 else (max(a, b), max(a, b))
        x, y, _ = self.centre
        box = canvas.box((x - wide, y - high), (x + wide, y + high))
        rows, columns = box
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        across = canvas.x[columns][None, :] - np.float32(x)
        along = canvas.y[rows][:, None] - np.float32(y)
        cosine, sine = map(np.float32, self.turn)
        if sine:
            across, along = across * cosine + along * sine, along * cosine - across * sine
        u = across * np.float32(1 / a)
        v = along * np.float32(1 / b)
        u = u * u
        v = v * v
        form = u + v
        if self.squareness:
            form -= (u * np.float32(self.squareness)) * v
        w = (canvas.z - self.centre[2]) / c
        form += np.float32(w * w)
        canvas.blend(box, canvas.cover(depth(form, min(a, b, c))), value)


@dataclass(frozen=True)
class Tube:
    """A round tube between two points whose radius changes evenly."""

    start: Point
    end: Point
    start_radius: float
    end_radius: float

    @property
    def extent(self) -> tuple[float, float]:
        """Lowest and highest z."""
        radius = max(self.start_radius, self.end_radius)
        low, high = sorted((self.start[2], self.end[2]))
        return low - radius, high + radius

    def reaches(self, z: float, margin: float) -> bool:
        """Say whether it touches a plane."""
        low, high = self.extent
        return low - margin < z < high + margin

    def paint(self, canvas: Canvas, value: float) -> None:
        """Paint it."""
        if not self.reaches(canvas.z, canvas.edge_mm):
            return
        radius = max(self.start_radius, self.end_radius)
        (x0, y0, z0), (x1, y1, z1) = self.start, self.end
        box = canvas.box(
            (min(x0, x1) - radius, min(y0, y1) - radius),
            (max(x0, x1) + radius, max(y0, y1) + radius),
        )
        rows, columns = box
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        dx, dy, dz = x1 - x0, y1 - y0, z1 - z0
        square = dx * dx + dy * dy + dz * dz
        x = canvas.x[columns][None, :] - np.float32(x0)
        y = canvas.y[rows][:, None] - np.float32(y0)
        z = canvas.z - z0
        share = x * np.float32(dx / square) + (
            y * np.float32(dy / square) + np.float32(z * dz / square)
        )
        np.clip(share, np.float32(0), np.float32(1), out=share)
        away = np.square(x - share * np.float32(dx))
        away += np.square(y - share * np.float32(dy))
        away += np.square(np.float32(z) - share * np.float32(dz))
        under = share * np.float32(self.end_radius - self.start_radius)
        under += np.float32(self.start_radius)
        under -= np.sqrt(away, out=away)
        canvas.blend(box, canvas.cover(under), value)


def depth(form: NDArray[np.float32], scale_mm: float) -> NDArray[np.float32]:
    """Return the depth under the surface where a form is 1, in mm; overwrites the form."""
    np.maximum(form, np.float32(0), out=form)
    np.sqrt(form, out=form)
    form -= np.float32(1)
    form *= np.float32(-scale_mm)
    return form


def profile(z: float, table: Sequence[tuple[float, float]]) -> float:
    """Return a smooth value along z through a table of (z, value), z rising."""
    if z <= table[0][0]:
        return table[0][1]
    for (z0, low), (z1, high) in pairwise(table):
        if z < z1:
            share = (z - z0) / (z1 - z0)
            return low + (high - low) * (share * share * (3 - 2 * share))
    return table[-1][1]


def unit(vector: Point) -> Point:
    """Return a vector of length 1 in the same direction."""
    x, y, z = vector
    length = sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length
