"""Whole-slide microscopy (PS3.3 A.32.8, C.8.12.4): a pyramid of lazy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dicomlab.catalog import InstanceData
from dicomlab.errors import NonConformantError, NotFoundError, UnsupportedError
from dicomlab.iod._load import Loadable, Loaded, load
from dicomlab.pixels import FrameDescription, FunctionalGroups, Presentation, decode_frame
from dicomlab.safety import Attributes

if TYPE_CHECKING:
    import dask.array as da

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_KINDS = ("LABEL", "OVERVIEW", "THUMBNAIL")


@dataclass(frozen=True, slots=True, eq=False)
class SlideLevel:
    """One level of a slide, or its label, overview or thumbnail.

    Attributes
    ----------
    rows, columns
        Of the whole matrix of pixels.
    tile
        Rows and columns of a tile.
    pixel_spacing_mm
        Between rows and between columns, empty where the object says nothing.
    kind
        ``"VOLUME"``, ``"LABEL"``, ``"OVERVIEW"`` or ``"THUMBNAIL"``: Image Type (0008,0008).
    sop_instance_uid
        Where it comes from.
    """

    rows: int
    columns: int
    tile: tuple[int, int]
    pixel_spacing_mm: tuple[float, ...]
    kind: str
    sop_instance_uid: str
    _instance: InstanceData = field(repr=False)
    _description: FrameDescription = field(repr=False)
    _places: Mapping[tuple[int, int], int] = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns; with colours, three of them."""
        plane = (self.rows, self.columns)
        return plane if self._description.samples_per_pixel == 1 else (*plane, 3)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the values: bytes of RGB, or the stored values of one sample."""
        is_grey = self._description.samples_per_pixel == 1
        return self._description.dtype if is_grey else np.dtype(np.uint8)

    def read(self, row: int, column: int) -> NDArray[np.generic]:
        """Return one tile by its place in the grid of tiles; zeros where it is absent."""
        height = min(self.tile[0], self.rows - row * self.tile[0])
        width = min(self.tile[1], self.columns - column * self.tile[1])
        if min(row, column, height - 1, width - 1) < 0:
            raise NotFoundError(f"The level has no tile ({row}, {column}).")
        frame, frames = self._places.get((row, column)), self._instance.frames
        if frame is None or frames is None:
            return np.zeros((height, width, *self.shape[2:]), self.dtype)
        encoded = frames.read(frame)
        if len(self.shape) == 2:
            return decode_frame(encoded, self._description)[:height, :width]
        shown = Presentation.from_attributes(
            self._instance.attributes, frames.transfer_syntax_uid, frame=frame
        )
        return shown.render(encoded)[:height, :width]

    @property
    def array(self) -> da.Array:
        """The whole level as a lazy Dask array, a tile a chunk."""
        import dask.array as da  # noqa: PLC0415  half a second that a list of levels need not pay

        chunks = tuple(
            tuple(min(step, size - start) for start in range(0, size, step))
            for size, step in zip((self.rows, self.columns), self.tile, strict=True)
        )
        return da.map_blocks(
            lambda block_id: self.read(*block_id[:2]),
            chunks=(*chunks, *((size,) for size in self.shape[2:])),
            dtype=self.dtype,
            meta=np.empty((0,) * len(self.shape), self.dtype),
        )


@dataclass(frozen=True, slots=True)
class Slide:
    """A slide as a pyramid.

    Attributes
    ----------
    levels
        The finest first.
    others
        Label, overview and thumbnail, by kind.
    """

    levels: tuple[SlideLevel, ...]
    others: Mapping[str, SlideLevel]


def read_slide(what: Iterable[Loadable]) -> Slide:
    """Return the levels of a slide from its instances; no tile is read.

    Parameters
    ----------
    what
        The instances of one slide, in any order.

    Raises
    ------
    UnsupportedError
        One is of another class, or an optical path or focal plane of several.
    NonConformantError
        Tiles lie outside of the matrix, or several in one place.
    NotFoundError
        There is no instance.
    """
    found = [_level(load(one)) for one in what]
    if not found:
        raise NotFoundError("A slide has one instance or more.")
    levels = sorted(
        (one for one in found if one.kind not in _KINDS),
        key=lambda one: one.rows * one.columns,
        reverse=True,
    )
    return Slide(tuple(levels), {one.kind: one for one in found if one.kind in _KINDS})


def _level(loaded: Loaded) -> SlideLevel:
    loaded.check_class("whole-slide image", WHOLE_SLIDE)
    header, frames = loaded.header, loaded.data.frames
    if frames is None:
        raise NotFoundError(f"Instance {loaded.sop_instance_uid} holds no frames.")
    rows, columns, high, wide = (
        header.integer(keyword) or 0
        for keyword in ("TotalPixelMatrixRows", "TotalPixelMatrixColumns", "Rows", "Columns")
    )
    if min(rows, columns, high, wide) < 1:
        raise NonConformantError(
            "TotalPixelMatrixRows (0048,0007) or TotalPixelMatrixColumns (0048,0006) is absent "
            "(PS3.3 C.8.12.4). Correct the instance at its source.",
            reason="missing-attribute",
            tag=0x00480007,
            reference="PS3.3 C.8.12.4",
        )
    paths = header.integer("NumberOfOpticalPaths") or 1
    planes = header.integer("TotalPixelMatrixFocalPlanes") or 1
    if paths * planes > 1:
        raise UnsupportedError(
            f"Instance {loaded.sop_instance_uid} holds {paths} optical paths and {planes} focal "
            "planes: a level is one of each. Read its frames with pixels()."
        )
    description = FrameDescription.from_attributes(header, frames.transfer_syntax_uid)
    groups = FunctionalGroups.from_attributes(header)
    grid = (-(-rows // high), -(-columns // wide))
    table = (
        {(number // grid[1], number % grid[1]): number for number in range(len(frames))}
        if header.string("DimensionOrganizationType") == "TILED_FULL" or groups is None
        else _sparse(groups, len(frames), (high, wide), grid)
    )
    if any(row >= grid[0] or column >= grid[1] for row, column in table):
        raise _misplaced()
    kind = header.strings("ImageType")
    measures = groups.macro(0, "PixelMeasuresSequence") if groups else None
    return SlideLevel(
        rows,
        columns,
        (high, wide),
        measures.numbers("PixelSpacing") if measures else (),
        kind[2] if len(kind) > 2 else "VOLUME",
        loaded.sop_instance_uid,
        loaded.data,
        description,
        table,
    )


def _sparse(
    groups: FunctionalGroups, frames: int, tile: tuple[int, int], grid: tuple[int, int]
) -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], int] = {}
    for frame in range(frames):
        place = groups.macro(frame, "PlanePositionSlideSequence")
        row, column = _place(place)
        key = ((row - 1) // tile[0], (column - 1) // tile[1])
        is_on_grid = (row - 1) % tile[0] == 0 and (column - 1) % tile[1] == 0
        if key in found or not is_on_grid or key[0] >= grid[0] or key[1] >= grid[1]:
            raise _misplaced()
        found[key] = frame
    return found


def _place(item: Attributes | None) -> tuple[int, int]:
    row = item.integer("RowPositionInTotalImagePixelMatrix") if item else None
    column = item.integer("ColumnPositionInTotalImagePixelMatrix") if item else None
    if row is None or column is None or min(row, column) < 1:
        raise _misplaced()
    return row, column


def _misplaced() -> NonConformantError:
    return NonConformantError(
        "A tile lies outside of the total pixel matrix, off its grid or where another one lies "
        "(PS3.3 C.8.12.6.1). Correct the instance at its source.",
        reason="misplaced-tile",
        tag=0x0048021E,
        reference="PS3.3 C.8.12.6.1",
    )
