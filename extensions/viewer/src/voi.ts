/** From values to grey levels: the VOI LUT functions of PS3.3 C.11.2, and windows to begin with. */

import type { SceneWindow } from "./scene.ts";

export type VoiFunction = "LINEAR" | "LINEAR_EXACT" | "SIGMOID";

export interface VoiWindow {
  readonly center: number;
  readonly width: number;
  readonly function: VoiFunction;
}

export interface Preset {
  readonly name: string;
  readonly window: VoiWindow;
}

/** Value to [0, 1] by the linear function, PS3.3 C.11.2.1.2.1. */
export function linearVoi(x: number, center: number, width: number): number {
  const half = (width - 1) / 2;
  if (x <= center - 0.5 - half) return 0;
  if (x > center - 0.5 + half) return 1;
  return (x - (center - 0.5)) / (width - 1) + 0.5;
}

/** Value to [0, 1] by the exact linear function, PS3.3 C.11.2.1.3.2. */
export function linearExactVoi(x: number, center: number, width: number): number {
  if (x <= center - width / 2) return 0;
  if (x > center + width / 2) return 1;
  return (x - center) / width + 0.5;
}

/** Value to [0, 1] by the sigmoid, PS3.3 C.11.2.1.3.1. */
export function sigmoidVoi(x: number, center: number, width: number): number {
  return 1 / (1 + Math.exp((-4 * (x - center)) / width));
}

export function applyVoi(x: number, { center, width, function: kind }: VoiWindow): number {
  if (kind === "SIGMOID") return sigmoidVoi(x, center, width);
  return kind === "LINEAR_EXACT" ? linearExactVoi(x, center, width) : linearVoi(x, center, width);
}

/** A window of the scene with its function said; LINEAR where it is absent (PS3.3 C.11.2.1.3). */
export function windowOf({ center, width, voi_lut_function }: SceneWindow): VoiWindow {
  return bounded({ center, width, function: voi_lut_function ?? "LINEAR" });
}

/** A window whose width its function allows: LINEAR needs 1 or more, the others more than 0. */
export function bounded({ center, width, function: kind }: VoiWindow): VoiWindow {
  const least = kind === "LINEAR" ? 1 : 1e-6;
  return { center, width: Math.max(least, width), function: kind };
}

/** The windows offered: those stored with the volume first, then those that the reader prefers. */
export function presetsOf(windows: readonly SceneWindow[], preferred: readonly SceneWindow[] = []): Preset[] {
  const stored = windows.map((window, k) => ({
    name: window.explanation?.trim() || (windows.length > 1 ? `Stored ${k + 1}` : "Stored"),
    window: windowOf(window),
  }));
  const usual = preferred.map((window, k) => ({ name: window.explanation ?? `Preset ${k + 1}`, window: windowOf(window) }));
  return [...stored, ...usual];
}

/** Counts of values in equal bins between the least and the greatest. */
export interface Histogram {
  readonly least: number;
  readonly greatest: number;
  readonly counts: readonly number[];
}

export function histogramOf(values: ArrayLike<number>, bins = 128): Histogram {
  let least = Infinity;
  let greatest = -Infinity;
  for (let k = 0; k < values.length; k++) {
    const value = values[k];
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  if (!(greatest >= least)) return { least: 0, greatest: 0, counts: [] };
  const counts = new Array<number>(bins).fill(0);
  const scale = greatest > least ? bins / (greatest - least) : 0;
  for (let k = 0; k < values.length; k++) {
    const bin = Math.floor((values[k] - least) * scale);
    if (bin >= 0) counts[Math.min(bins - 1, bin)]++;
  }
  return { least, greatest, counts };
}

/** A window over the middle 98 percent of the values above the most common one (air, background). */
export function windowFrom(values: ArrayLike<number>): VoiWindow {
  const { least, greatest, counts } = histogramOf(values, 1024);
  if (!(greatest > least)) return { center: least, width: 1, function: "LINEAR_EXACT" };
  const background = counts.indexOf(Math.max(...counts));
  const counted = counts.map((count, bin) => (bin === background ? 0 : count));
  const total = counted.reduce((sum, count) => sum + count, 0);
  const at = (share: number): number => {
    let seen = 0;
    const bin = counted.findIndex((count) => (seen += count) > 0 && seen >= share * total);
    return least + ((bin < 0 ? counts.length : bin + 0.5) / counts.length) * (greatest - least);
  };
  const low = at(0.01);
  const high = at(0.99);
  return { center: (low + high) / 2, width: Math.max(high - low, (greatest - least) / 1024), function: "LINEAR_EXACT" };
}
