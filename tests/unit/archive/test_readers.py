"""Who asks while another process imports sees whole states of the archive, and is never refused."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dicomlab.archive import Archive
from dicomlab.catalog import Query
from tests.postgres import Postgres
from tests.small import part10

GROUP, GROUPS = 5, 4
IMPORTING = """
import sys
from dicomlab.archive import Archive, _import
_import._GROUP_FILES = int(sys.argv[4])
def told(progress):
    print(progress.files, flush=True)
    sys.stdin.readline()
with Archive.open(sys.argv[1], index=sys.argv[2] or None) as archive:
    archive.import_([sys.argv[3]], progress=told)
"""


class Reader(threading.Thread):
    """Asks without pause, through an archive of its own, and keeps what it saw."""

    def __init__(self, home: Path, index: str) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.ended: Exception | None = None
        self._home, self._index = home, index
        self._is_over = False
        self._turn = threading.Condition()
        self._turns = 0

    def run(self) -> None:
        """Ask until it is over."""
        try:
            with Archive.open(self._home, index=self._index or None) as archive:
                while not self._is_over:
                    self._look(archive)
                    with self._turn:
                        self._turns += 1
                        self._turn.notify_all()
        except Exception as error:
            self.ended = error
            with self._turn:
                self._turn.notify_all()

    def _look(self, archive: Archive) -> None:
        instances = list(archive.records(Query("image")))
        self.seen.append(len(instances))
        for row in instances:
            # Those of one query are of one state, whatever is committed meanwhile.
            assert row["NumberOfStudyRelatedInstances"] == len(instances)
            assert row["NumberOfPatientRelatedInstances"] == len(instances)
        studies = list(archive.records(Query("study", StudyDescription="*hes*", limit=1)))
        assert len(studies) <= 1

    def look_once_more(self) -> None:
        """Wait for one whole turn."""
        with self._turn:
            before = self._turns
            self._turn.wait_for(lambda: self._turns >= before + 2 or self.ended is not None, 60)

    def stop(self) -> None:
        """End it."""
        self._is_over = True
        self.join()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_readers_see_whole_groups_while_another_process_imports(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """Each state that was committed, none between, none twice, and no refusal."""
    index = ""
    if kind == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        index = server.database().render_as_string(hide_password=False)
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(GROUP * GROUPS):
        (folder / f"{number:03d}").write_bytes(part10(1, 1, number, StudyDescription="Chest"))
    home = tmp_path / "archive"
    reader = Reader(home, index)
    reader.start()
    reader.look_once_more()
    try:
        with subprocess.Popen(
            [sys.executable, "-c", IMPORTING, str(home), index, str(folder), str(GROUP)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ),
        ) as child:  # fmt: skip
            assert child.stdout is not None
            assert child.stdin is not None
            for _ in child.stdout:
                reader.look_once_more()
                child.stdin.write("\n")
                child.stdin.flush()
    finally:
        reader.stop()

    assert reader.ended is None
    assert child.returncode == 0
    assert reader.seen == sorted(reader.seen)
    assert set(reader.seen) == {GROUP * number for number in range(GROUPS + 1)}
