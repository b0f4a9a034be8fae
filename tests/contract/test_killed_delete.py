"""A deletion that dies leaves each study whole or gone, and nothing that comes back."""

from __future__ import annotations

from pathlib import Path

from tests.killed_delete_checks import check_killed_deletions


def test_six_killed_deletions_leave_a_sound_archive(tmp_path: Path) -> None:
    """What was told is gone; leftovers are named, removed, and never indexed again."""
    names = check_killed_deletions(tmp_path, kills=6, seed=4)

    assert len(names) > 3
