/** Drawing with WebGL2: one canvas, one program; values in the textures are rescaled, float32. */

import type { Vector } from "./geometry.ts";
import type { VoiWindow } from "./voi.ts";

const VERTEX = `#version 300 es
void main() {
  // One triangle that covers the viewport.
  gl_Position = vec4(float(gl_VertexID == 1) * 4.0 - 1.0, float(gl_VertexID == 2) * 4.0 - 1.0, 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp sampler3D;

uniform sampler2D plane;
uniform sampler3D volume;
uniform bool exact;
uniform int smoothing;      // 0 none, 1 linear, 2 cubic
uniform vec2 paneOrigin;   // of the pane in the canvas, pixels from the bottom left
uniform float paneHeight;
uniform vec2 placeOrigin;  // of the plane in the pane, pixels from the top left
uniform vec2 voxelPixels;
uniform vec2 count;        // voxels across and down
uniform bvec2 flipped;
uniform bool transposed;   // the plane's texture has the axis across as its rows
uniform ivec3 axes;        // texture axis (x column, y row, z slice) of: across, down, normal
uniform float normalIndex;
uniform vec3 levelScale;   // level index = index * scale + offset, by texture axis
uniform vec3 levelOffset;
uniform float center;
uniform float width;
uniform int voi;
uniform bool invert;
out vec4 colour;

float planeValue(ivec2 at) {
  ivec2 last = ivec2(count) - 1;
  at = clamp(at, ivec2(0), last);
  return texelFetch(plane, transposed ? at.yx : at, 0).r;
}

// Weights of the four voxels around, by the cubic of Keys with a = -1/2 (Catmull and Rom).
vec4 cubicWeights(float t) {
  return 0.5 * vec4(
    t * (t * (2.0 - t) - 1.0),
    t * t * (3.0 * t - 5.0) + 2.0,
    t * (t * (4.0 - 3.0 * t) + 1.0),
    t * t * (t - 1.0)
  );
}

float cubicValue(vec2 at) {
  vec2 low = floor(at - 0.5);
  vec4 across = cubicWeights(at.x - 0.5 - low.x);
  vec4 down = cubicWeights(at.y - 0.5 - low.y);
  ivec2 k = ivec2(low) - 1;
  float sum = 0.0;
  for (int row = 0; row < 4; row++) {
    for (int column = 0; column < 4; column++) {
      sum += down[row] * across[column] * planeValue(k + ivec2(column, row));
    }
  }
  return sum;
}

float exactValue(vec2 at) {
  if (smoothing == 2) return cubicValue(at);
  if (smoothing == 0) return planeValue(ivec2(floor(at)));
  vec2 low = floor(at - 0.5);
  vec2 part = at - 0.5 - low;
  ivec2 k = ivec2(low);
  float top = mix(planeValue(k), planeValue(k + ivec2(1, 0)), part.x);
  float bottom = mix(planeValue(k + ivec2(0, 1)), planeValue(k + ivec2(1, 1)), part.x);
  return mix(top, bottom, part.y);
}

float volumeValue(ivec3 at) {
  return texelFetch(volume, clamp(at, ivec3(0), textureSize(volume, 0) - 1), 0).r;
}

float coarseValue(vec2 at) {
  vec3 index;
  index[axes.x] = at.x - 0.5;
  index[axes.y] = at.y - 0.5;
  index[axes.z] = normalIndex;
  index = index * levelScale + levelOffset;
  vec3 low = floor(index);
  vec3 part = index - low;
  ivec3 k = ivec3(low);
  vec4 along;
  along.x = mix(volumeValue(k), volumeValue(k + ivec3(1, 0, 0)), part.x);
  along.y = mix(volumeValue(k + ivec3(0, 1, 0)), volumeValue(k + ivec3(1, 1, 0)), part.x);
  along.z = mix(volumeValue(k + ivec3(0, 0, 1)), volumeValue(k + ivec3(1, 0, 1)), part.x);
  along.w = mix(volumeValue(k + ivec3(0, 1, 1)), volumeValue(k + ivec3(1, 1, 1)), part.x);
  return mix(mix(along.x, along.y, part.y), mix(along.z, along.w, part.y), part.z);
}

// PS3.3 C.11.2.1.2.1, C.11.2.1.3.2 and C.11.2.1.3.1, as in voi.ts.
float grey(float x) {
  if (voi == 2) return 1.0 / (1.0 + exp(-4.0 * (x - center) / width));
  float c = voi == 0 ? center - 0.5 : center;
  float w = voi == 0 ? width - 1.0 : width;
  if (x <= c - w / 2.0) return 0.0;
  if (x > c + w / 2.0) return 1.0;
  return (x - c) / w + 0.5;
}

void main() {
  vec2 pixel = vec2(gl_FragCoord.x - paneOrigin.x, paneHeight - (gl_FragCoord.y - paneOrigin.y));
  vec2 at = (pixel - placeOrigin) / voxelPixels;
  if (any(lessThan(at, vec2(0.0))) || any(greaterThanEqual(at, count))) {
    colour = vec4(0.0, 0.0, 0.0, 1.0);
    return;
  }
  at = mix(at, count - at, vec2(flipped));
  float y = grey(exact ? exactValue(at) : coarseValue(at));
  colour = vec4(vec3(invert ? 1.0 - y : y), 1.0);
}`;

/** A texture of one plane's rescaled values. */
export interface PlaneTexture {
  readonly texture: WebGLTexture;
}

/** A coarse level on the device, filled part by part. */
export interface VolumeTexture {
  readonly texture: WebGLTexture;
  /** Level index = index * scale + offset, for (slice, row, column). */
  readonly scale: Vector;
  readonly offset: Vector;
}

/** What one pane shows; lengths in device pixels from the canvas's top left. */
export interface PaneDrawing {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly placeLeft: number;
  readonly placeTop: number;
  readonly across: number;
  readonly down: number;
  readonly axes: readonly [across: number, down: number, normal: number];
  readonly counts: readonly [number, number];
  readonly flipped: readonly [boolean, boolean];
  readonly index: number;
  readonly plane: PlaneTexture | undefined;
}

export interface Look {
  readonly window: VoiWindow;
  readonly invert: boolean;
  readonly smoothing: Smoothing;
}

/** How values between voxels are made up. */
export type Smoothing = keyof typeof SMOOTHING_NUMBER;

const SMOOTHING_NUMBER = { none: 0, linear: 1, cubic: 2 } as const;

const VOI_NUMBER = { LINEAR: 0, LINEAR_EXACT: 1, SIGMOID: 2 } as const;

export class NoWebGlError extends Error {
  constructor() {
    super(
      "This browser shows no WebGL 2, which the viewer needs. Use a current Chrome, Edge, Firefox or Safari, " +
        "and switch hardware acceleration on in its settings.",
    );
  }
}

export class Renderer {
  readonly canvas: HTMLCanvasElement;
  readonly #gl: WebGL2RenderingContext;
  readonly #uniforms = new Map<string, WebGLUniformLocation | null>();
  readonly #program: WebGLProgram;
  readonly #noPlane: WebGLTexture;
  readonly #noVolume: WebGLTexture;

  constructor(canvas: HTMLCanvasElement) {
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, powerPreference: "high-performance" });
    if (!gl) throw new NoWebGlError();
    this.canvas = canvas;
    this.#gl = gl;
    this.#program = this.#link();
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.#noPlane = this.planeTexture(new Float32Array(1), 1, 1).texture;
    this.#noVolume = this.volumeTexture([1, 1, 1], [1, 1, 1], [0, 0, 0]).texture;
  }

  /** The longest side of a plane, and of a volume, that the device takes. */
  get limits(): { readonly plane: number; readonly volume: number } {
    const gl = this.#gl;
    return {
      plane: Number(gl.getParameter(gl.MAX_TEXTURE_SIZE)),
      volume: Number(gl.getParameter(gl.MAX_3D_TEXTURE_SIZE)),
    };
  }

  planeTexture(values: Float32Array, columns: number, rows: number): PlaneTexture {
    const gl = this.#gl;
    const texture = this.#texture(gl.TEXTURE_2D);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, columns, rows, 0, gl.RED, gl.FLOAT, values);
    return { texture };
  }

  volumeTexture([slices, rows, columns]: Vector, scale: Vector, offset: Vector): VolumeTexture {
    const gl = this.#gl;
    const texture = this.#texture(gl.TEXTURE_3D);
    gl.texStorage3D(gl.TEXTURE_3D, 1, gl.R32F, columns, rows, slices);
    return { texture, scale, offset };
  }

  /** Fill a part of a volume; `first` and `size` are (slice, row, column). */
  fill({ texture }: VolumeTexture, values: Float32Array, first: readonly number[], size: readonly number[]): void {
    const gl = this.#gl;
    gl.bindTexture(gl.TEXTURE_3D, texture);
    gl.texSubImage3D(
      gl.TEXTURE_3D, 0, first[2], first[1], first[0], size[2], size[1], size[0], gl.RED, gl.FLOAT, values,
    );
  }

  release(owner: PlaneTexture | VolumeTexture | undefined): void {
    if (owner) this.#gl.deleteTexture(owner.texture);
  }

  draw(panes: readonly PaneDrawing[], volume: VolumeTexture | undefined, look: Look): void {
    const gl = this.#gl;
    const { width, height } = this.canvas;
    gl.viewport(0, 0, width, height);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0, 0, 0, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(this.#program);
    gl.uniform1f(this.#at("center"), look.window.center);
    gl.uniform1f(this.#at("width"), look.window.width);
    gl.uniform1i(this.#at("voi"), VOI_NUMBER[look.window.function]);
    gl.uniform1i(this.#at("invert"), Number(look.invert));
    gl.uniform1i(this.#at("smoothing"), SMOOTHING_NUMBER[look.smoothing]);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_3D, volume?.texture ?? this.#noVolume);
    gl.uniform1i(this.#at("volume"), 1);
    gl.uniform1i(this.#at("plane"), 0);
    if (volume) {
      gl.uniform3f(this.#at("levelScale"), volume.scale[2], volume.scale[1], volume.scale[0]);
      gl.uniform3f(this.#at("levelOffset"), volume.offset[2], volume.offset[1], volume.offset[0]);
    }
    gl.enable(gl.SCISSOR_TEST);
    for (const pane of panes) if (pane.plane || volume) this.#drawPane(pane);
    gl.disable(gl.SCISSOR_TEST);
  }

  /** Pixels of a part of the canvas as RGBA from the top left; call it straight after draw. */
  read(left: number, top: number, width: number, height: number): Uint8ClampedArray {
    const gl = this.#gl;
    const upwards = new Uint8Array(width * height * 4);
    gl.readPixels(left, this.canvas.height - top - height, width, height, gl.RGBA, gl.UNSIGNED_BYTE, upwards);
    const out = new Uint8ClampedArray(upwards.length);
    const row = width * 4;
    for (let y = 0; y < height; y++) out.set(upwards.subarray(y * row, (y + 1) * row), (height - 1 - y) * row);
    return out;
  }

  close(): void {
    this.#gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  #drawPane(pane: PaneDrawing): void {
    const gl = this.#gl;
    const bottom = this.canvas.height - pane.top - pane.height;
    gl.viewport(pane.left, bottom, pane.width, pane.height);
    gl.scissor(pane.left, bottom, pane.width, pane.height);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, pane.plane?.texture ?? this.#noPlane);
    gl.uniform1i(this.#at("exact"), Number(pane.plane !== undefined));
    gl.uniform2f(this.#at("paneOrigin"), pane.left, bottom);
    gl.uniform1f(this.#at("paneHeight"), pane.height);
    gl.uniform2f(this.#at("placeOrigin"), pane.placeLeft, pane.placeTop);
    gl.uniform2f(this.#at("voxelPixels"), pane.across, pane.down);
    gl.uniform2f(this.#at("count"), pane.counts[0], pane.counts[1]);
    gl.uniform2i(this.#at("flipped"), Number(pane.flipped[0]), Number(pane.flipped[1]));
    gl.uniform1i(this.#at("transposed"), Number(pane.axes[0] < pane.axes[1]));
    const [across, down, normal] = pane.axes;
    gl.uniform3i(this.#at("axes"), 2 - across, 2 - down, 2 - normal);
    gl.uniform1f(this.#at("normalIndex"), pane.index);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  #texture(target: GLenum): WebGLTexture {
    const gl = this.#gl;
    const texture = gl.createTexture();
    gl.bindTexture(target, texture);
    gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.texParameteri(target, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(target, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    return texture;
  }

  #at(name: string): WebGLUniformLocation | null {
    let location = this.#uniforms.get(name);
    if (location === undefined) {
      location = this.#gl.getUniformLocation(this.#program, name);
      this.#uniforms.set(name, location);
    }
    return location;
  }

  #link(): WebGLProgram {
    const gl = this.#gl;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
      const shader = gl.createShader(kind);
      if (!shader) throw new NoWebGlError();
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`The graphics driver refuses the viewer's program: ${gl.getProgramInfoLog(program) ?? "no reason given"}`);
    }
    return program;
  }
}
