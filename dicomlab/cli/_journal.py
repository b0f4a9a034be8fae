"""``dicomlab journal …``: what happened, and whether anybody has changed the record of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from dicomlab.cli._frame import FAILED, answer, command, json_option, say

if TYPE_CHECKING:
    from dicomlab.journal import Entry


@click.group("journal")
def journal_group() -> None:
    """See what happened, and verify the record of it."""


@journal_group.command("list")
@click.option("--kind", metavar="KIND", help="Only this kind, such as study-deleted.")
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Only from then, UTC."
)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@json_option
@command
def list_events(kind: str | None, since: datetime | None, limit: int, *, as_json: bool) -> None:
    """Show events, the newest first: UIDs, counts and codes."""
    from dicomlab.journal import EventKind, open_configured  # noqa: PLC0415

    kinds = [one.value for one in EventKind]
    if kind is not None and kind not in kinds:
        raise click.UsageError(f"KIND is one of {', '.join(kinds)}.")
    with open_configured() as journal:
        entries = list(journal.events(
            kind=None if kind is None else EventKind(kind),
            since=None if since is None else since.replace(tzinfo=UTC),
            limit=limit,
            newest_first=True,
        ))  # fmt: skip
    if not entries and not as_json:
        say("Nothing is recorded.")
        return
    shown = "\n".join(map(_line, entries))
    answer([_as_dict(entry) for entry in entries], as_json=as_json, text=shown)


@journal_group.command("verify")
@json_option
@command
def verify(*, as_json: bool) -> int:
    """Say whether the journal is whole: no entry changed, removed, put in or cut off."""
    from dicomlab.journal import open_configured  # noqa: PLC0415

    with open_configured() as journal:
        found = journal.verify()
    document = {"whole": found.is_whole, "entries": found.entries,
                "fault": found.fault, "broken": found.broken}  # fmt: skip
    text = f"{found.entries:,} entries are whole."
    if not found.is_whole:
        where = "" if found.broken is None else f" at entry {found.broken}"
        text = f"The journal is broken{where}: {found.fault}. {found.entries:,} before are whole."
    answer(document, as_json=as_json, text=text)
    return 0 if found.is_whole else FAILED


def _as_dict(entry: Entry) -> dict[str, object]:
    return {
        "sequence": entry.sequence,
        "time": entry.time.isoformat(),
        "kind": entry.kind,
        "outcome": entry.outcome.name.lower(),
        "code": entry.code,
        "study_instance_uid": entry.study_instance_uid,
        "series_instance_uid": entry.series_instance_uid,
        "sop_instance_uid": entry.sop_instance_uid,
        "aet": entry.aet,
        "address": None if entry.address is None else str(entry.address),
        "status": entry.status,
        "counts": dict(entry.counts),
        "duration_s": entry.duration_s,
        "subject": None if entry.subject is None else str(entry.subject),
        "digest": entry.digest,
        "hash": entry.hash,
    }


def _line(entry: Entry) -> str:
    uids = (entry.study_instance_uid, entry.series_instance_uid, entry.sop_instance_uid)
    parts = [
        f"{entry.sequence:>6}",
        entry.time.strftime("%Y-%m-%d %H:%M:%S"),
        entry.code or entry.kind,
        "" if entry.outcome == 0 else entry.outcome.name.lower().replace("_", " "),
        *(uid or "" for uid in uids),
        ", ".join(f"{number:,} {what}" for what, number in entry.counts.items()),
    ]
    return "  ".join(part for part in parts if part)
