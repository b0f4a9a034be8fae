"""``dicomlab echo``, ``pull`` and ``push``: the DICOM network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from dicomlab.cli._frame import (
    PARTLY,
    WRONG_CALL,
    ArchiveChoice,
    aet_option,
    answer,
    archive_option,
    command,
    fail,
    json_option,
    matches_of,
    peer_of,
    port_type,
    say,
    timeout_option,
)

if TYPE_CHECKING:
    import pandas as pd

level_option = click.option(
    "--level", default="study", show_default=True,
    type=click.Choice(["study", "series", "image"]), help="What the keywords choose.",
)  # fmt: skip


@click.command()
@click.argument("peer", metavar="PEER")
@aet_option
@timeout_option
@json_option
@command
def echo(peer: str, aet: str | None, *, timeout_s: float, as_json: bool) -> None:
    """Ask whether PEER is there: dicom://AET@host:port, or a configured name."""
    took_s = peer_of(peer, aet, timeout_s).echo()
    text = f"It answers ({took_s * 1e3:.1f} ms)."
    answer({"peer": peer, "seconds": took_s}, as_json=as_json, text=text)


@click.command()
@click.argument("peer", metavar="PEER")
@click.argument("words", nargs=-1, required=True, metavar="Keyword=Value...")
@level_option
@click.option(
    "--node-port", type=port_type, metavar="PORT",
    help="Listen here meanwhile, for a peer without C-GET that knows our AE title and port.",
)  # fmt: skip
@aet_option
@timeout_option
@archive_option
@json_option
@command
def pull(
    peer: str,
    words: tuple[str, ...],
    level: str,
    archive: ArchiveChoice,
    *,
    node_port: int | None,
    aet: str | None,
    timeout_s: float,
    as_json: bool,
) -> int:
    """Fetch what matches at PEER into the archive; what is there already is not asked for."""
    from contextlib import nullcontext  # noqa: PLC0415

    from dicomlab._face import node  # noqa: PLC0415

    source = peer_of(peer, aet, timeout_s)
    found = _found(source.find, level, words, as_json=as_json)
    with archive.open() as held:
        running = nullcontext() if node_port is None else node(held, aet=aet, port=node_port)
        with running as listening:
            report: Any = held.pull(source, found, node=listening)
    answer(report.to_dict(), as_json=as_json, text=str(report))
    return 0 if report.is_complete else PARTLY


@click.command()
@click.argument("peer", metavar="PEER")
@click.argument("words", nargs=-1, required=True, metavar="Keyword=Value...")
@level_option
@click.option("--missing-only", is_flag=True, help="Ask first, and send what the peer lacks.")
@click.option(
    "--resend", default=0, show_default=True, type=click.IntRange(min=0), metavar="TIMES",
    help="Send an instance again for which the peer is out of resources.",
)  # fmt: skip
@aet_option
@timeout_option
@archive_option
@json_option
@command
def push(
    peer: str,
    words: tuple[str, ...],
    level: str,
    archive: ArchiveChoice,
    *,
    missing_only: bool,
    resend: int,
    aet: str | None,
    timeout_s: float,
    as_json: bool,
) -> int:
    """Send what matches in the archive to PEER."""
    target = peer_of(peer, aet, timeout_s)
    with archive.open() as held:
        found = _found(held.find, level, words, as_json=as_json)
        report: Any = held.push(target, found, missing_only=missing_only, resend=resend)
    answer(report.to_dict(), as_json=as_json, text=str(report))
    return 0 if report.is_complete else PARTLY


def _found(
    find: Callable[..., pd.DataFrame], level: str, words: tuple[str, ...], *, as_json: bool
) -> pd.DataFrame:
    from dicomlab.errors import NotFoundError  # noqa: PLC0415

    matches = matches_of(words)
    try:
        found = find(level, **matches)
    except (NotFoundError, ValueError) as error:
        fail(str(error), as_json=as_json, kind=type(error).__name__, code=WRONG_CALL)
    say(f"{len(found)} found.")
    return found
