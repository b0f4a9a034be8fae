"""The viewer in its homes: a page of the server, a Panel dashboard, a notebook cell."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from dicomlab.catalog import Query
from dicomlab.server import Server, serve
from dicomlab.viewing import volume_id
from tests.archives import Samples, samples

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "build" / "screenshots"
PHONE = {"width": 390, "height": 844, "phone": True}
CENTER, WIDTH = 40.0, 400.0

READ = """(place, plane) => {
  place.viewer.dispatch({type: "restore", state: {interpolate: false}});
  const {width, height, data, left, top, across, down} = place.viewer.readPixels(plane);
  let text = "";
  for (let k = 0; k < data.length; k += 4) text += String.fromCharCode(data[k]);
  return {width, height, left, top, across, down, grey: btoa(text)};
}"""


@pytest.fixture(scope="module")
def held(tmp_path_factory) -> Iterator[Samples]:
    with samples(tmp_path_factory.mktemp("homes"), slices=40, rows=96) as made:
        yield made


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[Path]:
    """Child processes keep what they make here too."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DICOMLAB_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def server(held, home) -> Iterator[Server]:
    with serve(held.archive, dashboards=held.archive.place) as running:
        yield running


@pytest.fixture(scope="module")
def hu(held, server) -> np.ndarray:
    """The CT's values as NumPy has them."""
    (view,) = server.service.volumes(held.ct)
    return np.asarray(view.volume.array.compute(), np.float64)


def study_of(held: Samples, series: str) -> str:
    (record,) = held.archive.records(Query("series", SeriesInstanceUID=series))
    return str(record["StudyInstanceUID"])


def photograph(page: Page, name: str, *, whole: bool = False) -> None:
    """Keep a picture for people to look at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=whole)


def viewer_in(page: Page) -> Locator:
    """Wait for the viewer's own word that every pane shows its exact plane."""
    place = page.locator("[data-state=ready]")
    expect(place).to_have_count(1, timeout=60_000)
    return place


def expect_axial(place: Locator, hu: np.ndarray, *, center=CENTER, width=WIDTH) -> None:
    """Compare each pixel of the axial pane with PS3.3 C.11.2.1.2.1 on NumPy's values."""
    read = place.evaluate(READ, "axial")
    grey = np.frombuffer(base64.b64decode(read["grey"]), np.uint8).astype(float)
    grey = grey.reshape(read["height"], read["width"])
    plane = hu[len(hu) // 2]
    wanted = np.clip(((plane - (center - 0.5)) / (width - 1) + 0.5) * 255, 0, 255)
    x = (np.arange(read["width"]) + 0.5 - read["left"]) / read["across"]
    y = (np.arange(read["height"]) + 0.5 - read["top"]) / read["down"]
    inside_x = (x >= 0) & (x < plane.shape[1]) & (np.abs(x - x.round()) > 1e-3)
    inside_y = (y >= 0) & (y < plane.shape[0]) & (np.abs(y - y.round()) > 1e-3)
    shown = grey[np.ix_(inside_y, inside_x)]
    rows, columns = np.floor(y[inside_y]).astype(int), np.floor(x[inside_x]).astype(int)

    assert shown.size > 10_000
    assert np.abs(shown - wanted[np.ix_(rows, columns)]).max() <= 1
    assert shown.std() > 20


# A page of the server


@pytest.mark.req("S-244")
def test_image_preferences_hold_without_a_restart(open_page, server, held, home, hu):
    """What the file says of pictures holds for the next page; a slip in it changes nothing."""
    file = home / "config.toml"
    page = open_page(f"{server.address}/series/{held.ct}")
    assert viewer_in(page).evaluate("place => place.viewer.state.layout") == "planes"
    file.write_text(
        "[images.viewing]\ninitial_window = 'preset'\npreset = 'liver'\nlayout = 'axial'\n"
        "interpolation = 'nearest'\n"
        "[images.viewing.windows]\nliver = { center = 60.0, width = 150.0 }\n"
        "[images.general]\nidentifying_texts = false\n"
    )

    try:
        page = open_page(f"{server.address}/series/{held.ct}")
        place = viewer_in(page)
        state = place.evaluate("place => place.viewer.state")
        choice = place.get_by_label("Window preset")
        assert (state["layout"], state["interpolate"]) == ("axial", False)
        assert choice.locator("option").all_inner_texts()[-2:] == ["Liver", "Own window"]
        assert choice.locator("option:checked").inner_text() == "Liver"
        expect_axial(place, hu, center=60, width=150)
        assert page.locator("header a[href^='/studies/']").inner_text() == "Study"

        file.write_text("[images.viewing]\nlayout = 'nowhere'\n")
        page = open_page(f"{server.address}/series/{held.ct}")
        assert viewer_in(page).evaluate("place => place.viewer.state.layout") == "axial"
        file.write_text("[images.viewing]\ninitial_window = 'full-range'\nlayout = 'coronal'\n")
        page = open_page(f"{server.address}/series/{held.ct}")
        state = viewer_in(page).evaluate("place => place.viewer.state")
        window = state["window"]
        assert state["layout"] == "coronal"
        assert window["center"] - window["width"] / 2 == hu.min()
        assert window["center"] + window["width"] / 2 == hu.max()
    finally:
        file.unlink()


@pytest.mark.smoke
def test_a_page_of_the_server_shows_the_volume(open_page, server, held, hu):
    page = open_page(f"{server.address}/series/{held.ct}")

    place = viewer_in(page)

    photograph(page, "server-viewer-desktop")
    expect_axial(place, hu)


def test_the_pages_lead_from_the_studies_to_the_viewer(open_page, server, held):
    page = open_page(server.address)
    photograph(page, "server-home-desktop", whole=True)

    page.get_by_label("Modality").fill("mr")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="PHANTOM, HEAD").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("PHANTOM, HEAD")
    photograph(page, "server-study-desktop", whole=True)
    page.locator(".series").get_by_role("link").first.click()
    photograph(page, "server-volumes-desktop", whole=True)
    page.locator(".series").get_by_role("link").last.click()

    place = viewer_in(page)
    photograph(page, "server-viewer-head-desktop")
    assert "Echo Numbers 2" in page.locator(".bar .where").inner_text()
    assert place.evaluate("place => place.viewer.state.layout") == "planes"


def test_the_pages_fit_a_phone(open_page, server, held):
    """Nothing is wider than the screen, and the viewer shows one plane."""
    study = study_of(held, held.ct)
    for name, path in (
        ("home", "/"),
        ("study", f"/studies/{study}"),
        ("gap", f"/series/{held.gap}"),
        ("missing", "/nowhere"),
    ):
        page = open_page(server.address + path, **PHONE)
        photograph(page, f"server-{name}-phone", whole=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page = open_page(f"{server.address}/series/{held.ct}", **PHONE)
    viewer_in(page)
    photograph(page, "server-viewer-phone")
    expect(page.locator(".pane:visible")).to_have_count(1)


def test_the_pages_follow_the_readers_dark_setting(open_page, server, held):
    page = open_page("about:blank")
    page.emulate_media(color_scheme="dark")
    page.goto(f"{server.address}/studies/{study_of(held, held.ct)}")

    photograph(page, "server-study-dark", whole=True)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", ground)[:3])) < 120


def test_a_volume_is_prepared_before_the_eyes_of_the_reader(open_page, server, held):
    """The first view of a series makes its store; the page says so and then shows it."""
    (view,) = server.service.volumes(held.hostile)
    assert not view.is_ready

    page = open_page(f"{server.address}/volumes/{volume_id(view)}")

    viewer_in(page)
    assert view.is_ready
    expect(page.locator("#waiting")).to_be_hidden()


def test_a_volume_that_cannot_be_prepared_says_why(open_page, server, held):
    page = open_page("about:blank")
    page.route("**/store", lambda route: route.fulfill(
        status=200, json={"stage": "failed", "done": 0, "total": 0, "reason": "The disk is full."}
    ))  # fmt: skip

    page.goto(f"{server.address}/series/{held.ct}")

    expect(page.locator("#stage")).to_have_text("The disk is full.")


def test_hostile_texts_run_nowhere(open_page, server, held):
    """Names and descriptions with scripts in them: no dialog, no error, no breach of the policy."""
    dialogs: list[str] = []
    study = held.hostile_study
    dashboards = server.dashboards()
    for address in (
        server.address,
        f"{server.address}/studies/{study}",
        f"{server.address}/series/{held.hostile}",
        f"{dashboards}/study?uid={study}",
    ):
        page = open_page("about:blank")
        page.on("dialog", lambda said: (dialogs.append(said.message), said.dismiss()))
        page.goto(address)
        if "/series/" in address or "/study?" in address:
            viewer_in(page)
        expect(page.locator("body")).to_contain_text("alert(")

    assert dialogs == []


# A Panel dashboard


@pytest.mark.smoke
def test_a_dashboard_shows_the_volume_and_its_window_is_linked_both_ways(
    open_page, server, held, hu
):
    page = open_page(f"{server.dashboards()}/study?uid={study_of(held, held.ct)}")
    place = viewer_in(page)
    photograph(page, "dashboard-desktop")
    expect_axial(place, hu)

    place.evaluate("place => place.viewer.dispatch({type: 'window', window: "
                   "{center: 100, width: 900, function: 'LINEAR'}})")  # fmt: skip
    expect(page.get_by_text("Window: 900")).to_be_visible()
    expect(page.get_by_text("Level: 100")).to_be_visible()

    page.locator(".noUi-handle").first.press("Home")
    lowest = round(float(hu.min()))
    expect(page.get_by_role("spinbutton", name="Level")).to_have_value(str(lowest))


def test_a_dashboard_fits_a_phone(open_page, server, held):
    page = open_page(f"{server.dashboards()}/study?uid={study_of(held, held.ct)}", **PHONE)

    viewer_in(page)
    photograph(page, "dashboard-phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_dashboard_offers_each_volume_of_a_series(open_page, server, held):
    page = open_page(f"{server.dashboards()}/study?uid={study_of(held, held.echoes)}")
    viewer_in(page)

    page.get_by_label("Volume").select_option(index=1)

    expect(page.locator("body")).to_contain_text("Echo Numbers 2")
    viewer_in(page)


# A notebook cell


@pytest.fixture(scope="module")
def lab(held, home, tmp_path_factory) -> Iterator[tuple[str, str]]:
    """A real JupyterLab on a notebook that calls `volume.view()`; its address and token."""
    folder = tmp_path_factory.mktemp("lab")
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"checkForUpdates": False, "fetchNews": "false", "doNotDisturbMode": True}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                "from dicomlab.archive import Archive\n"
                "from dicomlab.volume import volume\n"
                "from dicomlab.widgets import view\n"
                f"archive = Archive.open({str(held.folder)!r})\n"
                f"viewer = view(volume(archive.instances({held.ct!r})))\n"
                "viewer"
            ),
            nbformat.v4.new_code_cell(
                "viewer.window = (100, 900)\n"
                "viewer.observe(lambda change: setattr(viewer, 'height_px', 600), 'window')"
            ),
            nbformat.v4.new_code_cell("print(viewer.window, viewer.voxel)"),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    (folder / "work").mkdir()
    nbformat.write(notebook, folder / "work" / "view.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    with subprocess.Popen(
        [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
            "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={folder / 'work'}", "--LabApp.extension_manager=readonly",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={
            **os.environ,
            "HOME": str(folder),
            "JUPYTER_TOKEN": token,
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "IPYTHONDIR": str(folder / "ipython"),
            "PYTHONPATH": str(ROOT),
        },
    ) as process:  # fmt: skip
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if f"127.0.0.1:{port}/lab?token=" in line:
                break
        else:
            pytest.fail("JupyterLab did not start: " + "".join(said[-10:]))
        yield f"http://127.0.0.1:{port}", token
        process.terminate()
        process.stderr.read()


def run_cell(page: Page, number: int) -> None:
    """Run one cell as a reader does, and wait until the kernel says that it is done."""
    # A cell that is run before the kernel has answered is dropped without a word.
    indicator = page.locator(".jp-Notebook-ExecutionIndicator")
    expect(indicator).to_have_attribute("data-status", "idle", timeout=60_000)
    cell = page.locator(".jp-CodeCell").nth(number)
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    expect(cell.locator(".jp-InputArea-prompt")).to_have_text(
        re.compile(r"\[\d+\]:"), timeout=60_000
    )


@pytest.mark.smoke
def test_a_notebook_cell_shows_the_volume(open_page, lab, hu):
    address, token = lab
    page = open_page(f"{address}/lab/tree/view.ipynb?token={token}", width=1280, height=900)
    expect(page.locator(".jp-CodeCell")).to_have_count(3, timeout=60_000)

    run_cell(page, 0)
    place = viewer_in(page)
    photograph(page, "notebook-desktop")
    expect_axial(place, hu)

    run_cell(page, 1)
    expect(page.get_by_role("spinbutton", name="Width")).to_have_value("900")
    expect_axial(place, hu, center=100, width=900)
    place.evaluate("place => place.viewer.dispatch({type: 'window', window: "
                   "{center: 50, width: 350, function: 'LINEAR'}})")  # fmt: skip
    # The kernel has heard of it when its own observer has made the viewer higher.
    expect(place).to_have_css("height", "600px")
    run_cell(page, 2)
    expect(page.locator(".jp-CodeCell").nth(2)).to_contain_text("(50.0, 350.0)")
