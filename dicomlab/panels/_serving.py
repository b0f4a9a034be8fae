"""Dashboards behind an ASGI application of somebody else's making."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence

import panel as pn
from panel.io.fastapi import add_applications

from dicomlab.catalog import Browsable
from dicomlab.errors import DicomlabError
from dicomlab.panels._dashboard import dashboard
from dicomlab.pixels import DecodeInto, decode_into

__all__ = ["add_dashboards"]

_PAGE = """
{% extends base %}
{% block preamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
{% endblock %}
{% block contents %}{{ embed(roots.main) }}{% endblock %}
"""
"""Panel's own page, made to fit a phone."""
_UID = re.compile(rb"[0-9.]{1,64}")


def add_dashboards(
    app: object,
    source: Browsable,
    *,
    origins: Sequence[str],
    decode: DecodeInto = decode_into,
) -> None:
    """Serve the dashboards of a source's studies at ``/study?uid=...`` of an application.

    Everything comes from the application itself, and nothing of a request but its arguments gets
    into a session: no cookie and no header.

    Parameters
    ----------
    app
        A FastAPI application.
    source
        Where the studies are.
    origins
        Hosts with port whose pages may open a websocket.
    decode
        What decodes frames.
    """
    add_applications(
        {"/study": _study(source, decode)},
        app=app,
        title={"/study": "Dashboard · dicomlab"},
        location=False,
        websocket_origin=list(origins),
        include_cookies=[],
        include_headers=[],
        secret_key=secrets.token_bytes(32),
        sign_sessions=True,
    )


def _study(source: Browsable, decode: DecodeInto) -> Callable[[], pn.Template]:
    def page() -> pn.Template:
        made = pn.Template(_PAGE)
        made.add_panel("main", content())
        return made

    def content() -> pn.viewable.Viewable:
        asked = pn.state.session_args.get("uid", [b""])[0]
        if not _UID.fullmatch(asked):
            return pn.pane.Alert("The address names no study.", alert_type="warning")
        try:
            return dashboard(source, asked.decode("ascii"), decode=decode)
        except DicomlabError as error:
            return pn.pane.Alert(str(error), alert_type="warning")

    return page
