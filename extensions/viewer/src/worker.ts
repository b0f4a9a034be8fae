/**
 * Decoding off the main thread. The built file is its own worker: it is started a second time under WORKER_NAME,
 * and then serves a decoder instead of exporting a viewer. The bytes themselves come from the page, over messages,
 * so that one store serves all workers, whatever carries it.
 */

import { ZarrDecoder } from "./decoder.ts";
import type { Decoder, Level } from "./decoder.ts";
import type { AsyncReadable, RangeQuery } from "./store.ts";
import type { Block } from "./voxels.ts";

export const WORKER_NAME = "dicomlab-decoder";

type Task = { readonly op: "open" } | { readonly op: "chunk"; readonly path: string; readonly coords: readonly number[] };

/** From the page to a worker. */
type Order =
  | (Task & { readonly id: number })
  | { readonly op: "bytes"; readonly id: number; readonly bytes?: Uint8Array; readonly failure?: string };

/** From a worker to the page. */
type Report =
  | { readonly op: "ready" }
  | { readonly op: "levels"; readonly id: number; readonly levels: readonly Level[] }
  | { readonly op: "block"; readonly id: number; readonly block: Block }
  | { readonly op: "failed"; readonly id: number; readonly failure: string }
  | { readonly op: "fetch"; readonly id: number; readonly key: `/${string}`; readonly range?: RangeQuery };

/** The part of a worker's global scope that is used here. */
interface Scope {
  readonly name: string;
  postMessage(message: Report, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent<Order>) => void): void;
}

const says = (reason: unknown): string => (reason instanceof Error ? reason.message : String(reason));

const transferOf = (view: ArrayBufferView | undefined): Transferable[] =>
  view && view.buffer instanceof ArrayBuffer ? [view.buffer] : [];

/** Serve a decoder if this script was started as one of our workers. */
export function serveIfWorker(scope: object): boolean {
  if (!("name" in scope) || scope.name !== WORKER_NAME || "document" in scope) return false;
  serve(scope as Scope);
  return true;
}

function serve(scope: Scope): void {
  const fetches = new Map<number, { resolve: (bytes?: Uint8Array) => void; reject: (reason: Error) => void }>();
  let count = 0;
  const fetchFromPage = (key: `/${string}`, range?: RangeQuery): Promise<Uint8Array | undefined> =>
    new Promise((resolve, reject) => {
      const id = count++;
      fetches.set(id, { resolve, reject });
      scope.postMessage(range ? { op: "fetch", id, key, range } : { op: "fetch", id, key }, []);
    });
  const decoder = new ZarrDecoder({ get: (key) => fetchFromPage(key), getRange: (key, range) => fetchFromPage(key, range) });

  const work = async (order: Task & { readonly id: number }): Promise<void> => {
    const { id } = order;
    try {
      if (order.op === "open") scope.postMessage({ op: "levels", id, levels: await decoder.open() }, []);
      else {
        const { data, shape } = await decoder.chunk(order.path, order.coords);
        scope.postMessage({ op: "block", id, block: { data, shape } }, transferOf(data));
      }
    } catch (reason) {
      scope.postMessage({ op: "failed", id, failure: says(reason) }, []);
    }
  };
  scope.addEventListener("message", ({ data: order }) => {
    if (order.op !== "bytes") {
      void work(order);
      return;
    }
    const waiting = fetches.get(order.id);
    fetches.delete(order.id);
    if (order.failure === undefined) waiting?.resolve(order.bytes);
    else waiting?.reject(new Error(order.failure));
  });
  scope.postMessage({ op: "ready" }, []);
}

interface Waiting {
  readonly resolve: (report: Report) => void;
  readonly reject: (reason: Error) => void;
}

/** One worker, seen from the page. */
class RemoteDecoder implements Decoder {
  readonly #worker: Worker;
  readonly #store: AsyncReadable;
  readonly #waiting = new Map<number, Waiting>();
  #count = 0;
  /** Settles when the worker has started; rejected where the page's policy or the browser refuses it. */
  readonly started: Promise<void>;

  constructor(store: AsyncReadable, url: string | URL) {
    this.#store = store;
    this.#worker = new Worker(url, { type: "module", name: WORKER_NAME });
    this.started = new Promise((resolve, reject) => {
      this.#worker.addEventListener("error", (event) => {
        event.preventDefault();
        reject(new Error("A decoding worker could not be started."));
        this.#fail(new Error("A decoding worker ended. Reload the page."));
      });
      this.#worker.addEventListener("message", (event: MessageEvent<Report>) => {
        if (event.data.op === "ready") resolve();
        else this.#arrived(event.data);
      });
    });
  }

  /** How many tasks it has. */
  get load(): number {
    return this.#waiting.size;
  }

  async open(): Promise<readonly Level[]> {
    const report = await this.#ask({ op: "open" });
    return report.op === "levels" ? report.levels : [];
  }

  async chunk(path: string, coords: readonly number[]): Promise<Block> {
    const report = await this.#ask({ op: "chunk", path, coords });
    if (report.op !== "block") throw new Error("A decoding worker gave no voxels.");
    return report.block;
  }

  close(): void {
    this.#worker.terminate();
    this.#fail(new DOMException("The viewer was closed.", "AbortError"));
  }

  #ask(task: Task): Promise<Report> {
    return new Promise((resolve, reject) => {
      const id = this.#count++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...task, id });
    });
  }

  #fail(reason: Error): void {
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }

  #arrived(report: Report): void {
    if (report.op === "ready") return;
    if (report.op === "fetch") {
      void this.#answer(report.id, report.key, report.range);
      return;
    }
    const waiting = this.#waiting.get(report.id);
    this.#waiting.delete(report.id);
    if (report.op === "failed") waiting?.reject(new Error(report.failure));
    else waiting?.resolve(report);
  }

  async #answer(id: number, key: `/${string}`, range?: RangeQuery): Promise<void> {
    const send = (order: Order, transfer: Transferable[]): void => this.#worker.postMessage(order, transfer);
    try {
      const bytes = await (range && this.#store.getRange ? this.#store.getRange(key, range) : this.#store.get(key));
      if (bytes) send({ op: "bytes", id, bytes }, bytes.byteLength === bytes.buffer.byteLength ? transferOf(bytes) : []);
      else send({ op: "bytes", id }, []);
    } catch (reason) {
      send({ op: "bytes", id, failure: says(reason) }, []);
    }
  }
}

/** As many workers as help; the page itself where none may start. */
export class DecoderPool implements Decoder {
  readonly #workers: RemoteDecoder[] = [];
  readonly #ready: Promise<readonly Decoder[]>;
  #closed = false;

  constructor(store: AsyncReadable, url: string | URL, size: number) {
    this.#ready = this.#start(store, url, size);
  }

  async open(): Promise<readonly Level[]> {
    const [first] = await this.#ready;
    return first.open();
  }

  async chunk(path: string, coords: readonly number[]): Promise<Block> {
    const decoders = await this.#ready;
    const idle = this.#workers.reduce<RemoteDecoder | undefined>((best, each) => (best && best.load <= each.load ? best : each), undefined);
    return (idle ?? decoders[0]).chunk(path, coords);
  }

  close(): void {
    this.#closed = true;
    for (const worker of this.#workers) worker.close();
  }

  async #start(store: AsyncReadable, url: string | URL, size: number): Promise<readonly Decoder[]> {
    try {
      const workers = Array.from({ length: size }, () => new RemoteDecoder(store, url));
      this.#workers.push(...workers);
      await Promise.all(workers.map((worker) => worker.started));
      if (this.#closed) this.close();
      return workers;
    } catch {
      for (const worker of this.#workers.splice(0)) worker.close();
      return [new ZarrDecoder(store)];
    }
  }
}
