"""Every notebook runs from a clean kernel, top to bottom, and shows what it promises."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
EXECUTED = Path(__file__).parents[2] / "build" / "notebooks"


def run(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    """Execute a notebook in an empty home; keep the result for a person to look at."""
    monkeypatch.setenv("DICOMLAB_HOME", str(home))
    notebook = nbformat.read(FOLDER / name, as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(home)}}).execute()
    EXECUTED.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, EXECUTED / name)
    return notebook


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return all outputs of all cells."""
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_is_stored_without_outputs(path: Path):
    """What a notebook showed may hold patient data: none is kept in the repository."""
    assert outputs(nbformat.read(path, as_version=4)) == []


def test_quickstart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The main job: import, find, volume, a Dask computation, and a picture."""
    notebook = run("01_quickstart.ipynb", tmp_path, monkeypatch)

    said = "".join(out.get("text", "") for out in outputs(notebook))
    lung = re.search(r"(\d+) ml of lung at a mean of (-\d+) HU", said)
    assert lung is not None
    # The phantom's lungs are filled with about -850 HU; a chest holds some litres of them.
    assert 2000 < int(lung[1]) < 8000
    assert -880 < int(lung[2]) < -820
    shown = [kind for out in outputs(notebook) for kind in out.get("data", {})]
    assert "image/png" in shown
    assert "application/vnd.jupyter.widget-view+json" in shown
