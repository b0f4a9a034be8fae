"""The gate: every HTTP and websocket exchange passes here before any route sees it.

Plain ASGI, because FastAPI's own middleware never sees a websocket. It answers only to names that
this server is known by (a page of another site that points its own name at this machine would read
studies otherwise), takes changes and websockets only from its own pages, and puts the security
headers on every answer.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["LOOPBACK_HOSTS", "PAGE_POLICY", "Gate", "host_name"]

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
"""The names of this machine that need no name service."""

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

PAGE_POLICY = (
    "default-src 'none'; base-uri 'none'; connect-src 'self'; font-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; img-src 'self' blob: data:; script-src 'self'; style-src 'self'; "
    "worker-src 'self'"
)
"""Content Security Policy of our own pages: no inline code, nothing from elsewhere."""

_HEADERS: Mapping[str, str] = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}


def host_name(host: str) -> str | None:
    """Return the name in a Host header, lower case and without port; `None` if it is none."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if name is None or parts.netloc != host or "@" in host:
        return None
    return name.rstrip(".")


class Gate:
    """Check who is spoken to and from where; give every answer its security headers.

    Parameters
    ----------
    app
        What stands behind the gate.
    hosts
        Names or addresses, without port, that requests may be addressed to.
    policy
        Content Security Policy of answers that bring none of their own.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Iterable[str] = LOOPBACK_HOSTS, policy: str = PAGE_POLICY
    ) -> None:
        self._app = app
        self._hosts = frozenset(_canonical(host) for host in hosts)
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)

        async def guarded(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                self._protect(MutableHeaders(scope=message))
            await send(message)

        if refusal:
            status, text = refusal
            await PlainTextResponse(text, status)(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Return status and text of a refusal, `None` where the exchange may go on."""
        hosts = headers.getlist("host")
        name = host_name(hosts[0]) if len(hosts) == 1 else None
        if name is None or _canonical(name) not in self._hosts:
            return 421, "This server does not answer to that host name.\n"
        socket = scope["type"] == "websocket"
        if not socket and scope["method"] in _SAFE_METHODS:
            return None
        scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
        own = {f"{scheme}://{hosts[0]}"}
        origins = headers.getlist("origin")
        site = headers.get("sec-fetch-site")
        if site == "same-origin" and not socket:
            # Under no-referrer a form's origin is sent as null; the browser vouches for it here.
            own.add("null")
        # A browser names the origin of every websocket and every POST; what is no browser need not.
        if (socket and not origins) or not own.issuperset(origins):
            return 403, "Only this server's own pages may do this.\n"
        if site not in (None, "same-origin"):
            return 403, "Only this server's own pages may do this.\n"
        return None

    def _protect(self, headers: MutableHeaders) -> None:
        for name, value in _HEADERS.items():
            headers[name] = value
        headers.setdefault("Content-Security-Policy", self._policy)
        headers.setdefault("Cache-Control", "no-store")
        if "server" in headers:
            del headers["server"]


def _canonical(host: str) -> str:
    """Return an address in its one spelling, a name in lower case."""
    host = host.strip("[]").lower().rstrip(".")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host
