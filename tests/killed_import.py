"""Imports that are killed between their steps; ``python -m tests.killed_import HOME FOLDER STEP…``.

One process loads everything and forks for each step, as starting Python costs more than the import.
For each step it makes an archive in HOME/STEP and prints one line of JSON: how many files the
import had told of when it died, the name of the step, and whether it died. Step 0 kills nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from dicomlab.archive import Archive, _files, _import
from dicomlab.archive._database import Database

STEPS = ("make_folder", "create", "write", "sync_file", "rename", "sync_folder")


class Killer:
    """Counts steps in all threads, and kills the process before one of them."""

    def __init__(self, at: int, out: int) -> None:
        self.at = at
        self.out = out
        self.count = 0
        self.told = 0
        self._lock = threading.Lock()

    def step(self, name: str) -> None:
        """Come to a step."""
        with self._lock:
            self.count += 1
            if self.count == self.at:
                self.say(name)
                os.kill(os.getpid(), signal.SIGKILL)

    def say(self, name: str) -> None:
        """Say how far it came: one write, which is there whatever follows."""
        line = {"told": self.told, "step": name, "count": self.count}
        os.write(self.out, json.dumps(line).encode() + b"\n")

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function with a step before and a step after it."""

        @wraps(function)
        def stepped(*args: Any, **kwargs: Any) -> Any:
            self.step(f"before {name}")
            result = function(*args, **kwargs)
            self.step(f"after {name}")
            return result

        return stepped


def run(home: Path, folder: Path, at: int, out: int) -> None:
    """Import a folder in small groups, and die at a step."""
    killer = Killer(at, out)
    for name in STEPS:
        setattr(_files, name, killer.around(name, getattr(_files, name)))
    _import.add = killer.around("add", _import.add)
    _import._GROUP_FILES = 3
    leave = _import._Importer._commit
    _import._Importer._commit = killer.around("commit", leave)
    Database._prepare = killer.around("prepare", Database._prepare)

    def tell(progress: _import.ImportProgress) -> None:
        killer.told = progress.files
        killer.step("acknowledged")

    with Archive.open(home) as archive:
        archive.import_([folder], progress=tell)
    killer.say("end")


def each_in_a_child(run: Callable[[Path, Path, int, int], None], arguments: list[str]) -> None:
    """Do each step in a child of its own."""
    home, given, *steps = arguments
    for step in steps:
        child = os.fork()
        if child == 0:
            try:
                run(Path(home, step), Path(given), int(step), 1)
            finally:
                os._exit(0)
        os.waitpid(child, 0)


def killed(
    home: Path, given: Path, steps: list[int], *, module: str = "tests.killed_import"
) -> list[dict[str, Any]]:
    """Run what a module does to die at these steps; return what each said last."""
    done = subprocess.run(
        [sys.executable, "-m", module, str(home), str(given), *map(str, steps)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    each_in_a_child(run, sys.argv[1:])
