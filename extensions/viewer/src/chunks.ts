/** Decoded chunks, kept within a byte budget, and asked for few at a time. */

import type { Decoder, Level } from "./decoder.ts";
import type { Block } from "./voxels.ts";

interface Job {
  readonly run: () => Promise<Block>;
  readonly waiters: Set<AbortSignal>;
  readonly resolve: (block: Block) => void;
  readonly reject: (reason: unknown) => void;
}

interface Entry {
  readonly block: Promise<Block>;
  readonly job: Job;
  bytes: number;
}

/**
 * Least recently used chunks go first; a chunk that nobody waits for any more is never fetched, and one that a
 * plane waits for is fetched before those of a texture, which can wait.
 */
export class ChunkCache {
  readonly #decoder: Decoder;
  readonly #budget: number;
  readonly #parallel: number;
  readonly #entries = new Map<string, Entry>();
  readonly #urgent = new Map<string, Job>();
  readonly #patient = new Map<string, Job>();
  #bytes = 0;
  #running = 0;

  constructor(decoder: Decoder, budget: number, parallel = 8) {
    this.#decoder = decoder;
    this.#budget = budget;
    this.#parallel = parallel;
  }

  /** Bytes of decoded voxels held. */
  get bytes(): number {
    return this.#bytes;
  }

  get(level: Level, coords: readonly number[], signal: AbortSignal, canWait = false): Promise<Block> {
    const key = `${level.path}/${coords.join("/")}`;
    const known = this.#entries.get(key);
    if (known) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      known.job.waiters.add(signal);
      if (!canWait && this.#patient.delete(key)) this.#urgent.set(key, known.job);
      return known.block;
    }
    const { promise, resolve, reject } = deferred<Block>();
    const job: Job = { run: () => this.#decoder.chunk(level.path, coords), waiters: new Set([signal]), resolve, reject };
    this.#entries.set(key, { block: promise, job, bytes: 0 });
    (canWait ? this.#patient : this.#urgent).set(key, job);
    this.#next();
    return promise;
  }

  #next(): void {
    while (this.#running < this.#parallel) {
      const queue = this.#urgent.size > 0 ? this.#urgent : this.#patient;
      const [next] = queue;
      if (!next) return;
      const [key, job] = next;
      queue.delete(key);
      if ([...job.waiters].every((signal) => signal.aborted)) {
        this.#entries.delete(key);
        job.reject(new DOMException("No longer wanted.", "AbortError"));
        continue;
      }
      this.#running++;
      void this.#run(key, job);
    }
  }

  async #run(key: string, job: Job): Promise<void> {
    try {
      const block = await job.run();
      const entry = this.#entries.get(key);
      if (entry) entry.bytes = block.data.byteLength;
      this.#bytes += block.data.byteLength;
      this.#shrink(key);
      job.resolve(block);
    } catch (reason) {
      this.#entries.delete(key);
      job.reject(reason);
    } finally {
      this.#running--;
      this.#next();
    }
  }

  #shrink(newest: string): void {
    for (const [key, entry] of this.#entries) {
      if (this.#bytes <= this.#budget) return;
      if (entry.bytes === 0 || key === newest) continue;
      this.#bytes -= entry.bytes;
      this.#entries.delete(key);
    }
  }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (reason: unknown) => void } {
  let resolve: (value: T) => void = () => undefined;
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
