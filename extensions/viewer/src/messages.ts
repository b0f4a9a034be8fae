/** The page's side of the notebook protocol; see messages.md beside its schema. */

import type { AbsolutePath, AsyncReadable, PlaneRoute, RangeQuery } from "./store.ts";

type WireRange = { readonly offset: number; readonly length: number } | { readonly suffix_length: number };

type Question =
  | { readonly kind: "bundle"; readonly name: "widget.js" }
  | { readonly kind: "chunk"; readonly key: string; readonly range?: WireRange }
  | { readonly kind: "plane"; readonly axis: 0 | 1 | 2; readonly index: number }
  | { readonly kind: "cancel" };

export type Request = Question & { readonly id: string };

export interface Reply {
  readonly kind: "reply";
  readonly id: string;
  readonly status: "ok" | "missing" | "error";
  readonly message?: string;
}

/** What carries messages: a widget's model, or a fake in a test. */
export interface Channel {
  send(request: Request): void;
  /** Call `handler` for every message that arrives, until the returned function is called. */
  listen(handler: (content: unknown, buffers: readonly ArrayBufferView[]) => void): () => void;
}

export function isReply(content: unknown): content is Reply {
  return typeof content === "object" && content !== null && "kind" in content && content.kind === "reply" && "id" in content;
}

interface Waiting {
  readonly resolve: (bytes: Uint8Array | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

/** A store whose bytes come over custom messages. */
export class MessageStore implements AsyncReadable {
  readonly #channel: Channel;
  readonly #prefix: string;
  readonly #waiting = new Map<string, Waiting>();
  readonly #close: () => void;
  readonly #name: string;
  #count = 0;

  /** `name` tells this store's ids from those of other views of the same model. */
  constructor(channel: Channel, prefix: string, name: string) {
    this.#channel = channel;
    this.#prefix = prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`;
    this.#name = name;
    this.#close = channel.listen((content, buffers) => this.#arrived(content, buffers));
  }

  get(key: AbsolutePath, options: { readonly signal?: AbortSignal } = {}): Promise<Uint8Array | undefined> {
    return this.#ask({ kind: "chunk", key: this.#prefix + key.slice(1) }, options.signal);
  }

  getRange(
    key: AbsolutePath,
    range: RangeQuery,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Uint8Array | undefined> {
    const wire = "suffixLength" in range ? { suffix_length: range.suffixLength } : range;
    return this.#ask({ kind: "chunk", key: this.#prefix + key.slice(1), range: wire }, options.signal);
  }

  readonly plane: PlaneRoute = (axis, index, signal) => this.#ask({ kind: "plane", axis, index }, signal);

  /** Stop listening; what was asked is never answered. */
  close(): void {
    this.#close();
    for (const { reject } of this.#waiting.values()) reject(new DOMException("The viewer was closed.", "AbortError"));
    this.#waiting.clear();
  }

  #ask(question: Question, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const id = `${this.#name}-${this.#count++}`;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      this.#waiting.set(id, { resolve, reject });
      signal?.addEventListener("abort", () => this.#cancel(id, signal), { once: true });
      this.#channel.send({ ...question, id });
    });
  }

  #cancel(id: string, signal: AbortSignal): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    this.#channel.send({ kind: "cancel", id });
    waiting.reject(signal.reason);
  }

  #arrived(content: unknown, buffers: readonly ArrayBufferView[]): void {
    if (!isReply(content)) return;
    const waiting = this.#waiting.get(content.id);
    if (!waiting) return;
    this.#waiting.delete(content.id);
    const buffer = buffers[0];
    if (content.status === "missing") waiting.resolve(undefined);
    else if (content.status === "ok" && buffer) {
      waiting.resolve(new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength));
    } else waiting.reject(new Error(content.message ?? "The kernel could not answer. Run the cell again."));
  }
}
