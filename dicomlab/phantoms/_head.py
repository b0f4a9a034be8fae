"""A head: where its tissues lie, and their signal by the weighting of the sequence.

Coordinates are LPS mm with the origin in the middle of the head. Planes may lie at any angle, so
positions are whole arrays here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicomlab.phantoms import _noise
from dicomlab.phantoms._painting import Point, depth

FIELD_OF_VIEW_MM = (160.0, 250.0, 250.0)
"""What a head needs along (slice, row, column) of sagittal planes."""

_Plane = NDArray[np.float32]
_LATTICE = 32
_FOLD_MM = 13.0


class Weighting(IntEnum):
    """What a sequence shows; the number is the column of a tissue's signal."""

    T1 = 0
    PROTON_DENSITY = 1
    T2 = 2


class Signal(NamedTuple):
    """Signal of a tissue under each weighting, as stored."""

    t1: float
    proton_density: float
    t2: float


AIR = Signal(8, 8, 8)
SKIN = Signal(950, 760, 380)
BONE = Signal(90, 80, 50)
MUSCLE = Signal(380, 480, 170)
FLUID = Signal(130, 720, 1150)
GREY = Signal(470, 820, 520)
WHITE = Signal(700, 660, 360)


@dataclass(frozen=True)
class _Solid:
    """An ellipsoid of one tissue."""

    signal: Signal
    centre: Point
    semi_axes: Point


_FACE = (
    _Solid(MUSCLE, (0, 20, -90), (54, 56, 62)),
    _Solid(SKIN, (0, -42, -52), (58, 58, 66)),
    _Solid(MUSCLE, (0, -40, -54), (51, 50, 58)),
    _Solid(SKIN, (0, -101, -34), (13, 15, 24)),
    _Solid(MUSCLE, (0, -99, -36), (8, 12, 19)),
)
_SKULL = (
    (SKIN, 15.0),
    (BONE, 9.5),
    (FLUID, 3.0),
)
_INSIDE = (
    _Solid(WHITE, (0, -1, 20), (15, 38, 14)),
    *(
        _Solid(signal, (side * x, y, z), semi_axes)
        for side in (-1, 1)
        for signal, (x, y, z), semi_axes in (
            (GREY, (26, -4, 10), (8, 21, 13)),
            (WHITE, (18, -2, 10), (3, 20, 12)),
            (GREY, (11, 10, 8), (9, 14, 9)),
            (FLUID, (10, -4, 18), (6, 30, 7)),
            (FLUID, (20, 28, 8), (5, 14, 8)),
        )
    ),
    _Solid(FLUID, (0, 6, 4), (2.2, 12, 9)),
)
_BELOW = (
    _Solid(FLUID, (0, 46, -40), (54, 36, 30)),
    _Solid(GREY, (0, 46, -40), (50, 33, 26)),
    _Solid(WHITE, (-19, 44, -40), (20, 19, 15)),
    _Solid(WHITE, (19, 44, -40), (20, 19, 15)),
    _Solid(FLUID, (0, 18, -52), (18, 18, 48)),
    _Solid(WHITE, (0, 18, -32), (13, 13, 26)),
    _Solid(WHITE, (0, 22, -80), (7, 7, 60)),
    _Solid(FLUID, (0, 32, -36), (5, 6, 9)),
    _Solid(AIR, (0, -76, -52), (11, 20, 22)),
    _Solid(AIR, (0, -50, -62), (9, 22, 9)),
    _Solid(AIR, (-30, -62, -58), (13, 17, 14)),
    _Solid(AIR, (30, -62, -58), (13, 17, 14)),
    _Solid(AIR, (0, -18, -104), (9, 9, 40)),
    _Solid(SKIN, (-32, -72, -20), (19, 22, 17)),
    _Solid(SKIN, (32, -72, -20), (19, 22, 17)),
    _Solid(FLUID, (-32, -80, -20), (12.5, 12.5, 12.5)),
    _Solid(FLUID, (32, -80, -20), (12.5, 12.5, 12.5)),
    _Solid(MUSCLE, (-32, -89, -20), (4, 2.5, 4)),
    _Solid(MUSCLE, (32, -89, -20), (4, 2.5, 4)),
)
_BRAIN = _Solid(WHITE, (0, 2, 12), (66, 84, 66))


class Head:
    """The head of one seed: its size and the folds of its cortex."""

    def __init__(self, seed: int) -> None:
        source = _noise.stream(seed, 11)
        self.scale = 0.96 + 0.08 * _noise.uniform(source)
        raw = source.random_raw(_LATTICE**3)
        # The 24 highest bits fit a float32 exactly.
        self._lattice = (raw >> np.uint64(40)).astype(np.float32) * np.float32(2**-23) - 1

    def signal(
        self, positions: tuple[_Plane, _Plane, _Plane], weighting: Weighting, *, edge_mm: float
    ) -> _Plane:
        """Return the signal at positions (x, y, z), each of shape (row, column)."""
        shrink = np.float32(1 / self.scale)
        x, y, z = (axis * shrink for axis in positions)
        painter = _Painter((x, y, z), weighting, edge_mm / self.scale)
        for solid in _FACE:
            painter.solid(solid)
        under = painter.depth_in(_BRAIN)
        for signal, around_mm in _SKULL:
            painter.lay(under + np.float32(around_mm), signal)
        self._cortex(painter, under, (x, y, z))
        for solid in (*_INSIDE, *_BELOW):
            painter.solid(solid)
        return painter.values

    def _cortex(
        self, painter: _Painter, under: _Plane, positions: tuple[_Plane, _Plane, _Plane]
    ) -> None:
        """Paint the cerebrum: white matter, folded grey matter, fluid in the furrows."""
        fold = np.abs(self._smooth(positions))
        fold *= np.float32(30)
        # Furrows run where the noise changes sign and end 22 mm under the surface.
        into = np.maximum(under - np.float32(14), np.float32(0))
        furrow = fold + into * np.float32(0.7)
        fissure = np.abs(positions[0]) + np.maximum(
            np.float32(24) - positions[2], np.float32(0)
        ) * np.float32(0.3)
        painter.lay(under, GREY)
        painter.lay(np.minimum(under - np.float32(4), furrow - np.float32(7)), WHITE)
        inside = under - np.float32(0.5)
        painter.lay(np.minimum(inside, np.float32(1.4) - furrow), FLUID)
        painter.lay(np.minimum(inside, np.float32(1.5) - fissure), FLUID)

    def _smooth(self, positions: tuple[_Plane, _Plane, _Plane]) -> _Plane:
        """Return smooth noise in [-1, 1] at positions: values on a lattice, interpolated."""
        corners, shares = [], []
        for axis in positions:
            cell = axis * np.float32(1 / _FOLD_MM)
            below = np.floor(cell)
            rest = cell - below
            corners.append(below.astype(np.int32))
            shares.append(rest * rest * (np.float32(3) - np.float32(2) * rest))
        total = np.zeros_like(positions[0])
        for corner in range(8):
            index = np.zeros(positions[0].shape, np.int32)
            weight = np.ones_like(positions[0])
            for nth, (floor, share) in enumerate(zip(corners, shares, strict=True)):
                step = corner >> nth & 1
                index = index * _LATTICE + ((floor + step) & (_LATTICE - 1))
                weight *= share if step else np.float32(1) - share
            total += weight * self._lattice[index]
        return total


class _Painter:
    """Lays tissues over a plane."""

    def __init__(
        self, positions: tuple[_Plane, _Plane, _Plane], weighting: Weighting, edge_mm: float
    ) -> None:
        self.positions = positions
        self.weighting = weighting
        self.edge_mm = edge_mm
        self.values = np.full(positions[0].shape, AIR[weighting], np.float32)

    def depth_in(self, solid: _Solid) -> _Plane:
        """Return the depth under a solid's surface, mm."""
        form = np.zeros_like(self.positions[0])
        for axis, centre, semi_axis in zip(
            self.positions, solid.centre, solid.semi_axes, strict=True
        ):
            form += np.square((axis - np.float32(centre)) * np.float32(1 / semi_axis))
        return depth(form, min(solid.semi_axes))

    def solid(self, solid: _Solid) -> None:
        """Lay a solid over what is there."""
        self.lay(self.depth_in(solid), solid.signal)

    def lay(self, depth_mm: _Plane, signal: Signal) -> None:
        """Lay a tissue where its depth is above 0."""
        cover = depth_mm * np.float32(1 / self.edge_mm) + np.float32(0.5)
        np.clip(cover, np.float32(0), np.float32(1), out=cover)
        cover *= np.float32(signal[self.weighting]) - self.values
        self.values += cover


@lru_cache(maxsize=4)
def head(seed: int) -> Head:
    """Return the head of a seed."""
    return Head(seed)
