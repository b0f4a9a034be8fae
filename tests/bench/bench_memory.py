"""Peak memory of a conversion to OME-Zarr, by number of slices, beside dcm2niix.

Each conversion is a process of its own. Its peak is counted from what it holds when its imports
are done; both figures are printed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from ct_series import thorax
from measure import Result, missing

from tests.peers import PeerMissingError, find

COUNTS = (500, 2000, 5000)
COMPARED = 2000
GOAL = 4.0
FLAT = 1.2
ROOT = Path(__file__).parents[2]
OURS = """
import resource, sys
from pathlib import Path
from dicomlab import omezarr
from ct_series import open_volume
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
omezarr.write(open_volume(Path(sys.argv[1])), sys.argv[2])
print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
# A process that is started inherits its starter's peak (Linux), so a small one starts them all.
STARTER = """
import json, resource, subprocess, sys
done = subprocess.run(json.loads(sys.argv[1]), capture_output=True, text=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
print(done.stdout)
"""


def start(*command: str) -> list[str]:
    """Return the peak of a process in kB, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", STARTER, json.dumps(command)],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"},
    )
    return done.stdout.splitlines()


def ours(slices: int) -> float:
    """Return by how many MB our process grows."""
    with tempfile.TemporaryDirectory() as folder:
        _, told, *_ = start(sys.executable, "-c", OURS, str(thorax(slices)), f"{folder}/v.zarr")
    before, after = (int(value) / 1000 for value in told.split())
    print(f"  ours, {slices} slices: {after:.0f} MB, {before:.0f} of it after imports")
    return after - before


def with_dcm2niix(slices: int) -> float:
    """Return by how many MB dcm2niix grows."""
    program = str(find("dcm2niix"))
    before = int(start(program, "--version")[0]) / 1000
    with tempfile.TemporaryDirectory() as folder:
        command = (program, "-z", "n", "-b", "n", "-o", folder, str(thorax(slices)))
        after = int(start(*command)[0]) / 1000
        assert any(Path(folder).glob("*.nii")), "dcm2niix converted nothing"
    print(f"  dcm2niix, {slices} slices: {after:.0f} MB, {before:.0f} of it for nothing")
    return after - before


def run(repeat: int) -> list[Result]:
    """Measure once: peaks hardly vary."""
    peaks = {slices: ours(slices) for slices in COUNTS}
    least, most = min(peaks.values()), max(peaks.values())
    counts = " / ".join(map(str, COUNTS))
    results = [
        Result(f"growth of the peak, {counts} slices", "MB", most, least, least / most, 1 / FLAT,
               "the least of them"),
    ]  # fmt: skip
    name = f"peak memory, {COMPARED} raw slices"
    try:
        peer = with_dcm2niix(COMPARED)
    except PeerMissingError as error:
        return [*results, missing(name, "MB", "dcm2niix", str(error), goal=GOAL)]
    mine = peaks[COMPARED]
    return [*results, Result(name, "MB", mine, peer, peer / mine, GOAL, "dcm2niix to NIfTI")]
