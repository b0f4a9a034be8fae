"""What a check of the archive found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Problem(StrEnum):
    """What can be wrong with a stored instance, its row in the index, or a refused file."""

    DAMAGED = "damaged"
    MISSING = "missing"
    NOT_INDEXED = "not indexed"
    DELETED = "deleted"
    UNREADABLE = "unreadable"
    STRANGE = "strange"
    MISCOUNTED = "miscounted"
    QUARANTINE_DAMAGED = "damaged in quarantine"
    QUARANTINE_MISSING = "missing in quarantine"
    QUARANTINE_UNNOTED = "without note in quarantine"

    @property
    def meaning(self) -> str:
        """What it means and what to do, in two sentences."""
        return _MEANINGS[self]


_MEANINGS = {
    Problem.DAMAGED: "The bytes are not those that were received: their SHA-256 is not the name. "
    "Repair sets the file aside in the folder damaged; then import the instance again.",
    Problem.MISSING: "The index has the instance, and its file is gone. "
    "Restore it from a backup, or import the instance again.",
    Problem.NOT_INDEXED: "The file is whole, and the index does not know it. Repair indexes it.",
    Problem.DELETED: "The instance was deleted, and its file is still there, as after a crash. "
    "Repair removes the file; import the instance again if it is wanted.",
    Problem.UNREADABLE: "The file is whole or cannot be read, and is not known to the index; it "
    "cannot be indexed. Look at the reason; the file stays where it is.",
    Problem.STRANGE: "The archive did not write this into its folders. "
    "Move it elsewhere; it is never touched.",
    Problem.MISCOUNTED: "A count in the index is not that of its rows. Rebuild the index.",
    Problem.QUARANTINE_DAMAGED: "The bytes of a refused file are not those that were received: "
    "their SHA-256 is not the name. Discard it, and import the file again.",
    Problem.QUARANTINE_MISSING: "There is a note of a refused file, and its bytes are gone. "
    "Discard it, and import the file again.",
    Problem.QUARANTINE_UNNOTED: "A refused file is whole, and its note is missing or unreadable. "
    "Repair writes a new one.",
}


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One thing that is wrong.

    Attributes
    ----------
    name
        The file's name below the archive's folder, or the keyword and UID of a row.
    sop_instance_uid
        Of the instance, where the index knows it.
    detail
        More about it, such as the code of a refusal.
    is_repaired
        It was put right.
    """

    problem: Problem
    name: str
    sop_instance_uid: str | None = None
    detail: str = ""
    is_repaired: bool = False


@dataclass
class CheckReport:
    """What a check of the archive found.

    Attributes
    ----------
    files, bytes
        Files that were read, all of each.
    indexed
        Contents that the index knew before any repair.
    quarantined
        Refused files in quarantine, each of which was read.
    rows
        What is wrong, or was until it was repaired.
    is_rebuilt
        The index was made anew from the files.
    seconds
        How long it took.
    """

    files: int = 0
    bytes: int = 0
    indexed: int = 0
    quarantined: int = 0
    rows: list[CheckRow] = field(default_factory=list)
    is_rebuilt: bool = False
    seconds: float = 0.0

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong now."""
        return all(row.is_repaired for row in self.rows)

    @property
    def is_repaired_in_part(self) -> bool:
        """Whether something was put right and something was left."""
        return not self.is_sound and any(row.is_repaired for row in self.rows)

    def of(self, problem: Problem) -> list[CheckRow]:
        """Return the rows of a problem."""
        return [row for row in self.rows if row.problem is problem]

    def to_dict(self) -> dict[str, object]:
        """Return the report for machines."""
        counted = Counter(row.problem for row in self.rows)
        return {
            "sound": self.is_sound,
            "files": self.files,
            "bytes": self.bytes,
            "indexed": self.indexed,
            "quarantined": self.quarantined,
            "rebuilt": self.is_rebuilt,
            "seconds": round(self.seconds, 3),
            "counts": {problem.name.lower(): counted[problem] for problem in Problem},
            "rows": [
                {
                    "problem": row.problem.name.lower(),
                    "name": row.name,
                    "sop_instance_uid": row.sop_instance_uid,
                    "detail": row.detail,
                    "repaired": row.is_repaired,
                }
                for row in self.rows
            ],
        }

    def __str__(self) -> str:
        verdict = "everything is sound" if self.is_sound else "problems were found"
        read = f"{self.files:,} files ({self.bytes:,} bytes) and {self.indexed:,} rows"
        if self.quarantined:
            read += f", {self.quarantined:,} files in quarantine,"
        lines = [f"{read} in {self.seconds:.1f} s: {verdict}."]
        if self.is_rebuilt:
            lines.append("The index was rebuilt from the files.")
        for problem in Problem:
            rows = self.of(problem)
            if rows:
                repaired = sum(row.is_repaired for row in rows)
                lines += ["", f"{problem} ({len(rows)}, {repaired} repaired): {problem.meaning}"]
                lines += [f"  {_shown(row)}" for row in rows[:20]]
            if len(rows) > 20:
                lines.append(f"  and {len(rows) - 20} more")
        return "\n".join(lines)


def _shown(row: CheckRow) -> str:
    parts = [repr(row.name)[1:-1], row.sop_instance_uid or "", row.detail]
    return "  ".join(part for part in parts if part)
