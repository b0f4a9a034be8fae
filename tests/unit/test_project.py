"""The project's own files agree with each other."""

import re
import tomllib
from pathlib import Path

import yaml

from tools.reference_tables import page

ROOT = Path(__file__).parents[2]


def requirement_names(requirements: list[str]) -> dict[str, str]:
    """Return name to the rest of each requirement: ``{"numpy": ">=2.1"}``."""
    parsed = (re.match(r"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?(.*)", line) for line in requirements)
    return {match[1].lower(): match[2].strip() for match in parsed if match}


def test_environment_mirrors_pyproject():
    """Who installs by conda gets the same packages and bounds as who installs by pip."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    plain = [line for line in environment["dependencies"] if isinstance(line, str)]
    by_pip = next(line for line in environment["dependencies"] if isinstance(line, dict))["pip"]

    conda = requirement_names(plain)
    assert conda.pop("python") == project["requires-python"]
    conda.pop("pip")
    assert by_pip[-1] == "-e ."
    assert conda | requirement_names(by_pip[:-1]) == requirement_names(project["dependencies"])


def test_register_has_each_row_once():
    """The project's copy of the register holds 380 rows, each id once."""
    lines = (ROOT / "requirements.csv").read_text().splitlines()[1:]
    ids = [line.split(",", 1)[0] for line in lines if line.startswith("S-")]

    assert ids == [f"S-{number:03d}" for number in range(1, 381)]


def test_the_reference_tables_are_those_of_the_code():
    """``python tools/reference_tables.py`` writes the page anew."""
    written = (ROOT / "docs" / "reference" / "pixels.md").read_text()

    assert written == page()
    assert "| JPEG 2000 Image Compression | 1.2.840.10008.1.2.4.91 | yes |" in written
    assert "| CT Image Storage | 1.2.840.10008.5.1.4.1.1.2 |" in written
