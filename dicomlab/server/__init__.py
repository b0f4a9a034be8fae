"""The ASGI application behind its gate, and the server that runs it."""

from dicomlab.server._app import create_app
from dicomlab.server._gate import LOOPBACK_HOSTS, PAGE_POLICY, Gate
from dicomlab.server._server import Server, serve
from dicomlab.server._serving import BackgroundServer, listening_socket

__all__ = [
    "LOOPBACK_HOSTS",
    "PAGE_POLICY",
    "BackgroundServer",
    "Gate",
    "Server",
    "create_app",
    "listening_socket",
    "serve",
]
