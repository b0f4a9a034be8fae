"""A user's program type-checks against the public face."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import dicomlab as dl

archive = dl.open_archive("somewhere")
archive.import_("scans", progress=None)
table = archive.find("study", PatientName="DOE*", StudyDate="20240101-", limit=10)
series: dl.Series = archive.series("1.2")
volume: dl.Volume = series.volume(allow_tilt=True)
volume.to_omezarr("ct.ome.zarr")
again: dl.Volume = dl.Volume.from_omezarr("ct.ome.zarr")
thickness: float = again.spacing_mm[0]
folder: dl.Folder = dl.open("scans")
reveal_type(volume.affine)
"""


def test_a_program_of_the_readme_kind_is_typed(tmp_path: Path):
    """mypy --strict accepts right use of the public names, and refuses wrong use."""
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(PROGRAM)
    wrong.write_text(PROGRAM + "series.volume(alow_tilt=True)\nx: int = volume.units\n")

    said = [
        subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--config-file", ROOT / "pyproject.toml",
             "--cache-dir", tmp_path / "cache", program],
            capture_output=True, text=True, check=False, cwd=ROOT,
        ).stdout
        for program in (right, wrong)
    ]  # fmt: skip

    assert "Success" in said[0]
    assert "ndarray" in said[0]
    assert "Found 2 errors" in said[1]
