/** The bar above the picture: tools, windows, looks and layouts. */

import type { PlaneName } from "../geometry.ts";
import type { Action, Layout, Tool, ViewerState } from "../state.ts";
import type { Preset } from "../voi.ts";
import { make, setAttribute } from "./dom.ts";
import { icon } from "./icons.ts";
import type { IconName } from "./icons.ts";

const TOOLS: readonly (readonly [Tool, string, string])[] = [
  ["crosshair", "Crosshair", "C"],
  ["window", "Window and level", "W"],
  ["scroll", "Scroll slices", "S"],
  ["pan", "Pan", "P"],
  ["zoom", "Zoom", "Z"],
];

const LAYOUTS: readonly (readonly [Layout, string])[] = [
  ["planes", "Three planes"],
  ["axial", "Axial"],
  ["coronal", "Coronal"],
  ["sagittal", "Sagittal"],
];

function iconButton(name: IconName, label: string, key: string): HTMLButtonElement {
  return make("button", { type: "button", title: `${label} (${key})`, "aria-label": label, "aria-keyshortcuts": key }, icon(name));
}

export class Toolbar {
  readonly element: HTMLElement;
  readonly #tools = new Map<Tool, HTMLButtonElement>();
  readonly #layouts = new Map<Layout, HTMLButtonElement>();
  readonly #invert = iconButton("invert", "Invert grey scale", "I");
  readonly #interpolate = iconButton("interpolate", "Show voxels as blocks", "B");
  readonly #play = iconButton("play", "Play through the slices", "Space");
  readonly #select: HTMLSelectElement;
  readonly #presets: readonly Preset[];

  constructor(
    title: string,
    modality: string,
    presets: readonly Preset[],
    dispatch: (action: Action) => void,
    choosePlane: (plane: PlaneName) => void,
  ) {
    this.#presets = presets;
    for (const [tool, label, key] of TOOLS) {
      const button = iconButton(tool, label, key);
      button.dataset["tool"] = tool;
      button.addEventListener("click", () => dispatch({ type: "tool", tool }));
      this.#tools.set(tool, button);
    }
    for (const [layout, label] of LAYOUTS) {
      const button = make("button", { type: "button", "data-layout": layout, title: label, "aria-label": label });
      button.append(layout === "planes" ? icon("planes") : label);
      button.addEventListener("click", () => (layout === "planes" ? dispatch({ type: "layout", layout }) : choosePlane(layout)));
      this.#layouts.set(layout, button);
    }
    this.#select = make("select", { "aria-label": "Window preset", title: "Window preset (1 to 9)" });
    presets.forEach(({ name }, k) => this.#select.append(make("option", { value: k }, name)));
    this.#select.append(make("option", { value: "own" }, "Own window"));
    this.#select.addEventListener("change", () => this.#chosen(dispatch));
    this.#invert.addEventListener("click", () => dispatch({ type: "invert" }));
    this.#interpolate.addEventListener("click", () => dispatch({ type: "interpolate" }));
    this.#play.addEventListener("click", () => dispatch({ type: "play" }));
    const reset = iconButton("reset", "Reset view", "R");
    reset.addEventListener("click", () => dispatch({ type: "reset" }));

    this.element = make(
      "div",
      { class: "bar", role: "toolbar", "aria-label": "Viewer tools" },
      make("div", { class: "title" }, make("strong", { title }, title), make("span", { class: "badge" }, modality)),
      make("div", { class: "group tools", role: "group", "aria-label": "Tool" }, ...this.#tools.values()),
      make("label", { class: "choice" }, this.#select, icon("chevron")),
      make("div", { class: "group looks", role: "group", "aria-label": "Look" }, this.#invert, this.#interpolate, this.#play, reset),
      make("div", { class: "group switch", role: "group", "aria-label": "Layout" }, ...this.#layouts.values()),
    );
  }

  show(state: ViewerState, narrow: boolean): void {
    const shown: Layout = narrow && state.layout === "planes" ? state.active : state.layout;
    for (const [tool, button] of this.#tools) setAttribute(button, "aria-pressed", String(tool === state.tool));
    for (const [layout, button] of this.#layouts) setAttribute(button, "aria-pressed", String(layout === shown));
    setAttribute(this.#invert, "aria-pressed", String(state.invert));
    setAttribute(this.#interpolate, "aria-pressed", String(!state.interpolate));
    setAttribute(this.#play, "aria-pressed", String(state.playing));
    const { center, width, function: kind } = state.window;
    const preset = this.#presets.findIndex(
      ({ window }) => window.center === center && window.width === width && window.function === kind,
    );
    this.#select.value = preset < 0 ? "own" : String(preset);
  }

  #chosen(dispatch: (action: Action) => void): void {
    const preset = this.#presets[Number(this.#select.value)];
    if (preset) dispatch({ type: "window", window: preset.window });
  }
}
