/** Mouse, pen and fingers on one pane, as drags, taps, pinches and turns of the wheel. */

import type { Tool } from "./state.ts";

export interface PointerActions {
  /** The tool that a drag of this button uses. */
  tool(event: PointerEvent): Tool;
  press(tool: Tool, x: number, y: number): void;
  drag(tool: Tool, right: number, down: number, x: number, y: number): void;
  tap(x: number, y: number): void;
  pinch(factor: number, right: number, down: number, x: number, y: number): void;
  hover(at: readonly [number, number] | undefined): void;
  wheel(steps: number, zooming: boolean, x: number, y: number): void;
}

const TAP_PIXELS = 6;
const NOTCH = 50;
const LINE_PIXELS = 33;

interface Finger {
  x: number;
  y: number;
}

/** Listen on an element until the signal aborts. */
export function listenToPointers(element: HTMLElement, actions: PointerActions, signal: AbortSignal): void {
  const fingers = new Map<number, Finger>();
  let tool: Tool = "crosshair";
  let travelled = 0;
  let turned = 0;
  const at = (event: MouseEvent): Finger => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const middle = (): Finger & { spread: number } => {
    const [a, b] = [...fingers.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, spread: Math.max(1, Math.hypot(a.x - b.x, a.y - b.y)) };
  };
  const listen = <K extends keyof HTMLElementEventMap>(type: K, heard: (event: HTMLElementEventMap[K]) => void): void => {
    element.addEventListener(type, heard, { signal, passive: false });
  };

  listen("pointerdown", (event) => {
    if (event.target instanceof HTMLInputElement) return;
    event.preventDefault();
    element.focus({ preventScroll: true });
    element.setPointerCapture(event.pointerId);
    const point = at(event);
    fingers.set(event.pointerId, point);
    if (fingers.size > 1) {
      travelled = Infinity;
      return;
    }
    travelled = 0;
    tool = actions.tool(event);
    actions.press(tool, point.x, point.y);
  });

  listen("pointermove", (event) => {
    const point = at(event);
    const finger = fingers.get(event.pointerId);
    if (!finger) {
      if (event.pointerType !== "touch") actions.hover([point.x, point.y]);
      return;
    }
    if (fingers.size === 2) {
      const before = middle();
      fingers.set(event.pointerId, point);
      const after = middle();
      actions.pinch(after.spread / before.spread, after.x - before.x, after.y - before.y, after.x, after.y);
      return;
    }
    const [right, down] = [point.x - finger.x, point.y - finger.y];
    fingers.set(event.pointerId, point);
    travelled += Math.hypot(right, down);
    if (event.pointerType !== "touch") actions.hover([point.x, point.y]);
    if (fingers.size === 1) actions.drag(tool, right, down, point.x, point.y);
  });

  const lifted = (event: PointerEvent): void => {
    const finger = fingers.get(event.pointerId);
    if (!fingers.delete(event.pointerId) || !finger) return;
    if (event.type === "pointerup" && fingers.size === 0 && travelled < TAP_PIXELS) actions.tap(finger.x, finger.y);
    // The finger that stays after a pinch does nothing until it is lifted.
    if (fingers.size > 0) travelled = Infinity;
  };
  listen("pointerup", lifted);
  listen("pointercancel", lifted);
  listen("pointerleave", () => actions.hover(undefined));
  listen("contextmenu", (event) => event.preventDefault());

  listen("wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? LINE_PIXELS : event.deltaMode === 2 ? 400 : 1);
    const { x, y } = at(event);
    if (event.ctrlKey || event.metaKey) {
      actions.wheel(pixels / 100, true, x, y);
      return;
    }
    // A notch of a mouse is one slice, however far it says it went; a touchpad's small steps add up.
    turned = Math.abs(pixels) >= NOTCH ? Math.sign(pixels) * NOTCH : turned + pixels;
    const steps = Math.trunc(turned / NOTCH);
    turned -= steps * NOTCH;
    if (steps !== 0) actions.wheel(steps, false, x, y);
  });
}
