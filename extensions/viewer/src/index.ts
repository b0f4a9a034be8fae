/** dicomlab's viewer: `mount(element, {scene})` shows a volume; it needs no Jupyter and keeps nothing of its own. */

import { Viewer } from "./viewer.ts";
import type { MountOptions, ViewerHandle } from "./viewer.ts";
import { serveIfWorker } from "./worker.ts";

serveIfWorker(globalThis);

/** Show a scene in an element, which should have a height of its own. */
export function mount(element: HTMLElement, options: MountOptions): ViewerHandle {
  return new Viewer(element, options);
}

export { MessageStore, isReply } from "./messages.ts";
export type { Channel, Reply, Request } from "./messages.ts";
export type { Scene, SceneState } from "./scene.ts";
export { HttpStore, httpPlanes } from "./store.ts";
export type { MountOptions, ViewerHandle };
