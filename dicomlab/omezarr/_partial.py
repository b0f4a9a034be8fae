"""A store while it is being written: beside its place, under another name, until it is whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from dicomlab.errors import RefusedError
from dicomlab.omezarr._attributes import KEY
from dicomlab.omezarr._durable import sync, sync_names


class Partial:
    """The folder ``<name>.partial`` beside the target: a journal and the unfinished store.

    The journal's first line says whose store this is, each further line which slab is written
    whole. The target's own name appears at the end only, by one rename.

    Parameters
    ----------
    target
        Where the finished store goes.
    identity
        Hash of source and options; what was begun for another one is begun anew. ``None`` for a
        source that cannot be told from others: nothing of it is taken up again.

    Attributes
    ----------
    store
        The unfinished store.
    slabs
        How many slabs are written whole.
    """

    def __init__(self, target: Path, identity: str | None) -> None:
        self.target = target
        self.folder = target.with_name(target.name + ".partial")
        self.store = self.folder / "store"
        self._replaced = self.folder / "replaced"
        self._journal = self.folder / "journal"
        self.slabs = 0
        if self.folder.exists():
            self.slabs = self._finished(identity)
            if not self.slabs:
                self._remove()
        if not self.slabs:
            self._begin(identity)

    def finish_slab(self) -> None:
        """Note that the next slab is written whole, and on the disk."""
        self.slabs += 1
        with self._journal.open("a") as journal:
            journal.write(f"{self.slabs}\n")

    def publish(self, *, overwrite: bool) -> None:
        """Give the finished store its name, in place of an older one of ours if need be.

        All of it is on the disk before: what has its name is whole, also after the power failed.
        """
        check_target(self.target, overwrite=overwrite)
        sync_names(self.store)
        if self.target.exists():
            self.target.rename(self._replaced)
        self.store.rename(self.target)
        sync(self.target.parent)
        self._remove()

    def _begin(self, identity: str | None) -> None:
        self.folder.mkdir(parents=True)
        # Under its name the journal is never without its first line, whenever the writer dies.
        unnamed = self.folder / "journal.new"
        unnamed.write_text(json.dumps({KEY: "unfinished OME-Zarr", "identity": identity}) + "\n")
        unnamed.rename(self._journal)
        self.store.mkdir()

    def _finished(self, identity: str | None) -> int:
        """Return how many slabs an earlier call left for this source; refuse what is not ours."""
        if {entry.name for entry in self.folder.iterdir()} <= {"journal.new"}:
            return 0
        try:
            head, *lines = self._journal.read_text().splitlines(keepends=True)
            found = json.loads(head)
        except (OSError, ValueError):
            found = None
        if not isinstance(found, dict) or KEY not in found:
            raise RefusedError(
                "Beside the target stands something under its name with '.partial' added that is "
                "no unfinished store of dicomlab. Move it away, or choose another name.",
                rule="overwrite",
            )
        if identity is None or found["identity"] != identity or not self.store.exists():
            return 0
        # A line cut short was being written when the writer died: its slab is written again.
        return sum(line.endswith("\n") for line in lines)

    def _remove(self) -> None:
        """Take away what this class made, the journal last, and nothing else."""
        for folder in (self.store, self._replaced):
            if folder.exists():
                shutil.rmtree(folder)
        for file in (self.folder / "journal.new", self._journal):
            file.unlink(missing_ok=True)
        self.folder.rmdir()


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse a target that is in use: without `overwrite` any, with it all but stores of ours.

    Raises
    ------
    RefusedError
        Its `rule` is ``"overwrite"``.
    """
    if not target.exists():
        return
    if not overwrite:
        raise RefusedError(
            "The target exists already. Choose another name, or pass overwrite=True to replace a "
            "store that dicomlab wrote.",
            rule="overwrite",
        )
    if not _is_store(target):
        raise RefusedError(
            "The target exists and is no OME-Zarr of dicomlab, so it is not replaced. Choose "
            "another name.",
            rule="overwrite",
        )


def _is_store(folder: Path) -> bool:
    """Return whether a folder holds an OME-Zarr that dicomlab wrote."""
    try:
        group = json.loads((folder / "zarr.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(group, dict) and KEY in group.get("attributes", {})
