"""The mutation fuzzer, a few hundred files of it; `make fuzz` tries for minutes."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.hostile.fuzzing import fuzz
from tests.hostile.mutate import changed


def test_changed_files_end_in_an_answer_or_a_typed_refusal(tmp_path: Path) -> None:
    """The same files each time: hostile ones and phantoms in seven transfer syntaxes."""
    found = fuzz(tmp_path, seed=1, seconds=100, count=1000)

    assert found["tried"] == 1000
    assert 100 < found["refused"] < 900


def test_one_seed_makes_one_file() -> None:
    """A find can be made again from its seed."""
    original = bytes(range(256)) * 4

    made = [changed(original, [original], Random(seed)) for seed in (1, 1, 2)]

    assert made[0] == made[1] != made[2]
