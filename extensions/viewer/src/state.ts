/** What the viewer shows, and how each action changes it: functions from (state, action) to state. */

import { clampIndex, PLANE_NAMES, withAxis } from "./geometry.ts";
import type { Grid, PlaneAxes, PlaneName, Vector } from "./geometry.ts";
import type { SceneState } from "./scene.ts";
import { bounded, windowOf } from "./voi.ts";
import type { VoiWindow } from "./voi.ts";

export type Layout = "planes" | PlaneName;
export type Tool = "crosshair" | "window" | "scroll" | "pan" | "zoom";
/** Right and down, mm. */
export type Shift = readonly [number, number];

export interface ViewerState {
  readonly voxel: Vector;
  readonly window: VoiWindow;
  readonly zoom: number;
  readonly pan: Readonly<Record<PlaneName, Shift>>;
  readonly layout: Layout;
  readonly invert: boolean;
  readonly interpolate: boolean;
  readonly tool: Tool;
  /** Whether the slices of the active plane follow one another by themselves. */
  readonly playing: boolean;
  /** The plane that keys act on, and the one shown where only one has room. */
  readonly active: PlaneName;
}

export type Action =
  | { readonly type: "move"; readonly voxel: Vector }
  | { readonly type: "scroll"; readonly plane: PlaneName; readonly by: number }
  | { readonly type: "window"; readonly window: VoiWindow }
  | { readonly type: "zoom"; readonly plane: PlaneName; readonly by: number; readonly at: Shift }
  | { readonly type: "pan"; readonly plane: PlaneName; readonly by: Shift }
  | { readonly type: "layout"; readonly layout: Layout }
  | { readonly type: "tool"; readonly tool: Tool }
  | { readonly type: "activate"; readonly plane: PlaneName }
  | { readonly type: "invert" }
  | { readonly type: "interpolate" }
  | { readonly type: "play" }
  | { readonly type: "advance" }
  | { readonly type: "restore"; readonly state: SceneState }
  | { readonly type: "reset" };

/** What an action needs to know of the volume, and what reset goes back to. */
export interface Subject {
  readonly grid: Grid;
  readonly planes: Readonly<Record<PlaneName, PlaneAxes>>;
  readonly window: VoiWindow;
  readonly interpolate: boolean;
}

const CENTRED: Readonly<Record<PlaneName, Shift>> = { axial: [0, 0], coronal: [0, 0], sagittal: [0, 0] };
export const ZOOM_RANGE: readonly [number, number] = [0.2, 40];

export function initialState(subject: Subject, given: SceneState = {}): ViewerState {
  const { shape } = subject.grid;
  const plain: ViewerState = {
    voxel: [shape[0] >> 1, shape[1] >> 1, shape[2] >> 1],
    window: subject.window,
    zoom: 1,
    pan: CENTRED,
    layout: "planes",
    invert: false,
    interpolate: subject.interpolate,
    tool: "crosshair",
    playing: false,
    active: "axial",
  };
  return reduce(plain, { type: "restore", state: given }, subject);
}

export function reduce(state: ViewerState, action: Action, subject: Subject): ViewerState {
  switch (action.type) {
    case "move":
      return { ...state, voxel: clampIndex(subject.grid, action.voxel) };
    case "scroll": {
      const axis = subject.planes[action.plane].normal;
      const voxel = withAxis(state.voxel, axis, state.voxel[axis] + action.by);
      return { ...state, voxel: clampIndex(subject.grid, voxel) };
    }
    case "window":
      return { ...state, window: bounded(action.window) };
    case "zoom":
      return zoomed(state, action.plane, action.by, action.at);
    case "pan": {
      const [right, down] = state.pan[action.plane];
      return { ...state, pan: { ...state.pan, [action.plane]: [right + action.by[0], down + action.by[1]] } };
    }
    case "layout":
      return { ...state, layout: action.layout, active: action.layout === "planes" ? state.active : action.layout };
    case "tool":
      return { ...state, tool: action.tool };
    case "activate":
      return { ...state, active: action.plane };
    case "invert":
      return { ...state, invert: !state.invert };
    case "interpolate":
      return { ...state, interpolate: !state.interpolate };
    case "play":
      return { ...state, playing: !state.playing };
    case "advance": {
      const axis = subject.planes[state.active].normal;
      const next = (state.voxel[axis] + 1) % subject.grid.shape[axis];
      return { ...state, voxel: withAxis(state.voxel, axis, next) };
    }
    case "restore":
      return restored(state, action.state, subject.grid);
    case "reset":
      return { ...initialState(subject), layout: state.layout, active: state.active, tool: state.tool };
  }
}

/** Zoom by a factor while the point `at` (mm from the pane's centre) stays where it is. */
function zoomed(state: ViewerState, plane: PlaneName, by: number, at: Shift): ViewerState {
  const zoom = Math.min(ZOOM_RANGE[1], Math.max(ZOOM_RANGE[0], state.zoom * by));
  const moved = state.zoom / zoom - 1;
  const [right, down] = state.pan[plane];
  return { ...state, zoom, pan: { ...state.pan, [plane]: [right + at[0] * moved, down + at[1] * moved] } };
}

function restored(state: ViewerState, given: SceneState, grid: Grid): ViewerState {
  const layout = given.layout ?? state.layout;
  return {
    ...state,
    voxel: given.voxel ? clampIndex(grid, given.voxel) : state.voxel,
    window: given.window ? windowOf(given.window) : state.window,
    zoom: given.zoom ? Math.min(ZOOM_RANGE[1], Math.max(ZOOM_RANGE[0], given.zoom)) : state.zoom,
    pan: given.pan ?? state.pan,
    layout,
    active: layout === "planes" ? state.active : layout,
    invert: given.invert ?? state.invert,
    interpolate: given.interpolate ?? state.interpolate,
  };
}

/** What of the state crosses to Python. */
export function sceneState(state: ViewerState): Required<SceneState> {
  const { center, width, function: voi_lut_function } = state.window;
  return {
    voxel: state.voxel,
    window: { center, width, voi_lut_function },
    zoom: state.zoom,
    pan: state.pan,
    layout: state.layout,
    invert: state.invert,
    interpolate: state.interpolate,
  };
}

/** Which planes have a pane: on narrow screens the active one only. */
export function visiblePlanes(state: ViewerState, narrow: boolean): readonly PlaneName[] {
  if (state.layout !== "planes") return [state.layout];
  return narrow ? [state.active] : PLANE_NAMES;
}

/** The window after a drag of so many pixels; a drag across the pane's width covers the width twice. */
export function draggedWindow(window: VoiWindow, right: number, down: number): VoiWindow {
  const step = Math.max(window.width, window.function === "LINEAR" ? 64 : 0) / 256;
  const width = window.width + right * step;
  const center = window.center + down * step;
  return bounded({ ...window, center, width });
}
