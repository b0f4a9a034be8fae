"""``dicomlab echo``: the DICOM network."""

from __future__ import annotations

import click

from dicomlab.cli._frame import aet_option, answer, command, json_option, peer_of, timeout_option


@click.command()
@click.argument("peer", metavar="PEER")
@aet_option
@timeout_option
@json_option
@command
def echo(peer: str, aet: str | None, *, timeout_s: float, as_json: bool) -> None:
    """Ask whether PEER is there: dicom://AET@host:port, or a configured name."""
    took_s = peer_of(peer, aet, timeout_s).echo()
    answer(
        {"peer": peer, "seconds": took_s},
        as_json=as_json,
        text=f"It answers ({took_s * 1e3:.1f} ms).",
    )
