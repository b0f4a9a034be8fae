"""The gate in front of a real server: who is answered, and with which headers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from dicomlab.server import BackgroundServer, Gate, listening_socket
from dicomlab.server._gate import host_name


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Echo: a path over HTTP, a text over a websocket."""
    if scope["type"] == "lifespan":
        assert (await receive())["type"] == "lifespan.startup"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()
    else:
        request = Request(scope)
        answer: Response = PlainTextResponse(request.url.path)
        if request.url.path == "/own-policy":
            answer = JSONResponse({}, headers={"Content-Security-Policy": "default-src 'self'"})
        await answer(scope, receive, send)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the echo behind a gate."""
    server = BackgroundServer(Gate(application), listening_socket("127.0.0.1", 0)).start()
    yield server.address
    server.stop()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST:80", "[::1]:9", "localhost."]
)
def test_the_names_of_this_machine_are_answered(address, host):
    assert httpx.get(address, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "0.0.0.0",
        "127.0.0.2", "evil.example@127.0.0.1", "127.0.0.1:x", "[::1", "a b", "2130706433",
    ],
)  # fmt: skip
def test_a_name_that_somebody_pointed_here_is_refused(address, host):
    """DNS rebinding: another site's page speaks to us under its own name."""
    answer = httpx.get(address, headers={"Host": host})

    assert answer.status_code in (400, 421)
    assert "/" not in answer.text


def test_two_host_headers_are_refused(address):
    with socket.create_connection(("127.0.0.1", int(address.rsplit(":", 1)[1]))) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n")

        assert raw.recv(64).split(b" ")[1] in (b"400", b"421")


@pytest.mark.parametrize("path", ["/", "/missing"])
def test_every_answer_carries_the_security_headers(address, path):
    headers = httpx.get(address + path).headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_a_refusal_carries_them_too(address):
    headers = httpx.get(address, headers={"Host": "evil.example"}).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]


def test_an_answer_may_bring_its_own_policy(address):
    answer = httpx.get(f"{address}/own-policy")

    assert answer.headers["content-security-policy"] == "default-src 'self'"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://{host}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_a_post_from_another_page_is_refused(address, headers):
    host = address.removeprefix("http://")
    said = {name: value.format(host=host) for name, value in headers.items()}

    assert httpx.post(address, headers=said).status_code == 403


@pytest.mark.parametrize("origin", [None, "null", "own"])
def test_a_post_from_our_own_page_or_a_program_is_let_through(address, origin):
    """A form of a page that sends no referrer says null, and the browser vouches for it."""
    said = {"own": address}.get(str(origin), origin)
    headers = {} if said is None else {"Origin": said, "Sec-Fetch-Site": "same-origin"}

    assert httpx.post(address, headers=headers).status_code == 200


def test_a_websocket_from_our_own_page_is_let_through(address):
    with connect(address.replace("http", "ws"), origin=address) as socket:
        socket.send("hello")

        assert socket.recv() == "hello"


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
def test_a_websocket_from_elsewhere_is_refused(address, origin):
    """A browser names the origin of every websocket, so one without is no page of ours."""
    with pytest.raises(InvalidStatus) as refused:
        connect(address.replace("http", "ws"), origin=origin)

    assert refused.value.response.status_code == 403


def test_a_websocket_under_another_name_is_refused(address):
    """The origin agrees with the host, as in DNS rebinding; the host is not ours."""
    with pytest.raises(InvalidStatus) as refused:
        connect(
            address.replace("http", "ws"),
            origin="http://evil.example",
            additional_headers={"Host": "evil.example"},
        )

    assert refused.value.response.status_code in (400, 421)


def test_stopping_leaves_no_thread_and_no_socket():
    before = set(threading.enumerate())
    server = BackgroundServer(Gate(application), listening_socket("127.0.0.1", 0)).start()
    assert httpx.get(server.address).status_code == 200

    server.stop()
    server.stop()

    assert set(threading.enumerate()) == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.address)


def test_a_taken_port_is_refused():
    from dicomlab.errors import RefusedError

    with listening_socket("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(RefusedError, match="port"):
            listening_socket("127.0.0.1", taken.getsockname()[1])


def test_the_gate_lets_the_lifespan_pass():
    """Start and stop of the application are no requests."""
    seen = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: object) -> None: ...

    asyncio.run(Gate(inner)({"type": "lifespan"}, nothing, nothing))

    assert seen == ["lifespan"]


@pytest.mark.parametrize(
    ("header", "name"),
    [("localhost", "localhost"), ("A.B:80", "a.b"), ("[::1]:80", "::1"), ("", None), ("x/y", None)],
)
def test_the_name_in_a_host_header(header, name):
    assert host_name(header) == name
