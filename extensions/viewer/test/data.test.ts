import assert from "node:assert/strict";
import { test } from "node:test";

import { ChunkCache } from "../src/chunks.ts";
import { datasetsOf } from "../src/decoder.ts";
import type { Level } from "../src/decoder.ts";
import { isReply, MessageStore } from "../src/messages.ts";
import type { Channel, Request } from "../src/messages.ts";
import { copyPlane } from "../src/planes.ts";
import { levelMap, rescaledPart, textureLevels } from "../src/volume.ts";
import { rescaled, rescaleOf, storedFromBytes } from "../src/voxels.ts";
import type { Block } from "../src/voxels.ts";

function level(path: string, shape: Level["shape"], scale: number): Level {
  return {
    path, shape, chunks: [4, 4, 4], dtype: "int16",
    scale: [2 * scale, scale, scale], translation: [scale - 1, (scale - 1) / 2, (scale - 1) / 2],
  };
}

const LEVEL = level("0", [16, 16, 16], 1);

/** A decoder whose chunks are answered when the test says so. */
class SlowDecoder {
  readonly asked: string[] = [];
  readonly #waiting = new Map<string, (block: Block) => void>();

  open(): Promise<Level[]> {
    return Promise.resolve([LEVEL]);
  }

  chunk(path: string, coords: readonly number[]): Promise<Block> {
    const key = `${path}/${coords.join("/")}`;
    this.asked.push(key);
    return new Promise((resolve) => this.#waiting.set(key, resolve));
  }

  answer(key: string): void {
    this.#waiting.get(key)?.({ data: new Int16Array(64), shape: [4, 4, 4] });
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a chunk is fetched once, however many planes want it", async () => {
  const decoder = new SlowDecoder();
  const cache = new ChunkCache(decoder, 1e6);
  const { signal } = new AbortController();

  const both = [cache.get(LEVEL, [0, 0, 0], signal), cache.get(LEVEL, [0, 0, 0], signal)];
  decoder.answer("0/0/0/0");

  assert.equal(await both[0], await both[1]);
  assert.deepEqual(decoder.asked, ["0/0/0/0"]);
});

test("a chunk that nobody wants any more is not fetched", async () => {
  const decoder = new SlowDecoder();
  const cache = new ChunkCache(decoder, 1e6, 1);
  const scrolled = new AbortController();
  const { signal } = new AbortController();
  const first = cache.get(LEVEL, [0, 0, 0], signal);
  const dropped = cache.get(LEVEL, [1, 0, 0], scrolled.signal);
  const shared = cache.get(LEVEL, [2, 0, 0], scrolled.signal);
  void cache.get(LEVEL, [2, 0, 0], signal);

  scrolled.abort();
  decoder.answer("0/0/0/0");
  await first;
  await assert.rejects(dropped, { name: "AbortError" });
  decoder.answer("0/2/0/0");
  await shared;

  assert.deepEqual(decoder.asked, ["0/0/0/0", "0/2/0/0"]);
});

test("a plane's chunks come before those of a texture, also where both want one", async () => {
  const decoder = new SlowDecoder();
  const cache = new ChunkCache(decoder, 1e6, 1);
  const { signal } = new AbortController();
  const running = cache.get(LEVEL, [0, 0, 0], signal);
  for (const k of [1, 2, 3]) void cache.get(LEVEL, [0, 0, k], signal, true);
  const wanted = [cache.get(LEVEL, [3, 0, 0], signal), cache.get(LEVEL, [0, 0, 3], signal)];

  decoder.answer("0/0/0/0");
  await running;
  await settled();
  decoder.answer("0/3/0/0");
  await wanted[0];
  await settled();
  decoder.answer("0/0/0/3");
  await wanted[1];
  await settled();

  assert.deepEqual(decoder.asked, ["0/0/0/0", "0/3/0/0", "0/0/0/3", "0/0/0/1"]);
});

test("the oldest chunks leave when the budget is full", async () => {
  const decoder = new SlowDecoder();
  const cache = new ChunkCache(decoder, 300);
  const { signal } = new AbortController();
  for (const k of [0, 1, 2]) {
    const got = cache.get(LEVEL, [k, 0, 0], signal);
    decoder.answer(`0/${k}/0/0`);
    await got;
  }

  assert.equal(cache.bytes, 256);
  void cache.get(LEVEL, [2, 0, 0], signal);
  void cache.get(LEVEL, [0, 0, 0], signal);
  assert.deepEqual(decoder.asked, ["0/0/0/0", "0/1/0/0", "0/2/0/0", "0/0/0/0"]);
});

test("a plane is put together from the chunks that it cuts", () => {
  const shape = [5, 6, 7];
  const value = (k: number, j: number, i: number): number => 100 * k + 10 * j + i;
  for (const axis of [0, 1, 2] as const) {
    const [rowAxis, columnAxis] = [0, 1, 2].filter((each) => each !== axis);
    const plane = { axis, index: 4, rows: shape[rowAxis], columns: shape[columnAxis], data: new Int16Array(shape[rowAxis] * shape[columnAxis]) };
    for (const first of [0, 4].flatMap((k) => [0, 4].flatMap((j) => [0, 4].map((i) => [k, j, i])))) {
      if (first[axis] !== 4) continue;
      const data = Int16Array.from({ length: 64 }, (_, n) => value(first[0] + (n >> 4), first[1] + ((n >> 2) & 3), first[2] + (n & 3)));
      copyPlane({ data, shape: [4, 4, 4] }, first, plane);
    }
    const expected = Array.from(plane.data, (_, n) => {
      const index = [0, 0, 0];
      index[axis] = 4;
      index[rowAxis] = Math.floor(n / plane.columns);
      index[columnAxis] = n % plane.columns;
      return value(index[0], index[1], index[2]);
    });

    assert.deepEqual([...plane.data], expected);
  }
});

test("a coronal plane is rescaled row by row, an axial one by its slice", () => {
  const rescale = rescaleOf({ rescale_slope: [1, 10], rescale_intercept: -1 });
  const data = Int16Array.of(1, 2, 3, 4);

  assert.deepEqual([...rescaled({ axis: 1, index: 0, rows: 2, columns: 2, data }, rescale)], [0, 1, 29, 39]);
  assert.deepEqual([...rescaled({ axis: 0, index: 1, rows: 2, columns: 2, data }, rescale)], [9, 19, 29, 39]);
});

test("a chunk at the end of a level gives only the voxels inside", () => {
  const block = { data: Int16Array.from({ length: 8 }, (_, k) => k), shape: [2, 2, 2] };

  const part = rescaledPart(block, [2, 1, 2], 0, rescaleOf({ rescale_slope: [1, 100], rescale_intercept: 0 }), (slice) => slice);

  assert.deepEqual([...part], [0, 1, 400, 500]);
});

test("the texture begins with the coarsest level and ends with the finest that fits", () => {
  const levels = [level("0", [400, 512, 512], 1), level("1", [200, 256, 256], 2), level("2", [100, 128, 128], 4)];

  assert.deepEqual(textureLevels(levels, 20e6, 2048).map(({ path }) => path), ["2", "1"]);
  assert.deepEqual(textureLevels(levels, 5e6, 2048).map(({ path }) => path), ["2"]);
  assert.deepEqual(textureLevels(levels, 1e9, 300).map(({ path }) => path), ["2", "1"]);
  assert.deepEqual(textureLevels(levels, 1000, 2048), []);
});

test("a voxel between levels is found by scale and translation", () => {
  const { scale, offset } = levelMap(level("0", [16, 16, 16], 1), level("1", [8, 8, 8], 2));

  // Voxel 0 of the half level is centred between voxels 0 and 1 of the full one.
  assert.equal(0.5 * scale[1] + offset[1], 0);
  assert.equal(2.5 * scale[2] + offset[2], 1);
});

test("an image without multiscales is refused, translation may be left out", () => {
  assert.throws(() => datasetsOf({ multiscales: [] }), /OME-Zarr 0.5/);
  const [only] = datasetsOf({ ome: { multiscales: [{ datasets: [{ path: "0", coordinateTransformations: [{ type: "scale", scale: [1, 2, 3] }] }] }] } });
  assert.deepEqual(only, { path: "0", scale: [1, 2, 3], translation: [0, 0, 0] });
});

test("bytes become stored values wherever they lie in their buffer", () => {
  const bytes = new Uint8Array([9, 1, 0, 255, 255]).subarray(1);

  assert.deepEqual([...storedFromBytes("int16", bytes)], [1, -1]);
  assert.throws(() => storedFromBytes("int32", new Uint8Array(6)), /part of a voxel/);
});

/** A kernel that answers when the test says so. */
class FakeKernel implements Channel {
  readonly requests: Request[] = [];
  heard: (content: unknown, buffers: readonly ArrayBufferView[]) => void = () => undefined;

  send(request: Request): void {
    this.requests.push(request);
  }

  listen(handler: typeof this.heard): () => void {
    this.heard = handler;
    return () => {
      this.heard = () => undefined;
    };
  }
}

test("a message store asks by key and range, and takes answers in any order", async () => {
  const kernel = new FakeKernel();
  const store = new MessageStore(kernel, "ct", "view");
  const whole = store.get("/zarr.json");
  const end = store.getRange("/0/c/0/0/0", { suffixLength: 68 });
  const missing = store.get("/0/c/9/9/9");

  assert.deepEqual(kernel.requests, [
    { kind: "chunk", id: "view-0", key: "ct/zarr.json" },
    { kind: "chunk", id: "view-1", key: "ct/0/c/0/0/0", range: { suffix_length: 68 } },
    { kind: "chunk", id: "view-2", key: "ct/0/c/9/9/9" },
  ]);
  kernel.heard({ kind: "reply", id: "view-2", status: "missing" }, []);
  kernel.heard({ kind: "reply", id: "view-1", status: "ok" }, [new DataView(Uint8Array.of(0, 7, 8).buffer, 1)]);
  kernel.heard({ kind: "reply", id: "view-0", status: "error", message: "No such volume." }, []);

  assert.equal(await missing, undefined);
  assert.deepEqual([...((await end) ?? [])], [7, 8]);
  await assert.rejects(whole, /No such volume/);
});

test("a plane that is scrolled past is cancelled, and a late answer ignored", async () => {
  const kernel = new FakeKernel();
  const store = new MessageStore(kernel, "", "view");
  const scrolled = new AbortController();
  const plane = store.plane(1, 7, scrolled.signal);

  scrolled.abort();
  kernel.heard({ kind: "reply", id: "view-0", status: "ok" }, [new DataView(new ArrayBuffer(2))]);

  await assert.rejects(plane, { name: "AbortError" });
  assert.deepEqual(kernel.requests.at(-1), { kind: "cancel", id: "view-0" });
});

test("a closed store answers nobody and hears nothing", async () => {
  const kernel = new FakeKernel();
  const store = new MessageStore(kernel, "", "view");
  const asked = store.get("/zarr.json");

  store.close();

  await assert.rejects(asked, { name: "AbortError" });
  await settled();
  assert.equal(isReply({ kind: "reply", id: "1", status: "ok" }), true);
  assert.equal(isReply({ kind: "custom" }), false);
});
