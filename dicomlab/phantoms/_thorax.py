"""A thorax: where its organs lie, what they absorb and what they take up.

Sizes are those of an average adult, simplified to ellipsoids and tubes. Coordinates are LPS mm with
the origin in the middle of the chest: x to the left, y to the back, z to the head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicomlab.phantoms import _noise
from dicomlab.phantoms._painting import Canvas, Ellipsoid, Point, Tube, depth, profile, unit

FIELD_OF_VIEW_MM = (300.0, 400.0, 400.0)
"""What a thorax needs along (slice, row, column)."""


class Tissue(NamedTuple):
    """What a tissue shows.

    Attributes
    ----------
    hu
        CT number.
    suvbw
        Uptake of FDG, g/ml.
    """

    hu: float
    suvbw: float


AIR = Tissue(-1000, 0.0)
LUNG = Tissue(-850, 0.45)
FAT = Tissue(-100, 0.3)
CARTILAGE = Tissue(130, 0.6)
MUSCLE = Tissue(55, 0.7)
FLUID = Tissue(10, 0.5)
BLOOD = Tissue(190, 1.8)
MYOCARDIUM = Tissue(105, 5.0)
LIVER = Tissue(95, 2.5)
SPLEEN = Tissue(110, 2.0)
MARROW = Tissue(210, 1.4)
CORTEX = Tissue(650, 1.0)
DISC = Tissue(95, 0.8)
FOAM = Tissue(-880, 0.0)
SHELL = Tissue(-120, 0.0)
TUMOUR = Tissue(45, 8.0)


@dataclass(frozen=True)
class Lesion:
    """The lesion of a thorax, to test measurements with.

    Attributes
    ----------
    centre_lps
        (x, y, z), LPS mm.
    radius_mm
        It is a sphere.
    hu, suvbw
        What CT and PET show at its centre.
    """

    centre_lps: Point
    radius_mm: float
    hu: float
    suvbw: float


_LESION_CENTRE = (-82.0, 22.0, 38.0)
_LESION_RADIUS_MM = 14.0
# Half widths and half depths of the body along z, mm.
_HALF_WIDTH = ((-150, 158), (-60, 168), (20, 174), (80, 170), (112, 150), (134, 100), (150, 72))
_HALF_DEPTH = ((-150, 106), (-60, 112), (20, 113), (80, 103), (112, 86), (134, 70), (150, 64))
_RIB_PITCH_MM = 24.0
_VERTEBRA_PITCH_MM = 26.0
_SPINE_Y = 62.0
_HILA: tuple[Point, Point] = ((-34.0, 10.0, 18.0), (36.0, 13.0, 24.0))
# Where the first vessels of a lung go: outwards, to the back, up.
_LOBES = (
    (0.5, -0.5, 0.9),
    (0.6, 0.4, 0.9),
    (0.9, 0.6, 0.3),
    (0.9, -0.7, 0.1),
    (0.8, 0.0, -0.5),
    (0.6, 0.8, -0.5),
    (0.4, 0.5, -1.0),
    (0.7, -0.2, -1.0),
)
_LUNGS = (
    Ellipsoid((-78.0, 4.0, 0.0), (60.0, 78.0, 132.0), squareness=0.6),
    Ellipsoid((80.0, 6.0, 0.0), (56.0, 78.0, 130.0), squareness=0.6),
)
_HEART_TURN = (0.8, 0.6)
_SOLIDS: tuple[tuple[Tissue, Ellipsoid | Tube], ...] = (
    # mediastinum and great vessels
    (FAT, Ellipsoid((2.0, 8.0, 20.0), (30.0, 72.0, 190.0), squareness=0.5)),
    (MUSCLE, Tube((-3.0, 34.0, 150.0), (2.0, 36.0, -150.0), 7.0, 8.0)),
    (BLOOD, Tube((-8.0, -6.0, 0.0), (-13.0, -14.0, 58.0), 15.0, 15.0)),
    (BLOOD, Tube((-13.0, -14.0, 60.0), (17.0, 34.0, 64.0), 14.0, 12.5)),
    (BLOOD, Tube((18.0, 36.0, 62.0), (13.0, 42.0, -150.0), 12.5, 10.0)),
    (BLOOD, Tube((14.0, -22.0, 0.0), (16.0, 2.0, 34.0), 14.0, 13.0)),
    (BLOOD, Tube((14.0, 2.0, 32.0), _HILA[0], 12.0, 9.0)),
    (BLOOD, Tube((16.0, 2.0, 34.0), _HILA[1], 12.0, 9.0)),
    (BLOOD, Tube((-26.0, -4.0, 10.0), (-28.0, -16.0, 96.0), 10.0, 8.0)),
    (BLOOD, Tube((-8.0, -20.0, 70.0), (-24.0, -8.0, 150.0), 6.0, 4.0)),
    (BLOOD, Tube((6.0, -6.0, 72.0), (26.0, -2.0, 150.0), 5.0, 4.0)),
    # airways: wall, then lumen
    (MUSCLE, Tube((0.0, 14.0, 160.0), (0.0, 20.0, 46.0), 11.0, 10.5)),
    (MUSCLE, Tube((0.0, 20.0, 46.0), (-38.0, 16.0, 16.0), 8.5, 7.0)),
    (MUSCLE, Tube((0.0, 20.0, 46.0), (42.0, 20.0, 14.0), 8.0, 6.5)),
    (AIR, Tube((0.0, 14.0, 160.0), (0.0, 20.0, 46.0), 9.0, 8.5)),
    (AIR, Tube((0.0, 20.0, 46.0), (-38.0, 16.0, 16.0), 6.8, 5.4)),
    (AIR, Tube((0.0, 20.0, 46.0), (42.0, 20.0, 14.0), 6.4, 5.0)),
    # below the diaphragm: right dome with liver, left dome with spleen and stomach
    (MUSCLE, Ellipsoid((-66.0, -2.0, -150.0), (84.0, 90.0, 98.0), squareness=0.4)),
    (MUSCLE, Ellipsoid((70.0, 2.0, -152.0), (78.0, 86.0, 86.0), squareness=0.4)),
    (FAT, Ellipsoid((70.0, 2.0, -152.0), (75.0, 83.0, 83.0), squareness=0.4)),
    (LIVER, Ellipsoid((-64.0, -4.0, -152.0), (82.0, 86.0, 96.0), squareness=0.4)),
    (LIVER, Ellipsoid((-4.0, -46.0, -150.0), (62.0, 36.0, 56.0))),
    (BLOOD, Tube((-52.0, 10.0, -70.0), (-40.0, 20.0, -160.0), 5.0, 7.0)),
    (BLOOD, Tube((-90.0, -20.0, -100.0), (-44.0, 14.0, -118.0), 3.0, 5.0)),
    (BLOOD, Tube((-26.0, 12.0, -10.0), (-28.0, 22.0, -160.0), 11.0, 12.0)),
    (SPLEEN, Ellipsoid((104.0, 44.0, -128.0), (26.0, 40.0, 46.0))),
    (FLUID, Ellipsoid((62.0, -18.0, -126.0), (40.0, 42.0, 44.0))),
    (AIR, Ellipsoid((62.0, -40.0, -114.0), (26.0, 16.0, 26.0))),
    # heart: fat, muscle, chambers
    (FAT, Ellipsoid((22.0, -24.0, -34.0), (64.0, 47.0, 56.0), turn=_HEART_TURN)),
    (MYOCARDIUM, Ellipsoid((22.0, -23.0, -34.0), (58.0, 41.0, 51.0), turn=_HEART_TURN)),
    (BLOOD, Ellipsoid((40.0, -14.0, -42.0), (29.0, 17.0, 33.0), turn=_HEART_TURN)),
    (BLOOD, Ellipsoid((10.0, -46.0, -36.0), (31.0, 13.0, 33.0), turn=_HEART_TURN)),
    (BLOOD, Ellipsoid((-18.0, -22.0, -16.0), (22.0, 22.0, 28.0))),
    (BLOOD, Ellipsoid((8.0, 14.0, -8.0), (32.0, 15.0, 20.0))),
    (BLOOD, Tube((-8.0, -4.0, -14.0), (-12.0, -12.0, 40.0), 13.0, 15.0)),
    # sternum, collar bones and shoulder blades
    (CORTEX, Ellipsoid((0.0, -89.0, 18.0), (19.0, 6.5, 84.0), squareness=0.8)),
    (MARROW, Ellipsoid((0.0, -89.0, 18.0), (16.5, 4.2, 82.0), squareness=0.8)),
    (CORTEX, Tube((-18.0, -76.0, 98.0), (-118.0, -20.0, 118.0), 6.5, 6.0)),
    (CORTEX, Tube((18.0, -76.0, 98.0), (118.0, -20.0, 118.0), 6.5, 6.0)),
    (MARROW, Tube((-18.0, -76.0, 98.0), (-118.0, -20.0, 118.0), 4.0, 3.5)),
    (MARROW, Tube((18.0, -76.0, 98.0), (118.0, -20.0, 118.0), 4.0, 3.5)),
    (CORTEX, Tube((-72.0, 92.0, 70.0), (-122.0, 58.0, 96.0), 3.5, 5.5)),
    (CORTEX, Tube((72.0, 92.0, 70.0), (122.0, 58.0, 96.0), 3.5, 5.5)),
    (CORTEX, Tube((-82.0, 92.0, 0.0), (-116.0, 70.0, 84.0), 2.5, 5.0)),
    (CORTEX, Tube((82.0, 92.0, 0.0), (116.0, 70.0, 84.0), 2.5, 5.0)),
)


class Thorax:
    """The thorax of one seed: its size, its vessels and its lesion."""

    def __init__(self, seed: int) -> None:
        source = _noise.stream(seed, 1)
        self.scale = 0.96 + 0.08 * _noise.uniform(source)
        self._vessels = [
            tube
            for lung, hilum in zip(_LUNGS, _HILA, strict=True)
            for tube in _vessel_tree(source, lung, hilum)
        ]
        self._lowest, self._highest = np.array([tube.extent for tube in self._vessels]).T
        self._radius = np.array([tube.start_radius for tube in self._vessels])
        self._lesion = Ellipsoid(_LESION_CENTRE, (_LESION_RADIUS_MM,) * 3)

    @property
    def lesion(self) -> Lesion:
        """The lesion, in the patient's coordinates."""
        x, y, z = (self.scale * value for value in _LESION_CENTRE)
        return Lesion((x, y, z), self.scale * _LESION_RADIUS_MM, TUMOUR.hu, TUMOUR.suvbw)

    def attenuation(
        self, x: NDArray[np.float32], y: NDArray[np.float32], z: float, *, edge_mm: float
    ) -> NDArray[np.float32]:
        """Return CT numbers in HU on one axial plane, couch included."""
        canvas = self._canvas(x, y, z, edge_mm=edge_mm, background=AIR.hu)
        _paint_couch(canvas)
        self._paint(canvas, "hu")
        return canvas.values

    def uptake(
        self, x: NDArray[np.float32], y: NDArray[np.float32], z: float, *, edge_mm: float
    ) -> NDArray[np.float32]:
        """Return SUVbw in g/ml on one axial plane."""
        canvas = self._canvas(x, y, z, edge_mm=edge_mm, background=AIR.suvbw)
        self._paint(canvas, "suvbw")
        return canvas.values

    def _canvas(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.float32],
        z: float,
        *,
        edge_mm: float,
        background: float,
    ) -> Canvas:
        shrink = np.float32(1 / self.scale)
        return Canvas(
            x * shrink,
            y * shrink,
            z / self.scale,
            edge_mm=edge_mm / self.scale,
            background=background,
        )

    def _paint(self, canvas: Canvas, shows: str) -> None:
        def value(tissue: Tissue) -> float:
            return tissue.hu if shows == "hu" else tissue.suvbw

        half_width = profile(canvas.z, _HALF_WIDTH)
        half_depth = profile(canvas.z, _HALF_DEPTH)
        for tissue, skin in ((FAT, 0.0), (MUSCLE, 13.0)):
            _body(half_width - skin, half_depth - 0.75 * skin, canvas.z).paint(
                canvas, value(tissue)
            )
        for lung in _LUNGS:
            lung.paint(canvas, value(LUNG))
        for number in self._vessels_at(canvas.z, canvas.edge_mm):
            self._vessels[number].paint(canvas, value(BLOOD))
        self._lesion.paint(canvas, value(TUMOUR))
        for tissue, solid in _SOLIDS:
            solid.paint(canvas, value(tissue))
        if canvas.z < 120:
            _paint_ribs(canvas, half_width - 24, half_depth - 19, value)
        for tissue, solid in _vertebra(canvas.z):
            solid.paint(canvas, value(tissue))

    def _vessels_at(self, z: float, edge_mm: float) -> NDArray[np.intp]:
        """Return the vessels that a plane shows: those it cuts, and that are not lost in blur."""
        near = (self._lowest - edge_mm < z) & (z < self._highest + edge_mm)
        return np.flatnonzero(near & (self._radius > 0.25 * edge_mm))


@lru_cache(maxsize=4)
def thorax(seed: int) -> Thorax:
    """Return the thorax of a seed."""
    return Thorax(seed)


def _body(half_width: float, half_depth: float, z: float) -> Ellipsoid:
    """Return the trunk's cross-section, as a solid that has it everywhere near."""
    return Ellipsoid((0.0, 0.0, z), (half_width, half_depth, 1e4), squareness=0.75)


def _paint_couch(canvas: Canvas) -> None:
    """Paint a cradle of foam in a thin shell, the same at every z."""
    box = canvas.box((-190, 80), (190, 145))
    x = canvas.x[box[1]]
    top = np.float32(118) - x * x * np.float32(1 / 1300)
    under = canvas.y[box[0]][:, None] - top[None, :]
    for tissue, wall in ((SHELL, 0.0), (FOAM, 2.5)):
        inside = np.minimum(under - np.float32(wall), np.float32(24 - wall) - under)
        width = np.float32(190 - wall) - np.abs(x)
        canvas.blend(box, canvas.cover(np.minimum(inside, width[None, :])), tissue.hu)


def _paint_ribs(
    canvas: Canvas, half_width: float, half_depth: float, value: Callable[[Tissue], float]
) -> None:
    """Paint bands on the chest's wall that fall to the front; cartilage in front."""
    box = canvas.box((-half_width - 8, -half_depth - 8), (half_width + 8, half_depth + 8))
    rows, columns = box
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    u = canvas.x[columns] * np.float32(1 / half_width)
    y = canvas.y[rows]
    v = y * np.float32(1 / half_depth)
    u, v = (u * u)[None, :], (v * v)[:, None]
    wall = u + v
    wall -= (u * np.float32(0.7)) * v
    wall = depth(wall, min(half_width, half_depth))
    # The height above the middle of the nearest rib changes along y only.
    height = (np.float32(canvas.z) - y * np.float32(0.42)) * np.float32(1 / _RIB_PITCH_MM)
    height -= np.rint(height)
    height *= np.float32(_RIB_PITCH_MM)
    # A rib is 13 mm high and 8.4 mm thick.
    wall *= np.float32(6.5 / 4.2)
    wall *= wall
    wall += (height * height)[:, None]
    front = int(np.searchsorted(y, np.float32(-0.62 * half_depth)))
    away = np.sqrt(wall, out=wall)
    for outer, bone, radius in ((True, CORTEX, 6.5), (False, MARROW, 4.0)):
        cover = canvas.cover(np.float32(radius) - away)
        canvas.blend((slice(rows.start + front, rows.stop), columns), cover[front:], value(bone))
        if outer:
            canvas.blend(
                (slice(rows.start, rows.start + front), columns), cover[:front], value(CARTILAGE)
            )


def _vertebra(z: float) -> list[tuple[Tissue, Ellipsoid | Tube]]:
    """Return the solids of the vertebra or disc at a height."""
    middle = round(z / _VERTEBRA_PITCH_MM) * _VERTEBRA_PITCH_MM
    y = _SPINE_Y
    arch = middle - 4
    solids: list[tuple[Tissue, Ellipsoid | Tube]] = [
        (DISC, Ellipsoid((0.0, y, middle), (17.5, 14.5, 1e4), squareness=0.5)),
        (CORTEX, Ellipsoid((0.0, y, middle), (20.0, 16.5, 11.0), squareness=0.3)),
        (MARROW, Ellipsoid((0.0, y, middle), (18.0, 14.5, 9.5), squareness=0.3)),
    ]
    for side in (-1.0, 1.0):
        solids += [
            (CORTEX, Tube((side * 12, y + 12, arch), (side * 34, y + 26, arch), 6.0, 4.5)),
            (MARROW, Tube((side * 12, y + 12, arch), (side * 34, y + 26, arch), 3.5, 2.5)),
        ]
    return [
        *solids,
        (CORTEX, Ellipsoid((0.0, y + 24, arch), (15.0, 12.5, 11.0))),
        (CORTEX, Tube((0.0, y + 30, arch), (0.0, y + 34, arch - 9), 4.0, 2.5)),
        (FLUID, Ellipsoid((0.0, y + 23, middle), (10.0, 8.5, 1e4))),
        (MUSCLE, Ellipsoid((0.0, y + 23, middle), (5.0, 4.0, 1e4))),
    ]


def _vessel_tree(source: np.random.PCG64, lung: Ellipsoid, hilum: Point) -> list[Tube]:
    """Grow vessels from the hilum into a lung, each branch thinner than the one it left."""
    outwards = 1.0 if lung.centre[0] > 0 else -1.0
    tubes: list[Tube] = []
    growing: list[tuple[Point, Point, float, float, int]] = [
        (hilum, unit((outwards * across, along, up)), 5.5, 30.0, 0) for across, along, up in _LOBES
    ]
    while growing:
        start, direction, radius, length, generation = growing.pop()
        end = _step(start, direction, length * _noise.between(source, 0.8, 1.2))
        if _form(lung, end) > 0.9:
            end = _step(start, direction, 0.5 * length)
            generation = max(generation, 5)
        if _form(lung, end) > 0.97:
            continue
        tubes.append(Tube(start, end, radius, 0.76 * radius))
        if generation == 6:
            continue
        for _ in range(2 if generation else 3):
            spread = (
                direction[0] + _noise.between(source, -0.8, 0.8),
                direction[1] + _noise.between(source, -0.8, 0.8),
                direction[2] + _noise.between(source, -0.8, 0.8),
            )
            growing.append((end, unit(spread), 0.74 * radius, 0.86 * length, generation + 1))
    return tubes


def _step(start: Point, direction: Point, length: float) -> Point:
    return (
        start[0] + length * direction[0],
        start[1] + length * direction[1],
        start[2] + length * direction[2],
    )


def _form(lung: Ellipsoid, point: Point) -> float:
    """Return below 1 inside the lung, above 1 outside."""
    u, v, w = ((p - c) / a for p, c, a in zip(point, lung.centre, lung.semi_axes, strict=True))
    return u * u + v * v - lung.squareness * (u * u) * (v * v) + w * w
