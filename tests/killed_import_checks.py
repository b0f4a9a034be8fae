"""What must hold after an import was killed, wherever it was."""

from __future__ import annotations

import random
from pathlib import Path

from dicomlab.archive import Archive, Problem
from dicomlab.catalog import Query
from tests.killed_import import killed
from tests.small import part10

FILES, REFUSED = 9, 3


def check_killed_imports(tmp_path: Path, *, kills: int, seed: int) -> set[str]:
    """Kill imports at seeded steps and look at what each left; return the names of the steps."""
    folder, home = tmp_path / "in", tmp_path / "homes"
    folder.mkdir()
    home.mkdir()
    for number in range(FILES):
        (folder / str(number)).write_bytes(part10(1 + number % 2, 1, number))
    for number in range(REFUSED):
        (folder / f"{3 * number}-cut").write_bytes(part10(3, 1, number)[:-1])
    (whole,) = killed(home, folder, [0])
    assert (whole["step"], whole["told"]) == ("end", FILES + REFUSED)
    # Threads may take a few steps fewer, not many: every step that is drawn is reached.
    steps = sorted(random.Random(seed).sample(range(1, whole["count"] - 3), kills))

    said = killed(home, folder, steps)

    assert len(said) == kills
    for step, last in zip(steps, said, strict=True):
        assert last["count"] == step, "it lived"
        _check_one(home / str(step), folder, last["told"])
    return {last["step"] for last in said}


def _check_one(home: Path, folder: Path, told: int) -> None:
    with Archive.open(home) as archive:
        found = archive.check()
        # Whole files without a row or a note are what a crash may leave; nothing else.
        left = {Problem.NOT_INDEXED, Problem.QUARANTINE_UNNOTED}
        assert {row.problem for row in found.rows} <= left
        assert len(list(archive.records(Query("image")))) + len(archive.quarantine) >= told
        assert archive.check(repair=True).is_sound
        assert len(list(archive.records(Query("image")))) == found.files

        again = archive.import_([folder])
        assert not again.interrupted
        assert [row.reason for row in again.rows if row.reason] == REFUSED * ["truncated"]

        report = archive.check()
        assert report.rows == []
        assert report.files == report.indexed == FILES
        assert report.quarantined == len(archive.quarantine) == REFUSED
        assert len(list(archive.records(Query("image")))) == FILES
    assert list((home / "incoming").iterdir()) == []
