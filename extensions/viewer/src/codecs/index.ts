/** Tell zarrita of our own decoders, so that its WebAssembly ones are not part of the bundle. */

import { registry } from "zarrita";

import { blosc } from "./blosc.ts";
import { zstdFrame } from "./zstd.ts";

type Registry = typeof registry;
type Entry = Awaited<ReturnType<NonNullable<ReturnType<Registry["get"]>>>>;

const reading = (name: string, decode: (bytes: Uint8Array) => Uint8Array): Entry => ({
  fromConfig: () => ({
    kind: "bytes_to_bytes",
    decode,
    encode: (): never => {
      throw new Error(`The viewer reads ${name}; it does not write it.`);
    },
  }),
});

export function registerCodecs(target: Registry): void {
  target.set("blosc", () => Promise.resolve(reading("blosc", blosc)));
  target.set("zstd", () => Promise.resolve(reading("zstd", zstdFrame)));
}
