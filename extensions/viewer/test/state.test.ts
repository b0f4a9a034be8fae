import assert from "node:assert/strict";
import { test } from "node:test";

import { gridOf, planesOf } from "../src/geometry.ts";
import { keyAction } from "../src/keys.ts";
import { placement, pointOf } from "../src/placement.ts";
import { draggedWindow, initialState, reduce, sceneState, visiblePlanes } from "../src/state.ts";
import type { Action, Subject, ViewerState } from "../src/state.ts";

const GRID = gridOf([40, 64, 48], [[0, 0, 0.7, -16], [0, 0.5, 0, -22], [2.5, 0, 0, 10], [0, 0, 0, 1]]);
const SUBJECT: Subject = { grid: GRID, planes: planesOf(GRID), window: { center: 40, width: 400, function: "LINEAR" }, interpolate: true };

function after(...actions: Action[]): ViewerState {
  return actions.reduce((state, action) => reduce(state, action, SUBJECT), initialState(SUBJECT));
}

test("a viewer begins in the middle of the volume", () => {
  assert.deepEqual(after().voxel, [20, 32, 24]);
});

test("scrolling moves along the plane's own axis and stops at the ends", () => {
  assert.deepEqual(after({ type: "scroll", plane: "axial", by: 3 }).voxel, [23, 32, 24]);
  assert.deepEqual(after({ type: "scroll", plane: "coronal", by: -3 }).voxel, [20, 29, 24]);
  assert.deepEqual(after({ type: "scroll", plane: "sagittal", by: 99 }).voxel, [20, 32, 47]);
  assert.deepEqual(after({ type: "scroll", plane: "axial", by: -99 }).voxel, [0, 32, 24]);
});

test("playing turns the slices of the active plane over, and begins again after the last", () => {
  const state = after({ type: "activate", plane: "coronal" }, { type: "play" }, { type: "advance" });

  assert.deepEqual([state.voxel, state.playing], [[20, 33, 24], true]);
  const last = after({ type: "scroll", plane: "axial", by: 99 }, { type: "advance" });
  assert.deepEqual(last.voxel, [0, 32, 24]);
  assert.deepEqual(after({ type: "play" }, { type: "play" }).playing, false);
  assert.deepEqual("playing" in sceneState(state), false);
});

test("moving outside the volume stays on its last voxel", () => {
  assert.deepEqual(after({ type: "move", voxel: [-4, 12.6, 300] }).voxel, [0, 13, 47]);
});

test("an action leaves the state before it as it was", () => {
  const before = initialState(SUBJECT);
  const copy = structuredClone(before);

  reduce(before, { type: "pan", plane: "axial", by: [3, 4] }, SUBJECT);

  assert.deepEqual(before, copy);
});

test("panning moves one plane, and adds up", () => {
  const state = after({ type: "pan", plane: "axial", by: [3, 4] }, { type: "pan", plane: "axial", by: [-1, 1] });

  assert.deepEqual(state.pan, { axial: [2, 5], coronal: [0, 0], sagittal: [0, 0] });
});

test("zooming at a point leaves that point where it is", () => {
  const pane = { width: 300, height: 200 };
  const plane = SUBJECT.planes.axial;
  const before = after({ type: "pan", plane: "axial", by: [5, -3] });
  const index = [20, 50, 10] as const;
  const place = placement(GRID, plane, before, pane);
  const [x, y] = pointOf(GRID, plane, place, index);
  const at = [(x - 150) / place.pixelsPerMm, (y - 100) / place.pixelsPerMm] as const;

  const zoomed = reduce(before, { type: "zoom", plane: "axial", by: 2.5, at }, SUBJECT);

  const [nowX, nowY] = pointOf(GRID, plane, placement(GRID, plane, zoomed, pane), index);
  assert.equal(zoomed.zoom, 2.5);
  assert.ok(Math.hypot(nowX - x, nowY - y) < 1e-9);
});

test("zoom stays within its range", () => {
  assert.equal(after({ type: "zoom", plane: "axial", by: 1e9, at: [0, 0] }).zoom, 40);
  assert.equal(after({ type: "zoom", plane: "axial", by: 1e-9, at: [0, 0] }).zoom, 0.2);
});

test("a LINEAR window is never narrower than one, an exact one may be", () => {
  const narrow = { center: 5, width: 0.25 };

  assert.equal(after({ type: "window", window: { ...narrow, function: "LINEAR" } }).window.width, 1);
  assert.equal(after({ type: "window", window: { ...narrow, function: "LINEAR_EXACT" } }).window.width, 0.25);
});

test("a drag to the right widens the window, a drag down raises its center", () => {
  const wider = draggedWindow(SUBJECT.window, 64, 0);
  const higher = draggedWindow(SUBJECT.window, 0, 64);

  assert.deepEqual([wider.center, wider.width], [40, 500]);
  assert.deepEqual([higher.center, higher.width], [140, 400]);
});

test("a scene's state is restored, and given back the same", () => {
  const given = {
    voxel: [3, 4, 5],
    window: { center: 1, width: 20, voi_lut_function: "SIGMOID" },
    zoom: 2,
    pan: { axial: [1, 2], coronal: [0, 0], sagittal: [0, -1] },
    layout: "coronal",
    invert: true,
    interpolate: false,
  } as const;

  const state = initialState(SUBJECT, given);

  assert.deepEqual(sceneState(state), given);
  assert.equal(state.active, "coronal");
});

test("what a scene leaves out stays, and a voxel outside is drawn in", () => {
  const state = after({ type: "invert" }, { type: "restore", state: { voxel: [99, 0, 0] } });

  assert.deepEqual(state.voxel, [39, 0, 0]);
  assert.equal(state.invert, true);
});

test("reset goes back to the beginning but keeps layout and tool", () => {
  const state = after(
    { type: "layout", layout: "sagittal" }, { type: "tool", tool: "zoom" }, { type: "invert" },
    { type: "scroll", plane: "axial", by: 5 }, { type: "zoom", plane: "axial", by: 3, at: [4, 4] }, { type: "reset" },
  );

  assert.deepEqual({ ...state, layout: "planes", active: "axial", tool: "crosshair" }, initialState(SUBJECT));
  assert.deepEqual([state.layout, state.tool], ["sagittal", "zoom"]);
});

test("three planes where there is room, the active one on a narrow screen", () => {
  const state = after({ type: "activate", plane: "coronal" });

  assert.deepEqual(visiblePlanes(state, false), ["axial", "coronal", "sagittal"]);
  assert.deepEqual(visiblePlanes(state, true), ["coronal"]);
  assert.deepEqual(visiblePlanes(after({ type: "layout", layout: "axial" }), false), ["axial"]);
});

test("keys scroll the active plane, choose tools and presets, and leave the browser's own alone", () => {
  const state = after({ type: "activate", plane: "coronal" });
  const presets = [{ name: "Lung", window: { center: -600, width: 1500, function: "LINEAR" } }] as const;
  const press = (key: string, ctrlKey = false): Action | undefined =>
    keyAction({ key, ctrlKey, metaKey: false, altKey: false }, state, presets, 64);

  assert.deepEqual(press("ArrowDown"), { type: "scroll", plane: "coronal", by: 1 });
  assert.deepEqual(press("PageUp"), { type: "scroll", plane: "coronal", by: -10 });
  assert.deepEqual(press("End"), { type: "scroll", plane: "coronal", by: 64 });
  assert.deepEqual(press("W"), { type: "tool", tool: "window" });
  assert.deepEqual(press("1"), { type: "window", window: presets[0].window });
  assert.equal(press("2"), undefined);
  assert.equal(press("r", true), undefined);
  assert.equal(press("Tab"), undefined);
});
