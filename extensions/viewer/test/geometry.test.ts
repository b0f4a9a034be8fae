import assert from "node:assert/strict";
import { test } from "node:test";

import { edgeLetters, gridOf, letters, lpsOf, planesOf } from "../src/geometry.ts";
import type { Vector } from "../src/geometry.ts";
import { indexAt, isInside, placement, pointOf, roundLength } from "../src/placement.ts";
import { initialState } from "../src/state.ts";

/** Rows of an affine whose index axes (slice, row, column) step along three LPS vectors. */
function affine(slice: Vector, row: Vector, column: Vector, origin: Vector): number[][] {
  return [0, 1, 2].map((k) => [slice[k], row[k], column[k], origin[k]]).concat([[0, 0, 0, 1]]);
}

const AXIAL = gridOf([40, 64, 48], affine([0, 0, 2.5], [0, 0.5, 0], [0.7, 0, 0], [-16, -22, 10]));

test("letters are those of Patient Orientation, the strongest first", () => {
  assert.equal(letters([1, 0, 0]), "L");
  assert.equal(letters([0, -1, 0]), "A");
  assert.equal(letters([0, 0, -1]), "F");
  assert.equal(letters([-0.8, 0.6, 0]), "RP");
  assert.equal(letters([0.5, 0.3, 0.81]), "HLP");
  assert.equal(letters([0.9987, 0.05, 0]), "L");
});

test("an axial volume is laid out as it was acquired", () => {
  const planes = planesOf(AXIAL);

  assert.deepEqual(planes.axial, { name: "axial", normal: 0, across: 2, down: 1, acrossFlipped: false, downFlipped: false });
  assert.deepEqual(edgeLetters(AXIAL, planes.axial), { left: "R", right: "L", top: "A", bottom: "P" });
  assert.deepEqual(edgeLetters(AXIAL, planes.coronal), { left: "R", right: "L", top: "H", bottom: "F" });
  assert.deepEqual(edgeLetters(AXIAL, planes.sagittal), { left: "A", right: "P", top: "H", bottom: "F" });
  assert.equal(planes.coronal.downFlipped, true);
});

test("a sagittal acquisition shows its own slices in the sagittal pane", () => {
  // Rows run from head to foot, columns from front to back, slices from right to left.
  const grid = gridOf([20, 100, 90], affine([3, 0, 0], [0, 0, -1], [0, 1, 0], [0, 0, 0]));

  const { axial, sagittal } = planesOf(grid);

  assert.deepEqual(sagittal, { name: "sagittal", normal: 0, across: 2, down: 1, acrossFlipped: false, downFlipped: false });
  assert.equal(axial.normal, 1);
  assert.deepEqual(edgeLetters(grid, axial), { left: "R", right: "L", top: "A", bottom: "P" });
});

test("a prone patient's picture is turned, so that the left is on the right", () => {
  const grid = gridOf([4, 8, 8], affine([0, 0, 1], [0, -1, 0], [-1, 0, 0], [0, 0, 0]));

  const { axial } = planesOf(grid);

  assert.equal(axial.acrossFlipped && axial.downFlipped, true);
  assert.deepEqual(edgeLetters(grid, axial), { left: "R", right: "L", top: "A", bottom: "P" });
});

test("an oblique volume has compound letters", () => {
  const [c, s] = [Math.cos(Math.PI / 6), Math.sin(Math.PI / 6)];
  const grid = gridOf([4, 8, 8], affine([0, -s, c], [0, c, s], [1, 0, 0], [0, 0, 0]));

  assert.deepEqual(edgeLetters(grid, planesOf(grid).axial), { left: "R", right: "L", top: "AF", bottom: "PH" });
});

test("an index position goes to LPS by the affine", () => {
  assert.deepEqual(lpsOf(AXIAL, [4, 10, 20]), [-16 + 14, -22 + 5, 10 + 10]);
});

test("an affine without extent is refused", () => {
  assert.throws(() => gridOf([4, 8, 8], affine([0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0])), /without length/);
});

test("a plane is drawn true to its spacing, and touches its pane on two sides", () => {
  const planes = planesOf(AXIAL);
  const state = initialState({ grid: AXIAL, planes, window: { center: 0, width: 1, function: "LINEAR" }, interpolate: true });

  // Sagittal: 64 rows of 0.5 mm across, 40 slices of 2.5 mm down: 32 mm x 100 mm.
  const place = placement(AXIAL, planes.sagittal, state, { width: 300, height: 200 });

  assert.equal(place.pixelsPerMm, 2);
  assert.deepEqual([place.across, place.down], [1, 5]);
  assert.deepEqual([place.left, place.top], [150 - 32, 0]);
});

test("a point of the pane and the voxel under it find each other", () => {
  const planes = planesOf(AXIAL);
  const state = initialState({ grid: AXIAL, planes, window: { center: 0, width: 1, function: "LINEAR" }, interpolate: true });
  for (const plane of Object.values(planes)) {
    const place = placement(AXIAL, plane, { ...state, zoom: 1.7 }, { width: 400, height: 300 });
    const index = [7, 11, 13] as const;

    const [x, y] = pointOf(AXIAL, plane, place, index);
    const found = indexAt(AXIAL, plane, place, index, x, y);

    found.forEach((at, axis) => assert.ok(Math.abs(at - index[axis]) < 1e-9, plane.name));
    assert.ok(isInside(AXIAL, found));
  }
});

test("the last slice of a head-first volume is drawn at the top", () => {
  const planes = planesOf(AXIAL);
  const state = initialState({ grid: AXIAL, planes, window: { center: 0, width: 1, function: "LINEAR" }, interpolate: true });
  const place = placement(AXIAL, planes.coronal, state, { width: 400, height: 300 });

  assert.ok(pointOf(AXIAL, planes.coronal, place, [39, 0, 0])[1] < pointOf(AXIAL, planes.coronal, place, [0, 0, 0])[1]);
});

test("a scale bar is a round length that fits", () => {
  assert.equal(roundLength(2, 100), 50);
  assert.equal(roundLength(3, 100), 20);
  assert.equal(roundLength(100, 96), 0.5);
});
