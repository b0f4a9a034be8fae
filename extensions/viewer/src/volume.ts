/** The volume behind the panes: its levels, its coarse texture, its exact planes. */

import { ChunkCache } from "./chunks.ts";
import type { Decoder, Level } from "./decoder.ts";
import type { Axis, Vector } from "./geometry.ts";
import type { Renderer, VolumeTexture } from "./gl.ts";
import { chunkGrid, PlaneSource } from "./planes.ts";
import type { SceneVolume } from "./scene.ts";
import type { PlaneRoute } from "./store.ts";
import { rescaleOf } from "./voxels.ts";
import type { Block, Rescale, StoredPlane } from "./voxels.ts";

/** What the device can hold. */
export interface Budget {
  /** Bytes of decoded chunks. */
  readonly chunkBytes: number;
  /** Voxels of the coarse texture. */
  readonly textureVoxels: number;
}

export interface LoadedVolumeOptions {
  readonly volume: SceneVolume;
  readonly decoder: Decoder;
  readonly budget: Budget;
  readonly planes?: PlaneRoute;
  readonly phone: boolean;
}

const voxels = (level: Level): number => level.shape[0] * level.shape[1] * level.shape[2];

/** The coarsest level that fits, to begin with, and the finest, to stay; one and the same if only one fits. */
export function textureLevels(levels: readonly Level[], most: number, side: number): readonly Level[] {
  const fitting = levels.filter((level) => voxels(level) <= most && Math.max(...level.shape) <= side);
  const first = fitting.at(-1);
  return first && fitting[0] !== first ? [first, fitting[0]] : fitting.slice(0, 1);
}

/** Where a voxel of the finest level lies in another one: index * scale + offset. */
export function levelMap(finest: Level, level: Level): { readonly scale: Vector; readonly offset: Vector } {
  const scale = (axis: Axis): number => finest.scale[axis] / level.scale[axis];
  const offset = (axis: Axis): number => (finest.translation[axis] - level.translation[axis]) / level.scale[axis];
  return { scale: [scale(0), scale(1), scale(2)], offset: [offset(0), offset(1), offset(2)] };
}

/** The part of a chunk that lies inside the level, rescaled. `sliceOf` gives the finest level's slice. */
export function rescaledPart(
  block: Block,
  size: readonly number[],
  firstSlice: number,
  rescale: Rescale,
  sliceOf: (slice: number) => number,
): Float32Array {
  const [slices, rows, columns] = size;
  const out = new Float32Array(slices * rows * columns);
  let to = 0;
  for (let slice = 0; slice < slices; slice++) {
    const original = sliceOf(firstSlice + slice);
    const slope = rescale.slope(original);
    const intercept = rescale.intercept(original);
    for (let row = 0; row < rows; row++) {
      let from = (slice * block.shape[1] + row) * block.shape[2];
      for (let column = 0; column < columns; column++) out[to++] = block.data[from++] * slope + intercept;
    }
  }
  return out;
}

export class LoadedVolume {
  readonly levels: readonly Level[];
  readonly rescale: Rescale;
  readonly #chunks: ChunkCache;
  readonly #planes: PlaneSource;
  readonly #budget: Budget;

  private constructor(levels: readonly Level[], options: LoadedVolumeOptions) {
    const { volume, decoder, budget, planes, phone } = options;
    this.levels = levels;
    this.rescale = rescaleOf(volume);
    this.#budget = budget;
    this.#chunks = new ChunkCache(decoder, budget.chunkBytes);
    this.#planes = new PlaneSource({
      level: levels[0], dtype: volume.dtype, chunks: this.#chunks, routeAll: phone, ...(planes ? { route: planes } : {}),
    });
  }

  /** Open the levels; throws where they are not those of the scene. */
  static async open(options: LoadedVolumeOptions): Promise<LoadedVolume> {
    const levels = await options.decoder.open();
    const { shape, dtype } = options.volume;
    if (levels[0].shape.some((size, axis) => size !== shape[axis]) || levels[0].dtype !== dtype) {
      throw new Error(
        `The OME-Zarr holds ${levels[0].shape.join(" × ")} voxels of ${levels[0].dtype}; ` +
          `${shape.join(" × ")} of ${dtype} were announced. Open the page again.`,
      );
    }
    return new LoadedVolume(levels, options);
  }

  plane(axis: Axis, index: number, signal: AbortSignal): Promise<StoredPlane> {
    return this.#planes.plane(axis, index, signal);
  }

  textureLevels(side: number): readonly Level[] {
    return textureLevels(this.levels, this.#budget.textureVoxels, side);
  }

  /**
   * Bring a level onto the device; `progress` hears the share that is there, `values` the parts: who wants these
   * shows nothing before, so they come first; a finer texture gives way to the planes.
   */
  async texture(
    level: Level,
    renderer: Renderer,
    signal: AbortSignal,
    progress: (share: number) => void,
    values?: (part: Float32Array) => void,
  ): Promise<VolumeTexture> {
    const { scale, offset } = levelMap(this.levels[0], level);
    const texture = renderer.volumeTexture(level.shape, scale, offset);
    const grid = chunkGrid(level);
    let done = 0;
    const sliceOf = (slice: number): number => (slice - offset[0]) / scale[0];
    await Promise.all(
      grid.map(async (coords) => {
        const block = await this.#chunks.get(level, coords, signal, values === undefined);
        signal.throwIfAborted();
        const first = coords.map((at, axis) => at * level.chunks[axis]);
        const size = first.map((at, axis) => Math.min(level.chunks[axis], level.shape[axis] - at));
        const part = rescaledPart(block, size, first[0], this.rescale, sliceOf);
        renderer.fill(texture, part, first, size);
        values?.(part);
        progress(++done / grid.length);
      }),
    );
    return texture;
  }
}
