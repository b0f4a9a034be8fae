"""What a user sees who may do little.

Root may do everything, so that what permissions forbid cannot be tried as root: a child process
becomes the user nobody, once it has loaded what it needs, and answers calls in lines of JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dicomlab.archive import Archive
from dicomlab.catalog import Query
from dicomlab.errors import DicomlabError
from dicomlab.media import open_folder
from tests.small import part10

NOBODY = 65534


def scan(folder: str) -> dict[str, Any]:
    """Look at a folder without importing it."""
    try:
        report = open_folder(folder).report
    except DicomlabError as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {"counts": dict(report.counts), "instances": report.instances}


def import_(home: str, folder: str) -> dict[str, Any]:
    """Import a folder into an archive; say what became of each file, or of all."""
    try:
        with Archive.open(home) as archive:
            rows = archive.import_([folder]).rows
    except DicomlabError as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {Path(row.path).name: row.reason or row.outcome.value for row in rows}


def look(home: str) -> dict[str, Any]:
    """Check an archive and read all that it has."""
    try:
        with Archive.open(home) as archive:
            problems = [row.problem.value for row in archive.check(repair=True).rows]
            try:
                for _, source in archive.retrieve(Query("image")):
                    source.read_at(0, source.size)
            except DicomlabError as error:
                return {"problems": problems, "message": str(error)}
    except DicomlabError as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {"problems": problems, "message": ""}


_FUNCTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "scan": scan, "import_": import_, "look": look,
}  # fmt: skip


@contextmanager
def folder_of_nobody() -> Iterator[Path]:
    """Give a folder that nobody owns and can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="dicomlab-nobody-"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        for path in [folder, *folder.rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(folder)


class Nobody:
    """A process that may do little; ourselves, where we are not root."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child

    def call(self, function: Callable[..., dict[str, Any]], *arguments: Path) -> dict[str, Any]:
        """Call a function of this module, on paths that are nobody's own."""
        if os.geteuid() == 0:
            for argument in arguments:
                for path in [argument.parent, argument, *argument.rglob("*")]:
                    if path.exists():
                        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps([function.__name__, *map(str, arguments)]) + "\n")
        self._child.stdin.flush()
        answer: dict[str, Any] = json.loads(self._child.stdout.readline())
        return answer


@contextmanager
def running() -> Iterator[Nobody]:
    """Start the process, give it, and end it."""
    command = [sys.executable, "-m", "tests.as_nobody"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=Path(__file__).parents[1], **pipes) as child:
        yield Nobody(child)
        assert child.stdin is not None
        child.stdin.close()


def main() -> None:
    """Become nobody and answer calls until there are no more."""
    # All that is loaded when it is first needed must be there before: nobody cannot read it.
    with tempfile.TemporaryDirectory() as warm:
        Path(warm, "in").mkdir()
        Path(warm, "in", "a").write_bytes(part10(1, 1, 1))
        scan(f"{warm}/in")
        import_(f"{warm}/home", f"{warm}/in")
        look(f"{warm}/home")
    os.environ["HOME"] = os.environ["DICOMLAB_HOME"] = "/nonexistent"
    if os.geteuid() == 0:
        os.chdir("/")
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        sys.stdout.write(json.dumps(_FUNCTIONS[name](*arguments)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
