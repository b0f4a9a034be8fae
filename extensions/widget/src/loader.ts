/**
 * What a notebook keeps of a widget: it asks the kernel for the real code, over the widget's own messages, and hands
 * over to it. Each view asks for itself; nothing is kept between views.
 */

interface Model {
  send(content: object): void;
  on(event: "msg:custom", heard: (content: { kind?: string; id?: string; status?: string; message?: string }, buffers: readonly DataView[]) => void): void;
  off(event: "msg:custom", heard: unknown): void;
}

type Render = (context: { model: Model; el: HTMLElement; signal?: AbortSignal }) => void | (() => void);

const WAIT_MS = 20_000;

function bundle(model: Model, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const id = `bundle-${crypto.getRandomValues(new Uint32Array(2)).join("")}`;
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error("No answer from the kernel. Run the cell again."));
    const timer = setTimeout(ended, WAIT_MS);
    const heard: Parameters<Model["on"]>[1] = (content, buffers) => {
      if (content.kind !== "reply" || content.id !== id) return;
      stop();
      const [view] = buffers;
      if (content.status === "ok" && view) resolve(new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength));
      else reject(new Error(content.message ?? "The kernel has no viewer."));
    };
    const stop = (): void => {
      clearTimeout(timer);
      model.off("msg:custom", heard);
    };
    signal.addEventListener("abort", stop);
    model.on("msg:custom", heard);
    model.send({ kind: "bundle", id, name: "widget.js" });
  });
}

const render: Render = ({ model, el }) => {
  const closing = new AbortController();
  const note = document.createElement("div");
  note.textContent = "Loading the viewer…";
  note.setAttribute("role", "status");
  el.append(note);
  void (async () => {
    try {
      const code = await bundle(model, closing.signal);
      // Not revoked: the viewer starts its workers from the same address.
      const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
      const module = (await import(/* webpackIgnore: true */ url)) as { default: { render: Render } };
      if (closing.signal.aborted) return;
      note.remove();
      const end = module.default.render({ model, el, signal: closing.signal });
      if (end) closing.signal.addEventListener("abort", end);
    } catch (reason) {
      note.textContent = `The viewer cannot be shown: ${reason instanceof Error ? reason.message : String(reason)}`;
    }
  })();
  return () => closing.abort();
};

export default { render };
