"""What a notebook's page asks for, and what it is told (schema/messages.md)."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from dicomlab.geometry import Grid
from dicomlab.viewing import SCHEMA_FOLDER, RequestDesk, VolumeView, answer
from dicomlab.volume import Volume

SHAPE = (6, 20, 24)
REPLY = json.loads((SCHEMA_FOLDER / "messages.schema.json").read_text())["$defs"]["Reply"]


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(3).integers(-50, 50, SHAPE).astype(np.int16)


@pytest.fixture(scope="module")
def view(values) -> VolumeView:
    affine = np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
    return VolumeView(Volume.from_array(values, Grid(SHAPE, affine)))


def ask(view, **request):
    reply, data = answer(view, {"id": "a-1", **request})
    assert set(REPLY["required"]) <= set(reply) <= set(REPLY["properties"])
    assert reply["status"] in REPLY["properties"]["status"]["enum"]
    assert reply["id"] == "a-1"
    assert (data is not None) == (reply["status"] == "ok")
    return reply, data


def test_a_chunk_comes_as_it_is_stored(view):
    assert ask(view, kind="chunk", key="zarr.json")[1] == view.chunk("zarr.json")


@pytest.mark.parametrize(
    ("asked", "part"),
    [({"offset": 2, "length": 4}, slice(2, 6)), ({"suffix_length": 5}, slice(-5, None))],
)
def test_a_range_of_a_chunk_comes(view, asked, part):
    whole = view.chunk("zarr.json")

    assert ask(view, kind="chunk", key="zarr.json", range=asked)[1] == whole[part]


def test_a_chunk_that_is_not_there_is_missing_not_an_error(view):
    assert ask(view, kind="chunk", key="0/c/7/7/7")[0]["status"] == "missing"


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "0\\c", ""])
def test_a_key_that_leads_elsewhere_gives_no_bytes(view, key):
    assert ask(view, kind="chunk", key=key)[1] is None


@pytest.mark.parametrize(("axis", "index"), [(0, 5), (1, 19), (2, 0)])
def test_a_plane_comes_exact(view, values, axis, index):
    _reply, data = ask(view, kind="plane", axis=axis, index=index)

    assert data == np.take(values, index, axis).astype("<i2").tobytes()


@pytest.mark.parametrize(
    "request_",
    [
        {"kind": "plane", "axis": 3, "index": 0},
        {"kind": "plane", "axis": 0, "index": 6},
        {"kind": "plane", "axis": 0, "index": "0"},
        {"kind": "plane"},
        {"kind": "chunk", "key": "zarr.json", "range": "0-5"},
        {"kind": "chunk", "key": "zarr.json", "range": {"offset": -5, "length": 1}},
        {"kind": "bundle", "name": "../_views.py"},
        {"kind": "wish"},
        {},
    ],
)
def test_a_wrong_request_is_an_error_and_says_so(view, request_):
    reply, _data = ask(view, **request_)

    assert reply["status"] == "error"
    assert reply["message"]


def test_the_desk_answers_every_request_once(view):
    """Answers come from threads, in any order, each under the id of its request."""
    told: dict[str, str] = {}
    lock, all_told = threading.Lock(), threading.Event()

    def send(reply, data):
        with lock:
            assert reply["id"] not in told
            told[reply["id"]] = reply["status"]
            if len(told) == 40:
                all_told.set()

    desk = RequestDesk(view, send)
    for number in range(40):
        desk.receive({"kind": "plane", "id": f"q-{number}", "axis": 0, "index": number % 6})

    assert all_told.wait(30)
    desk.close()
    assert set(told.values()) == {"ok"}


@pytest.mark.parametrize("nonsense", [None, "text", [], {"kind": "chunk"}, {"id": 5}])
def test_the_desk_drops_what_is_no_request(view, nonsense):
    told: list[object] = []
    desk = RequestDesk(view, lambda reply, data: told.append(reply))

    desk.receive(nonsense)
    desk.close()

    assert told == []


def test_a_request_that_was_taken_back_is_not_worked_on(view):
    """The page scrolled on: what waits behind other work is dropped."""
    release, told = threading.Event(), []

    def send(reply, data):
        release.wait(30)
        told.append(reply["id"])

    desk = RequestDesk(view, send)
    for number in range(6):
        desk.receive({"kind": "plane", "id": f"q-{number}", "axis": 0, "index": 0})
    desk.receive({"kind": "cancel", "id": "q-5"})
    release.set()
    desk.close()

    assert "q-5" not in told
    assert "q-0" in told
