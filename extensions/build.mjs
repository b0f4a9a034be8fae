// Bundles the viewer into the Python package: node build.mjs [OUT], OUT being dicomlab/viewing/static by default.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = resolve(process.argv[2] ?? join(HERE, "../dicomlab/viewing/static"));
const ENTRIES = {
  "viewer.js": "viewer/src/index.ts",
  "widget.js": "widget/src/widget.ts",
  "widget-loader.js": "widget/src/loader.ts",
};
const LOADER_LIMIT = 3072;

/** What the bundle is made of; hatch_build.py lists the same files. */
async function sources() {
  const found = ["build.mjs", "package.json", "package-lock.json", "tsconfig.json"];
  for (const entry of await readdir(HERE, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name === "node_modules") continue;
    found.push(`${entry.name}/package.json`);
    const folder = join(HERE, entry.name, "src");
    for (const file of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (file.isFile()) found.push(relative(HERE, join(file.parentPath, file.name)).split(sep).join("/"));
    }
  }
  return found.sort();
}

/** SHA-256 over each file's name, length and bytes, in the order of names. */
async function sourceHash() {
  const hash = createHash("sha256");
  for (const name of await sources()) {
    const bytes = await readFile(join(HERE, name));
    hash.update(`${name}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex");
}

/** The licences of every package that went into a bundle. */
async function licences(inputs) {
  const names = new Set(inputs.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]).filter((name) => name && !name.startsWith("@dicomlab/")));
  const parts = ["The viewer's files contain code of these packages:\n"];
  for (const name of [...names].sort()) {
    const folder = join(HERE, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file ? await readFile(join(folder, file), "utf8") : `Licence: ${license}; the package carries no text of it.`;
    parts.push(`${"-".repeat(72)}\n${name} ${version} (${license})\n\n${text.trim()}\n`);
  }
  return parts.join("\n");
}

await rm(OUT, { recursive: true, force: true });
await mkdir(OUT, { recursive: true });
const inputs = new Set();
const files = {};
for (const [name, entry] of Object.entries(ENTRIES)) {
  const result = await build({
    entryPoints: [join(HERE, entry)],
    outfile: join(OUT, name),
    bundle: true,
    minify: true,
    format: "esm",
    target: ["chrome108", "firefox115", "safari16.4"],
    charset: "utf8",
    legalComments: "none",
    metafile: true,
    absWorkingDir: HERE,
    // zarrita's WebAssembly decoders: 1.4 MB that our own replace, and that a strict policy would refuse.
    alias: Object.fromEntries(["blosc", "lz4", "zstd"].map((codec) => [`numcodecs/${codec}`, join(HERE, "viewer/src/codecs/absent.ts")])),
    logLevel: "warning",
  });
  Object.keys(result.metafile.inputs).forEach((path) => inputs.add(path));
  const bytes = await readFile(join(OUT, name));
  files[name] = { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}
if (files["widget-loader.js"].bytes > LOADER_LIMIT) {
  throw new Error(`widget-loader.js has ${files["widget-loader.js"].bytes} bytes; every notebook keeps it, so at most ${LOADER_LIMIT}.`);
}
await writeFile(join(OUT, "THIRD-PARTY.txt"), await licences([...inputs]));
// Last: a bundle without a manifest is not taken for a finished one.
await writeFile(join(OUT, "manifest.json"), `${JSON.stringify({ sources: await sourceHash(), files }, null, 1)}\n`);
for (const [name, { bytes }] of Object.entries(files)) console.log(`${name}: ${bytes} bytes`);
