"""What an import did with each file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from html import escape

from dicomlab.safety import printable

SHORT_ID = 12
"""As many digits of an id are shown as tell it from others."""
_SHOWN_PER_REASON = 10
_WORTH_A_LINE = {
    "foreign-preamble": (
        "The 128 bytes before the prefix DICM are neither zeros nor the start of a TIFF (PS3.10 "
        "7.1). The file is in the archive, its bytes as received; nothing takes it for a program."
    ),
}
"""Findings of accepted files that the report tells of."""


class Outcome(StrEnum):
    """What became of a file."""

    NEW = "new"
    ALREADY_THERE = "already there"
    OTHER_CONTENT = "same UID, other content"
    NOT_DICOM = "not DICOM"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ImportRow:
    """What became of one file, and why.

    Attributes
    ----------
    path
        As the user knows it; a member of a zip stands behind the zip's own path and ``!/``.
    reason
        A code for tables, such as ``"truncated"``; empty for what is in the archive now.
    message
        The same in a sentence: what is wrong and what to do.
    quarantine
        Of what is refused, the id under which the quarantine has it; see `Archive.quarantine`.
    not_kept
        Of what is refused and not in quarantine, why not.
    findings
        Of what is new, what was tolerated in it; see `dicomlab.safety.Header`.
    """

    path: str
    outcome: Outcome
    size: int = 0
    sop_instance_uid: str | None = None
    reason: str = ""
    message: str = ""
    quarantine: str | None = None
    not_kept: str = ""
    findings: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """The reason, or else the finding that somebody should see."""
        return self.reason or next((one for one in self.findings if one in _WORTH_A_LINE), "")

    @property
    def sentence(self) -> str:
        """The message, or what the finding means."""
        return self.message or _WORTH_A_LINE.get(self.code, "")

    def under(self, path: str, source: str) -> ImportRow:
        """Return the row of a file that was read at one path and came from another."""
        if not self.path.startswith(path):
            return self
        return replace(self, path=source + self.path[len(path) :])

    @property
    def fate(self) -> str:
        """Where the bytes of what is refused are, in a few words."""
        if self.quarantine is not None:
            return f"quarantine {self.quarantine[:SHORT_ID]}"
        return f"not kept: {self.not_kept}" if self.not_kept else ""


@dataclass
class ImportReport:
    """What an import did, file by file, in the order of the files.

    Attributes
    ----------
    rows
        One a file.
    interrupted
        The import was stopped before its end; what `rows` calls new is in the archive all the same.
    seconds
        How long it took.
    """

    rows: list[ImportRow] = field(default_factory=list)
    interrupted: bool = False
    seconds: float = 0.0

    @property
    def counts(self) -> dict[Outcome, int]:
        """How many files had each outcome, nought included."""
        counted = Counter(row.outcome for row in self.rows)
        return {outcome: counted[outcome] for outcome in Outcome}

    @property
    def bytes(self) -> int:
        """How many bytes the files hold that are in the archive now."""
        return sum(row.size for row in self.rows if not row.reason)

    @property
    def is_complete(self) -> bool:
        """Whether the import came to its end and refused no instance.

        What is not DICOM may be, and so may a media directory, which is on every disc: it lists
        instances and is none (PS3.10 8).
        """
        refused = {row.reason for row in self.of(Outcome.REFUSED)}
        return not self.interrupted and refused <= {"media-directory"}

    def of(self, outcome: Outcome) -> list[ImportRow]:
        """Return the rows with this outcome."""
        return [row for row in self.rows if row.outcome == outcome]

    def to_dict(self) -> dict[str, object]:
        """Return the report for machines: counts, and each file that is not simply in place."""
        return {
            "interrupted": self.interrupted,
            "seconds": round(self.seconds, 3),
            "files": len(self.rows),
            "bytes": self.bytes,
            "counts": {outcome.name.lower(): count for outcome, count in self.counts.items()},
            "rows": [
                {
                    "path": row.path,
                    "outcome": row.outcome.name.lower(),
                    "reason": row.reason,
                    "message": row.message,
                    "sop_instance_uid": row.sop_instance_uid,
                    "quarantine": row.quarantine,
                    "not_kept": row.not_kept,
                    "findings": list(row.findings),
                }
                for row in self._worth_a_line()
            ],
        }

    def __str__(self) -> str:
        lines = [self._summary()]
        for reason, rows in self._by_reason().items():
            differ = _differ(rows)
            lines += ["", f"{reason} ({len(rows)})" + ("" if differ else f": {rows[0].sentence}")]
            lines += [f"  {_line(row, differ=differ)}" for row in rows[:_SHOWN_PER_REASON]]
            if len(rows) > _SHOWN_PER_REASON:
                lines.append(f"  and {len(rows) - _SHOWN_PER_REASON} more")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        details = "".join(
            f"<details><summary>{escape(reason)} ({len(rows)})"
            f"{'' if _differ(rows) else escape(f': {rows[0].sentence}')}</summary>"
            f"<ul>{_list_items(rows)}</ul></details>"
            for reason, rows in self._by_reason().items()
        )
        return f"<div><p>{escape(self._summary())}</p>{details}</div>"

    def _summary(self) -> str:
        counts = ", ".join(f"{count:,} {outcome}" for outcome, count in self.counts.items())
        stopped = " Interrupted before the end." if self.interrupted else ""
        return f"{len(self.rows):,} files in {self.seconds:.1f} s: {counts}.{stopped}"

    def _worth_a_line(self) -> list[ImportRow]:
        return [row for row in self.rows if row.code]

    def _by_reason(self) -> dict[str, list[ImportRow]]:
        grouped: dict[str, list[ImportRow]] = {}
        for row in self._worth_a_line():
            grouped.setdefault(row.code, []).append(row)
        return grouped


def _differ(rows: Sequence[ImportRow]) -> bool:
    """Say whether the sentences of one reason differ; each stands with its file then."""
    return any(row.sentence != rows[0].sentence for row in rows)


def _line(row: ImportRow, *, differ: bool) -> str:
    path = printable(row.path) + (f": {row.sentence}" if differ else "")
    return f"{path}  [{row.fate}]" if row.fate else path


def _list_items(rows: Sequence[ImportRow]) -> str:
    differ = _differ(rows)
    items = "".join(
        f"<li><code>{escape(printable(row.path))}</code>"
        f"{escape(f' {row.sentence}') if differ else ''}"
        f"{escape(f' [{row.fate}]') if row.fate else ''}</li>"
        for row in rows[:200]
    )
    return items + (f"<li>and {len(rows) - 200} more</li>" if len(rows) > 200 else "")
