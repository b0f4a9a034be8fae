/** Where a plane lies in its pane: pixels from the pane's top left, true to the spacing. */

import { withAxis } from "./geometry.ts";
import type { Grid, PlaneAxes, Vector } from "./geometry.ts";
import type { Shift, ViewerState } from "./state.ts";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The plane's rectangle, and how large a voxel is drawn. */
export interface Placement {
  readonly left: number;
  readonly top: number;
  /** Pixels of one voxel, across and down. */
  readonly across: number;
  readonly down: number;
  readonly pixelsPerMm: number;
}

/** At zoom 1 the plane touches its pane on two sides. */
export function placement(grid: Grid, plane: PlaneAxes, state: ViewerState, pane: Size): Placement {
  const widthMm = grid.shape[plane.across] * grid.spacing[plane.across];
  const heightMm = grid.shape[plane.down] * grid.spacing[plane.down];
  const pixelsPerMm = Math.min(pane.width / widthMm, pane.height / heightMm) * state.zoom;
  const [right, down] = state.pan[plane.name];
  return {
    left: pane.width / 2 + (right - widthMm / 2) * pixelsPerMm,
    top: pane.height / 2 + (down - heightMm / 2) * pixelsPerMm,
    across: grid.spacing[plane.across] * pixelsPerMm,
    down: grid.spacing[plane.down] * pixelsPerMm,
    pixelsPerMm,
  };
}

/** The index position under a point of the pane, in voxels (centres are whole), on the plane shown. */
export function indexAt(grid: Grid, plane: PlaneAxes, place: Placement, voxel: Vector, x: number, y: number): Vector {
  const across = (x - place.left) / place.across;
  const down = (y - place.top) / place.down;
  const column = (plane.acrossFlipped ? grid.shape[plane.across] - across : across) - 0.5;
  const row = (plane.downFlipped ? grid.shape[plane.down] - down : down) - 0.5;
  return withAxis(withAxis(voxel, plane.across, column), plane.down, row);
}

/** The point of the pane where an index position is drawn. */
export function pointOf(grid: Grid, plane: PlaneAxes, place: Placement, index: Vector): Shift {
  const column = index[plane.across] + 0.5;
  const row = index[plane.down] + 0.5;
  const across = plane.acrossFlipped ? grid.shape[plane.across] - column : column;
  const down = plane.downFlipped ? grid.shape[plane.down] - row : row;
  return [place.left + across * place.across, place.top + down * place.down];
}

/** Whether an index position lies on a voxel of the grid. */
export function isInside(grid: Grid, index: Vector): boolean {
  return index.every((at, axis) => at >= -0.5 && at < grid.shape[axis] - 0.5);
}

/** A round length that fits into so many pixels, for the scale bar, mm. */
export function roundLength(pixelsPerMm: number, pixels: number): number {
  const most = pixels / pixelsPerMm;
  const power = 10 ** Math.floor(Math.log10(most));
  const factor = [5, 2, 1].find((step) => step * power <= most) ?? 1;
  return factor * power;
}
