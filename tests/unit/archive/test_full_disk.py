"""A disk that is full in truth, under the files or under the index."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small import part10

FILES = 40


@pytest.mark.parametrize("what", ["files", "index"])
def test_a_full_disk_loses_nothing_that_was_said(tmp_path: Path, what: str) -> None:
    """What was acknowledged is there; with room again, the same import completes."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed: no disk of our own to fill")
    disk, other, folder = (tmp_path / name for name in ("disk", "other", "in"))
    for made in (disk, other, folder):
        made.mkdir()
    padding = 60_000 if what == "files" else 6000
    for number in range(FILES):
        # Text takes room in the index as well as in the file; this does not compress.
        text = random.Random(number).randbytes(padding // 2).hex()
        data = part10(1, 1, number, TextValue=text)
        (folder / f"{number:03d}").write_bytes(data)
    home, index = (disk, other) if what == "files" else (other, disk)

    child = subprocess.run(
        ["unshare", "--mount", "--map-root-user", sys.executable, "-m", "tests.full_disk",
         str(disk), str(home / "archive"), f"sqlite:///{index / 'index.sqlite3'}", str(folder)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    if "unshare failed" in child.stderr:
        pytest.skip("this machine allows no mount namespaces")

    assert child.returncode == 0, child.stderr
    said = json.loads(child.stdout)
    assert ("No space left" if what == "files" else "full") in said["message"]
    assert 0 < said["acknowledged"] < FILES
    assert said["lost"] == 0
    # Whole files that the index does not know yet; nothing else.
    assert set(said["problems"]) <= {"not indexed"}
    assert said["complete"]
    assert said["instances"] == FILES
    assert said["sound"]
