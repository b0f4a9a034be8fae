"""The README's first lines do what they say."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_ten_lines_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """A reader who copies the block gets a shape, a count, a store and a viewer."""
    block = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)

    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("HU")
    assert int(said[1]) > 0
    assert (tmp_path / "ct.ome.zarr" / "zarr.json").is_file()
    names["archive"].close()


def test_every_command_named_exists():
    """The commands of the README are commands of the program."""
    from dicomlab.cli import main

    named = set(re.findall(r"`dicomlab ([a-z]+)", README))

    assert named
    assert named <= set(main.commands)


def test_every_make_target_named_exists():
    """The make targets of the README are in the Makefile."""
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"\.PHONY: (.*)", makefile)[1].split()

    assert set(re.findall(r"make ([a-z]+)", README)) - {"and"} <= set(phony)


def test_pictures_are_there():
    """Each picture that the README shows is in the repository."""
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (Path(__file__).parents[2] / path).is_file()
