"""What nobody foresaw is answered neutrally, and says nothing of a patient anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from dicomlab.catalog import Query
from dicomlab.server import BackgroundServer, create_app, listening_socket
from dicomlab.viewing import ViewService
from tests.archives import samples

CANARY = "Canary^Patient"


class Broken:
    """A source with a bug: its error quotes what it was working on."""

    def records(self, query: Query) -> Iterator[object]:
        raise KeyError(CANARY)

    def instances(self, *_: object, **__: object) -> list[object]:
        raise KeyError(CANARY)


@pytest.fixture
def broken(tmp_path) -> Iterator[BackgroundServer]:
    source = Broken()
    app = create_app(source, service=ViewService(source, tmp_path))
    server = BackgroundServer(app, listening_socket("127.0.0.1", 0)).start()
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("application/json", "application/problem+json"), ("text/html", "text/html; charset=utf-8")],
)
def test_a_bug_is_answered_without_its_words(broken, accept, kind, caplog, capfd):
    """Neither answer nor log nor standard error hold what the error quotes; the log says where."""
    answer = httpx.get(f"{broken.address}/", headers={"Accept": accept})

    assert answer.status_code == 500
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-security-policy"]
    assert "Something went wrong in the server." in answer.text
    said = "".join(capfd.readouterr()) + caplog.text
    assert "unforeseen KeyError at _pages.py:" in said
    for place in (answer.text, said):
        assert "Canary" not in place
        assert "Traceback" not in place


def test_an_answer_that_breaks_off_says_nothing_either(caplog, capfd):
    """The connection ends; the client sees that the answer is not whole."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        raise KeyError(CANARY)

    server = BackgroundServer(app, listening_socket("127.0.0.1", 0)).start()
    try:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(server.address)
    finally:
        server.stop()

    said = "".join(capfd.readouterr()) + caplog.text
    assert "unforeseen KeyError at " in said
    assert "Canary" not in said


def test_a_volume_that_cannot_be_prepared_for_a_bug_says_so(tmp_path, monkeypatch, caplog):
    """The page is told; the log has kind and place."""
    with samples(tmp_path, slices=4, rows=16) as held:
        service = ViewService(held.archive, tmp_path / "volumes")
        (view,) = service.volumes(held.ct)

        def prepare(_progress: object) -> None:
            raise KeyError(CANARY)

        monkeypatch.setattr(view, "prepare", prepare)
        name = f"{held.ct}_{view.digest[:16]}"
        service.prepare(name)
        service.close()

        assert "Something went wrong" in service.preparation(name).reason

    assert "unforeseen KeyError" in caplog.text
    assert "Canary" not in caplog.text
