/** What is known of the volume and of the place pointed at, beside the three planes; and the line below them. */

import { lpsOf } from "../geometry.ts";
import type { Grid, Vector } from "../geometry.ts";
import type { SceneVolume } from "../scene.ts";
import type { Action } from "../state.ts";
import { applyVoi } from "../voi.ts";
import type { Histogram, VoiWindow } from "../voi.ts";
import { formatted, make, makeSvg, setAttribute, setText } from "./dom.ts";

/** A place in the volume, and its value where it is known. */
export interface Reading {
  readonly index: Vector;
  readonly value: number | undefined;
  /** Whether the pointer is there, or only the crosshair. */
  readonly pointed: boolean;
}

/** Millimetres to a tenth, with a true minus sign, and no minus before nothing. */
const millimetres = (vector: Vector): string =>
  vector.map((item) => item.toFixed(1).replace(/^-(?=.*[1-9])/, "\u2212").replace("-", "")).join(", ");

export class Panel {
  readonly element: HTMLElement;
  readonly status: HTMLElement;
  readonly #grid: Grid;
  readonly #units: string;
  readonly #heading = make("h2", {}, "Crosshair");
  readonly #value = make("span");
  readonly #places = new Map<string, HTMLElement>();
  readonly #statusValue = make("b", { "data-field": "value" });
  readonly #statusVoxel = make("b", { "data-field": "voxel" });
  readonly #statusPosition = make("b", { "data-field": "position" });
  readonly #detail = make("span", { class: "detail" });
  readonly #center = make("input", { type: "number", step: "any" });
  readonly #width = make("input", { type: "number", step: "any", min: 0 });
  readonly #counts = makeSvg("path", { class: "counts" });
  readonly #range = makeSvg("rect", { class: "range", y: 0, height: 100 });
  readonly #ramp = makeSvg("path", { class: "ramp" });
  #histogram: Histogram | undefined;
  #window: VoiWindow | undefined;

  constructor(volume: SceneVolume, grid: Grid, dispatch: (action: Action) => void) {
    this.#grid = grid;
    this.#units = volume.units;
    const place = (name: string): Node[] => {
      const value = make("dd");
      this.#places.set(name, value);
      return [make("dt", {}, name), value];
    };
    for (const input of [this.#center, this.#width]) {
      input.addEventListener("change", () => {
        const center = this.#center.valueAsNumber;
        const width = this.#width.valueAsNumber;
        if (this.#window && Number.isFinite(center) && width > 0) {
          dispatch({ type: "window", window: { ...this.#window, center, width } });
        }
      });
    }
    const [slices, rows, columns] = grid.shape;
    const units = volume.units || "none given";
    const pointed = make(
      "section",
      {},
      this.#heading,
      make("div", { class: "reading" }, this.#value, make("small", {}, volume.units)),
      make("dl", {}, ...place("Voxel"), ...place("LPS, mm")),
    );
    const known = make(
      "section",
      { class: "last" },
      make("h2", {}, "Volume"),
      make(
        "dl",
        {},
        make("dt", {}, "Voxels"), make("dd", {}, `${columns} × ${rows} × ${slices}`),
        make("dt", {}, "Spacing, mm"), make("dd", {}, [2, 1, 0].map((axis) => formatted(grid.spacing[axis], 3)).join(" × ")),
        make("dt", {}, "Values"), make("dd", {}, `${volume.dtype}, ${units}`),
      ),
    );
    const histogram = makeSvg(
      "svg",
      { class: "histogram", viewBox: "0 0 128 100", preserveAspectRatio: "none", "aria-hidden": "true" },
      this.#counts, this.#range, this.#ramp,
    );
    const windowing = make(
      "section",
      { class: "wide" },
      make("h2", {}, "Window"),
      histogram,
      make("div", { class: "numbers" }, make("label", {}, "Level (center)", this.#center), make("label", {}, "Width", this.#width)),
    );
    this.element = make(
      "aside",
      { class: "panel", "aria-label": "Details" },
      make("div", { class: "details" }, pointed, known, windowing),
    );
    this.status = make(
      "div",
      { class: "status" },
      make("span", {}, "Value ", this.#statusValue),
      make("span", {}, "Voxel ", this.#statusVoxel),
      make("span", {}, "LPS ", this.#statusPosition),
      this.#detail,
    );
  }

  set histogram(histogram: Histogram) {
    this.#histogram = histogram;
    const tallest = Math.log1p(Math.max(1, ...histogram.counts));
    const steps = histogram.counts.map((count, k) => `L${k} ${(100 - (92 * Math.log1p(count)) / tallest).toFixed(1)}h1`);
    setAttribute(this.#counts, "d", `M0 100${steps.join("")}V100Z`);
    if (this.#window) this.#showWindow(this.#window);
  }

  show(reading: Reading, window: VoiWindow, detail: string): void {
    const value = reading.value === undefined ? "–" : formatted(reading.value);
    const voxel = reading.index.join(", ");
    const position = millimetres(lpsOf(this.#grid, reading.index));
    setText(this.#heading, reading.pointed ? "Pointer" : "Crosshair");
    setText(this.#value, value);
    this.#place("Voxel", voxel);
    this.#place("LPS, mm", position);
    setText(this.#statusValue, reading.value === undefined || !this.#units ? value : `${value} ${this.#units}`);
    setText(this.#statusVoxel, voxel);
    setText(this.#statusPosition, `${position} mm`);
    setText(this.#detail, detail);
    if (window !== this.#window) this.#showWindow(window);
  }

  #place(name: string, text: string): void {
    const value = this.#places.get(name);
    if (value) setText(value, text);
  }

  #showWindow(window: VoiWindow): void {
    this.#window = window;
    this.#center.value = String(Number(window.center.toPrecision(6)));
    this.#width.value = String(Number(window.width.toPrecision(6)));
    const histogram = this.#histogram;
    if (!histogram || !(histogram.greatest > histogram.least)) return;
    const { least, greatest } = histogram;
    const at = (value: number): number => (128 * (value - least)) / (greatest - least);
    const clamp = (x: number): number => Math.min(128, Math.max(0, x));
    const left = clamp(at(window.center - window.width / 2));
    setAttribute(this.#range, "x", left.toFixed(2));
    setAttribute(this.#range, "width", (clamp(at(window.center + window.width / 2)) - left).toFixed(2));
    const points = Array.from({ length: 129 }, (_, x) => {
      const grey = applyVoi(least + ((greatest - least) * x) / 128, window);
      return `${x} ${(96 - 92 * grey).toFixed(1)}`;
    });
    setAttribute(this.#ramp, "d", `M${points.join("L")}`);
  }
}
