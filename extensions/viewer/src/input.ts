/** What keys, pointers and sliders do: input becomes actions, and nothing else. */

import type { Grid, PlaneAxes, PlaneName, Vector } from "./geometry.ts";
import { keyAction } from "./keys.ts";
import { indexAt, isInside } from "./placement.ts";
import type { Placement } from "./placement.ts";
import { listenToPointers } from "./pointer.ts";
import type { PointerActions } from "./pointer.ts";
import { draggedWindow } from "./state.ts";
import type { Action, Subject, Tool, ViewerState } from "./state.ts";
import type { PaneView } from "./ui/pane.ts";
import type { Preset } from "./voi.ts";

/** A pane as input sees it. */
export interface InputPane {
  readonly axes: PlaneAxes;
  readonly view: PaneView;
}

/** A voxel that the pointer is over. */
export interface Hover {
  readonly plane: PlaneName;
  readonly index: Vector;
}

/** What input needs to know of a viewer, and what it may do to it. */
export interface InputTarget<P extends InputPane> {
  readonly root: HTMLElement;
  readonly panes: readonly P[];
  readonly grid: Grid;
  readonly presets: readonly Preset[];
  subject(): Subject;
  state(): ViewerState;
  place(pane: P): Placement;
  dispatch(action: Action): void;
  hover(at: Hover | undefined): void;
}

const pixelRatio = (): number => window.devicePixelRatio || 1;

/** Turn what the user does into actions until the signal aborts. */
export function listenToInput<P extends InputPane>(target: InputTarget<P>, signal: AbortSignal): void {
  target.root.addEventListener("keydown", (event) => {
    const at = event.target;
    if (at instanceof HTMLInputElement || at instanceof HTMLSelectElement) return;
    if (at instanceof HTMLButtonElement && event.key === " ") return;
    const count = target.grid.shape[target.subject().planes[target.state().active].normal];
    const action = keyAction(event, target.state(), target.presets, count);
    if (!action) return;
    event.preventDefault();
    target.dispatch(action);
  }, { signal });
  for (const pane of target.panes) {
    const { axes, view: { element, slider } } = pane;
    listenToPointers(element, pointerActions(target, pane), signal);
    element.addEventListener("focusin", () => target.dispatch({ type: "activate", plane: axes.name }), { signal });
    slider.addEventListener("input", () => {
      target.dispatch({ type: "scroll", plane: axes.name, by: slider.valueAsNumber - target.state().voxel[axes.normal] });
    }, { signal });
  }
}

function pointerActions<P extends InputPane>(target: InputTarget<P>, pane: P): PointerActions {
  const plane = pane.axes.name;
  const { element } = pane.view;
  let scrolled = 0;
  const mm = (pixels: number): number => (pixels * pixelRatio()) / target.place(pane).pixelsPerMm;
  const fromCentre = (x: number, y: number): readonly [number, number] => [
    mm(x - element.clientWidth / 2), mm(y - element.clientHeight / 2),
  ];
  const indexUnder = (x: number, y: number): Vector =>
    indexAt(target.grid, pane.axes, target.place(pane), target.state().voxel, x * pixelRatio(), y * pixelRatio());
  const moveTo = (x: number, y: number): void => target.dispatch({ type: "move", voxel: indexUnder(x, y) });
  return {
    tool: (event): Tool => {
      if (event.button === 1) return "pan";
      if (event.button === 2) return "window";
      const { tool } = target.state();
      return event.pointerType === "touch" && tool === "crosshair" ? "scroll" : tool;
    },
    press: (tool, x, y) => {
      scrolled = 0;
      target.dispatch({ type: "activate", plane });
      if (tool === "crosshair") moveTo(x, y);
    },
    drag: (tool, right, down, x, y) => {
      const { width, height } = element.getBoundingClientRect();
      if (tool === "crosshair") moveTo(x, y);
      else if (tool === "window") target.dispatch({ type: "window", window: draggedWindow(target.state().window, right, down) });
      else if (tool === "pan") target.dispatch({ type: "pan", plane, by: [mm(right), mm(down)] });
      else if (tool === "zoom") target.dispatch({ type: "zoom", plane, by: 1.01 ** -down, at: [0, 0] });
      else {
        const count = target.grid.shape[pane.axes.normal];
        scrolled += down / Math.min(14, Math.max(3, Math.min(width, height) / count));
        const steps = Math.trunc(scrolled);
        scrolled -= steps;
        if (steps !== 0) target.dispatch({ type: "scroll", plane, by: steps });
      }
    },
    tap: (x, y) => {
      if (target.state().tool === "crosshair") moveTo(x, y);
    },
    pinch: (factor, right, down, x, y) => {
      target.dispatch({ type: "pan", plane, by: [mm(right), mm(down)] });
      target.dispatch({ type: "zoom", plane, by: factor, at: fromCentre(x, y) });
    },
    hover: (at) => {
      const index = at && indexUnder(...at);
      target.hover(index && isInside(target.grid, index) ? { plane, index } : undefined);
    },
    wheel: (steps, zooming, x, y) => {
      if (zooming) target.dispatch({ type: "zoom", plane, by: 1.15 ** -steps, at: fromCentre(x, y) });
      else target.dispatch({ type: "scroll", plane, by: steps });
    },
  };
}
