import assert from "node:assert/strict";
import { test } from "node:test";

import Blosc from "numcodecs/blosc";
import Zstd from "numcodecs/zstd";

import { blosc } from "../src/codecs/blosc.ts";
import { lz4 } from "../src/codecs/lz4.ts";
import { zstdFrame } from "../src/codecs/zstd.ts";

/** Bytes that compress, with noise in every second one; the same each time. */
function sample(length: number): Uint8Array {
  let seed = 12345;
  return Uint8Array.from({ length }, (_, k) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return k % 2 === 0 ? (seed >> 16) & 31 : (k >> 9) & 255;
  });
}

for (const cname of ["lz4", "lz4hc", "zstd"] as const) {
  for (const shuffle of [0, 1, 2] as const) {
    test(`Blosc-${cname} with shuffle ${shuffle} decodes what c-blosc encoded`, async () => {
      // Whole blocks, a last short one, and element counts that are no multiple of eight.
      for (const length of [2, 30, 1000, 65_536, 300_002]) {
        const plain = sample(length);
        const packed = await Blosc.fromConfig({ id: "blosc", cname, clevel: 5, shuffle, blocksize: 0 }).encode(plain);

        assert.ok(Buffer.from(blosc(packed)).equals(plain), `${length} bytes`);
      }
    });
  }
}

test("bytes that do not compress are stored, and read", async () => {
  const noise = crypto.getRandomValues(new Uint8Array(40_000));
  const codec = Blosc.fromConfig({ id: "blosc", cname: "lz4", clevel: 1, shuffle: 1, blocksize: 0 });

  assert.ok(Buffer.from(blosc(await codec.encode(noise))).equals(noise));
});

test("another compressor is named in the refusal", async () => {
  const codec = Blosc.fromConfig({ id: "blosc", cname: "blosclz", clevel: 5, shuffle: 0, blocksize: 0 });
  const packed = await codec.encode(new Uint8Array(10_000));

  assert.throws(() => blosc(packed), /Blosc-blosclz/);
});

test("a damaged buffer is an error, not a picture", async () => {
  const codec = Blosc.fromConfig({ id: "blosc", cname: "lz4", clevel: 5, shuffle: 0, blocksize: 0 });
  const packed = await codec.encode(sample(100_000));

  assert.throws(() => blosc(packed.subarray(0, packed.length - 100)), /cut short/);
  assert.throws(() => blosc(packed.subarray(0, 8)), /shorter than its header/);
  assert.throws(() => lz4(Uint8Array.of(0x0f, 1, 0), new Uint8Array(8)), /damaged/);
});

test("Zstandard frames of several levels decode", async () => {
  for (const level of [1, 3, 9, 19]) {
    const plain = sample(50_001);

    assert.ok(Buffer.from(zstdFrame(await Zstd.fromConfig({ id: "zstd", level }).encode(plain))).equals(plain));
  }
});
