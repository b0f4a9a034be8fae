/** Reads an OME-Zarr image with zarrita; runs in a worker, or on the page where workers are refused. */

import { open, registry, root } from "zarrita";
import type { Array as ZarrArray, NumberDataType } from "zarrita";

import { registerCodecs } from "./codecs/index.ts";
import type { AsyncReadable } from "./store.ts";
import type { Block, StoredArray, StoredType } from "./voxels.ts";

/** One level of the pyramid. */
export interface Level {
  readonly path: string;
  readonly shape: readonly [number, number, number];
  readonly chunks: readonly [number, number, number];
  readonly dtype: string;
  /** Position of voxel (0, 0, 0) and distance of voxels along each axis, in the image's own millimetres. */
  readonly scale: readonly [number, number, number];
  readonly translation: readonly [number, number, number];
}

/** What reads levels and chunks: zarrita itself, or a pool of workers that run it. */
export interface Decoder {
  open(): Promise<readonly Level[]>;
  chunk(path: string, coords: readonly number[]): Promise<Block>;
}

type Open = ZarrArray<NumberDataType, AsyncReadable>;

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

const isTriple = (value: unknown): value is [number, number, number] =>
  Array.isArray(value) && value.length === 3 && value.every((item) => typeof item === "number");

function triple(value: unknown, what: string): [number, number, number] {
  if (isTriple(value)) return value;
  throw new Error(`The OME-Zarr's ${what} is not three numbers; the viewer shows volumes of the axes z, y, x.`);
}

/** Path, scale and translation of each level (OME-Zarr 0.5 multiscales). */
export function datasetsOf(attributes: unknown): { path: string; scale: unknown; translation: unknown }[] {
  const ome = isRecord(attributes) ? attributes["ome"] : undefined;
  const multiscales = isRecord(ome) && Array.isArray(ome["multiscales"]) ? (ome["multiscales"] as unknown[]) : [];
  const datasets = isRecord(multiscales[0]) && Array.isArray(multiscales[0]["datasets"]) ? (multiscales[0]["datasets"] as unknown[]) : [];
  const levels = datasets.filter(isRecord).flatMap((dataset) => {
    const { path, coordinateTransformations } = dataset;
    const transforms = Array.isArray(coordinateTransformations) ? (coordinateTransformations as unknown[]).filter(isRecord) : [];
    const find = (type: string): unknown => transforms.find((transform) => transform["type"] === type)?.[type];
    return typeof path === "string" ? [{ path, scale: find("scale"), translation: find("translation") ?? [0, 0, 0] }] : [];
  });
  if (levels.length === 0) throw new Error("This is not an OME-Zarr 0.5 image: it has no multiscales.");
  return levels;
}

export class ZarrDecoder implements Decoder {
  readonly #store: AsyncReadable;
  readonly #arrays = new Map<string, Promise<Open>>();

  constructor(store: AsyncReadable) {
    this.#store = store;
    registerCodecs(registry);
  }

  async open(): Promise<Level[]> {
    const group = await open.v3(root(this.#store), { kind: "group" }).catch((cause: unknown) => {
      if (cause instanceof Error && cause.name === "NotFoundError") {
        throw new Error("There is no OME-Zarr image here: its zarr.json is missing.", { cause });
      }
      throw cause;
    });
    const datasets = datasetsOf(group.attrs);
    return Promise.all(
      datasets.map(async ({ path, scale, translation }) => {
        const array = await this.#array(path);
        return {
          path,
          shape: triple(array.shape, "shape"),
          chunks: triple(array.chunks, "chunk shape"),
          dtype: array.dtype,
          scale: triple(scale, "scale"),
          translation: triple(translation, "translation"),
        };
      }),
    );
  }

  async chunk(path: string, coords: readonly number[]): Promise<Block> {
    const array = await this.#array(path);
    const { data, shape } = await array.getChunk([...coords]);
    return { data: data as StoredArray, shape };
  }

  #array(path: string): Promise<Open> {
    const known = this.#arrays.get(path);
    if (known) return known;
    const opened = open.v3(root(this.#store).resolve(path), { kind: "array" }).then((array) => {
      if (!array.is("number")) throw new Error(`The viewer does not show values of type ${array.dtype}.`);
      return array;
    });
    this.#arrays.set(path, opened);
    opened.catch(() => this.#arrays.delete(path));
    return opened;
  }
}

export type { StoredType };
