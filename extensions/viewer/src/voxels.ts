/** Arrays of stored values, and what they mean. */

import type { SceneVolume } from "./scene.ts";

export type StoredArray =
  | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array;

export type StoredType = SceneVolume["dtype"];

/** A block of stored values in C order. */
export interface Block {
  readonly data: StoredArray;
  readonly shape: readonly number[];
}

/** One exact plane of stored values, in C order of the two axes that are left. */
export interface StoredPlane {
  readonly axis: 0 | 1 | 2;
  readonly index: number;
  readonly rows: number;
  readonly columns: number;
  readonly data: StoredArray;
}

const CONSTRUCTORS = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

export function storedArray(type: StoredType, length: number): StoredArray {
  return new CONSTRUCTORS[type](length);
}

/** Little-endian bytes as stored values, without a copy where they lie aligned. */
export function storedFromBytes(type: StoredType, bytes: Uint8Array): StoredArray {
  const kind = CONSTRUCTORS[type];
  if (bytes.byteLength % kind.BYTES_PER_ELEMENT !== 0) throw new Error("A plane came with a part of a voxel.");
  const aligned = bytes.byteOffset % kind.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return new kind(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / kind.BYTES_PER_ELEMENT);
}

/** Rescale Slope and Intercept of each slice (PS3.3 C.11.1.1.2). */
export interface Rescale {
  readonly slope: (slice: number) => number;
  readonly intercept: (slice: number) => number;
}

export function rescaleOf(volume: Pick<SceneVolume, "rescale_slope" | "rescale_intercept">): Rescale {
  const each = (given: number | readonly number[]) => (slice: number): number => {
    if (typeof given === "number") return given;
    return given[Math.min(given.length - 1, Math.max(0, Math.round(slice)))];
  };
  return { slope: each(volume.rescale_slope), intercept: each(volume.rescale_intercept) };
}

/** Whether every rescaled value of integers is an integer, so that LINEAR windows make sense. */
export function isWhole(volume: SceneVolume): boolean {
  const whole = (given: number | readonly number[]): boolean =>
    typeof given === "number" ? Number.isInteger(given) : given.every(Number.isInteger);
  return !volume.dtype.startsWith("float") && whole(volume.rescale_slope) && whole(volume.rescale_intercept);
}

/** The rescaled values of a plane, ready for a texture. */
export function rescaled(plane: StoredPlane, { slope, intercept }: Rescale): Float32Array {
  const { data, rows, columns, axis, index } = plane;
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const slice = axis === 0 ? index : row;
    const m = slope(slice);
    const b = intercept(slice);
    for (let k = row * columns; k < (row + 1) * columns; k++) out[k] = data[k] * m + b;
  }
  return out;
}
