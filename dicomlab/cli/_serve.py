"""``dicomlab view`` and ``serve``: pages in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dicomlab.cli._frame import (
    ArchiveChoice,
    answer,
    archive_option,
    collection_of,
    command,
    json_option,
    port_type,
    say,
)

if TYPE_CHECKING:
    from dicomlab._face import Collection
    from dicomlab.archive import Place


@click.command()
@click.argument("source", required=False)
@click.option(
    "--http-port", default=0, type=port_type, show_default="any free one", help="Port on loopback."
)
@click.option("--no-browser", is_flag=True, help="Print the address only.")
@archive_option
@json_option
@command
def view(
    source: str | None, http_port: int, archive: ArchiveChoice, *, no_browser: bool, as_json: bool
) -> None:
    """Look at the studies of the archive, or of SOURCE, in the browser."""
    _serve(collection_of(source, archive), port=http_port, browse=not no_browser, as_json=as_json)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--http-port", default=8080, type=port_type, show_default=True, help="Port; 0 for any free one."
)
@click.option("--dashboards", is_flag=True, help="Panel dashboards too, on a port of their own.")
@archive_option
@json_option
@command
def serve(
    host: str, http_port: int, archive: ArchiveChoice, *, dashboards: bool, as_json: bool
) -> None:
    """Serve the archive's pages until Ctrl-C."""
    held = archive.open()
    place = held.source.place if dashboards else None
    _serve(held, host=host, port=http_port, browse=False, as_json=as_json, dashboards=place)


def _serve(
    collection: Collection,
    *,
    port: int,
    browse: bool,
    as_json: bool,
    host: str = "127.0.0.1",
    dashboards: Place | None = None,
) -> None:
    import webbrowser  # noqa: PLC0415

    from dicomlab.server import serve as start  # noqa: PLC0415

    with start(collection.source, host=host, port=port, dashboards=dashboards) as server:
        answer({"address": server.address}, as_json=as_json, text=server.address)
        say("Serving until Ctrl-C.")
        if browse:
            webbrowser.open(server.address)
        try:
            server.wait()
        except KeyboardInterrupt:
            say("Stopped.")
