"""The mutation fuzzer as tests run it: in a process of its own, its finds told and kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def fuzz(folder: Path, *, seed: int, seconds: float, count: int) -> dict[str, Any]:
    """Try changed files, and return how many there were; any crash, hang or odd error fails."""
    done = subprocess.run(
        (sys.executable, "-W", "error", "-m", "tests.hostile.mutate", str(folder), str(seed),
         str(seconds), str(count)),
        cwd=ROOT, capture_output=True, text=True, timeout=seconds + 120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (
        f"seed {seed}: the process ended with {done.returncode} at {folder / 'tried.dcm'}\n"
        f"{done.stderr[-2000:]}"
    )
    *finds, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert finds == [], f"seed {seed}: see the files in {folder}"
    found: dict[str, Any] = summary
    return found
