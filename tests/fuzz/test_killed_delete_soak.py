"""The same as in the contract tier, at many more places."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.killed_delete_checks import check_killed_deletions


@pytest.mark.soak
def test_killed_deletions_leave_a_sound_archive(tmp_path: Path) -> None:
    """At 60 seeded places, of each kind that a deletion has."""
    names = check_killed_deletions(tmp_path, kills=60, seed=7)

    assert {"before unlink", "after unlink", "before bury", "after take_out"} <= names
