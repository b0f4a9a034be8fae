/** Undo Blosc's byte shuffle: byte k of every element stood together. */
export function unshuffle(from: Uint8Array, to: Uint8Array, size: number): void {
  const count = Math.floor(from.length / size);
  if (size === 2) {
    for (let k = 0; k < count; k++) {
      to[2 * k] = from[k];
      to[2 * k + 1] = from[count + k];
    }
  } else {
    for (let byte = 0; byte < size; byte++) {
      for (let k = 0, at = byte; k < count; k++, at += size) to[at] = from[byte * count + k];
    }
  }
  to.set(from.subarray(count * size), count * size);
}

/**
 * Undo Blosc's bit shuffle: bit k of every element stood together, in rows of count / 8 bytes. Eight bytes, one
 * of each row of a byte of the element, are an 8 x 8 matrix of bits that is transposed.
 */
export function bitUnshuffle(from: Uint8Array, to: Uint8Array, size: number): void {
  const count = Math.floor(from.length / size);
  // Blosc leaves a block alone whose elements do not come in eights.
  if (count % 8 !== 0) {
    to.set(from);
    return;
  }
  const row = count / 8;
  for (let byte = 0; byte < size; byte++) {
    const first = byte * 8 * row;
    for (let k = 0; k < row; k++) {
      let at = first + k;
      let low = from[at] | (from[at + row] << 8) | (from[at + 2 * row] << 16) | (from[at + 3 * row] << 24);
      at += 4 * row;
      let high = from[at] | (from[at + row] << 8) | (from[at + 2 * row] << 16) | (from[at + 3 * row] << 24);
      // Transpose of an 8 x 8 bit matrix in three exchanges, on its two halves.
      let swap = (low ^ (low >>> 7)) & 0x00aa00aa;
      low ^= swap ^ (swap << 7);
      swap = (high ^ (high >>> 7)) & 0x00aa00aa;
      high ^= swap ^ (swap << 7);
      swap = (low ^ (low >>> 14)) & 0x0000cccc;
      low ^= swap ^ (swap << 14);
      swap = (high ^ (high >>> 14)) & 0x0000cccc;
      high ^= swap ^ (swap << 14);
      swap = (low ^ (high << 4)) & 0xf0f0f0f0;
      const first4 = low ^ swap;
      const last4 = high ^ (swap >>> 4);
      let out = k * 8 * size + byte;
      to[out] = first4;
      to[(out += size)] = first4 >>> 8;
      to[(out += size)] = first4 >>> 16;
      to[(out += size)] = first4 >>> 24;
      to[(out += size)] = last4;
      to[(out += size)] = last4 >>> 8;
      to[(out += size)] = last4 >>> 16;
      to[(out += size)] = last4 >>> 24;
    }
  }
  to.set(from.subarray(count * size), count * size);
}
