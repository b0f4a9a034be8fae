/** Exact planes of stored values: cut from chunks, or by the server. */

import type { ChunkCache } from "./chunks.ts";
import type { Level } from "./decoder.ts";
import type { Axis } from "./geometry.ts";
import type { PlaneRoute } from "./store.ts";
import { storedArray, storedFromBytes } from "./voxels.ts";
import type { Block, StoredPlane, StoredType } from "./voxels.ts";

/** The two axes of a plane, rows first. */
export function planeAxes(axis: Axis): readonly [Axis, Axis] {
  return axis === 0 ? [1, 2] : axis === 1 ? [0, 2] : [0, 1];
}

/** Copy what a chunk holds of a plane. `first` is the index of the chunk's first voxel. */
export function copyPlane(block: Block, first: readonly number[], plane: StoredPlane): void {
  const [rowAxis, columnAxis] = planeAxes(plane.axis);
  const strides = [block.shape[1] * block.shape[2], block.shape[2], 1];
  const rows = Math.min(block.shape[rowAxis], plane.rows - first[rowAxis]);
  const columns = Math.min(block.shape[columnAxis], plane.columns - first[columnAxis]);
  const start = (plane.index - first[plane.axis]) * strides[plane.axis];
  const step = strides[columnAxis];
  for (let row = 0; row < rows; row++) {
    const from = start + row * strides[rowAxis];
    const to = (first[rowAxis] + row) * plane.columns + first[columnAxis];
    if (step === 1) plane.data.set(block.data.subarray(from, from + columns), to);
    else for (let k = 0; k < columns; k++) plane.data[to + k] = block.data[from + k * step];
  }
}

/** Coordinates of every chunk of a level, slices slowest. */
export function chunkGrid(level: Level): [number, number, number][] {
  const [slices, rows, columns] = level.shape.map((size, axis) => Math.ceil(size / level.chunks[axis]));
  const grid: [number, number, number][] = [];
  for (let k = 0; k < slices; k++) for (let j = 0; j < rows; j++) for (let i = 0; i < columns; i++) grid.push([k, j, i]);
  return grid;
}

export interface PlaneSourceOptions {
  readonly level: Level;
  readonly dtype: StoredType;
  readonly chunks: ChunkCache;
  readonly route?: PlaneRoute;
  /** Whether the server cuts the planes along the slices too; it saves a phone the other slices of a chunk. */
  readonly routeAll: boolean;
}

/** Gives planes of the finest level, the last few from memory. */
export class PlaneSource {
  readonly #options: PlaneSourceOptions;
  readonly #kept = new Map<string, StoredPlane>();

  constructor(options: PlaneSourceOptions) {
    this.#options = options;
  }

  async plane(axis: Axis, index: number, signal: AbortSignal): Promise<StoredPlane> {
    const key = `${axis}/${index}`;
    const kept = this.#kept.get(key);
    if (kept) return kept;
    const { route, routeAll } = this.#options;
    const plane = (route && (axis !== 0 || routeAll) ? await this.#routed(route, axis, index, signal) : undefined)
      ?? (await this.#cut(axis, index, signal));
    this.#kept.set(key, plane);
    if (this.#kept.size > 24) this.#kept.delete(this.#kept.keys().next().value ?? key);
    return plane;
  }

  async #routed(route: PlaneRoute, axis: Axis, index: number, signal: AbortSignal): Promise<StoredPlane | undefined> {
    const bytes = await route(axis, index, signal);
    if (!bytes) return undefined;
    const plane = this.#shape(axis, index);
    const data = storedFromBytes(this.#options.dtype, bytes);
    if (data.length !== plane.rows * plane.columns) {
      throw new Error(`A plane came with ${data.length} voxels instead of ${plane.rows * plane.columns}.`);
    }
    return { ...plane, data };
  }

  async #cut(axis: Axis, index: number, signal: AbortSignal): Promise<StoredPlane> {
    const { level, dtype, chunks } = this.#options;
    const shape = this.#shape(axis, index);
    const plane = { ...shape, data: storedArray(dtype, shape.rows * shape.columns) };
    const own = Math.floor(index / level.chunks[axis]);
    const parts = chunkGrid(level).filter((coords) => coords[axis] === own);
    await Promise.all(
      parts.map(async (coords) => {
        const block = await chunks.get(level, coords, signal);
        copyPlane(block, coords.map((at, k) => at * level.chunks[k]), plane);
      }),
    );
    return plane;
  }

  #shape(axis: Axis, index: number): Omit<StoredPlane, "data"> {
    const [rowAxis, columnAxis] = planeAxes(axis);
    const { shape } = this.#options.level;
    return { axis, index, rows: shape[rowAxis], columns: shape[columnAxis] };
  }
}
