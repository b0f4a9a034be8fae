"""Polygons on a plane of pixels: filled, and traced around a mask.

Points are (row, column) of pixel centres: pixel (0, 0) reaches from -0.5 to 0.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Polygon = NDArray[np.float64]
"""Corners in order, shape (n, 2), the first one not repeated."""


def polygon_mask(polygons: Iterable[Polygon], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which pixel centres lie inside, by the even-odd rule over all polygons together.

    A centre on an edge belongs to the side of the greater row and column, so that neighbouring
    polygons share no pixel and leave none out.
    """
    rows, columns = shape
    crossings = np.zeros((rows, columns + 1), np.int32)
    for polygon in polygons:
        start, end = polygon, np.roll(polygon, -1, axis=0)
        is_down = end[:, 0] > start[:, 0]
        upper = np.where(is_down[:, None], start, end)
        lower = np.where(is_down[:, None], end, start)
        # An edge crosses the centre lines from its upper end, which it has, to its lower one.
        first = np.clip(np.ceil(upper[:, 0]), 0, rows).astype(np.intp)
        after = np.clip(np.ceil(lower[:, 0]), 0, rows).astype(np.intp)
        count = after - first
        edge = np.repeat(np.arange(len(polygon)), count)
        row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        slope = (lower[edge, 1] - upper[edge, 1]) / (lower[edge, 0] - upper[edge, 0])
        at = upper[edge, 1] + (row - upper[edge, 0]) * slope
        column = np.clip(np.ceil(at), 0, columns).astype(np.intp)
        np.add.at(crossings, (row, column), 1)
    inside: NDArray[np.bool_] = np.cumsum(crossings[:, :columns], axis=1) % 2 == 1
    return inside


def mask_outlines(mask: NDArray[np.bool_]) -> list[Polygon]:
    """Return polygons along the edges of a mask's pixels: `polygon_mask` gives the mask back.

    Each piece (4-connected) is one polygon, whose area is that of its pixels. A hole is joined to
    what is around it by a channel of no width, as PS3.3 C.8.8.6.3 has it.
    """
    outer: list[Polygon] = []
    holes: list[Polygon] = []
    for loop in _loops(mask):
        (outer if _area(loop) > 0 else holes).append(loop)
    for hole in sorted(holes, key=lambda one: float(one[:, 0].min())):
        around = _around(hole, outer)
        outer[around] = _joined(outer[around], hole)
    return outer


def _loops(mask: NDArray[np.bool_]) -> list[Polygon]:
    """Return closed loops of corner points with the mask on one side; holes run the other way."""
    rows, columns = mask.shape
    padded = np.zeros((rows + 2, columns + 2), np.int8)
    padded[1:-1, 1:-1] = mask
    down, right = np.diff(padded, axis=0), np.diff(padded, axis=1)
    # Vertex (r, c) is the corner before pixel (r, c). Four kinds of edges, by where they lead.
    leaving: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for edges, sign, begin, end in (
        (down[:, 1:-1], 1, (0, 1), (0, 0)),
        (down[:, 1:-1], -1, (0, 0), (0, 1)),
        (right[1:-1, :], 1, (0, 0), (1, 0)),
        (right[1:-1, :], -1, (1, 0), (0, 0)),
    ):
        for row, column in zip(*np.nonzero(edges == sign), strict=True):
            start = (int(row) + begin[0], int(column) + begin[1])
            leaving.setdefault(start, []).append((int(row) + end[0], int(column) + end[1]))
    found = []
    while leaving:
        start = next(iter(leaving))
        found.append(_simplified(_walk(leaving, start)))
    return found


def _walk(
    leaving: dict[tuple[int, int], list[tuple[int, int]]], start: tuple[int, int]
) -> list[tuple[int, int]]:
    """Follow edges to where they began, and take them out; keep pixels that touch apart."""
    loop = [start]
    heading = (0, 0)
    while True:
        here = loop[-1]
        ways = leaving[here]
        if len(ways) == 1 or heading == (0, 0):
            there = ways.pop()
        else:
            # Two pieces meet in a corner: turn towards the inside, which keeps them two.
            turn = (here[0] - heading[1], here[1] + heading[0])
            there = ways.pop(ways.index(turn) if turn in ways else 0)
        if not ways:
            del leaving[here]
        if there == start:
            return loop
        heading = (there[0] - here[0], there[1] - here[1])
        loop.append(there)


def _simplified(loop: list[tuple[int, int]]) -> Polygon:
    """Return a loop's corners alone, in pixel centre coordinates."""
    points = np.array(loop, dtype=np.float64)
    before = points - np.roll(points, 1, axis=0)
    after = np.roll(points, -1, axis=0) - points
    corners: Polygon = points[(before != after).any(axis=1)] - 0.5
    return corners


def _area(loop: Polygon) -> float:
    """Return the area within a loop, negative for a hole."""
    following = np.roll(loop, -1, axis=0)
    return float((loop[:, 0] * following[:, 1] - following[:, 0] * loop[:, 1]).sum() / 2)


def _around(hole: Polygon, outer: Sequence[Polygon]) -> int:
    """Return which polygon holds a hole: the last to begin on its left in the row it begins in."""
    top = hole[int(hole[:, 0].argmin())]
    row, column = top[0] - 0.5, top[1]
    place, best = 0, -np.inf
    for number, polygon in enumerate(outer):
        start, end = polygon, np.roll(polygon, -1, axis=0)
        crosses = (start[:, 0] > row) != (end[:, 0] > row)
        columns = start[crosses, 1] + (row - start[crosses, 0]) / (
            end[crosses, 0] - start[crosses, 0]
        ) * (end[crosses, 1] - start[crosses, 1])
        left = columns[columns <= column]
        if left.size % 2 and left.max() > best:
            place, best = number, float(left.max())
    return place


def _joined(polygon: Polygon, hole: Polygon) -> Polygon:
    """Return one polygon of both, over the shortest way between two of their corners."""
    apart = np.abs(polygon[:, None, :] - hole[None, :, :]).sum(axis=2)
    here, there = np.unravel_index(int(apart.argmin()), apart.shape)
    return np.concatenate(
        (
            polygon[: here + 1],
            np.roll(hole, -there, axis=0),
            hole[there : there + 1],
            polygon[here:],
        )
    )
