/** Decode one LZ4 block (no frame) into `out`; throws where the block does not fill it exactly. */
export function lz4(block: Uint8Array, out: Uint8Array): void {
  let from = 0;
  let to = 0;
  const length = (start: number): number => {
    let sum = start;
    if (start === 15) {
      let byte: number;
      do {
        byte = block[from++] ?? 0;
        sum += byte;
      } while (byte === 255);
    }
    return sum;
  };
  while (from < block.length) {
    const token = block[from++];
    const literals = length(token >> 4);
    if (from + literals > block.length || to + literals > out.length) break;
    out.set(block.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    if (from === block.length) {
      if (to === out.length) return;
      break;
    }
    const offset = block[from] | (block[from + 1] << 8);
    from += 2;
    const matched = length(token & 15) + 4;
    if (offset === 0 || offset > to || to + matched > out.length) break;
    if (offset >= matched) out.copyWithin(to, to - offset, to - offset + matched);
    else for (let k = 0; k < matched; k++) out[to + k] = out[to + k - offset];
    to += matched;
  }
  throw new Error("An LZ4 block is damaged.");
}
