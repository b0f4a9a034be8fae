/** One pane's overlay: name, letters, crosshair, ruler and slider over the part of the canvas that it covers. */

import type { PlaneAxes, PlaneName } from "../geometry.ts";
import type { Shift, Tool } from "../state.ts";
import { formatted, make, makeSvg, setAttribute, setText } from "./dom.ts";

export const PLANE_TITLES: Readonly<Record<PlaneName, string>> = {
  axial: "Axial",
  coronal: "Coronal",
  sagittal: "Sagittal",
};

const GAP = 9;
const EDGES = ["left", "right", "top", "bottom"] as const;

export interface PaneFacts {
  readonly index: number;
  readonly count: number;
  readonly exact: boolean;
  readonly active: boolean;
  readonly tool: Tool;
  readonly cross: Shift;
  readonly letters: Readonly<Record<(typeof EDGES)[number], string>>;
  readonly rulerMm: number;
  readonly rulerPixels: number;
  readonly windowing: string;
}

export class PaneView {
  readonly element: HTMLElement;
  readonly slider: HTMLInputElement;
  readonly #slice = make("span");
  readonly #letters = EDGES.map((edge) => make("span", { class: "letter", "data-edge": edge }));
  readonly #lines: readonly SVGLineElement[];
  readonly #ruler = make("i");
  readonly #rulerText = make("span");
  readonly #windowing = make("span", { class: "windowing" });
  readonly #title: string;

  /** `crossing` names the planes that the vertical and the horizontal line stand for. */
  constructor(plane: PlaneAxes, crossing: { readonly vertical: PlaneName; readonly horizontal: PlaneName }) {
    this.#title = PLANE_TITLES[plane.name];
    this.#lines = [
      makeSvg("line", { class: `line-${crossing.vertical}`, y1: 0 }),
      makeSvg("line", { class: `line-${crossing.vertical}`, y2: "100%" }),
      makeSvg("line", { class: `line-${crossing.horizontal}`, x1: 0 }),
      makeSvg("line", { class: `line-${crossing.horizontal}`, x2: "100%" }),
    ];
    this.slider = make("input", { type: "range", min: 0, step: 1, "aria-label": `${this.#title} slice`, "aria-orientation": "vertical" });
    this.element = make(
      "div",
      { class: "pane", "data-plane": plane.name, tabindex: 0, role: "group", "aria-label": `${this.#title} plane` },
      makeSvg("svg", { class: "lines", "aria-hidden": "true" }, ...this.#lines),
      make("div", { class: "label" }, this.#title, this.#slice),
      ...this.#letters,
      make("div", { class: "foot" }, this.#windowing, make("div", { class: "ruler" }, this.#rulerText, this.#ruler)),
      this.slider,
    );
  }

  show(facts: PaneFacts): void {
    const { element } = this;
    setText(this.#slice, `${facts.index + 1} / ${facts.count}`);
    EDGES.forEach((edge, k) => setText(this.#letters[k], facts.letters[edge]));
    this.#cross(...facts.cross);
    this.#ruler.style.width = `${facts.rulerPixels.toFixed(1)}px`;
    setText(this.#rulerText, facts.rulerMm >= 10 ? `${formatted(facts.rulerMm / 10)} cm` : `${formatted(facts.rulerMm)} mm`);
    setText(this.#windowing, facts.windowing);
    setAttribute(element, "data-tool", facts.tool);
    setAttribute(element, "data-index", String(facts.index));
    setAttribute(element, "data-exact", String(facts.exact));
    element.toggleAttribute("data-active", facts.active);
    setAttribute(this.slider, "max", String(facts.count - 1));
    if (this.slider.value !== String(facts.index)) this.slider.value = String(facts.index);
    setAttribute(this.slider, "aria-valuetext", `slice ${facts.index + 1} of ${facts.count}`);
  }

  /** Four lines that leave the voxel itself free to be seen. */
  #cross(x: number, y: number): void {
    const [above, below, left, right] = this.#lines;
    for (const line of [above, below]) for (const end of ["x1", "x2"]) setAttribute(line, end, x.toFixed(1));
    for (const line of [left, right]) for (const end of ["y1", "y2"]) setAttribute(line, end, y.toFixed(1));
    setAttribute(above, "y2", Math.max(0, y - GAP).toFixed(1));
    setAttribute(below, "y1", (y + GAP).toFixed(1));
    setAttribute(left, "x2", Math.max(0, x - GAP).toFixed(1));
    setAttribute(right, "x1", (x + GAP).toFixed(1));
  }
}
