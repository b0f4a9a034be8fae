"""Data sets are listed, fetched whole or not at all, and proved."""

from __future__ import annotations

import builtins
import hashlib
import os
from pathlib import Path

import pytest
from pydicom import dcmread

from dicomlab import datasets
from dicomlab.errors import (
    NonConformantError,
    NotFoundError,
    RefusedError,
    StorageError,
)


def describe(folder: Path, name: str, files: dict[str, bytes], **changes: str) -> datasets.DataSet:
    """Return a set of files that lie in a folder and are fetched from there."""
    hashes = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    lines = "".join(f"{hashes[path]}  {path}\n" for path in sorted(files))
    table = {
        "id": name,
        "title": "Two <files>",
        "description": "For a test",
        "origin": "This test",
        "licence": "CC0-1.0",
        "citation": "Nobody",
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        **changes,
    }
    text = "".join(f'{key} = "{value}"\n' for key, value in table.items())
    text += f"count = {len(files)}\n"
    (folder / "there").mkdir(exist_ok=True)
    for number, (path, data) in enumerate(files.items()):
        source = folder / "there" / f"{number}.bin"
        source.write_bytes(data)
        text += f'[[file]]\npath = "{path}"\nurl = "{source.as_uri()}"\n'
        text += f'sha256 = "{hashes[path]}"\n'
    description = folder / f"{name}.toml"
    description.write_text(text)
    return datasets.read(description)


FILES = {"b/two.dcm": b"two", "a.dcm": b"one"}


def test_every_listed_set_says_what_it_is():
    """Each has licence, origin and citation, an id of its own, and the digest of its files."""
    listed = datasets.list()

    assert {one.id for one in listed} >= {
        "colour", "defects", "head", "multiframe", "samples", "thorax", "thorax-large",
    }  # fmt: skip
    assert len({one.id for one in listed}) == len(listed)
    for one in listed:
        assert one.licence
        assert one.origin
        assert one.citation
        assert len(bytes.fromhex(one.sha256)) == 32
        assert one.count > 0


def test_the_name_of_the_function_hides_no_builtin():
    """``list`` of this module is a function of its own; Python's stays what it is."""
    assert datasets.list is not builtins.list
    assert isinstance(datasets.list(), tuple)


def test_the_table_is_escaped(tmp_path: Path):
    """Text of a description is text, not markup."""
    shown = datasets.DataSets([describe(tmp_path, "x", FILES)])._repr_html_()

    assert "Two &lt;files&gt;" in shown
    assert "<files>" not in shown


def test_phantoms_are_made_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The recipe gives the bytes that the committed digest promises, under DICOMLAB_HOME."""
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path))
    told = []

    got = datasets.fetch("colour", progress=lambda done, total: told.append((done, total)))

    assert got.path == tmp_path / "datasets" / "colour" / "files"
    assert not got.was_there
    assert told == [(1, 2), (2, 2)]
    assert {dcmread(path).Modality for path in got.path.rglob("*.dcm")} == {"US"}
    assert all(path.suffix == ".dcm" for path in got.path.rglob("*") if path.is_file())
    datasets.verify("colour")


def test_the_licence_is_shown_and_stands_beside_the_files(tmp_path: Path):
    """Whoever fetches reads the licence, in the notebook and in the folder."""
    got = datasets.fetch(describe(tmp_path, "x", FILES), tmp_path / "here")

    assert "CC0-1.0" in str(got)
    assert "CC0-1.0" in got._repr_html_()
    assert "Two &lt;files&gt;" in got._repr_html_()
    assert (got.path.parent / "LICENCE.txt").read_text() == str(got)
    assert os.fspath(got) == str(got.path)


def test_the_second_time_nothing_is_done(tmp_path: Path):
    """What is there is not fetched again, even where its source is gone."""
    one = describe(tmp_path, "x", FILES)
    first = datasets.fetch(one, tmp_path / "here")
    for source in (tmp_path / "there").iterdir():
        source.unlink()

    second = datasets.fetch(one, tmp_path / "here")

    assert second.was_there
    assert second.path == first.path
    assert (second.path / "b" / "two.dcm").read_bytes() == b"two"


def test_a_newer_version_replaces_the_older(tmp_path: Path):
    """A set whose digest changed is fetched anew, and nothing of the old one stays."""
    datasets.fetch(describe(tmp_path, "x", FILES), tmp_path / "here")

    got = datasets.fetch(describe(tmp_path, "x", {"c.dcm": b"three"}), tmp_path / "here")

    assert [path.name for path in got.path.iterdir()] == ["c.dcm"]
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["x"]


def test_a_file_that_changed_on_the_way_is_refused(tmp_path: Path):
    """Bytes with another SHA-256 are not kept, nor is anything fetched before them."""
    one = describe(tmp_path, "x", FILES)
    (tmp_path / "there" / "1.bin").write_bytes(b"other")

    with pytest.raises(StorageError, match=r"a\.dcm"):
        datasets.fetch(one, tmp_path / "here")

    assert list((tmp_path / "here").iterdir()) == []


def test_a_set_with_another_digest_is_refused(tmp_path: Path):
    """Right files that are not the whole set do not pass for it."""
    one = describe(tmp_path, "x", FILES, sha256="0" * 64)

    with pytest.raises(StorageError, match="expected"):
        datasets.fetch(one, tmp_path / "here")

    assert list((tmp_path / "here").iterdir()) == []


def test_an_interrupted_fetch_leaves_nothing(tmp_path: Path):
    """Half a set never looks like a set."""
    one = describe(tmp_path, "x", FILES)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        datasets.fetch(one, tmp_path / "here", progress=interrupt)

    assert list((tmp_path / "here").iterdir()) == []
    assert not datasets.fetch(one, tmp_path / "here").was_there


def test_what_is_not_there_is_said_so(tmp_path: Path):
    """An unknown name, a missing source and a set not fetched are each a plain error."""
    one = describe(tmp_path, "x", FILES)
    (tmp_path / "there" / "0.bin").unlink()

    with pytest.raises(NotFoundError, match="samples"):
        datasets.fetch("no-such-set", tmp_path / "here")
    with pytest.raises(NotFoundError, match=r"two\.dcm"):
        datasets.fetch(one, tmp_path / "here")
    with pytest.raises(NotFoundError, match="not been fetched"):
        datasets.verify(one, tmp_path / "here")


def test_damage_is_found(tmp_path: Path):
    """A byte changed, a file lost, a file too many: verify says so."""
    one = describe(tmp_path, "x", FILES)
    got = datasets.fetch(one, tmp_path / "here")
    datasets.verify(one, tmp_path / "here")

    (got.path / "extra").write_bytes(b"")
    with pytest.raises(StorageError):
        datasets.verify(one, tmp_path / "here")
    (got.path / "extra").unlink()
    (got.path / "a.dcm").write_bytes(b"onf")
    with pytest.raises(StorageError):
        datasets.verify(one, tmp_path / "here")


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "..\\\\x"])
def test_no_file_lies_outside_its_set(tmp_path: Path, path: str):
    """A description cannot write where it likes."""
    with pytest.raises(RefusedError):
        describe(tmp_path, "x", {path: b"one"})


@pytest.mark.parametrize(
    "text", ["id = ", 'id = "x"', 'id = "x"\n[[phantom]]\nmaker = "no_such_maker"']
)
def test_a_wrong_description_is_one_error(tmp_path: Path, text: str):
    """No TOML, missing keys, an unknown phantom: the file is named."""
    description = tmp_path / "wrong.toml"
    description.write_text(text)

    with pytest.raises(NonConformantError, match=r"wrong\.toml"):
        datasets.read(description)
