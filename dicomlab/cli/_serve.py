"""``dicomlab view`` and ``serve``: pages in the browser."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
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
    from dicomlab.catalog import Stores
    from dicomlab.dimse import Node


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
@click.option(
    "--dicom-port", type=port_type, metavar="PORT",
    help="A DICOM node as well, on this port; 0 for any free one.",
)  # fmt: skip
@click.option("--aet", "aets", multiple=True, metavar="TITLE", help="AE title of the node.")
@click.option(
    "--dicom-address", "addresses", multiple=True, metavar="ADDRESS",
    help="Address that the node listens on; by default this machine alone.",
)  # fmt: skip
@click.option("--allow-aet", "allow_aets", multiple=True, metavar="TITLE",
              help="Only these AE titles may call the node.")  # fmt: skip
@click.option("--allow-address", "allow_addresses", multiple=True, metavar="ADDRESS",
              help="Only these addresses or networks may call the node.")  # fmt: skip
@click.option("--open", "is_open", is_flag=True, help="Anybody on the network may call the node.")
@click.option("--dashboards", is_flag=True, help="Panel dashboards too, on a port of their own.")
@archive_option
@json_option
@command
def serve(
    host: str,
    http_port: int,
    archive: ArchiveChoice,
    *,
    dicom_port: int | None,
    aets: tuple[str, ...],
    addresses: tuple[str, ...],
    allow_aets: tuple[str, ...],
    allow_addresses: tuple[str, ...],
    is_open: bool,
    dashboards: bool,
    as_json: bool,
) -> None:
    """Serve the archive's pages and DICOMweb, and a DICOM node with --dicom-port, until Ctrl-C."""
    held = archive.open()
    place = held.source.place if dashboards else None
    running: AbstractContextManager[Node | None] = nullcontext()
    if dicom_port is not None:
        from dicomlab._face import node  # noqa: PLC0415

        try:
            running = node(
                held, aet=aets or None, port=dicom_port, addresses=addresses or None,
                allow_aets=allow_aets or None, allow_addresses=allow_addresses or None,
                open=is_open,
            )  # fmt: skip
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    with running as listening, held.source.receiver() as receiver:
        _serve(
            held, host=host, port=http_port, browse=False, as_json=as_json, dashboards=place,
            stores=receiver, node=listening,
        )  # fmt: skip


def _serve(
    collection: Collection,
    *,
    port: int,
    browse: bool,
    as_json: bool,
    host: str = "127.0.0.1",
    stores: Stores | None = None,
    dashboards: Place | None = None,
    node: Node | None = None,
) -> None:
    import webbrowser  # noqa: PLC0415

    from dicomlab.server import serve as start  # noqa: PLC0415

    with start(
        collection.source, host=host, port=port, stores=stores, dashboards=dashboards
    ) as server:
        addresses = {"address": server.address}
        if node is not None:
            addresses["dicom"] = node.address
        answer(addresses, as_json=as_json, text="\n".join(addresses.values()))
        say("Serving until Ctrl-C.")
        if browse:
            webbrowser.open(server.address)
        try:
            server.wait()
        except KeyboardInterrupt:
            say("Stopped.")
