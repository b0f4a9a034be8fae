"""Deletions that are killed between their steps; ``python -m tests.killed_delete HOME BASE STEP…``.

As in `tests.killed_import`, one process forks for each step; each child deletes the studies of its
own copy of the archive BASE, one after the other.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from dicomlab.archive import Archive, _deletion, _files, _folder_store, _tombstones
from dicomlab.archive._database import Database
from tests.killed_import import Killer, each_in_a_child
from tests.small import uid

STUDIES = (1, 2, 3)


def run(home: Path, base: Path, at: int, out: int) -> None:
    """Delete studies one by one, and die at a step."""
    shutil.copytree(base, home)
    killer = Killer(at, out)
    for name in ("unlink", "sync_folder"):
        setattr(_files, name, killer.around(name, getattr(_files, name)))
    _deletion.take_out = killer.around("take_out", _deletion.take_out)
    _deletion.renew = killer.around("renew", _deletion.renew)
    _deletion.bury = killer.around("bury", _deletion.bury)
    _deletion._delete = killer.around("delete", _deletion._delete)
    _tombstones.deleted_among = killer.around("deleted_among", _tombstones.deleted_among)
    remove = killer.around("remove", _folder_store.FolderStore.remove)
    _folder_store.FolderStore.remove = remove  # type: ignore[method-assign]
    Database._prepare = killer.around("prepare", Database._prepare)  # type: ignore[method-assign]

    def tell(done: int, _total: int) -> None:
        killer.told = done
        killer.step("acknowledged")

    with Archive.open(home) as archive:
        archive.delete([uid(number) for number in STUDIES], progress=tell)
    killer.say("end")


if __name__ == "__main__":
    each_in_a_child(run, sys.argv[1:])
