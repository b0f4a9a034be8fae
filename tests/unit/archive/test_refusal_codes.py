"""Every code of a refusal has a sentence, a row in the guide, and a case here."""

from __future__ import annotations

import ast
import errno
import hashlib
import os
import re
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.fileset import FileSet

from dicomlab.archive import Archive
from dicomlab.errors import NonConformantError, RefusedError
from dicomlab.media import open_folder
from dicomlab.safety import Bounds, RefusalCode, read_header
from tests.file_sets import write_file_set
from tests.hostile.corpus import corpus
from tests.hostile.parts import element, file, image
from tests.small import data_set, part10

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "guide" / "refusals.md"
ROOMS = ("safety", "archive", "media")
CODE = re.compile(r"[a-z]+([-_][a-z]+)*")
WORKERS = "tests/unit/safety/test_workers.py"
ELSEWHERE = dict.fromkeys(
    ("busy", "closed", "worker_bytes", "worker_crash", "worker_error", "worker_memory",
     "worker_time"),
    WORKERS,
)  # fmt: skip
"""Codes of capped workers, which a test of their own brings about."""


@dataclass
class Desk:
    """Where a case does its work."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def put(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def imported(self, *paths: Path, **options: Any) -> dict[str, str]:
        """Return the sentences of an import by code."""
        home = self.folder.parent / "archive"
        with Archive.open(home, quota_bytes=options.pop("quota_bytes", None)) as archive:
            rows = archive.import_(paths or [self.folder], **options).rows
        return {row.reason: row.message for row in rows if row.reason}

    def opened(self, path: Path | None = None) -> dict[str, str]:
        """Return the sentences of a folder that is read in place, by code."""
        return {row.reason: row.message for row in open_folder(path or self.folder).report.rows}


Case = Callable[[Desk], dict[str, str]]
CASES: dict[str, Case] = {}


def case(code: str) -> Callable[[Case], Case]:
    """Say which code a case brings about."""

    def note(function: Case) -> Case:
        CASES[code] = function
        return function

    return note


def _from_corpus(data: bytes, suffix: str) -> Case:
    def bring_about(desk: Desk) -> dict[str, str]:
        desk.put(f"a{suffix}", data)
        return desk.imported()

    return bring_about


for _made in corpus():
    _expected = _made.expects.removeprefix("refused: ")
    if _made.expects.startswith("refused: ") and CODE.fullmatch(_expected):
        CASES.setdefault(_expected, _from_corpus(_made.data, _made.suffix))


@case("header_bytes")
def _header(desk: Desk) -> dict[str, str]:
    long = element(0x00420011, "OB", bytes(70_000))
    desk.put("a", file(image(1, {0x00420011: long, 0x00280010: element(0x00280010, "US", b"")})))
    return desk.imported(bounds=Bounds(header_bytes=10_000))


@case("not-a-number")
def _not_a_number(_desk: Desk) -> dict[str, str]:
    header = read_header(file(image(1, {0x00200013: element(0x00200013, "IS", b"one ")})))
    with pytest.raises(NonConformantError) as caught:
        header.number("InstanceNumber")
    return {caught.value.reason: str(caught.value)}


@case("unreadable")
def _unreadable(desk: Desk) -> dict[str, str]:
    return desk.imported(desk.folder / "absent")


@case("link")
def _link(desk: Desk) -> dict[str, str]:
    (desk.folder / "up").symlink_to(desk.folder.parent)
    return desk.imported()


@case("not-a-file")
def _not_a_file(desk: Desk) -> dict[str, str]:
    os.mkfifo(desk.folder / "pipe")
    return desk.imported()


@case("no-match")
def _no_match(desk: Desk) -> dict[str, str]:
    return desk.imported(desk.folder / "*.no")


def _zip(method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        made.writestr("member", part10())
        made.writestr("another", bytes(1 << 16))
    return buffer.getvalue()


@case("archive-entries")
def _entries(desk: Desk) -> dict[str, str]:
    desk.put("a.zip", _zip())
    return desk.imported(bounds=Bounds(archive_entries=1))


@case("archive-ratio")
def _ratio(desk: Desk) -> dict[str, str]:
    desk.put("a.zip", _zip(zipfile.ZIP_DEFLATED))
    return desk.imported(bounds=Bounds(archive_ratio=1, inflation_slack_bytes=0))


@case("damaged-zip")
def _damaged_zip(desk: Desk) -> dict[str, str]:
    desk.put("a.zip", _zip()[:-30])
    return desk.imported()


@case("encrypted")
def _encrypted(desk: Desk) -> dict[str, str]:
    data = bytearray(_zip())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    desk.put("a.zip", bytes(data))
    return desk.opened() and desk.imported()


@case("zip-compression")
def _zip_compression(desk: Desk) -> dict[str, str]:
    data = bytearray(_zip())
    struct.pack_into("<H", data, 8, 99)
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + 10, 99)
    desk.put("a.zip", bytes(data))
    return desk.opened() and desk.imported()


def _tar(*, mode: str = "w", kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as made:  # type: ignore[call-overload]
        head = tarfile.TarInfo("member")
        head.type = kind
        head.size = len(part10())
        made.addfile(head, BytesIO(part10()))
    return buffer.getvalue()


@case("damaged-tar")
def _damaged_tar(desk: Desk) -> dict[str, str]:
    desk.put("a.tar", _tar()[:700])
    return desk.imported()


@case("tar-compression")
def _tar_compression(desk: Desk) -> dict[str, str]:
    desk.put("a.tar.zst", b"\x28\xb5\x2f\xfd" + bytes(100))
    return desk.imported()


@case("tar-header")
def _tar_header(desk: Desk) -> dict[str, str]:
    head = tarfile.TarInfo("long")
    head.type, head.size = tarfile.XHDTYPE, 1 << 32
    desk.put("a.tar", head.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))
    return desk.imported()


@case("tar-member")
def _tar_member(desk: Desk) -> dict[str, str]:
    desk.put("a.tar", _tar(kind=b"V"))
    return desk.imported()


@case("compressed-tar")
def _compressed_tar(desk: Desk) -> dict[str, str]:
    return desk.opened(desk.put("a.tar.gz", _tar(mode="w:gz")))


@case("no-space")
def _no_space(desk: Desk) -> dict[str, str]:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    desk.monkeypatch.setattr(os, "pwrite", full)
    return desk.imported(desk.put("a.tar.gz", _tar(mode="w:gz")))


def _disc(desk: Desk) -> Path:
    further = {"StudyTime": "120000", "StudyID": "1", "AccessionNumber": "1"}
    return write_file_set([data_set(1, 1, number, **further) for number in (1, 2)],
                          desk.folder / "disc")  # fmt: skip


def _first_id(disc: Path) -> bytes:
    files = FileSet(disc / "DICOMDIR")
    (first, *_rest) = list(files)
    found = "\\".join(first.ReferencedFileID)
    files._stage["t"].cleanup()
    return found.encode()


@case("missing-file")
def _missing_file(desk: Desk) -> dict[str, str]:
    disc = _disc(desk)
    (disc / _first_id(disc).decode().replace("\\", "/")).unlink()
    return desk.imported()


@case("outside-file-set")
def _outside(desk: Desk) -> dict[str, str]:
    directory = _disc(desk) / "DICOMDIR"
    first = _first_id(directory.parent)
    directory.write_bytes(directory.read_bytes().replace(first, b"..\\X".ljust(len(first)), 1))
    return desk.imported()


@case("damaged-directory")
def _damaged_directory(desk: Desk) -> dict[str, str]:
    directory = _disc(desk) / "DICOMDIR"
    tag = struct.pack("<HH2sH", 4, 0x1200, b"UL", 4)
    data = bytearray(directory.read_bytes())
    struct.pack_into("<I", data, data.index(tag) + 8, 0x7FFFFFF1)
    directory.write_bytes(data)
    return desk.imported()


@case("duplicate")
def _duplicate(desk: Desk) -> dict[str, str]:
    desk.put("a", part10())
    desk.put("b", part10())
    return desk.opened()


@case("same-uid-other-content")
def _other_content(desk: Desk) -> dict[str, str]:
    desk.put("a", part10())
    desk.put("b", part10(PatientComments="another"))
    assert "same-uid-other-content" in desk.opened()
    return desk.imported()


@case("quota")
def _quota(desk: Desk) -> dict[str, str]:
    desk.put("a", part10())
    return desk.imported(quota_bytes=1)


@case("disk")
def _disk(desk: Desk) -> dict[str, str]:
    desk.put("a", part10())
    full = shutil.disk_usage(desk.folder)._replace(free=64 << 20)
    desk.monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    return desk.imported()


@case("other-instance")
def _other_instance(desk: Desk) -> dict[str, str]:
    with Archive.open(desk.folder.parent / "archive") as archive, archive.receiver() as receiver:
        arrival = receiver.begin()
        arrival.write(part10())
        with pytest.raises(NonConformantError) as caught:
            arrival.finish(sop_instance_uid="1.2.3")
    return {caught.value.reason: str(caught.value)}


def _refused(call: Callable[[], object]) -> dict[str, str]:
    with pytest.raises(RefusedError) as caught:
        call()
    return {caught.value.rule: str(caught.value)}


@case("configuration")
def _configuration(desk: Desk) -> dict[str, str]:
    desk.monkeypatch.setenv("DICOMLAB_HOME", str(desk.folder))
    rule = b'[retention.old]\nmatch = ["StudyDate=nonsense"]\narrived_days = 1\n'
    desk.put("config.toml", rule)
    with Archive.open(desk.folder.parent / "archive") as archive:
        return _refused(archive.expire)


@case("not-empty")
def _not_empty(desk: Desk) -> dict[str, str]:
    desk.put("a", part10())
    with Archive.open(desk.folder.parent / "archive") as archive:
        archive.import_([desk.folder])
        archive.backup(desk.folder.parent / "backup")
        return _refused(lambda: archive.restore(desk.folder.parent / "backup"))


@case("without-note")
def _without_note(desk: Desk) -> dict[str, str]:
    place = desk.folder.parent / "archive" / "quarantine"
    place.mkdir(parents=True)
    (place / f"{hashlib.sha256(part10()).hexdigest()}.bin").write_bytes(part10())
    with Archive.open(place.parent) as archive:
        assert archive.check(repair=True).is_sound
        return {entry.reason: entry.message for entry in archive.quarantine}


def _constants(tree: ast.Module) -> dict[str, str]:
    """Return the texts that a module has names for."""
    found = {}
    for one in tree.body:
        if isinstance(one, ast.Assign | ast.AnnAssign) and isinstance(one.value, ast.Constant):
            target = one.target if isinstance(one, ast.AnnAssign) else one.targets[0]
            if isinstance(target, ast.Name) and isinstance(one.value.value, str):
                found[target.id] = one.value.value
    return found


def _text(node: ast.AST | None, names: dict[str, str]) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return names.get(node.id, "") if isinstance(node, ast.Name) else ""


_PLACES = {"Refusal": 1, "_row": 1, "UnreadableError": 0, "Fault": 0}
"""What takes a code, and at which place."""


def _in_call(node: ast.Call, names: dict[str, str]) -> Iterator[str]:
    called = getattr(node.func, "id", getattr(node.func, "attr", ""))
    for keyword in node.keywords:
        if keyword.arg in ("reason", "rule"):
            yield _text(keyword.value, names)
    if called in _PLACES and len(node.args) > _PLACES[called]:
        yield _text(node.args[_PLACES[called]], names)


def _said(tree: ast.Module) -> Iterator[str]:
    """Yield what a module passes on as the code of a refusal."""
    names = _constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _in_call(node, names)
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            if " " in _text(node.elts[1], {}):
                yield _text(node.elts[0], {})
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "reason":
            yield _text(node.value, names)
        elif re.fullmatch(r"worker_[a-z]+", text := _text(node, {})):
            yield text


def codes() -> set[str]:
    """Return every code that the rooms of the border refuse with."""
    found = set()
    for room in ROOMS:
        for path in (ROOT / "dicomlab" / room).glob("*.py"):
            found |= {one for one in _said(ast.parse(path.read_text())) if CODE.fullmatch(one)}
    return found


def test_every_code_has_a_case() -> None:
    """A new code fails here until somebody has brought it about."""
    assert codes() == CASES.keys() | ELSEWHERE.keys() == set(RefusalCode)
    assert len(codes()) > 40
    for code, place in ELSEWHERE.items():
        assert code in (ROOT / place).read_text()


@pytest.mark.parametrize("code", sorted(CASES))
def test_a_refusal_says_what_where_and_what_to_do(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code is the one expected, and its sentences are whole: what is wrong, and what to do."""
    folder = tmp_path / "in"
    folder.mkdir()

    found = CASES[code](Desk(folder, monkeypatch))

    assert code in found, found
    sentence = found[code]
    assert sentence.endswith("."), sentence
    assert len(re.findall(r"[.:] [A-Za-z]", sentence)) >= 1, sentence
    assert len(sentence.split()) >= 8, sentence
    assert "Canary" not in sentence
    assert "Doe" not in sentence


def test_the_guide_has_every_code() -> None:
    """One row a code, with what it means and what to do, and none that no longer exists."""
    rows = re.findall(r"^\| `([a-z_-]+)` \| (.+?) \| (.+?) \|$", GUIDE.read_text(), re.MULTILINE)

    assert sorted(code for code, _means, _do in rows) == sorted(codes())
