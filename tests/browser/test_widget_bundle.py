"""The widget's loader and bundle in Chromium, against a kernel that the page plays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dicomlab.viewing import bundle_file
from tests.browser.viewer_site import (
    OpenPage,
    Site,
    expect_plane,
    linear,
    pixels,
    publish,
    ready,
    served,
    values,
)

# What a notebook allows at least: scripts and workers from blob addresses.
POLICY = (
    "default-src 'none'; script-src 'self' blob:; worker-src blob:; connect-src 'self'; "
    "style-src 'self'; img-src 'self'"
)
# A model as anywidget gives it, whose kernel answers from the folder that is served. The widget's
# own element gets the name that the page of the other tests gives it.
SCRIPT = """
import loader from "./widget-loader.js";
const scene = await (await fetch("scene.json")).json();
const traits = {scene, state: {voxel: [3, 4, 5], interpolate: false}, height_px: 500};
const listeners = new Map();
const heardOn = (name) => listeners.get(name) ?? [];
const fire = (name, ...given) => heardOn(name).forEach((heard) => heard(...given));
window.requests = [];
window.saves = [];
const bytesOf = async ({kind, name, key, range, axis, index}) => {
  const path = kind === "bundle" ? name : kind === "plane" ? `plane/${axis}/${index}` : key;
  const part = range && ("suffix_length" in range
    ? `-${range.suffix_length}` : `${range.offset}-${range.offset + range.length - 1}`);
  const response = await fetch(path, part ? {headers: {Range: `bytes=${part}`}} : {});
  return response.ok ? response.arrayBuffer() : undefined;
};
window.model = {
  get: (name) => traits[name],
  set: (name, value) => { traits[name] = value; fire(`change:${name}`); },
  save_changes: () => window.saves.push(structuredClone(traits.state)),
  on: (name, heard) => listeners.set(name, [...heardOn(name), heard]),
  off: (name, heard) => listeners.set(name, heardOn(name).filter((each) => each !== heard)),
  send: async (request) => {
    window.requests.push(request);
    if (request.kind === "cancel") return;
    const bytes = await bytesOf(request);
    const reply = {kind: "reply", id: request.id, status: bytes ? "ok" : "missing"};
    fire("msg:custom", reply, bytes ? [new DataView(bytes)] : []);
  },
};
const el = document.getElementById("cell");
el.addEventListener("dicomlab-ready", (event) => { window.handle = event.detail; });
window.end = loader.render({model: window.model, el});
window.listening = () => [...listeners.values()].flat().length;
new MutationObserver(() => {
  const box = el.querySelector("div[data-state]");
  if (box) box.id = "viewer";
}).observe(el, {childList: true, subtree: true, attributes: true, attributeFilter: ["data-state"]});
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with served(tmp_path, POLICY) as site:
        for name in ("widget-loader.js", "widget.js"):
            (tmp_path / name).write_bytes(bundle_file(name).read_bytes())
        page = tmp_path / "index.html"
        page.write_text(page.read_text().replace('<div id="viewer">', '<div id="cell">'))
        (tmp_path / "page.js").write_text(SCRIPT)
        yield site


def test_a_cell_gets_code_and_voxels_over_messages(site: Site, open_page: OpenPage):
    """The loader asks for the bundle, the viewer for chunks; pixels are those of the volume."""
    stored = values()
    publish(site.folder, stored, shards=(32, 64, 96))
    page = open_page(site.url)
    ready(page)

    expect_plane(pixels(page, "axial"), linear(stored[3].astype(float) - 1024, 40, 400))
    requests = page.evaluate("requests")
    assert requests[0]["kind"] == "bundle"
    assert {request["kind"] for request in requests[1:]} == {"chunk"}
    assert any("suffix_length" in request.get("range", {}) for request in requests)
    assert len({request["id"] for request in requests}) == len(requests)
    assert page.locator("#viewer").evaluate("e => e.clientHeight") == 500


def test_state_goes_both_ways(site: Site, open_page: OpenPage):
    """Python sees where the user scrolled to, and moves the viewer by setting the state."""
    publish(site.folder, values())
    page = open_page(site.url)
    ready(page)

    page.locator('.pane[data-plane="axial"]').focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function("() => saves.some((state) => state.voxel[0] === 4)")
    page.evaluate("model.set('state', {voxel: [9, 9, 9]})")

    expect(page.locator('.pane[data-plane="axial"]')).to_have_attribute("data-index", "9")
    expect(page.locator('.pane[data-plane="sagittal"]')).to_have_attribute("data-index", "9")


def test_planes_are_asked_of_the_kernel_where_it_cuts_them(site: Site, open_page: OpenPage):
    """With plane_messages, coronal and sagittal planes are one message each."""
    stored = values()
    publish(site.folder, stored, plane_messages=True)
    for axis, index in ((1, 4), (2, 5)):
        target = site.folder / "plane" / str(axis) / str(index)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(stored.take(index, axis).astype("<i2").tobytes())
    page = open_page(site.url)
    ready(page)

    expect_plane(pixels(page, "coronal"), linear(stored[::-1, 4, :] - 1024.0, 40, 400))
    planes = [one for one in page.evaluate("requests") if one["kind"] == "plane"]
    assert sorted((one["axis"], one["index"]) for one in planes) == [(1, 4), (2, 5)]


def test_a_closed_cell_listens_no_more(site: Site, open_page: OpenPage):
    """Ending a view takes away its listeners and its element."""
    publish(site.folder, values())
    page = open_page(site.url)
    ready(page)

    page.evaluate("end()")

    assert page.evaluate("listening()") == 0
    assert page.locator("#cell").evaluate("e => e.childElementCount") == 0


def test_a_silent_kernel_is_said(site: Site, open_page: OpenPage):
    """Where the kernel has no bundle the cell says so."""
    publish(site.folder, values())
    (site.folder / "widget.js").unlink()
    page = open_page(site.url)

    expect(page.get_by_text("The viewer cannot be shown")).to_be_visible()
