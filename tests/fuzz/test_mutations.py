"""Files changed at random end in an answer or a typed refusal, for as long as one likes.

``BUDGET`` is how many minutes to try, ``SEED`` makes a run again; finds stay in ``build/fuzz``.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.hostile.fuzzing import fuzz

MINUTES = float(os.environ.get("BUDGET", "1"))
FINDS = Path(__file__).parents[2] / "build" / "fuzz"


@pytest.mark.timeout(60 * MINUTES + 180)
def test_no_changed_file_does_harm() -> None:
    """No crash, no hang, no memory beyond the limit, no error that is not typed."""
    seed = int(os.environ.get("SEED", time.time_ns() // 1_000_000))
    folder = FINDS / str(seed)
    folder.mkdir(parents=True, exist_ok=True)

    found = fuzz(folder, seed=seed, seconds=60 * MINUTES, count=10**9)

    print(
        f"seed {found['seed']}: {found['files']} files, each changed {found['rounds']} times or "
        f"more; {found['tried']} tries, {found['refused']} refused"
    )
    assert found["files"] >= 300
    assert found["tried"] > 100 * MINUTES
    assert found["refused"] < found["tried"]
