/** Glue between an anywidget model (a notebook's, or Panel's AnyWidgetComponent) and the viewer. */

import { MessageStore, mount } from "@dicomlab/viewer";
import type { Channel, Scene, SceneState, ViewerHandle } from "@dicomlab/viewer";

/** The part of anywidget's model that is used here. */
interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: object): void;
  on(event: string, heard: (...given: never[]) => void): void;
  off(event: string, heard: (...given: never[]) => void): void;
}

const DEFAULT_HEIGHT = 560;

function channelOf(model: Model): Channel {
  return {
    send: (request) => model.send(request),
    listen: (handler) => {
      const heard = (content: unknown, buffers: readonly ArrayBufferView[] = []): void => handler(content, buffers);
      model.on("msg:custom", heard);
      return () => model.off("msg:custom", heard);
    },
  };
}

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const box = document.createElement("div");
  box.style.width = "100%";
  box.style.borderRadius = "10px";
  box.style.overflow = "hidden";
  el.append(box);
  let viewer: ViewerHandle | undefined;
  let store: MessageStore | undefined;
  let sent = "";

  const close = (): void => {
    viewer?.destroy();
    store?.close();
    viewer = undefined;
    store = undefined;
  };
  const show = (): void => {
    close();
    const given = model.get("scene") as Scene | undefined;
    if (!given?.volume) return;
    const state = { ...given.state, ...(model.get("state") as SceneState | undefined) };
    const name = crypto.getRandomValues(new Uint32Array(2)).join("");
    store = new MessageStore(channelOf(model), given.volume.store, name);
    viewer = mount(box, {
      scene: { ...given, state },
      store,
      ...(given.volume.plane_messages ? { planes: store.plane } : {}),
      onState: (changed) => {
        sent = JSON.stringify(changed);
        model.set("state", changed);
        model.save_changes();
      },
    });
    // For scripts and tests, as on the server's page: the handle stands on its element.
    Object.assign(box, { viewer });
  };
  const stateChanged = (): void => {
    const state = model.get("state") as SceneState;
    if (JSON.stringify(state) !== sent) viewer?.setState(state);
  };
  const sized = (): void => {
    const height = model.get("height_px");
    box.style.height = `${typeof height === "number" ? height : DEFAULT_HEIGHT}px`;
  };

  sized();
  show();
  model.on("change:scene", show);
  model.on("change:state", stateChanged);
  model.on("change:height_px", sized);
  return () => {
    model.off("change:scene", show);
    model.off("change:state", stateChanged);
    model.off("change:height_px", sized);
    close();
    box.remove();
  };
}

export default { render };
