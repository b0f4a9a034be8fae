import assert from "node:assert/strict";
import { test } from "node:test";

import { applyVoi, linearVoi, presetsOf, windowFrom } from "../src/voi.ts";

test("the linear function has the values that the standard's formula gives", () => {
  // PS3.3 C.11.2.1.2.1, note 3: center 2048, width 4096 with output 0 to 255 maps 0 to 0 and 4095 to 255.
  assert.equal(linearVoi(0, 2048, 4096), 0);
  assert.equal(linearVoi(4095, 2048, 4096), 1);
  assert.equal(linearVoi(2047.5, 2048, 4096), 0.5);
  // Center 2048, width 1 is a step: 2047 and below black, 2048 and above white.
  assert.equal(linearVoi(2047, 2048, 1), 0);
  assert.equal(linearVoi(2048, 2048, 1), 1);
});

test("the exact function reaches its ends half a width from the center", () => {
  const window = { center: 40, width: 400, function: "LINEAR_EXACT" } as const;

  assert.equal(applyVoi(-160, window), 0);
  assert.equal(applyVoi(40, window), 0.5);
  assert.equal(applyVoi(240, window), 1);
  assert.equal(applyVoi(140, window), 0.75);
});

test("the sigmoid is one half at its center and symmetric about it", () => {
  const window = { center: 100, width: 40, function: "SIGMOID" } as const;

  assert.equal(applyVoi(100, window), 0.5);
  assert.ok(Math.abs(applyVoi(110, window) - 1 / (1 + Math.exp(-1))) < 1e-12);
  assert.ok(Math.abs(applyVoi(110, window) + applyVoi(90, window) - 1) < 1e-12);
});

test("stored windows come before those that the reader prefers", () => {
  const stored = [{ center: 50, width: 350, explanation: "ABDOMEN" }, { center: 0, width: 10 }];
  const preferred = [{ center: -600, width: 1500, explanation: "Lung" }];

  const presets = presetsOf(stored, preferred);

  assert.deepEqual(presets.map(({ name }) => name), ["ABDOMEN", "Stored 2", "Lung"]);
  assert.deepEqual(presets[2].window, { center: -600, width: 1500, function: "LINEAR" });
  assert.deepEqual(presetsOf([]), []);
});

test("a window made from values leaves out the background and the outermost percent", () => {
  const values = new Float32Array(20_000);
  for (let k = 0; k < 10_000; k++) values[10_000 + k] = 100 + (k / 10_000) * 100;

  const { center, width } = windowFrom(values);

  assert.ok(Math.abs(center - 150) < 1, String(center));
  assert.ok(Math.abs(width - 98) < 2, String(width));
});

test("a volume of one value still gets a window", () => {
  assert.deepEqual(windowFrom(new Float32Array(8).fill(7)), { center: 7, width: 1, function: "LINEAR_EXACT" });
});
