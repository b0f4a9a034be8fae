/** Where bytes come from: stores in zarrita's sense. */

import type { AbsolutePath, AsyncReadable, RangeQuery } from "zarrita";

export type { AbsolutePath, AsyncReadable, RangeQuery };

interface GetOptions {
  readonly signal?: AbortSignal;
}

/** An answer of the server that is not the bytes asked for. */
export class AnswerError extends Error {
  readonly status: number;

  constructor(status: number) {
    super(
      status === 401 || status === 403 || status === 410
        ? "You have no access to this volume any more. Open the page again, or ask for a new link."
        : `The server answered with status ${status}. Try again in a moment.`,
    );
    this.status = status;
  }
}

/** Fetch a URL; undefined where there is nothing. */
export async function fetched(url: URL | string, init: RequestInit): Promise<Response | undefined> {
  const response = await fetch(url, init).catch((cause: unknown) => {
    if (init.signal?.aborted) throw cause;
    throw new Error("The server cannot be reached. Check the connection, then reload.", { cause });
  });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new AnswerError(response.status);
  return response;
}

/** A store behind a URL, read with GET and Range. */
export class HttpStore implements AsyncReadable {
  readonly #root: URL;

  constructor(root: string | URL, base: string | URL = document.baseURI) {
    this.#root = new URL(root, base);
    if (!this.#root.pathname.endsWith("/")) this.#root.pathname += "/";
  }

  async get(key: AbsolutePath, { signal }: GetOptions = {}): Promise<Uint8Array | undefined> {
    const response = await fetched(this.#url(key), signal ? { signal } : {});
    return response && new Uint8Array(await response.arrayBuffer());
  }

  async getRange(key: AbsolutePath, range: RangeQuery, { signal }: GetOptions = {}): Promise<Uint8Array | undefined> {
    const asked = "suffixLength" in range ? `-${range.suffixLength}` : `${range.offset}-${range.offset + range.length - 1}`;
    const headers = { Range: `bytes=${asked}` };
    const response = await fetched(this.#url(key), signal ? { headers, signal } : { headers });
    if (!response) return undefined;
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (response.status === 206) return bytes;
    // A server without ranges sends the whole object with status 200.
    return "suffixLength" in range ? bytes.slice(-range.suffixLength) : bytes.slice(range.offset, range.offset + range.length);
  }

  #url(key: AbsolutePath): URL {
    const url = new URL(key.slice(1), this.#root);
    url.search = this.#root.search;
    return url;
  }
}

/** How a server cuts planes: raw stored values of one plane, or undefined where it has none. */
export type PlaneRoute = (axis: 0 | 1 | 2, index: number, signal: AbortSignal) => Promise<Uint8Array | undefined>;

/** The plane route of a URL template with {axis} and {index}. */
export function httpPlanes(template: string, base: string | URL = document.baseURI): PlaneRoute {
  return async (axis, index, signal) => {
    const url = new URL(template.replace("{axis}", String(axis)).replace("{index}", String(index)), base);
    const response = await fetched(url, { signal });
    return response && new Uint8Array(await response.arrayBuffer());
  };
}
