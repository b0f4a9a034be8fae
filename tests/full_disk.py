"""An import onto a disk that fills; ``python -m tests.full_disk DISK HOME INDEX FOLDER``.

It runs in a mount namespace of its own (``unshare --mount``): the disk is 1 MB of memory, which is
made larger once it was full. It prints what happened, as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys

from dicomlab.archive import Archive, Outcome, _import, _room
from dicomlab.catalog import Query
from dicomlab.errors import IncompleteError


def main() -> None:
    """Fill the disk, look, make it larger, and import again."""
    disk, home, index, folder = sys.argv[1:]
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    _room._RESERVE = -(1 << 40)  # else it would be refused before the disk is full
    _import._GROUP_FILES = 4
    said: dict[str, object] = {}
    with Archive.open(home, index=index) as archive:
        try:
            archive.import_([folder])
        except IncompleteError as error:
            new = [row for row in getattr(error.report, "rows", ()) if row.outcome is Outcome.NEW]
            acknowledged = {row.sop_instance_uid for row in new}
            said["message"] = str(error)
            said["acknowledged"] = len(acknowledged)
            found = {row["SOPInstanceUID"] for row in archive.records(Query("image"))}
            said["lost"] = len(acknowledged - found)
            kinds = {row.problem.value for row in archive.check().rows}
            said["problems"] = sorted(kinds)
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        said["complete"] = archive.import_([folder]).is_complete
        said["instances"] = len(list(archive.records(Query("image"))))
        said["sound"] = archive.check().rows == []
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
