"""The pages and data of `dicomlab serve`, asked of a real server over a real archive."""

from __future__ import annotations

import io
import json
import os
import re
import threading
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import numpy as np
import pytest
from PIL import Image

from dicomlab import omezarr
from dicomlab.errors import MissingDependencyError, PolicyError
from dicomlab.server import Server, serve
from dicomlab.viewing import bundle_file, volume_id
from tests.archives import HOSTILE, HOSTILE_ATTRIBUTE, Samples, samples


@pytest.fixture(scope="module")
def held(tmp_path_factory) -> Iterator[Samples]:
    with samples(tmp_path_factory.mktemp("pages")) as made:
        yield made


@pytest.fixture(scope="module")
def server(held, tmp_path_factory) -> Iterator[Server]:
    with serve(held.archive, folder=tmp_path_factory.mktemp("volumes")) as running:
        yield running


@pytest.fixture(scope="module")
def client(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address, headers={"Accept": "text/html,*/*"}) as made:
        yield made


@pytest.fixture(scope="module")
def ct(server, held) -> str:
    """The CT's volume, prepared."""
    (view,) = server.service.volumes(held.ct)
    view.prepare()
    return volume_id(view)


@pytest.fixture
def bundle() -> None:
    try:
        bundle_file("viewer.js")
    except MissingDependencyError as error:
        if os.environ.get("DICOMLAB_PEERS") == "required":
            raise
        pytest.skip(str(error))


class Page(HTMLParser):
    """The tags and the visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def links(self, prefix: str) -> set[str]:
        return {
            str(attrs["href"])
            for tag, attrs in self.tags
            if tag == "a" and str(attrs.get("href")).startswith(prefix)
        }


# Pages


def test_home_lists_the_studies(client, held):
    page = Page(client.get("/").text)

    assert len(page.links("/studies/")) == 5
    assert "Thorax with contrast" in page.text or "CT" in page.text


def test_a_study_shows_its_series_with_pictures(client, held):
    (study,) = {
        record["StudyInstanceUID"]
        for record in client.get("/api/studies").json()
        if record["PatientName"] != HOSTILE and "MR" in str(record["ModalitiesInStudy"])
    }

    page = Page(client.get(f"/studies/{study}").text)

    assert page.links("/series/") == {f"/series/{held.echoes}"}
    picture = client.get(f"/series/{held.echoes}/thumbnail.png")
    assert picture.headers["content-type"] == "image/png"
    assert np.asarray(Image.open(io.BytesIO(picture.content))).std() > 5


def test_a_series_of_one_volume_leads_to_its_viewer(client, held, ct, bundle):
    answer = client.get(f"/series/{held.ct}", follow_redirects=True)
    page = Page(answer.text)

    assert answer.url.path == f"/volumes/{ct}"
    ((_tag, place),) = [t for t in page.tags if t[1].get("id") == "viewer"]
    assert place["data-volume"] == f"/volumes/{ct}"
    module = client.get(str(place["data-module"]))
    assert module.content == bundle_file("viewer.js").read_bytes()


def test_a_series_of_several_volumes_offers_a_choice(client, held):
    answer = client.get(f"/series/{held.echoes}")
    page = Page(answer.text)

    assert answer.status_code == 200
    assert len(page.links("/volumes/")) == 2
    assert page.text.count("Echo Numbers") == 2


@pytest.mark.parametrize(
    ("series", "heading"), [("gap", "no regular grid"), ("colour", "no volume")]
)
def test_a_series_that_is_no_volume_says_why_and_what_to_do(client, held, series, heading):
    answer = client.get(f"/series/{getattr(held, series)}")
    page = Page(answer.text)

    assert answer.status_code == 422
    assert heading in page.text
    assert "What can be done" in page.text
    assert "Traceback" not in answer.text


def test_nothing_that_a_sender_wrote_becomes_markup(client, held, bundle):
    """PatientName, descriptions and IDs of the hostile study, on every page."""
    study, series = held.hostile_study, held.hostile
    seen = ""
    for path in ("/", f"/studies/{study}", f"/series/{series}"):
        answer = client.get(path, follow_redirects=True)
        page = Page(answer.text)
        seen += page.text
        tags = {tag for tag, _ in page.tags}
        assert not tags & {"svg", "i", "u", "b"}
        scripts = [attrs for tag, attrs in page.tags if tag == "script"]
        assert all(str(attrs.get("src")).startswith("/assets/") for attrs in scripts)
        assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
        assert not any(tag == "style" or "style" in attrs for tag, attrs in page.tags)
    assert HOSTILE in seen
    assert HOSTILE_ATTRIBUTE in seen
    assert "{{7*7}}" in seen


def test_titles_and_addresses_name_no_patient(client, held, bundle):
    """Titles stand in histories, addresses in logs."""
    for path in ("/", f"/studies/{held.hostile_study}", f"/series/{held.hostile}"):
        answer = client.get(path, follow_redirects=True)
        title = re.search("<title>(.*?)</title>", answer.text)[1]
        assert "alert" not in title
        for _tag, attrs in Page(answer.text).tags:
            for name in ("href", "src", "action"):
                assert "script" not in str(attrs.get(name, "")).replace(".js", "")


# Search


def search(client: httpx.Client, **fields: str) -> tuple[httpx.Response, Page]:
    answer = client.post("/search", data=fields)
    assert answer.status_code == 303
    shown = client.get(answer.headers["location"])
    return answer, Page(shown.text)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"Modality": "mr"}, 1),
        ({"PatientID": "*"}, 5),
        ({"PatientName": "no such name"}, 0),
        ({"from": "2024-01-15", "to": "2024-01-15"}, 5),
        ({"from": "2024-01-16"}, 0),
        ({"to": "2024-01-14"}, 0),
        ({"from": "2024-01-16", "to": "2024-01-14"}, 5),
        ({"from": "2024-13-99"}, 5),
        ({"to": "0000-00-00"}, 5),
        ({f"field{number}": "x" for number in range(100)}, 5),
        ({"StudyDescription": "7*7"}, 1),
        ({"PatientName": "<SCRIPT>"}, 1),
        ({}, 5),
    ],
)
def test_a_search_finds_by_any_part(client, fields, found):
    _answer, page = search(client, **fields)

    assert len(page.links("/studies/")) == found


def test_what_was_searched_for_is_in_no_address(client):
    answer, page = search(client, PatientName="Mustermann")

    assert "muster" not in answer.headers["location"].lower()
    ((_tag, field),) = [t for t in page.tags if t[1].get("name") == "PatientName"]
    assert field["value"] == "Mustermann"


def test_a_search_form_of_a_megabyte_is_refused(client):
    assert client.post("/search", content=b"PatientName=" + b"x" * 10**6).status_code == 403


def test_many_studies_are_shown_by_pages(client, monkeypatch):
    monkeypatch.setattr("dicomlab.server._pages._STUDIES", 2)

    seen: list[str] = []
    address = "/"
    for _ in range(3):
        page = Page(client.get(address).text)
        seen += page.links("/studies/")
        following = [t[1]["href"] for t in page.tags if t[1].get("rel") == "next"]
        address = str(following[0]) if following else ""

    assert len(seen) == len(set(seen)) == 5
    assert address == ""


# Data


def test_records_come_as_json(client, held):
    studies = client.get("/api/studies").json()
    (study,) = [s for s in studies if s["StudyInstanceUID"] == held.hostile_study]
    series = client.get(f"/api/studies/{held.hostile_study}/series").json()

    assert study["PatientName"] == HOSTILE
    assert [one["SeriesInstanceUID"] for one in series] == [held.hostile]
    assert client.get(f"/api/studies/{held.hostile_study}").json() == study
    assert len(client.get("/api/studies?limit=2&offset=4").json()) == 1


def test_the_scene_leads_to_the_store_and_to_planes(client, server, held, ct):
    scene = client.get(f"/volumes/{ct}/scene").json()["volume"]
    volume = server.service.view(ct).volume

    group = json.loads(client.get(f"{scene['store']}/zarr.json").content)
    assert group["attributes"]["ome"]["version"] == "0.5"
    for axis, index in ((0, 3), (1, 30), (2, 50)):
        address = scene["plane_url"].replace("{axis}", str(axis)).replace("{index}", str(index))
        answer = client.get(address)
        shape = tuple(map(int, answer.headers["x-dicomlab-shape"].split(",")))
        got = np.frombuffer(answer.content, np.dtype(scene["dtype"])).reshape(shape)
        stored = volume.stored.compute()
        np.testing.assert_array_equal(got, np.take(stored, index, axis))


def test_a_series_uid_names_its_only_volume(client, held, ct):
    assert client.get(f"/volumes/{held.ct}/scene").json()["volume"]["modality"] == "CT"
    assert client.get(f"/volumes/{held.echoes}/scene").status_code == 404


def test_a_rendered_plane_has_the_window_that_was_asked_for(client, server, ct):
    answer = client.get(f"/volumes/{ct}/plane/0/10.png?center=40&width=400")
    picture = np.asarray(Image.open(io.BytesIO(answer.content)), np.float64)

    hu = server.service.view(ct).volume.array[10].compute().astype(np.float64)
    wanted = np.clip(((hu - 39.5) / 399 + 0.5) * 255, 0, 255)
    assert picture.shape == hu.shape
    assert np.abs(picture - wanted).max() <= 1


def test_the_store_is_made_on_demand_with_progress(client, server, held):
    (volume,) = client.get(f"/api/series/{held.hostile}/volumes").json()
    address = f"/volumes/{volume['id']}"
    assert client.get(f"{address}/zarr/zarr.json").status_code == 404

    begun = client.post(f"{address}/store").json()
    assert begun["stage"] in ("working", "ready")
    server.service.view(volume["id"]).prepare()

    assert client.post(f"{address}/store").json()["stage"] == "ready"
    assert client.get(f"{address}/store").json()["stage"] == "ready"
    assert client.get(f"{address}/zarr/zarr.json").status_code == 200


# Ranges (RFC 9110 14)


@pytest.fixture(scope="module")
def chunk(client, server, ct) -> tuple[str, bytes]:
    store = server.service.view(ct).prepare()
    return f"/volumes/{ct}/zarr/0/c/0/0/0", (store / "0/c/0/0/0").read_bytes()


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=5-5", slice(5, 6)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-20", slice(-20, None)),
        ("bytes=10-999999999", slice(10, None)),
        ("bytes=-999999999", slice(None)),
    ],
)
def test_a_range_is_answered_with_its_part(client, chunk, asked, part):
    address, whole = chunk

    answer = client.get(address, headers={"Range": asked})

    start, end, _step = part.indices(len(whole))
    assert answer.status_code == 206
    assert answer.content == whole[part]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(whole)}"


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=99999999-999999999", "bytes=-0"])
def test_a_range_beyond_the_end_is_not_satisfiable(client, chunk, asked):
    address, whole = chunk

    answer = client.get(address, headers={"Range": asked})

    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(whole)}"
    assert answer.content == b""


@pytest.mark.parametrize(
    "asked", ["bytes=9-5", "bytes=a-b", "items=0-5", "bytes=0-1,4-5", "bytes=", "bytes=-", ""]
)
def test_what_is_no_range_is_answered_with_the_whole(client, chunk, asked):
    address, whole = chunk

    answer = client.get(address, headers={"Range": asked})

    assert answer.status_code == 200
    assert answer.content == whole


@pytest.mark.parametrize("asked", [None, "bytes=0-9"])
def test_head_says_what_get_would(client, chunk, asked):
    """zarr readers ask for the size of a shard before they ask for its parts."""
    address, _whole = chunk
    headers = {"Range": asked} if asked else {}

    head, get = client.head(address, headers=headers), client.get(address, headers=headers)

    assert head.content == b""
    assert head.status_code == get.status_code
    for name in ("content-length", "accept-ranges", "content-range", "content-type"):
        assert head.headers.get(name) == get.headers.get(name)


# Wrong addresses


@pytest.mark.parametrize(
    "key",
    [
        "../zarr.json", "%2e%2e/%2e%2e/index.sqlite3", "..%2f..%2findex.sqlite3", "/etc/passwd",
        "%2fetc%2fpasswd", "0/c/0/0/0/../../../../../x", "0%5cc", "0/c/9/9/9", ".", "", "%00",
        "..;/zarr.json",
    ],
)  # fmt: skip
def test_no_key_leads_out_of_the_store(client, ct, key):
    """Sent as written: a client that tidies paths up would hide the attack."""
    request = client.build_request("GET", f"/volumes/{ct}/zarr/x")
    request.url = request.url.copy_with(raw_path=f"/volumes/{ct}/zarr/{key}".encode())

    answer = client.send(request)

    assert answer.status_code in (404, 307)
    assert b"sqlite" not in answer.content.lower()
    assert b"root:" not in answer.content


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/studies/1.2.3", 404),
        ("/series/1.2.3", 404),
        ("/series/1.2.3/thumbnail.png", 404),
        ("/volumes/1.2.3_0123456789abcdef", 404),
        ("/volumes/1.2.3_0123456789abcdef/scene", 404),
        ("/volumes/{ct}/plane/0/9999", 404),
        ("/volumes/{ct}/plane/0/-1", 404),
        ("/volumes/{ct}/plane/0/0?level=29", 404),
        ("/volumes/{ct}/plane/3/0", 422),
        ("/volumes/{ct}/plane/0/x", 422),
        ("/volumes/{ct}/plane/0/0.png?width=0&center=5", 422),
        ("/volumes/{ct}/plane/0/0.png?width=nan&center=5", 422),
        ("/volumes/{ct}/plane/0/0.png?size=100000", 422),
        ("/studies/..%2f..", 404),
        ("/studies/1.2.3<script>", 422),
        ("/?page=0", 422),
        ("/?page=x", 422),
        ("/api/studies?limit=-1", 422),
        (f"/api/studies?offset={10**30}", 422),
        ("/assets/server/0000/style.css", 404),
        ("/assets/other/0000/style.css", 422),
        ("/static/js/bokeh.min.js", 404),
        ("/docs", 404),
        ("/openapi.json", 404),
        ("/no-such-page", 404),
    ],
)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_wrong_address_is_answered_in_the_readers_form(client, ct, path, status, accept):
    answer = client.get(path.format(ct=ct), headers={"Accept": accept})

    assert answer.status_code == status
    assert "Traceback" not in answer.text
    assert "alert" not in answer.text
    if accept == "text/html":
        assert Page(answer.text).text.strip()
        assert "content-security-policy" in answer.headers
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert answer.json()["detail"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_pages_are_read_only(client, method):
    assert client.request(method, "/").status_code == 405


def test_a_fault_of_ours_shows_no_trace(client, server, held, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(type(server.service), "volumes", fail)

    answer = client.get(f"/series/{held.ct}")

    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_data_is_not_kept_by_browsers_and_assets_are(client, ct):
    style = Page(client.get("/").text)
    address = next(str(a["href"]) for t, a in style.tags if a.get("rel") == "stylesheet")

    assert "immutable" in client.get(address).headers["cache-control"]
    for path in ("/", f"/volumes/{ct}/scene", f"/volumes/{ct}/plane/0/0"):
        assert client.get(path).headers["cache-control"] == "no-store"


# Running


def test_a_server_is_for_this_machine_only(held):
    with pytest.raises(PolicyError, match="this machine only"):
        serve(held.archive, host="0.0.0.0")


def test_stopping_in_the_middle_of_the_work_leaves_nothing(held, tmp_path, monkeypatch):
    """Neither a thread nor anything that looks like a finished store."""
    begun, go_on = threading.Event(), threading.Event()
    true_write = omezarr.write

    def slow(volume, path, *, progress=None):
        begun.set()
        go_on.wait(30)
        return true_write(volume, path, progress=progress)

    monkeypatch.setattr(omezarr, "write", slow)
    before = set(threading.enumerate())
    server = serve(held.archive, folder=tmp_path)
    (view,) = server.service.volumes(held.ct)
    httpx.post(f"{server.address}/volumes/{volume_id(view)}/store")
    assert begun.wait(30)

    ending = threading.Thread(target=server.stop)
    ending.start()
    server.service.stopping.wait(30)
    go_on.set()
    ending.join(30)

    assert not ending.is_alive()
    assert not view.is_ready
    assert set(threading.enumerate()) <= before
