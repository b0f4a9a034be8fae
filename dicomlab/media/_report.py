"""What a scan found, and what it left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Final

from dicomlab.safety import Refusal, printable

_SHOWN_PER_REASON: Final = 10


@dataclass(frozen=True)
class ScanReport:
    """What a folder, file or zip holds besides instances, and why it is not one of them.

    Attributes
    ----------
    instances
        How many instances were found, each once.
    rows
        What was left out, in the order of the files: ``"not-dicom"``, ``"media-directory"``,
        ``"truncated"``, ``"missing-uid"``, ``"unreadable"``, ``"duplicate"``,
        ``"same-uid-other-content"`` and so on.
    """

    instances: int
    rows: tuple[Refusal, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every instance that was found can be asked for, each under a UID of its own."""
        return self.counts.keys() <= {"not-dicom", "media-directory", "duplicate"}

    @property
    def counts(self) -> dict[str, int]:
        """How many were left out for each reason, the commonest first."""
        return dict(Counter(row.reason for row in self.rows).most_common())

    def of(self, reason: str) -> list[Refusal]:
        """Return what was left out for a reason."""
        return [row for row in self.rows if row.reason == reason]

    def to_dict(self) -> dict[str, object]:
        """Return the report for machines."""
        return {
            "instances": self.instances,
            "counts": self.counts,
            "rows": [
                {"path": row.path, "reason": row.reason, "message": row.message}
                for row in self.rows
            ],
        }

    def __str__(self) -> str:
        lines = [self._summary()]
        for reason in self.counts:
            rows = self.of(reason)
            # Where the sentences of one reason differ, each stands with its file.
            differ = any(row.message != rows[0].message for row in rows)
            lines += ["", f"{reason} ({len(rows)})" + ("" if differ else f": {rows[0].message}")]
            lines += [
                f"  {printable(row.path)}" + (f": {row.message}" if differ else "")
                for row in rows[:_SHOWN_PER_REASON]
            ]
            if len(rows) > _SHOWN_PER_REASON:
                lines.append(f"  and {len(rows) - _SHOWN_PER_REASON} more")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = (
            f"<details><summary>{escape(reason)} ({count})</summary>"
            f"<ul>{_list_items(self.of(reason)[:_SHOWN_PER_REASON])}</ul></details>"
            for reason, count in self.counts.items()
        )
        return f"<div><p>{escape(self._summary())}</p>{''.join(parts)}</div>"

    def _summary(self) -> str:
        return f"{self.instances:,} instances; {len(self.rows):,} other files left out."


def _list_items(rows: Iterable[Refusal]) -> str:
    return "".join(f"<li><code>{escape(printable(row.path))}</code></li>" for row in rows)
