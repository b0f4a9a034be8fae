/** What keys do. */

import type { Action, Tool, ViewerState } from "./state.ts";
import type { Preset } from "./voi.ts";

interface Key {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
}

const TOOLS: Readonly<Record<string, Tool>> = { c: "crosshair", w: "window", s: "scroll", p: "pan", z: "zoom" };
const PAGE = 10;

/** The action of a key, if it has one. `count` is the number of slices of the active plane. */
export function keyAction(event: Key, state: ViewerState, presets: readonly Preset[], count: number): Action | undefined {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const plane = state.active;
  const scroll = (by: number): Action => ({ type: "scroll", plane, by });
  const zoom = (by: number): Action => ({ type: "zoom", plane, by, at: [0, 0] });
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const tool = TOOLS[key];
  if (tool) return { type: "tool", tool };
  const preset = /^[1-9]$/.test(key) ? presets[Number(key) - 1] : undefined;
  if (preset) return { type: "window", window: preset.window };
  switch (key) {
    case "ArrowUp":
    case "ArrowLeft":
      return scroll(-1);
    case "ArrowDown":
    case "ArrowRight":
      return scroll(1);
    case "PageUp":
      return scroll(-PAGE);
    case "PageDown":
      return scroll(PAGE);
    case "Home":
      return scroll(-count);
    case "End":
      return scroll(count);
    case "+":
    case "=":
      return zoom(1.25);
    case "-":
      return zoom(0.8);
    case " ":
      return { type: "play" };
    case "i":
      return { type: "invert" };
    case "b":
      return { type: "interpolate" };
    case "r":
      return { type: "reset" };
    default:
      return undefined;
  }
}
