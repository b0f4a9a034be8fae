/** Joins state, voxels, drawing and the page: one viewer in one element. */

import type { Decoder } from "./decoder.ts";
import { clampIndex, edgeLetters, gridOf, PLANE_NAMES, planesOf } from "./geometry.ts";
import type { Axis, Grid, PlaneAxes, PlaneName, Vector } from "./geometry.ts";
import { NoWebGlError, Renderer } from "./gl.ts";
import type { PaneDrawing, PlaneTexture, Smoothing, VolumeTexture } from "./gl.ts";
import { listenToInput } from "./input.ts";
import type { Hover } from "./input.ts";
import { placement, pointOf, roundLength } from "./placement.ts";
import type { Placement } from "./placement.ts";
import type { Scene, SceneState } from "./scene.ts";
import { initialState, reduce, sceneState, visiblePlanes } from "./state.ts";
import type { Action, Subject, ViewerState } from "./state.ts";
import { HttpStore, httpPlanes } from "./store.ts";
import type { AsyncReadable, PlaneRoute } from "./store.ts";
import { formatted, make, setAttribute, setText } from "./ui/dom.ts";
import { PaneView } from "./ui/pane.ts";
import { Panel } from "./ui/panel.ts";
import { STYLE } from "./ui/style.ts";
import { Toolbar } from "./ui/toolbar.ts";
import { histogramOf, presetsOf, windowFrom, windowOf } from "./voi.ts";
import type { Preset, VoiWindow } from "./voi.ts";
import { LoadedVolume } from "./volume.ts";
import { isWhole, rescaled } from "./voxels.ts";
import type { StoredPlane } from "./voxels.ts";
import { DecoderPool } from "./worker.ts";

export interface MountOptions {
  readonly scene: Scene;
  /** Where the OME-Zarr's bytes come from; by default the scene's store as a URL. */
  readonly store?: AsyncReadable;
  /** Who cuts planes; by default the scene's plane_url, if it has one. */
  readonly planes?: PlaneRoute;
  /** Hears the state a moment after the user has changed it. */
  readonly onState?: (state: Required<SceneState>) => void;
  /** The script that workers start with; by default the viewer's own file. */
  readonly workerUrl?: string | URL;
}

/** Pixels of one pane, RGBA from the top left, and where the plane lies in them. */
export interface PanePixels extends Placement {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
}

export interface ViewerHandle {
  /** Resolves when every pane shows its exact plane; rejects where the volume cannot be shown. */
  readonly ready: Promise<void>;
  readonly state: Required<SceneState>;
  setState(state: SceneState): void;
  /** Do what a button or key would do. */
  dispatch(action: Action): void;
  readPixels(plane: PlaneName): PanePixels;
  /** Free the graphics memory, the workers and the listeners, and empty the element. */
  destroy(): void;
}

const NARROW_PIXELS = 640;
const STATE_DELAY_MS = 120;
const FRAMES_PER_S = 15;

/** One pane with what it shows. */
interface Pane {
  readonly axes: PlaneAxes;
  readonly view: PaneView;
  stored: StoredPlane | undefined;
  texture: PlaneTexture | undefined;
  wanted: number;
  loading: AbortController | undefined;
  box: { left: number; top: number; width: number; height: number };
}

export class Viewer implements ViewerHandle {
  readonly ready: Promise<void>;
  readonly #host: HTMLElement;
  readonly #options: MountOptions;
  readonly #grid: Grid;
  readonly #presets: Preset[];
  readonly #closing = new AbortController();
  readonly #panes: Readonly<Record<PlaneName, Pane>>;
  readonly #canvas = make("canvas", { "aria-hidden": "true" });
  readonly #gridElement = make("div", { class: "grid" });
  readonly #stage: HTMLElement;
  readonly #root: HTMLElement;
  readonly #cover: HTMLElement;
  readonly #coverTitle = make("strong");
  readonly #coverText = make("span");
  readonly #progress = make("i");
  readonly #alert = make("div", { class: "alert", role: "alert" });
  readonly #panel: Panel;
  readonly #phone: boolean;
  #toolbar: Toolbar;
  #decoder: (Decoder & { close(): void }) | undefined;
  #subject: Subject;
  #state: ViewerState;
  #renderer: Renderer | undefined;
  #volume: LoadedVolume | undefined;
  #texture: VolumeTexture | undefined;
  #windowKnown: boolean;
  #hover: Hover | undefined;
  #frame = 0;
  #stateTimer = 0;
  #playTimer = 0;
  #settle: { resolve: () => void; reject: (reason: unknown) => void } | undefined;

  constructor(host: HTMLElement, options: MountOptions) {
    const { scene } = options;
    const { volume } = scene;
    this.#host = host;
    this.#options = options;
    this.#phone = matchMedia("(pointer: coarse)").matches && Math.min(screen.width, screen.height) < 500;
    this.#grid = gridOf(volume.shape, volume.index_to_lps);
    const planes = planesOf(this.#grid);
    this.#presets = presetsOf(volume.windows, scene.preferences?.presets);
    const stored = scene.state?.window ? windowOf(scene.state.window) : this.#presets[0]?.window;
    this.#windowKnown = stored !== undefined;
    const invert = volume.photometric_interpretation === "MONOCHROME1";
    this.#subject = { grid: this.#grid, planes, window: stored ?? { center: 0, width: 1, function: "LINEAR" }, interpolate: this.#smoothing !== "none" };
    this.#state = initialState(this.#subject, scene.state);
    host.toggleAttribute("data-monochrome1", invert);

    const dispatch = (action: Action): void => this.dispatch(action);
    this.#panes = {
      axial: this.#makePane(planes.axial, "sagittal", "coronal"),
      coronal: this.#makePane(planes.coronal, "sagittal", "axial"),
      sagittal: this.#makePane(planes.sagittal, "coronal", "axial"),
    };
    this.#panel = new Panel(volume, this.#grid, dispatch);
    this.#toolbar = this.#makeToolbar();
    const { axial, coronal, sagittal } = this.#panes;
    this.#gridElement.append(axial.view.element, sagittal.view.element, coronal.view.element, this.#panel.element);
    const retry = make("button", { type: "button" }, "Try again");
    retry.addEventListener("click", () => void this.#start());
    this.#cover = make(
      "div",
      { class: "cover", "data-kind": "loading", role: "status" },
      make("div", { class: "card" }, make("div", { class: "spinner" }), this.#coverTitle, this.#coverText, retry),
    );
    this.#stage = make("div", { class: "stage" }, this.#canvas, this.#gridElement, make("div", { class: "progress" }, this.#progress), this.#alert, this.#cover);
    this.#root = make("div", { class: "viewer" }, this.#toolbar.element, this.#stage, this.#panel.status);
    const shadow = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    shadow.adoptedStyleSheets = [sheet];
    shadow.replaceChildren(this.#root);

    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.ready.catch(() => undefined);
    this.#listen();
    void this.#start();
  }

  get state(): Required<SceneState> {
    return sceneState(this.#state);
  }

  setState(state: SceneState): void {
    this.#become(reduce(this.#state, { type: "restore", state }, this.#subject), false);
  }

  dispatch(action: Action): void {
    this.#become(reduce(this.#state, action, this.#subject), true);
  }

  readPixels(plane: PlaneName): PanePixels {
    const pane = this.#panes[plane];
    if (!this.#renderer || pane.view.element.hidden) throw new Error(`The ${plane} plane is not shown.`);
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#update();
    const { left, top, width, height } = pane.box;
    return { width, height, data: this.#renderer.read(left, top, width, height), ...this.#place(pane) };
  }

  destroy(): void {
    this.#closing.abort();
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#stateTimer);
    clearInterval(this.#playTimer);
    for (const name of PLANE_NAMES) this.#panes[name].loading?.abort();
    this.#decoder?.close();
    this.#renderer?.close();
    this.#root.remove();
    delete this.#host.dataset["state"];
  }

  // Start

  async #start(): Promise<void> {
    const { scene, store, planes, workerUrl } = this.#options;
    this.#announce("loading");
    this.#showCover("loading", "Opening the volume", scene.title);
    try {
      const route = planes ?? (scene.volume.plane_url ? httpPlanes(scene.volume.plane_url) : undefined);
      this.#renderer ??= new Renderer(this.#canvas);
      this.#decoder?.close();
      const pool = new DecoderPool(
        store ?? new HttpStore(scene.volume.store), workerUrl ?? import.meta.url,
        Math.max(1, Math.min(4, (navigator.hardwareConcurrency || 2) - 1)),
      );
      this.#decoder = pool;
      const budget = this.#phone
        ? { chunkBytes: 64e6, textureVoxels: 2.5e6 }
        : { chunkBytes: 320e6, textureVoxels: 12e6 };
      this.#volume = await LoadedVolume.open({
        volume: scene.volume, decoder: pool, budget, phone: this.#phone, ...(route ? { planes: route } : {}),
      });
      const limit = this.#renderer.limits.plane;
      if (scene.volume.shape.some((size) => size > limit)) {
        throw new Error(`This device draws planes up to ${limit} voxels a side; this volume is larger.`);
      }
      const first = this.#loadCoarse();
      this.#update();
      await first;
      this.#showCover("none");
      this.#update();
    } catch (reason) {
      this.#failed(reason);
    }
  }

  /** Coarsest level first; then, when the exact planes are there, the finest that fits the device. */
  async #loadCoarse(): Promise<void> {
    const volume = this.#volume;
    const renderer = this.#renderer;
    if (!volume || !renderer) return;
    const [coarse, fine] = volume.textureLevels(renderer.limits.volume);
    const { signal } = this.#closing;
    const parts: Float32Array[] = [];
    if (coarse) {
      this.#texture = await volume.texture(coarse, renderer, signal, (share) => this.#showProgress(share), (part) => parts.push(part));
    } else {
      parts.push(rescaled(await volume.plane(0, this.#state.voxel[0], signal), volume.rescale));
    }
    this.#know(parts);
    if (fine) void this.#loadFine(volume, renderer, fine.path);
  }

  async #loadFine(volume: LoadedVolume, renderer: Renderer, path: string): Promise<void> {
    const level = volume.levels.find((each) => each.path === path);
    if (!level) return;
    try {
      await this.ready;
      const texture = await volume.texture(level, renderer, this.#closing.signal, (share) => this.#showProgress(share));
      renderer.release(this.#texture);
      this.#texture = texture;
      this.#invalidate();
    } catch (reason) {
      this.#warn(reason);
    }
  }

  /** What the coarse values tell: the histogram, and a window where none was given. */
  #know(parts: readonly Float32Array[]): void {
    const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    parts.reduce((at, part) => (values.set(part, at), at + part.length), 0);
    this.#panel.histogram = histogramOf(values);
    if (this.#windowKnown) return;
    const found = windowFrom(values);
    const window: VoiWindow = isWhole(this.#options.scene.volume) && found.width >= 2
      ? { center: Math.round(found.center), width: Math.round(found.width), function: "LINEAR" }
      : found;
    this.#windowKnown = true;
    this.#presets.unshift({ name: "Automatic", window });
    this.#subject = { ...this.#subject, window };
    this.#state = { ...this.#state, window };
    const toolbar = this.#makeToolbar();
    this.#toolbar.element.replaceWith(toolbar.element);
    this.#toolbar = toolbar;
  }

  #makeToolbar(): Toolbar {
    const { scene } = this.#options;
    return new Toolbar(
      scene.title, scene.volume.modality, this.#presets, (action) => this.dispatch(action),
      (plane) => this.dispatch(this.#narrow && this.#state.layout === "planes" ? { type: "activate", plane } : { type: "layout", layout: plane }),
    );
  }

  #makePane(axes: PlaneAxes, vertical: PlaneName, horizontal: PlaneName): Pane {
    const view = new PaneView(axes, { vertical, horizontal });
    return {
      axes, view, stored: undefined, texture: undefined, wanted: -1, loading: undefined,
      box: { left: 0, top: 0, width: 1, height: 1 },
    };
  }

  // State to page

  #become(state: ViewerState, tell: boolean): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#invalidate();
    if (!tell || !this.#options.onState) return;
    clearTimeout(this.#stateTimer);
    this.#stateTimer = window.setTimeout(() => this.#options.onState?.(this.state), STATE_DELAY_MS);
  }

  #invalidate(): void {
    if (this.#frame === 0 && !this.#closing.signal.aborted) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.#update();
      });
    }
  }

  /** Start or stop the clock that turns the slices over. */
  #play(playing: boolean): void {
    if (playing === (this.#playTimer !== 0)) return;
    clearInterval(this.#playTimer);
    const delay = 1000 / (this.#options.scene.preferences?.frames_per_s ?? FRAMES_PER_S);
    this.#playTimer = playing ? window.setInterval(() => this.dispatch({ type: "advance" }), delay) : 0;
  }

  get #smoothing(): Smoothing {
    return this.#options.scene.preferences?.smoothing ?? "linear";
  }

  get #narrow(): boolean {
    return this.#root.clientWidth < NARROW_PIXELS;
  }

  #update(): void {
    const state = this.#state;
    const narrow = this.#narrow;
    const visible = visiblePlanes(state, narrow);
    this.#root.toggleAttribute("data-narrow", narrow);
    setAttribute(this.#gridElement, "data-count", String(visible.length));
    this.#panel.element.hidden = visible.length === 1;
    for (const name of PLANE_NAMES) this.#panes[name].view.element.hidden = !visible.includes(name);
    this.#toolbar.show(state, narrow);
    this.#play(state.playing);
    this.#resize();
    for (const name of visible) this.#showPane(this.#panes[name]);
    this.#showReading();
    this.#draw(visible);
    this.#check(visible);
  }

  #resize(): void {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(this.#stage.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.#stage.clientHeight * ratio));
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    // Whole pixels: a pane that begins at half a pixel is half a pixel off its part of the canvas.
    const { style } = this.#gridElement;
    style.setProperty("--half-width", `${Math.floor(this.#stage.clientWidth / 2)}px`);
    style.setProperty("--half-height", `${Math.floor(this.#stage.clientHeight / 2)}px`);
    for (const name of PLANE_NAMES) {
      const { view, box } = this.#panes[name];
      const { offsetLeft, offsetTop, offsetWidth, offsetHeight } = view.element;
      box.left = Math.round(offsetLeft * ratio);
      box.top = Math.round(offsetTop * ratio);
      box.width = Math.max(1, Math.round((offsetLeft + offsetWidth) * ratio) - box.left);
      box.height = Math.max(1, Math.round((offsetTop + offsetHeight) * ratio) - box.top);
    }
  }

  #place(pane: Pane): Placement {
    return placement(this.#grid, pane.axes, this.#state, pane.box);
  }

  #showPane(pane: Pane): void {
    const { axes, view } = pane;
    const state = this.#state;
    const index = state.voxel[axes.normal];
    this.#want(pane, index);
    const place = this.#place(pane);
    const ratio = window.devicePixelRatio || 1;
    const [x, y] = pointOf(this.#grid, axes, place, state.voxel);
    const rulerMm = roundLength(place.pixelsPerMm / ratio, 96);
    view.show({
      index,
      count: this.#grid.shape[axes.normal],
      exact: pane.stored?.index === index,
      active: state.active === axes.name,
      tool: state.tool,
      cross: [x / ratio, y / ratio],
      letters: edgeLetters(this.#grid, axes),
      rulerMm,
      rulerPixels: (rulerMm * place.pixelsPerMm) / ratio,
      windowing: `W ${formatted(state.window.width)}  L ${formatted(state.window.center)}`,
    });
  }

  #showReading(): void {
    const hover = this.#hover;
    const index = hover ? clampIndex(this.#grid, hover.index) : this.#state.voxel;
    const { width, center } = this.#state.window;
    const detail = `W ${formatted(width)}  L ${formatted(center)}  ·  ${Math.round(this.#state.zoom * 100)} %`;
    this.#panel.show({ index, value: this.#valueAt(index), pointed: hover !== undefined }, this.#state.window, detail);
  }

  /** The rescaled value of a voxel that lies on a plane now held. */
  #valueAt(index: Vector): number | undefined {
    const volume = this.#volume;
    for (const name of PLANE_NAMES) {
      const { axes, stored } = this.#panes[name];
      if (!volume || stored?.index !== index[axes.normal]) continue;
      const [row, column] = ([0, 1, 2] as const).filter((axis) => axis !== axes.normal);
      const value = stored.data[index[row] * stored.columns + index[column]];
      return value * volume.rescale.slope(index[0]) + volume.rescale.intercept(index[0]);
    }
    return undefined;
  }

  #draw(visible: readonly PlaneName[]): void {
    if (!this.#renderer || !this.#windowKnown) return;
    const drawings = visible.map((name): PaneDrawing => {
      const pane = this.#panes[name];
      const { axes, box } = pane;
      const { left, top, across, down } = this.#place(pane);
      const index = this.#state.voxel[axes.normal];
      return {
        ...box,
        placeLeft: left,
        placeTop: top,
        across,
        down,
        axes: [axes.across, axes.down, axes.normal],
        counts: [this.#grid.shape[axes.across], this.#grid.shape[axes.down]],
        flipped: [axes.acrossFlipped, axes.downFlipped],
        index,
        plane: pane.stored?.index === index ? pane.texture : undefined,
      };
    });
    const isMonochrome1 = this.#options.scene.volume.photometric_interpretation === "MONOCHROME1";
    this.#renderer.draw(drawings, this.#texture, {
      window: this.#state.window,
      invert: this.#state.invert !== isMonochrome1,
      smoothing: !this.#state.interpolate ? "none" : this.#smoothing === "cubic" ? "cubic" : "linear",
    });
  }

  // Planes

  /** Ask for a pane's plane; what it asked for before is dropped. */
  #want(pane: Pane, index: number): void {
    if (pane.wanted === index || !this.#volume) return;
    pane.wanted = index;
    pane.loading?.abort();
    const loading = new AbortController();
    pane.loading = loading;
    void this.#load(pane, this.#volume, index, loading.signal);
  }

  async #load(pane: Pane, volume: LoadedVolume, index: number, signal: AbortSignal): Promise<void> {
    try {
      const stored = await volume.plane(pane.axes.normal as Axis, index, signal);
      if (signal.aborted || !this.#renderer) return;
      this.#renderer.release(pane.texture);
      pane.texture = this.#renderer.planeTexture(rescaled(stored, volume.rescale), stored.columns, stored.rows);
      pane.stored = stored;
      setText(this.#alert, "");
      this.#invalidate();
    } catch (reason) {
      if (signal.aborted) return;
      pane.wanted = -1;
      if (this.#settle) this.#failed(reason);
      else this.#warn(reason);
    }
  }

  /** Say that the viewer is ready once every pane is exact. */
  #check(visible: readonly PlaneName[]): void {
    const exact = visible.every((name) => this.#panes[name].stored?.index === this.#state.voxel[this.#panes[name].axes.normal]);
    if (!this.#settle || !exact || !this.#windowKnown || this.#cover.dataset["kind"] !== "none") return;
    this.#settle.resolve();
    this.#settle = undefined;
    this.#announce("ready");
  }

  // Messages

  #announce(state: "loading" | "ready" | "error"): void {
    this.#host.dataset["state"] = state;
    // The handle goes with the event: who made the element may not be who mounted the viewer.
    const detail: ViewerHandle = this;
    this.#host.dispatchEvent(new CustomEvent(`dicomlab-${state}`, { bubbles: true, composed: true, detail }));
  }

  #showCover(kind: "loading" | "error" | "none", title = "", text = ""): void {
    this.#cover.hidden = kind === "none";
    setAttribute(this.#cover, "data-kind", kind);
    setAttribute(this.#cover, "role", kind === "error" ? "alert" : "status");
    setText(this.#coverTitle, title);
    setText(this.#coverText, text);
  }

  #showProgress(share: number): void {
    this.#progress.style.transform = `scaleX(${share.toFixed(3)})`;
    this.#progress.parentElement?.toggleAttribute("data-busy", share < 1);
    if (this.#cover.dataset["kind"] === "loading") setText(this.#coverText, `${Math.round(share * 100)} %`);
  }

  #failed(reason: unknown): void {
    if (this.#closing.signal.aborted) return;
    const title = reason instanceof NoWebGlError ? "No WebGL 2" : "The volume cannot be shown";
    this.#showCover("error", title, reason instanceof Error ? reason.message : String(reason));
    this.#announce("error");
    this.#settle?.reject(reason);
  }

  #warn(reason: unknown): void {
    if (this.#closing.signal.aborted) return;
    setText(this.#alert, reason instanceof Error ? reason.message : String(reason));
  }

  // Input

  #listen(): void {
    const { signal } = this.#closing;
    const watch = new ResizeObserver(() => this.#invalidate());
    watch.observe(this.#stage);
    signal.addEventListener("abort", () => watch.disconnect());
    this.#canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      this.#warn(new Error("The graphics device was lost. The picture comes back when it does."));
    }, { signal });
    this.#canvas.addEventListener("webglcontextrestored", () => this.#restore(), { signal });
    listenToInput<Pane>({
      root: this.#root,
      panes: PLANE_NAMES.map((name) => this.#panes[name]),
      grid: this.#grid,
      presets: this.#presets,
      subject: () => this.#subject,
      state: () => this.#state,
      place: (pane) => this.#place(pane),
      dispatch: (action) => this.dispatch(action),
      hover: (at) => {
        this.#hover = at;
        this.#invalidate();
      },
    }, signal);
  }

  /** Everything on the device is gone: make it again from what is held. */
  #restore(): void {
    setText(this.#alert, "");
    this.#renderer = new Renderer(this.#canvas);
    this.#texture = undefined;
    for (const name of PLANE_NAMES) {
      const pane = this.#panes[name];
      pane.texture = undefined;
      pane.stored = undefined;
      pane.wanted = -1;
    }
    this.#loadCoarse().then(() => this.#invalidate(), (reason: unknown) => this.#warn(reason));
    this.#invalidate();
  }
}
