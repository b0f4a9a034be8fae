// Gives the loader of a notebook's viewer what it knows from a notebook: a model whose custom
// messages carry buffers. Panel's own model has events without buffers instead.

function asNotebookModel(model, view) {
  const handlers = new Map();
  return {
    get: (name) => model.get(name),
    set: (name, value) => model.set(name, value),
    save_changes: () => model.save_changes(),
    send: (content) => view.model_proxy.send_msg(content),
    on(name, handler) {
      if (name !== "msg:custom") return model.on(name, handler);
      const received = (data) => handler(data.content, data.buffers.map((bytes) => new DataView(bytes)));
      handlers.set(handler, received);
      model.on(name, received);
    },
    off(name, handler) {
      if (name !== "msg:custom") return model.off(name, handler);
      model.off(name, handlers.get(handler));
      handlers.delete(handler);
    },
  };
}

async function render({ model, view, el }) {
  const url = URL.createObjectURL(new Blob([model.get("loader")], { type: "text/javascript" }));
  try {
    const loader = await import(url);
    return await loader.default.render({ model: asNotebookModel(model, view), el });
  } finally {
    URL.revokeObjectURL(url);
  }
}

export default { render };
