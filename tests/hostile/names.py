"""Names that strangers choose: of files, of members, and UIDs that would be paths.

Run as a program, it imports such files while every file that Python opens for writing, makes,
renames or removes is looked at: ``python -m tests.hostile.names FOLDER``.
"""

from __future__ import annotations

import io
import json
import os
import random
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.hostile.parts import element, file, image, padded

COUNT = 1000
_PIECES = (
    "../", "..\\", "/", "\\", "./", "....//", "%2e%2e%2f", "..%c0%af", "~/", "~root/", "C:",
    "C:\\", "\\\\server\\share\\", "/etc/passwd", "/dev/null", "/proc/self/mem", "CON", "NUL",
    "COM1", "aux.", "\0", "\n", "\r\n", "\t", " ", ".", "..", "...", "-rf", "--", ";touch x",
    "$(touch x)", "`touch x`", "|touch x", "&touch x", "*", "?", "[a-z]", "{a,b}", "'", '"',
    "<script>", "\x1b[2J", "\x07", "\x7f", "\u202e", "\u2066", "\ufeff", "é", "\u0301", "日本",
    "🧠", "1.2.840.", "0" * 64, "9" * 80, "a" * 255, ".dcm", ".bin", ".json", "instances/",
    "quarantine/", "index.sqlite3", "incoming/", "../index.sqlite3", "../quarantine/", "\u2215",
    "\u2024\u2024/",
)  # fmt: skip
"""What names are put together from."""


def hostile_names(count: int = COUNT, seed: int = 20261) -> list[str]:
    """Return different names, the same each time."""
    drawn = random.Random(seed)
    names = dict.fromkeys(_PIECES)
    while len(names) < count:
        names["".join(drawn.choices(_PIECES, k=drawn.randint(1, 5)))] = None
    return list(names)[:count]


def hostile_files() -> Iterator[tuple[int, bytes]]:
    """Yield an instance for each name, which is one of its four UIDs."""
    tags = (0x00080018, 0x0020000D, 0x0020000E, 0x00080016)
    for number, name in enumerate(hostile_names()):
        tag = tags[number % 4]
        raw = padded(name.encode("utf-8", "surrogateescape"))
        yield number, file(image(number, {tag: element(tag, "UI", raw)}))


def prepare(folder: Path) -> None:
    """Write what is to be imported: files by hostile names and UIDs, a zip and a tar of them."""
    folder.mkdir()
    for number, data in hostile_files():
        (folder / f"{number}.dcm").write_bytes(data)
    named = folder / "named"
    named.mkdir()
    with (
        zipfile.ZipFile(folder / "members.zip", "w") as zipped,
        tarfile.open(folder / "members.tar", "w") as tarred,
    ):
        for number, name in enumerate(hostile_names()):
            data = file(image(5000 + number))[: None if number % 4 else -1]
            member = zipfile.ZipInfo("x")
            member.filename = name  # as it is: it would be cut at a NUL
            zipped.writestr(member, data)
            head = tarfile.TarInfo(name)
            head.size = len(data)
            tarred.addfile(head, io.BytesIO(data))
            one = os.fsencode(name).replace(b"/", b"_").replace(b"\0", b"_")[:255]
            if one not in (b"", b".", b".."):
                Path(os.fsdecode(os.fsencode(named) + b"/" + one)).write_bytes(data)


_CHANGES = {
    "os.mkdir": 1, "os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.link": 2, "os.symlink": 2,
    "os.truncate": 1, "os.chmod": 1, "os.utime": 1, "shutil.rmtree": 1, "os.putenv": 0,
    "subprocess.Popen": 0, "os.system": 0, "os.exec": 0, "os.posix_spawn": 0,
}  # fmt: skip
"""Audit events that change files, with the number of paths they begin with; or start programs."""


def watch(allowed: Path) -> list[str]:
    """Note each change of a file outside a folder, from now on, and each program started."""
    strange: list[str] = []
    top = os.fsencode(allowed) + b"/"

    def look(event: str, args: tuple[object, ...]) -> None:
        paths: tuple[object, ...] = ()
        if event == "open":
            path, _mode, flags = args
            writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            if isinstance(flags, int) and flags & writes:
                paths = (path,)
        elif event in _CHANGES:
            paths = args[: _CHANGES[event]] or (event,)
        for path in paths:
            if isinstance(path, int):
                continue
            plain = path if isinstance(path, str | bytes) else str(path)
            name = os.path.realpath(os.fsencode(plain))
            if not name.startswith(top) and name != top[:-1]:
                strange.append(f"{event} {name!r}")

    sys.addaudithook(look)
    return strange


def main(folder: Path) -> None:
    """Import everything twice, look at all that was refused, and tell what was touched."""
    from dicomlab.archive import Archive, Outcome

    home = folder / "archive"
    strange = watch(home)
    with Archive.open(home) as archive:
        report = archive.import_([folder / "in"])
        for entry in archive.quarantine:
            str(archive.quarantine.tags(entry.id))
            str(archive.quarantine.hex(entry.id))
        again = archive.import_([folder / "in"])
        is_sound = archive.check().is_sound
        kept = len(archive.quarantine)
        if kept:
            first = archive.quarantine.list()[0]
            archive.quarantine.discard(first.id)
    counts = {outcome.name: count for outcome, count in report.counts.items()}
    sys.stdout.write(json.dumps({
        "strange": strange, "counts": counts, "sound": is_sound, "quarantined": kept,
        "again": {outcome.name: count for outcome, count in again.counts.items()},
        "refused": sorted({row.reason for row in report.of(Outcome.REFUSED)}),
        "without": [row.path for row in report.of(Outcome.REFUSED) if row.quarantine is None],
    }))  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
