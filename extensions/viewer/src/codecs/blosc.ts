/** Blosc 1 buffers, as zarr's "blosc" codec writes them; the format is c-blosc's README_CHUNK_FORMAT. */

import { lz4 } from "./lz4.ts";
import { bitUnshuffle, unshuffle } from "./shuffle.ts";
import { zstd } from "./zstd.ts";

const BYTE_SHUFFLE = 0x01;
const STORED = 0x02;
const BIT_SHUFFLE = 0x04;
const ONE_STREAM = 0x10;
const LZ4 = 1;
const ZSTD = 4;
const NAMES = ["blosclz", "lz4", "snappy", "zlib", "zstd"];

type Decompress = (block: Uint8Array, out: Uint8Array) => void;

function decompressor(format: number): Decompress {
  if (format === LZ4) return lz4;
  if (format === ZSTD) return zstd;
  throw new Error(
    `The volume is compressed with Blosc-${NAMES[format] ?? format}; the viewer reads lz4 and zstd. Write it again with one of these.`,
  );
}

/** Decode one Blosc buffer. */
export function blosc(bytes: Uint8Array): Uint8Array {
  if (bytes.length < 16) throw new Error("A Blosc buffer is shorter than its header.");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = bytes[2];
  const size = bytes[3] || 1;
  const length = view.getUint32(4, true);
  const blockLength = view.getUint32(8, true);
  if (view.getUint32(12, true) > bytes.length) throw new Error("A Blosc buffer is cut short.");
  if (flags & STORED) return bytes.slice(16, 16 + length);

  const decompress = decompressor(flags >> 5);
  const out = new Uint8Array(length);
  const shuffled = (flags & BYTE_SHUFFLE) !== 0 && size > 1 ? unshuffle : (flags & BIT_SHUFFLE) !== 0 ? bitUnshuffle : null;
  const scratch = new Uint8Array(shuffled ? Math.min(blockLength, length) : 0);
  const blocks = Math.ceil(length / blockLength);
  for (let block = 0; block < blocks; block++) {
    const start = block * blockLength;
    const blockOut = out.subarray(start, Math.min(start + blockLength, length));
    const whole = blockOut.length === blockLength;
    const streams = flags & ONE_STREAM || !whole ? 1 : size;
    const target = shuffled ? scratch.subarray(0, blockOut.length) : blockOut;
    let from = view.getInt32(16 + 4 * block, true);
    const part = blockOut.length / streams;
    for (let stream = 0; stream < streams; stream++) {
      const packed = view.getInt32(from, true);
      from += 4;
      if (packed < 0 || from + packed > bytes.length) throw new Error("A Blosc block is cut short.");
      const source = bytes.subarray(from, from + packed);
      const streamOut = target.subarray(stream * part, (stream + 1) * part);
      if (packed === part) streamOut.set(source);
      else decompress(source, streamOut);
      from += packed;
    }
    shuffled?.(target, blockOut, size);
  }
  return out;
}
