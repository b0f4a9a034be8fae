"""The same as in the contract tier, at many more places."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.killed_import_checks import check_killed_imports


@pytest.mark.soak
def test_killed_imports_leave_a_sound_archive(tmp_path: Path) -> None:
    """At 60 seeded places, of each kind that an import has."""
    names = check_killed_imports(tmp_path, kills=60, seed=7)

    assert {"before rename", "after rename", "before add", "after add"} <= names
