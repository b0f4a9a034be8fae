import { decompress } from "fzstd";

/** Decode one Zstandard frame into `out`; throws where the frame does not fill it exactly. */
export function zstd(frame: Uint8Array, out: Uint8Array): void {
  if (decompress(frame, out).length !== out.length) throw new Error("A Zstandard frame is damaged.");
}

/** Decode one Zstandard frame of unknown length. */
export function zstdFrame(frame: Uint8Array): Uint8Array {
  return decompress(frame);
}
