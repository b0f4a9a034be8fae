"""A thousand hostile UIDs and a thousand hostile names: nothing outside the store."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.hostile.names import COUNT, hostile_names, prepare

ROOT = Path(__file__).parents[2]
OURS = re.compile(
    r"index\.sqlite3(-wal|-shm)?|instances/([0-9a-f]{2})/\2[0-9a-f]{62}\.dcm"
    r"|quarantine/[0-9a-f]{64}\.(bin|json)"
)


def test_the_names_are_a_thousand_and_hostile() -> None:
    """Upwards, absolute, with NUL and line ends, too long, of devices, of other writings."""
    names = hostile_names()

    assert len(set(names)) == len(names) == COUNT
    for piece in ("../", "\0", "\n", "/etc", "CON", "\u202e", "$(", "日本", "index.sqlite3"):
        assert sum(piece in name for name in names) > 10
    assert max(map(len, names)) > 255
    assert sum(re.fullmatch(r"[0-9.]{1,64}", name) is None for name in names) > 990


def test_no_name_of_a_sender_is_ever_a_path(tmp_path: Path) -> None:
    """Of files, of members of a zip and a tar, of all four UIDs (CVE-2026-56445, -32711).

    Every file that is made, written, renamed or removed lies in the archive, under a name that is a
    hash; what is refused lies in quarantine, and a second import changes nothing.
    """
    prepare(tmp_path / "in")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "in").rglob("*")}

    done = subprocess.run(
        (sys.executable, "-B", "-W", "error", "-m", "tests.hostile.names", str(tmp_path)),
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
        env={**os.environ, "DICOMLAB_HOME": str(tmp_path / "archive")},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert said["strange"] == []
    assert said["sound"]
    assert set(said["refused"]) == {"invalid-uid", "missing-uid", "truncated"}
    assert said["without"] == []
    # 750 instances came by three ways each, 250 cut short likewise, and the hostile UIDs.
    assert said["quarantined"] >= 990 + 250
    assert said["again"]["NEW"] == 0
    assert said["again"]["REFUSED"] == said["counts"]["REFUSED"]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "in").rglob("*")} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "in"]
    home = tmp_path / "archive"
    made = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
    assert [name for name in made if not OURS.fullmatch(name)] == []
    assert list((home / "incoming").iterdir()) == []
