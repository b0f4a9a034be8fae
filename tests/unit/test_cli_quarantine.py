"""``dicomlab archive quarantine``: true exit codes, and nothing that steers a terminal."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

import dicomlab as dl
from dicomlab.cli import main
from tests.hostile.parts import element, file, image
from tests.small import part10, uid

CUT = part10(2, 1, 1)[:-3]
PROGRAM = b"MZ" + part10()[2:]
EVIL = file(image(1, {0x00100010: element(0x00100010, "PN", b"A\x1b[2J\xc2\x9b\xe2\x80\xae<b>")}))
EVIL = b"MZ" + EVIL[2:]

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs a command, in a home whose archive has refused three files."""
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))

    def invoke(*arguments: str | Path) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    folder = tmp_path / "in"
    folder.mkdir()
    for name, data in (("cut", CUT), ("program", PROGRAM), ("evil\x1b[2J\u202e", EVIL)):
        (folder / name).write_bytes(data)
    (folder / os.fsdecode(b"\xff\xfe")).write_bytes(CUT[:-1])
    assert invoke("import", folder).exit_code == 3
    return invoke


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_list_and_show_tell_what_is_there(run: Run) -> None:
    """Each file with its reason, and of one all that is known."""
    listed = run("archive", "quarantine", "list", "--json")
    text = run("archive", "quarantine", "list")
    shown = run("archive", "quarantine", "show", digest(CUT)[:12])

    assert listed.exit_code == text.exit_code == shown.exit_code == 0
    entries = {entry["id"]: entry for entry in json.loads(listed.stdout)}
    assert set(entries) == {digest(data) for data in (CUT, CUT[:-1], PROGRAM, EVIL)}
    assert entries[digest(PROGRAM)]["reason"] == "executable-preamble"
    assert len(text.stdout.splitlines()) == 4
    assert digest(CUT)[:12] in text.stdout
    for said in (digest(CUT), "truncated", "bytes are missing", uid(2, 1, 1)):
        assert said in shown.stdout


def test_hex_and_tags_show_what_is_in_a_file(run: Run) -> None:
    """As text and as a document."""
    start = ("archive", "quarantine", "show", digest(PROGRAM))

    dump = run(*start, "--hex", "--length", "16")
    tags = run(*start, "--tags")
    document = json.loads(run(*start, "--tags", "--json").stdout)

    assert dump.stdout.startswith("00000000  4d 5a 00 00")
    assert "(0010,0020) LO" in tags.stdout
    assert document["reason"] == "pixel-data"
    found = {one["keyword"]: one["value"] for one in document["elements"]}
    assert found["PatientID"] == "P1"
    part = run(*start, "--hex", "--offset", "128", "--length", "4", "--json")
    assert json.loads(part.stdout) == {"offset": 128, "length": 4, "hex": b"DICM".hex()}


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_nothing_from_a_stranger_steers_the_terminal(
    run: Run, tmp_path: Path, more: tuple[str, ...]
) -> None:
    """No control sign, escape sequence or turned direction, in file names and in values."""
    said = [
        run("import", tmp_path / "in", *more),
        run("archive", "quarantine", "list", *more),
        run("archive", "quarantine", "show", digest(EVIL), *more),
        run("archive", "quarantine", "show", digest(EVIL), "--tags", *more),
        run("archive", "quarantine", "show", digest(EVIL), "--hex", *more),
        run("archive", "quarantine", "release", digest(EVIL), "--waive", "executable-preamble",
            *more),
        run("find", *more),
    ]  # fmt: skip

    for one in said:
        assert one.exit_code in (0, 3), one.output
        assert one.output.replace("\n", "").isprintable()
        if more:
            json.loads(one.stdout)


def test_release_says_what_became_of_it(run: Run) -> None:
    """0 and the report when it is in; 1 and the sentence when it is not; 2 for a wrong call."""
    start = ("archive", "quarantine", "release", digest(PROGRAM)[:8])

    refused = run(*start, "--json")
    wrong = [
        run(*start, "--waive", "missing-uid"),
        run(*start, "--bound", "nothing=1"),
        run(*start, "--bound", "depth=x"),
    ]
    released = run(*start, "--waive", "executable-preamble", "--bound", "depth=200", "--json")
    again = run(*start)

    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["error"]["type"] == "HostileInputError"
    assert [one.exit_code for one in wrong] == [2, 2, 2]
    assert released.exit_code == 0
    assert json.loads(released.stdout)["counts"]["new"] == 1
    assert again.exit_code == 1
    assert "no file of this id" in again.stderr
    assert len(json.loads(run("find", "--json").stdout)) == 1


def test_save_and_discard(run: Run, tmp_path: Path) -> None:
    """The bytes in a new file; then the entry is gone."""
    saved = run("archive", "quarantine", "save", digest(CUT), "--to", tmp_path / "x.bin")
    over = run("archive", "quarantine", "save", digest(CUT), "--to", tmp_path / "x.bin")
    gone = run("archive", "quarantine", "discard", digest(CUT), "--json")
    left = run("archive", "quarantine", "list", "--json")

    assert (saved.exit_code, over.exit_code, gone.exit_code) == (0, 1, 0)
    assert (tmp_path / "x.bin").read_bytes() == CUT
    assert json.loads(gone.stdout)["id"] == digest(CUT)
    assert digest(CUT) not in {one["id"] for one in json.loads(left.stdout)}


def test_the_quarantine_is_a_table_in_python(run: Run) -> None:
    """One row a file, with dates that are dates and sizes that are numbers."""
    assert run("archive", "check").exit_code == 0
    with dl.open_archive() as archive:
        table = archive.quarantine.table()

        assert len(archive.quarantine) == len(table) == 4
        by_id = table.set_index("id")
        assert by_id.loc[digest(CUT), "StudyInstanceUID"] == uid(2)
        assert by_id.loc[digest(CUT), "size"] == len(CUT)
        assert isinstance(by_id.loc[digest(CUT), "received"], pd.Timestamp)
        for entry in archive.quarantine:
            archive.quarantine.discard(entry.id)
        assert list(archive.quarantine.table().columns) == list(table.columns)
        assert archive.quarantine.table().empty
