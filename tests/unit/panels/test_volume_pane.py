"""The viewer as a Panel component, its Python side."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dicomlab.errors import MissingDependencyError, NotFoundError
from dicomlab.geometry import Grid
from dicomlab.panels import dashboard, viewer
from dicomlab.pixels import VoiLutFunction, VoiWindow
from dicomlab.viewing import bundle_file
from dicomlab.volume import Volume
from tests.archives import HOSTILE, samples

SHAPE = (8, 16, 20)


@pytest.fixture(autouse=True)
def bundle() -> None:
    try:
        bundle_file("widget-loader.js")
    except MissingDependencyError as error:
        if os.environ.get("DICOMLAB_PEERS") == "required":
            raise
        pytest.skip(str(error))


@pytest.fixture
def pane():
    values = np.random.default_rng(1).integers(0, 100, SHAPE).astype(np.int16)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
    volume = replace(
        Volume.from_array(values, Grid(SHAPE, affine)),
        windows=(VoiWindow(50, 80, VoiLutFunction.SIGMOID, "SOFT"),),
    )
    made = viewer(volume)
    yield made
    made.close()


def test_it_begins_with_the_series_own_window(pane):
    assert (pane.window_center, pane.window_width) == (50, 80)
    assert pane.state["window"]["voi_lut_function"] == "SIGMOID"


def test_parameters_and_state_lead_each_other(pane):
    pane.state = {"window": {"center": 3, "width": 9}, "voxel": [1, 2, 3]}
    assert (pane.window_center, pane.window_width) == (3, 9)

    pane.window_width = 11
    assert pane.state == {"window": {"center": 3, "width": 11}, "voxel": [1, 2, 3]}


def test_a_width_below_one_is_refused(pane):
    """PS3.3 C.11.2.1.2.1."""
    with pytest.raises(ValueError, match="window_width"):
        pane.window_width = 0.5


def test_a_dashboard_of_no_study_is_not_found(tmp_path):
    with samples(tmp_path, slices=4, rows=32) as held, pytest.raises(NotFoundError):
        dashboard(held.archive, "1.2.3")


def test_a_dashboard_escapes_what_senders_wrote(tmp_path, monkeypatch):
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))
    with samples(tmp_path, slices=4, rows=32) as held:
        made = dashboard(held.archive, held.hostile_study)

        written = made[0].object
        assert HOSTILE not in written
        assert "&lt;script&gt;" in written
        for pane in made.select(lambda part: hasattr(part, "window_center")):
            pane.close()
    assert (Path(tmp_path) / "home" / "volumes").is_dir()
