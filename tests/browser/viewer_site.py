"""A small site with a volume, served to Chromium, and what its panes show."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import numpy as np
import zarr
from playwright.sync_api import Page, expect
from zarr.codecs import BloscCodec

from dicomlab.viewing import bundle_file

# The strictest policy that the viewer must work with.
POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; "
    "style-src 'self'; img-src 'self'"
)
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>viewer</title>
<link rel="stylesheet" href="page.css">
<div id="viewer"></div><script type="module" src="page.js"></script></html>"""
STYLE = "html, body { margin: 0; height: 100%; } #viewer { height: 100vh; }"
SCRIPT = """import {mount} from "./viewer.js";
const scene = await (await fetch("scene.json")).json();
window.states = [];
window.handle = mount(document.getElementById("viewer"), {
  scene, onState: (state) => window.states.push(state),
});"""
LZ4 = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")


class Handler(SimpleHTTPRequestHandler):
    """A folder with ranges, under a content security policy."""

    policy = POLICY

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def guess_type(self, path):
        return "text/javascript" if str(path).endswith(".js") else super().guess_type(path)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", self.policy)
        super().end_headers()

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if not asked or not path.is_file():
            super().do_GET()
            return
        content = path.read_bytes()
        first, last = asked.groups()
        part = content[int(first) : int(last) + 1] if first else content[-int(last) :]
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)


class Site(NamedTuple):
    """A folder that is served."""

    folder: Path
    url: str


@contextmanager
def served(folder: Path, policy: str = POLICY) -> Iterator[Site]:
    """Serve a folder on loopback, with the viewer's page in it."""
    (folder / "index.html").write_text(PAGE)
    (folder / "page.css").write_text(STYLE)
    (folder / "page.js").write_text(SCRIPT)
    (folder / "viewer.js").write_bytes(bundle_file("viewer.js").read_bytes())
    handler = type("Served", (Handler,), {"policy": policy})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    server.daemon_threads = False
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield Site(folder, f"http://127.0.0.1:{server.server_port}/index.html")
    server.shutdown()
    server.server_close()
    thread.join()


def halved(values: np.ndarray) -> np.ndarray:
    """Return the means of 2 x 2 x 2 voxels; an odd last one stands alone."""
    padded = np.pad(values, [(0, size % 2) for size in values.shape], mode="edge")
    z, y, x = (size // 2 for size in padded.shape)
    means = padded.reshape(z, 2, y, 2, x, 2).mean(axis=(1, 3, 5))
    return means.round().astype(values.dtype) if values.dtype.kind in "iu" else means


LUNG = {"explanation": "Lung", "center": -600, "width": 1500}


def publish(
    folder: Path,
    stored: np.ndarray,
    *,
    compressor: object = LZ4,
    chunks: tuple[int, int, int] = (16, 32, 32),
    shards: tuple[int, int, int] | None = None,
    spacing: tuple[float, float, float] = (2.0, 0.8, 0.8),
    levels: int = 2,
    preferences: dict[str, object] | None = None,
    **volume: object,
) -> None:
    """Write a volume as OME-Zarr 0.5 with zarr-python, and its scene."""
    group = zarr.open_group(folder / "v.zarr", mode="w", zarr_format=3)
    datasets = []
    level = stored
    for number in range(levels):
        array = group.create_array(
            str(number),
            shape=level.shape,
            dtype=level.dtype,
            chunks=chunks,
            shards=shards if number == 0 else None,
            compressors=compressor,
        )
        array[...] = level
        transforms = [
            {"type": "scale", "scale": [step * 2**number for step in spacing]},
            {"type": "translation", "translation": [s * (2**number - 1) / 2 for s in spacing]},
        ]
        datasets.append({"path": str(number), "coordinateTransformations": transforms})
        level = halved(level)
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"datasets": datasets}]}
    dz, dy, dx = spacing
    scene = {
        "version": 1,
        "title": "Test <volume>",
        "volume": {
            "store": "v.zarr/",
            "shape": stored.shape,
            "dtype": str(stored.dtype),
            "index_to_lps": [[0, 0, dx, -20.5], [0, dy, 0, -30], [dz, 0, 0, 100], [0, 0, 0, 1]],
            "rescale_slope": 1,
            "rescale_intercept": -1024,
            "units": "HU",
            "modality": "CT",
            "photometric_interpretation": "MONOCHROME2",
            "windows": [{"center": 40, "width": 400}],
            **volume,
        },
        "preferences": preferences or {"presets": [LUNG]},
    }
    (folder / "scene.json").write_text(json.dumps(scene))


def values(shape: tuple[int, int, int] = (37, 50, 70), dtype: str = "int16") -> np.ndarray:
    """Return values that differ in every voxel's neighbourhood, seeded."""
    random = np.random.default_rng(7)
    z, y, x = np.indices(shape)
    return (1024 + 300 * np.sin(z / 5) + 4 * y - 3 * x + random.normal(0, 30, shape)).astype(dtype)


def linear(x: np.ndarray, center: float, width: float) -> np.ndarray:
    """Return grey levels by the linear VOI function (PS3.3 C.11.2.1.2.1)."""
    return np.clip((x - (center - 0.5)) / (width - 1) + 0.5, 0, 1) * 255


class Pixels(NamedTuple):
    """The pixels of one pane, and where the plane lies in them."""

    grey: np.ndarray
    left: float
    top: float
    across: float
    down: float

    def indices(self, columns: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the plane's column and row under each pixel's centre, and where both are sure.

        A centre on the border of two voxels, to a thousandth of one, may show either.
        """
        height, width = self.grey.shape
        x = (np.arange(width) + 0.5 - self.left) / self.across
        y = (np.arange(height) + 0.5 - self.top) / self.down
        sure = np.outer(np.abs(y - y.round()) > 1e-3, np.abs(x - x.round()) > 1e-3)
        inside = np.outer((y >= 0) & (y < rows), (x >= 0) & (x < columns))
        column = np.floor(x).astype(int).clip(0, columns - 1)
        row = np.floor(y).astype(int).clip(0, rows - 1)
        return column, row, inside & sure


READ = """plane => {
  const {width, height, data, left, top, across, down} = handle.readPixels(plane);
  let text = "";
  for (let k = 0; k < data.length; k += 4) {
    if (data[k] !== data[k + 1] || data[k] !== data[k + 2]) throw new Error("not grey");
    text += String.fromCharCode(data[k]);
  }
  return {width, height, left, top, across, down, grey: btoa(text)};
}"""


def pixels(page: Page, plane: str) -> Pixels:
    """Return what a pane shows."""
    read = page.evaluate(READ, plane)
    grey = np.frombuffer(base64.b64decode(read["grey"]), np.uint8)
    return Pixels(
        grey.reshape(read["height"], read["width"]).astype(float),
        read["left"], read["top"], read["across"], read["down"],
    )  # fmt: skip


def expect_plane(shown: Pixels, plane: np.ndarray) -> None:
    """Compare every pixel of a pane without interpolation with the grey levels of a plane."""
    column, row, sure = shown.indices(plane.shape[1], plane.shape[0])
    difference = np.abs(shown.grey - plane[np.ix_(row, column)])[sure]

    assert difference.max() <= 1
    assert sure.mean() > 0.05


def ready(page: Page) -> None:
    """Wait until the viewer says that every pane is exact."""
    expect(page.locator("#viewer")).to_have_attribute("data-state", "ready")


def exact(page: Page, plane: str, index: int) -> None:
    """Wait until a pane shows a slice exactly."""
    pane = page.locator(f'.pane[data-plane="{plane}"]')
    expect(pane).to_have_attribute("data-index", str(index))
    expect(pane).to_have_attribute("data-exact", "true")


def middle(page: Page, plane: str) -> tuple[float, float]:
    """Return the middle of a pane, CSS pixels of the page."""
    box = page.locator(f'.pane[data-plane="{plane}"]').bounding_box()
    assert box is not None
    return round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2)


class Fingers:
    """Touches on a page, sent as the browser's own input."""

    def __init__(self, page: Page) -> None:
        self.session = page.context.new_cdp_session(page)

    def move(self, start: list[tuple[float, float]], end: list[tuple[float, float]]) -> None:
        """Put fingers down, move them, and lift them."""
        for kind, places in (("touchStart", start), ("touchMove", end), ("touchEnd", [])):
            points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
            self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


OpenPage = Callable[..., Page]
