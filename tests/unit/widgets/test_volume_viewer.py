"""The viewer of a notebook cell, its kernel's side."""

from __future__ import annotations

import base64
import io
import os
import threading
from dataclasses import replace

import nbformat
import numpy as np
import pytest
import traitlets
from nbconvert import HTMLExporter
from PIL import Image

from dicomlab.errors import MissingDependencyError
from dicomlab.geometry import Grid
from dicomlab.pixels import VoiLutFunction, VoiWindow
from dicomlab.viewing import bundle_file
from dicomlab.volume import Volume
from dicomlab.widgets import VolumeViewer, view

SHAPE = (8, 16, 20)


@pytest.fixture(autouse=True)
def bundle() -> None:
    """A checkout that was never installed has no bundle; where all is required it must have."""
    try:
        bundle_file("widget-loader.js")
    except MissingDependencyError as error:
        if os.environ.get("DICOMLAB_PEERS") == "required":
            raise
        pytest.skip(str(error))


@pytest.fixture
def volume() -> Volume:
    values = np.random.default_rng(1).integers(0, 100, SHAPE).astype(np.int16)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
    made = Volume.from_array(values, Grid(SHAPE, affine), modality="CT", units="HU")
    return replace(made, windows=(VoiWindow(50, 80, VoiLutFunction.SIGMOID, "SOFT"),))


@pytest.fixture
def viewer(volume):
    made = view(volume)
    yield made
    made.close()


def test_it_begins_in_the_middle_with_the_series_own_window(viewer, volume):
    assert viewer.window == (50, 80)
    assert viewer.voxel == (4, 8, 10)
    assert viewer.arrangement == "planes"
    assert viewer.volume is volume
    assert viewer.state["window"]["voi_lut_function"] == "SIGMOID"


def test_what_is_asked_for_is_shown_first(volume):
    viewer = view(volume, window=(10, 20), voxel=(0, 1, 2), arrangement="axial", height_px=300)

    assert viewer.state["voxel"] == [0, 1, 2]
    assert viewer.state["layout"] == "axial"
    assert (viewer.state["window"]["center"], viewer.state["window"]["width"]) == (10, 20)
    assert viewer.height_px == 300
    viewer.close()


def test_the_traits_follow_the_page(viewer):
    viewer.set_state({"state": {"window": {"center": 3, "width": 9}, "voxel": [1, 2, 3]}})

    assert viewer.window == (3, 9)
    assert viewer.voxel == (1, 2, 3)


def test_the_page_follows_the_traits(viewer):
    """The function of the window stays; the name that the series gave it does not."""
    viewer.window = (1, 2)
    viewer.arrangement = "coronal"

    assert viewer.state["window"] == {"center": 1, "width": 2, "voi_lut_function": "SIGMOID"}
    assert viewer.state["layout"] == "coronal"


@pytest.mark.parametrize(
    ("name", "value"), [("window", (0, 0.5)), ("voxel", (8, 0, 0)), ("arrangement", "oblique")]
)
def test_what_cannot_be_shown_is_refused(viewer, name, value):
    before = viewer.state

    with pytest.raises(traitlets.TraitError):
        setattr(viewer, name, value)

    assert viewer.state == before


def test_the_notebook_keeps_a_picture(viewer):
    """GitHub and exported pages run no kernel: they show the middle planes."""
    data, _metadata = viewer._repr_mimebundle_()

    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))
    assert picture.std() > 1
    assert "application/vnd.jupyter.widget-view+json" in data


def test_the_notebook_keeps_no_copy_of_the_viewer(viewer):
    """The whole state is saved with each notebook: the loader is below 3 kB."""
    assert len(viewer._esm) < 3000
    assert "VolumeViewer" in repr(viewer)


def test_a_request_is_answered_with_its_bytes(viewer, monkeypatch):
    sent, told = [], threading.Event()

    def send(content, buffers=None):
        sent.append((content, buffers))
        told.set()

    monkeypatch.setattr(viewer, "send", send)
    viewer._handle_custom_msg({"kind": "plane", "id": "x-1", "axis": 0, "index": 2}, [])

    assert told.wait(30)
    ((content, buffers),) = sent
    assert content == {"kind": "reply", "id": "x-1", "status": "ok"}
    assert buffers == [viewer.volume.reader.read(2).astype("<i2").tobytes()]


def test_closing_leaves_no_thread(volume):
    before = set(threading.enumerate())
    viewer = VolumeViewer(volume)
    viewer._handle_custom_msg({"kind": "plane", "id": "x-1", "axis": 0, "index": 2}, [])

    viewer.close()

    assert set(threading.enumerate()) <= before


def test_an_exported_page_shows_the_picture(viewer):
    """nbconvert knows no kernel and no widget state: it falls back to the middle planes."""
    data, metadata = viewer._repr_mimebundle_()
    output = nbformat.v4.new_output(
        "execute_result", data=data, metadata=metadata, execution_count=1
    )
    cell = nbformat.v4.new_code_cell("volume.view()", outputs=[output], execution_count=1)

    page, _resources = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))

    assert data["image/png"][:60] in page
