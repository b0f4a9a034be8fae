"""An import that dies loses nothing that it acknowledged."""

from __future__ import annotations

from pathlib import Path

from tests.killed_import_checks import check_killed_imports


def test_ten_killed_imports_leave_a_sound_archive(tmp_path: Path) -> None:
    """Each visible file is whole, what was told is indexed, and the next import does the rest."""
    names = check_killed_imports(tmp_path, kills=10, seed=3)

    assert len(names) > 4
