"""The process that serves dashboards: its own origin, its own policy, nothing left behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator

import httpx
import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from dicomlab.archive import Place
from dicomlab.errors import StorageError
from dicomlab.server import Server, serve
from dicomlab.server._dashboards import DashboardProcess
from tests.archives import Samples, samples

SECRET = "do-not-write-me-into-the-page"


@pytest.fixture(scope="module")
def held(tmp_path_factory) -> Iterator[Samples]:
    with samples(tmp_path_factory.mktemp("dashboards"), slices=4, rows=32) as made:
        yield made


@pytest.fixture(scope="module")
def server(held, tmp_path_factory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DICOMLAB_HOME", str(tmp_path_factory.mktemp("home")))
        with serve(held.archive, dashboards=held.archive.place) as running:
            running.dashboards()
            yield running


@pytest.fixture(scope="module")
def page(server, held) -> httpx.Response:
    return httpx.get(
        f"{server.dashboards()}/study?uid={held.hostile_study}",
        headers={"Authorization": f"Bearer {SECRET}", "Cookie": f"session={SECRET}"},
        timeout=60,
    )


def test_dashboards_have_an_origin_of_their_own(server, held, page):
    assert page.status_code == 200
    assert server.dashboards() != server.address
    study = httpx.get(f"{server.address}/studies/{held.hostile_study}")
    assert f"{server.dashboards()}/study?uid={held.hostile_study}" in study.text


def test_no_cookie_and_no_header_gets_into_the_page(page):
    """Bokeh writes both into the session token unless it is told not to."""
    import base64

    assert SECRET not in page.text
    tokens = re.findall(r'"token":\s*"([^"]+)"', page.text)
    assert tokens
    for part in tokens[0].split("."):
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        assert SECRET.encode() not in decoded


def test_the_page_loads_from_its_own_server_only(page):
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]+"', page.text) == []
    assert "cdn." not in page.text


def test_the_policy_allows_no_eval_and_no_other_host(page):
    policy = page.headers["content-security-policy"]

    assert "unsafe-eval" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"https?:|\*", policy)
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("origin", [None, "http://evil.example"])
def test_a_websocket_from_elsewhere_is_refused(server, origin):
    address = server.dashboards().replace("http", "ws")
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{address}/study/ws", origin=origin)

    assert refused.value.response.status_code == 403


def test_another_host_name_is_refused(server):
    answer = httpx.get(f"{server.dashboards()}/study", headers={"Host": "evil.example"})

    assert answer.status_code == 421


@pytest.mark.parametrize("uid", ["", "x", "1.2.3", "<script>alert(1)</script>"])
def test_an_address_of_no_study_is_answered_in_words(server, uid):
    answer = httpx.get(f"{server.dashboards()}/study", params={"uid": uid}, timeout=60)

    assert answer.status_code == 200
    assert "<script>alert(1)" not in answer.text


def test_stopping_ends_the_child(held):
    before = set(threading.enumerate())
    children = set(psutil.Process().children())
    server = serve(held.archive, dashboards=held.archive.place)

    server.stop()

    assert set(psutil.Process().children()) <= children
    assert set(threading.enumerate()) <= before


def test_dashboards_that_cannot_start_say_so(tmp_path):
    """An archive that is a file."""
    (tmp_path / "file").touch()
    process = DashboardProcess(Place(str(tmp_path / "file")))
    process.start()

    with pytest.raises(StorageError, match="did not start"):
        process.wait()
    process.stop()


def test_a_server_that_is_killed_while_they_start_leaves_nothing(held, tmp_path):
    """The child finds that nobody hears its address, and that its input has ended."""
    code = (
        "import os, sys, time\n"
        "from dicomlab.archive import Place\n"
        "from dicomlab.server._dashboards import DashboardProcess\n"
        "child = DashboardProcess(Place(sys.argv[1]))\n"
        "child.start()\n"
        "print(child._process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, str(held.folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "DICOMLAB_HOME": str(tmp_path)},
        check=False,
    )
    child = psutil.Process(int(killed.stdout))

    child.wait(60)

    assert killed.returncode == -9
