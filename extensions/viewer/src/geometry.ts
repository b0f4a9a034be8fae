/** Where voxels lie: index axes are (slice, row, column), points are LPS millimetres. */

export type Vector = readonly [number, number, number];
export type Axis = 0 | 1 | 2;
export type PlaneName = "axial" | "coronal" | "sagittal";

export const PLANE_NAMES: readonly PlaneName[] = ["axial", "coronal", "sagittal"];

/** A regular grid of voxels. */
export interface Grid {
  readonly shape: Vector;
  /** Distance of neighbouring voxel centres along each index axis, mm. */
  readonly spacing: Vector;
  /** Unit LPS vectors of the index axes. */
  readonly directions: readonly [Vector, Vector, Vector];
  /** LPS position of voxel (0, 0, 0). */
  readonly origin: Vector;
}

/** How one plane is laid into its pane: which index axis runs where, and which way. */
export interface PlaneAxes {
  readonly name: PlaneName;
  readonly normal: Axis;
  readonly across: Axis;
  readonly down: Axis;
  /** Whether the index falls from left to right, or from top to bottom. */
  readonly acrossFlipped: boolean;
  readonly downFlipped: boolean;
}

const AXES: readonly Axis[] = [0, 1, 2];
const PERMUTATIONS: readonly (readonly [Axis, Axis, Axis])[] = [
  [2, 1, 0], [2, 0, 1], [1, 2, 0], [1, 0, 2], [0, 2, 1], [0, 1, 2],
];

/** The grid of a scene's affine; throws where the affine is no right or left handed frame. */
export function gridOf(shape: Vector, indexToLps: readonly (readonly number[])[]): Grid {
  const column = (axis: number): Vector => [indexToLps[0][axis], indexToLps[1][axis], indexToLps[2][axis]];
  const lengths = AXES.map((axis) => Math.hypot(...column(axis)));
  if (lengths.some((length) => !(length > 0 && Number.isFinite(length)))) {
    throw new Error("The volume's index_to_lps has an axis without length: its geometry is not known.");
  }
  const unit = (axis: Axis): Vector => {
    const [x, y, z] = column(axis);
    return [x / lengths[axis], y / lengths[axis], z / lengths[axis]];
  };
  return {
    shape,
    spacing: [lengths[0], lengths[1], lengths[2]],
    directions: [unit(0), unit(1), unit(2)],
    origin: column(3),
  };
}

/** LPS position of an index position, mm. */
export function lpsOf(grid: Grid, index: Vector): Vector {
  const along = (k: 0 | 1 | 2): number =>
    AXES.reduce<number>((sum, axis) => sum + grid.directions[axis][k] * grid.spacing[axis] * index[axis], grid.origin[k]);
  return [along(0), along(1), along(2)];
}

/** Which LPS axis (x, y, z) each index axis follows best, one each. */
function anatomicalAxes(grid: Grid): readonly [Axis, Axis, Axis] {
  const fit = (order: readonly [Axis, Axis, Axis]): number =>
    AXES.reduce<number>((sum, axis) => sum + Math.abs(grid.directions[axis][order[axis]]), 0);
  return PERMUTATIONS.reduce((best, order) => (fit(order) > fit(best) + 1e-9 ? order : best));
}

/**
 * The three planes as they are read: axial from the feet with the patient's left on the right, coronal from
 * the front, sagittal with the front on the left; whichever way the volume was acquired.
 */
export function planesOf(grid: Grid): Record<PlaneName, PlaneAxes> {
  const lps = anatomicalAxes(grid);
  const indexOf = (k: Axis): Axis => lps.indexOf(k) as Axis;
  const plane = (name: PlaneName, normal: Axis, across: Axis, down: Axis, downwards: 1 | -1): PlaneAxes => ({
    name,
    normal: indexOf(normal),
    across: indexOf(across),
    down: indexOf(down),
    acrossFlipped: grid.directions[indexOf(across)][across] < 0,
    downFlipped: grid.directions[indexOf(down)][down] * downwards < 0,
  });
  return {
    axial: plane("axial", 2, 0, 1, 1),
    coronal: plane("coronal", 1, 0, 2, -1),
    sagittal: plane("sagittal", 0, 1, 2, -1),
  };
}

/**
 * Letters of a direction, most important first, as Patient Orientation writes them (PS3.3 C.7.6.1.1.1);
 * components below a tenth (about 6 degrees) are left out.
 */
export function letters(direction: Vector): string {
  const names = [["L", "R"], ["P", "A"], ["H", "F"]];
  return AXES.filter((k) => Math.abs(direction[k]) >= 0.1)
    .sort((a, b) => Math.abs(direction[b]) - Math.abs(direction[a]))
    .map((k) => names[k][direction[k] > 0 ? 0 : 1])
    .join("");
}

const opposite = ([x, y, z]: Vector): Vector => [-x, -y, -z];

/** Orientation letters at the four edges of a plane. */
export function edgeLetters(grid: Grid, plane: PlaneAxes): { left: string; right: string; top: string; bottom: string } {
  const across = grid.directions[plane.across];
  const down = grid.directions[plane.down];
  const right = plane.acrossFlipped ? opposite(across) : across;
  const bottom = plane.downFlipped ? opposite(down) : down;
  return { left: letters(opposite(right)), right: letters(right), top: letters(opposite(bottom)), bottom: letters(bottom) };
}

/** Keep an index inside the grid, and whole. */
export function clampIndex(grid: Grid, index: Vector): Vector {
  const clamp = (axis: Axis): number => Math.min(grid.shape[axis] - 1, Math.max(0, Math.round(index[axis])));
  return [clamp(0), clamp(1), clamp(2)];
}

/** A copy of a vector with one component replaced. */
export function withAxis(vector: Vector, axis: Axis, value: number): Vector {
  const [a, b, c] = vector;
  return axis === 0 ? [value, b, c] : axis === 1 ? [a, value, c] : [a, b, value];
}
