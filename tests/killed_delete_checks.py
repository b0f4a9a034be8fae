"""What must hold after a deletion was killed, wherever it was."""

from __future__ import annotations

import random
from pathlib import Path

from dicomlab.archive import Archive, Problem
from dicomlab.catalog import Query
from tests.killed_delete import STUDIES
from tests.killed_import import killed
from tests.small import part10, uid

INSTANCES = 3


def check_killed_deletions(tmp_path: Path, *, kills: int, seed: int) -> set[str]:
    """Kill deletions at seeded steps and look at what each left; return the names of the steps."""
    base, home = tmp_path / "base", tmp_path / "homes"
    (tmp_path / "in").mkdir()
    home.mkdir()
    for study in (*STUDIES, 4):
        for number in range(INSTANCES):
            (tmp_path / "in" / f"{study}{number}").write_bytes(part10(study, 1, number))
    with Archive.open(base) as archive:
        archive.import_([tmp_path / "in"])

    def run(steps: list[int]) -> list[dict[str, object]]:
        return killed(home, base, steps, module="tests.killed_delete")

    (whole,) = run([0])
    assert (whole["step"], whole["told"]) == ("end", len(STUDIES))
    count = whole["count"]
    assert isinstance(count, int)
    steps = sorted(random.Random(seed).sample(range(1, count + 1), min(kills, count)))

    said = run(steps)

    assert len(said) == len(steps)
    for step, last in zip(steps, said, strict=True):
        assert last["count"] == step, "it lived"
        told = last["told"]
        assert isinstance(told, int)
        _check_one(home / str(step), tmp_path / "in", told)
    return {str(last["step"]) for last in said}


def _check_one(home: Path, folder: Path, told: int) -> None:
    def held() -> list[object]:
        return [row["StudyInstanceUID"] for row in archive.records(Query("study"))]

    with Archive.open(home) as archive:
        left = held()
        # Each study is there whole or not at all; those that were told of are gone.
        assert left in ([uid(one) for one in (*STUDIES[gone:], 4)] for gone in range(told, 4))
        assert len(list(archive.records(Query("image")))) == INSTANCES * len(left)
        found = archive.check()
        # Files with tombstones are what a crash may leave; nothing else.
        assert {row.problem for row in found.rows} <= {Problem.DELETED}
        assert archive.check(rebuild=True).is_sound
        assert held() == left
        report = archive.check()
        assert report.rows == []
        assert report.files == INSTANCES * len(left)

        assert archive.import_([folder]).is_complete

        assert archive.check(rebuild=True).rows == []
        assert len(held()) == 4
