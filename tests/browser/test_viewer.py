"""The viewer module in Chromium: what it draws is what NumPy computes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from tests.browser.viewer_site import (
    LZ4,
    Fingers,
    OpenPage,
    Site,
    exact,
    expect_plane,
    linear,
    middle,
    pixels,
    publish,
    ready,
    served,
    values,
)

LATE = """const soon = window.fetch;
window.fetch = async (...asked) => {
  if (document.readyState !== "complete") await new Promise((go) => addEventListener("load", go));
  await new Promise((go) => setTimeout(go, 100));
  return soon(...asked);
};"""
"""Lets nothing be fetched before the page has loaded, and a little longer."""
ZSTD = BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with served(tmp_path) as site:
        yield site


@pytest.mark.smoke
def test_three_planes_show_what_numpy_computes(site: Site, open_page: OpenPage):
    """Axial, coronal and sagittal pixels are the window function of the voxels, flipped as read."""
    stored = values()
    publish(site.folder, stored)
    page = open_page(site.url)
    ready(page)
    page.evaluate("handle.setState({interpolate: false, voxel: [11, 20, 33]})")
    for plane, index in (("axial", 11), ("coronal", 20), ("sagittal", 33)):
        exact(page, plane, index)

    grey = linear(stored.astype(float) - 1024, 40, 400)

    expect_plane(pixels(page, "axial"), grey[11])
    # Head up: the last slice stands at the top.
    expect_plane(pixels(page, "coronal"), grey[::-1, 20, :])
    expect_plane(pixels(page, "sagittal"), grey[::-1, :, 33])


def test_planes_are_true_to_their_spacing(site: Site, open_page: OpenPage):
    """Voxels of 2 mm by 0.8 mm are drawn 2.5 times as tall as wide, and the plane fits its pane."""
    publish(site.folder, values())
    page = open_page(site.url)
    ready(page)

    shown = pixels(page, "coronal")

    assert shown.down / shown.across == pytest.approx(2.5)
    height, width = shown.grey.shape
    assert min(width / (70 * shown.across), height / (37 * shown.down)) == pytest.approx(1)


def test_smooth_pixels_pass_through_the_voxels(site: Site, open_page: OpenPage):
    """Interpolated pixels are NumPy's bilinear values of the plane."""
    stored = values()
    publish(site.folder, stored)
    page = open_page(site.url)
    ready(page)
    shown = pixels(page, "axial")
    plane = stored[18].astype(float) - 1024
    height, width = shown.grey.shape
    x = (np.arange(width) + 0.5 - shown.left) / shown.across - 0.5
    y = (np.arange(height) + 0.5 - shown.top) / shown.down - 0.5
    across = (x >= 0) & (x <= 69)
    down = (y >= 0) & (y <= 49)

    columns = np.array([np.interp(x[across], np.arange(70), row) for row in plane])
    smooth = np.array([np.interp(y[down], np.arange(50), column) for column in columns.T]).T

    difference = np.abs(shown.grey[np.ix_(down, across)] - linear(smooth, 40, 400))
    assert difference.max() <= 1


def test_cubic_pixels_are_those_of_catmull_and_rom(site: Site, open_page: OpenPage):
    """Where the reader prefers it, four voxels each way make a pixel; at the edge they repeat."""
    stored = values()
    publish(site.folder, stored, preferences={"smoothing": "cubic"})
    page = open_page(site.url)
    ready(page)
    shown = pixels(page, "axial")
    height, width = shown.grey.shape
    x = (np.arange(width) + 0.5 - shown.left) / shown.across
    y = (np.arange(height) + 0.5 - shown.top) / shown.down
    across, down = (x >= 0) & (x < 70), (y >= 0) & (y < 50)

    def weights(at: np.ndarray, size: int) -> np.ndarray:
        low = np.floor(at - 0.5)
        made = np.zeros((at.size, size))
        for step in range(-1, 3):
            t = np.abs(at - 0.5 - low - step)
            near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
            index = (low + step).astype(int).clip(0, size - 1)
            np.add.at(made, (np.arange(at.size), index), np.where(t < 1, near, far))
        return made

    plane = stored[18].astype(float) - 1024
    smooth = weights(y[down], 50) @ plane @ weights(x[across], 70).T

    assert np.abs(shown.grey[np.ix_(down, across)] - linear(smooth, 40, 400)).max() <= 1


def test_slices_play_and_begin_again(site: Site, open_page: OpenPage):
    """Space turns the slices of the active plane over until it is pressed again."""
    publish(site.folder, values(), preferences={"frames_per_s": 50})
    page = open_page(site.url)
    ready(page)
    pane = page.locator('.pane[data-plane="axial"]')
    pane.focus()
    page.keyboard.press("End")
    exact(page, "axial", 36)

    page.keyboard.press("Space")
    expect(pane).to_have_attribute("data-index", re.compile("^[0-9]$"))
    page.get_by_role("button", name="Play through the slices").click()
    exact(page, "axial", page.evaluate("handle.state.voxel[0]"))

    assert page.get_by_role("button", name="Play through").get_attribute("aria-pressed") == "false"


@pytest.mark.parametrize(
    ("dtype", "compressor", "shards"),
    [
        ("uint16", ZSTD, None),
        ("int16", LZ4, (32, 64, 96)),
        ("int32", GzipCodec(), None),
        ("uint8", None, None),
        ("float32", ZstdCodec(level=3), (32, 64, 96)),
    ],
    ids=[
        "uint16-blosc-zstd",
        "int16-lz4-sharded",
        "int32-gzip",
        "uint8-raw",
        "float32-zstd-shards",
    ],
)
def test_stored_types_and_codecs(dtype, compressor, shards, site: Site, open_page: OpenPage):
    """Each stored type, codec and sharding shows the same numbers as zarr-python reads."""
    stored = (values(dtype="float32") / 8).astype(dtype)
    publish(
        site.folder, stored, compressor=compressor, shards=shards,
        rescale_slope=0.5, rescale_intercept=-3.25, modality="MR", units="",
        windows=[{"center": 60.5, "width": 81.5, "voi_lut_function": "LINEAR_EXACT"}],
    )  # fmt: skip
    page = open_page(site.url)
    ready(page)
    page.evaluate("handle.setState({interpolate: false})")

    grey = np.clip((stored * 0.5 - 3.25 - 60.5) / 81.5 + 0.5, 0, 1) * 255

    expect_plane(pixels(page, "axial"), grey[18])
    expect_plane(pixels(page, "sagittal"), grey[::-1, :, 35])


def test_each_slice_has_its_own_rescale(site: Site, open_page: OpenPage):
    """A slope a slice (PET) holds in the pixels of all planes and in the value pointed at."""
    stored = values()
    slope = np.linspace(0.5, 2, 37)
    publish(
        site.folder, stored, rescale_slope=slope.tolist(), rescale_intercept=0, modality="PT",
        units="BQML", windows=[{"center": 1200, "width": 2400}],
    )  # fmt: skip
    page = open_page(site.url)
    ready(page)
    page.evaluate("handle.setState({interpolate: false, voxel: [30, 25, 35]})")
    exact(page, "axial", 30)

    modality = stored * slope[:, None, None]

    expect_plane(pixels(page, "axial"), linear(modality[30], 1200, 2400))
    expect_plane(pixels(page, "coronal"), linear(modality[::-1, 25, :], 1200, 2400))
    text = page.locator('[data-field="value"]').inner_text()
    assert text.endswith(" BQML")
    assert float(text.split()[0]) == pytest.approx(modality[30, 25, 35], abs=0.01)


def test_pointer_reads_value_voxel_and_position(site: Site, open_page: OpenPage):
    """Under the pointer stand the rescaled value, the voxel's indices and its LPS position."""
    stored = values()
    publish(site.folder, stored)
    page = open_page(site.url)
    ready(page)
    shown = pixels(page, "axial")
    box = page.locator('.pane[data-plane="axial"]').bounding_box()
    assert box is not None

    page.mouse.move(
        box["x"] + shown.left + 12.5 * shown.across, box["y"] + shown.top + 40.5 * shown.down
    )

    expect(page.locator('[data-field="voxel"]')).to_have_text("18, 40, 12")
    value = int(stored[18, 40, 12]) - 1024
    expect(page.locator('[data-field="value"]')).to_have_text(
        f"{value} HU".replace("-", "\N{MINUS SIGN}")
    )
    x, y, z = -20.5 + 12 * 0.8, -30 + 40 * 0.8, 100 + 18 * 2.0
    expect(page.locator('[data-field="position"]')).to_have_text(
        f"{x:.1f}, {y:.1f}, {z:.1f} mm".replace("-", "\N{MINUS SIGN}")
    )


def test_wheel_keys_and_slider_scroll(site: Site, open_page: OpenPage):
    """A notch of the wheel is one slice, arrow and page keys move 1 and 10, the slider anywhere."""
    publish(site.folder, values())
    page = open_page(site.url)
    ready(page)

    page.mouse.move(*middle(page, "axial"))
    page.mouse.wheel(0, 120)
    exact(page, "axial", 19)
    page.locator('.pane[data-plane="axial"]').focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    exact(page, "axial", 17)
    page.keyboard.press("PageUp")
    exact(page, "axial", 7)
    page.keyboard.press("End")
    exact(page, "axial", 36)
    page.get_by_label("Coronal slice").fill("3")
    exact(page, "coronal", 3)


def test_planes_are_linked_by_the_crosshair(site: Site, open_page: OpenPage):
    """A click in the axial pane moves the coronal and sagittal planes to that place."""
    publish(site.folder, values())
    page = open_page(site.url)
    ready(page)
    shown = pixels(page, "axial")
    box = page.locator('.pane[data-plane="axial"]').bounding_box()
    assert box is not None

    page.mouse.click(
        box["x"] + shown.left + 60.5 * shown.across, box["y"] + shown.top + 5.5 * shown.down
    )

    exact(page, "coronal", 5)
    exact(page, "sagittal", 60)
    exact(page, "axial", 18)


def test_window_follows_drag_and_preset(site: Site, open_page: OpenPage):
    """Dragging right widens, down raises the level; a preset sets both, and pixels follow."""
    stored = values()
    publish(site.folder, stored)
    page = open_page(site.url)
    ready(page)
    page.evaluate("handle.setState({interpolate: false})")
    x, y = middle(page, "axial")

    page.get_by_role("button", name="Window and level").click()
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 64, y, steps=2)
    page.mouse.move(x + 64, y + 32, steps=2)
    page.mouse.up()
    window = page.evaluate("handle.state.window")

    assert window["width"] > 440
    assert window["center"] > 60
    expect_plane(
        pixels(page, "axial"),
        linear(stored[18].astype(float) - 1024, window["center"], window["width"]),
    )

    page.get_by_label("Window preset").select_option(label="Lung")
    assert page.evaluate("handle.state.window") == {
        "center": -600, "width": 1500, "voi_lut_function": "LINEAR",
    }  # fmt: skip
    expect_plane(pixels(page, "axial"), linear(stored[18].astype(float) - 1024, -600, 1500))


def test_monochrome1_is_shown_inverted(site: Site, open_page: OpenPage):
    """The greatest value of MONOCHROME1 is black; the invert button turns it round."""
    stored = values()
    publish(site.folder, stored, photometric_interpretation="MONOCHROME1")
    page = open_page(site.url)
    ready(page)
    page.evaluate("handle.setState({interpolate: false})")
    grey = linear(stored[18].astype(float) - 1024, 40, 400)
    inverted = pixels(page, "axial")
    column, row, inside = inverted.indices(70, 50)

    assert np.abs(inverted.grey - (255 - grey[np.ix_(row, column)]))[inside].mean() < 0.6
    page.get_by_role("button", name="Invert grey scale").click()
    expect_plane(pixels(page, "axial"), grey)


def test_zoom_keeps_the_place_under_the_pointer(site: Site, open_page: OpenPage):
    """Zooming with the wheel at a place leaves that place where it is; reset goes back."""
    publish(site.folder, values())
    page = open_page(site.url)
    ready(page)
    before = pixels(page, "axial")
    x, y = middle(page, "axial")
    box = page.locator('.pane[data-plane="axial"]').bounding_box()
    assert box is not None
    at = np.array([x + 60 - box["x"], y - 20 - box["y"]])

    page.mouse.move(x + 60, y - 20)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    after = pixels(page, "axial")

    assert after.across > 1.3 * before.across
    was = (at - [before.left, before.top]) / [before.across, before.down]
    now = (at - [after.left, after.top]) / [after.across, after.down]
    assert now == pytest.approx(was, abs=0.01)
    page.get_by_role("button", name="Reset view").click()
    assert pixels(page, "axial")[1:] == pytest.approx(before[1:])


def test_coarse_level_stands_in_until_the_plane_is_there(site: Site, open_page: OpenPage):
    """While exact chunks are slow, panes show the coarse level at the right place."""
    stored = np.full((32, 64, 64), 1024, "int16")
    stored[8:16, 16:32, 32:48] = 1424
    publish(site.folder, stored)
    page = open_page("about:blank")
    page.route(re.compile(r"/v\.zarr/0/c/"), lambda route: None)
    # The page has loaded and holds no viewer yet: on a busy machine that happens by itself.
    page.add_init_script(LATE)
    page.goto(site.url)
    expect(page.locator("#viewer .cover")).to_have_attribute("data-kind", "none")
    page.evaluate("handle.setState({voxel: [12, 20, 40]})")

    shown = pixels(page, "axial")

    assert page.locator("#viewer").get_attribute("data-state") == "loading"
    column, row, inside = shown.indices(64, 64)
    block = np.zeros((64, 64))
    block[16:32, 32:48] = 1
    expected = linear(block * 400, 40, 400)[np.ix_(row, column)]
    # Half the resolution: only the block's edges may differ.
    assert (np.abs(shown.grey - expected)[inside] > 2).mean() < 0.05
    assert (expected[inside] == 255).any()
    page.unroute_all(behavior="ignoreErrors")


def test_planes_come_from_the_server_where_it_offers_them(site: Site, open_page: OpenPage):
    """With a plane route, coronal and sagittal planes are fetched whole, and no chunk for them."""
    stored = values()
    publish(
        site.folder, stored, plane_url="plane/{axis}/{index}", windows=[{"center": 0, "width": 900}]
    )
    for axis, index in ((1, 25), (2, 35)):
        target = site.folder / "plane" / str(axis) / str(index)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(np.ascontiguousarray(stored.take(index, axis), "<i2").tobytes())
    page = open_page("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site.url)
    ready(page)
    page.evaluate("handle.setState({interpolate: false})")

    grey = linear(stored.astype(float) - 1024, 0, 900)

    expect_plane(pixels(page, "coronal"), grey[::-1, 25, :])
    expect_plane(pixels(page, "sagittal"), grey[::-1, :, 35])
    assert sum("/plane/" in url for url in asked) == 2


def test_what_cannot_be_shown_says_why(site: Site, open_page: OpenPage):
    """A volume that is not there is a readable message, never an empty picture."""
    publish(site.folder, values())
    (site.folder / "v.zarr" / "zarr.json").unlink()
    page = open_page(site.url)

    expect(page.locator("#viewer")).to_have_attribute("data-state", "error")
    expect(page.get_by_role("alert").first).to_contain_text("zarr.json is missing")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_browser_without_webgl_says_so(site: Site, open_page: OpenPage):
    """Without WebGL 2 the viewer names it and says what to do."""
    publish(site.folder, values())
    page = open_page("about:blank")
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(site.url)

    expect(page.locator("#viewer")).to_have_attribute("data-state", "error")
    expect(page.get_by_text("hardware acceleration")).to_be_visible()


def test_state_is_told_once_the_user_rests(site: Site, open_page: OpenPage):
    """The page hears the state after a change by the user, valid by the scene's schema."""
    publish(site.folder, values())
    page = open_page(site.url)
    ready(page)

    page.locator('.pane[data-plane="axial"]').focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("2")
    page.wait_for_function("() => states.length > 0 && states.at(-1).window.width === 1500")

    state = page.evaluate("states.at(-1)")
    assert state["voxel"] == [19, 25, 35]
    assert state["layout"] == "planes"


def test_a_phone_shows_one_plane_with_a_switch(site: Site, open_page: OpenPage):
    """On a narrow screen one pane fills the width; the switch shows the others; fingers work."""
    publish(site.folder, values())
    page = open_page(site.url, width=390, height=844, phone=True)
    ready(page)

    expect(page.locator(".pane:visible")).to_have_count(1)
    page.get_by_role("button", name="Coronal").tap()
    expect(page.locator(".pane:visible")).to_have_attribute("data-plane", "coronal")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    x, y = middle(page, "coronal")
    fingers = Fingers(page)
    fingers.move([(x - 30, y), (x + 30, y)], [(x - 60, y), (x + 60, y)])
    assert page.evaluate("handle.state.zoom") == pytest.approx(2, abs=0.01)
    fingers.move([(x, y)], [(x, y + 40)])
    assert page.evaluate("handle.state.voxel[1]") > 25


def test_destroy_leaves_an_empty_element(site: Site, open_page: OpenPage):
    """A destroyed viewer ends its workers and leaves nothing in its element."""
    publish(site.folder, values())
    page = open_page(site.url)
    ready(page)
    assert len(page.workers) > 0

    page.evaluate("handle.destroy()")

    page.wait_for_function(
        "() => document.querySelector('#viewer').shadowRoot.childElementCount === 0"
    )
    assert page.locator("#viewer").get_attribute("data-state") is None


def test_the_screen_shows_what_the_canvas_holds(site: Site, open_page: OpenPage):
    """A screenshot's panes are the pixels that the viewer drew."""
    publish(site.folder, values())
    page = open_page(site.url)
    ready(page)
    box = page.locator('.pane[data-plane="sagittal"]').bounding_box()
    assert box is not None
    shown = pixels(page, "sagittal").grey

    picture = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"), float)

    top, left = round(box["y"]), round(box["x"])
    seen = picture[top : top + shown.shape[0], left : left + shown.shape[1]]
    # Labels, lines and the slider stand on top of a small part.
    assert (np.abs(seen - shown) <= 2).mean() > 0.95


def test_trying_again_shows_what_is_there_by_then(site: Site, open_page: OpenPage):
    """After an error the button opens the volume once more."""
    publish(site.folder, values())
    metadata = site.folder / "v.zarr" / "zarr.json"
    metadata.rename(site.folder / "away.json")
    page = open_page(site.url)
    expect(page.locator("#viewer")).to_have_attribute("data-state", "error")

    (site.folder / "away.json").rename(metadata)
    page.get_by_role("button", name="Try again").click()

    ready(page)
    expect(page.get_by_text("cannot be shown")).to_be_hidden()


def test_a_lost_graphics_device_comes_back(site: Site, open_page: OpenPage):
    """When the browser takes the device away the viewer says so, and draws again afterwards."""
    publish(site.folder, values())
    page = open_page(site.url)
    ready(page)
    before = pixels(page, "axial").grey
    page.evaluate(
        """() => {
          const canvas = document.querySelector("#viewer").shadowRoot.querySelector("canvas");
          window.device = canvas.getContext("webgl2").getExtension("WEBGL_lose_context");
          device.loseContext();
        }"""
    )
    expect(page.get_by_text("graphics device was lost")).to_be_visible()

    page.evaluate("device.restoreContext()")

    expect(page.get_by_text("graphics device was lost")).to_be_hidden()
    for plane, index in (("axial", 18), ("coronal", 25), ("sagittal", 35)):
        exact(page, plane, index)
    assert np.array_equal(pixels(page, "axial").grey, before)
