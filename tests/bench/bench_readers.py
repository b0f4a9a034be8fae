"""Finding among 100,000 studies while another process imports into the same archive.

The calls are those of `bench_find`, all kinds mixed, limited to 100 answers; the peer is the same
archive before the import begins. The other process imports 5,000 small files; calls are made until
it is done. Its rate is printed: finding takes its share of the machine.
"""

from __future__ import annotations

import gc
import random
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

import pandas as pd
from bench_find import LIMIT, STUDIES, build, cases, records
from bench_import import small_files
from measure import Result

from dicomlab.archive import Archive
from dicomlab.catalog import Query

CALLS = 300
GOAL_P95_MS = 10.0
IMPORTING = """
import sys
from dicomlab.archive import Archive
with Archive.open(sys.argv[1]) as archive:
    print(flush=True)
    report = archive.import_(sys.argv[2:])
    print(f"{len(report.rows) / report.seconds:,.0f} files/s", flush=True)
"""


def run(repeat: int) -> list[Result]:
    """Measure once: an import is long enough for some thousand calls."""
    rows = list(records(STUDIES))
    kinds = [keys for keys, _chosen in cases(pd.DataFrame(rows)).values()]
    calls = [keys for kind in kinds for keys in kind]
    random.Random(5).shuffle(calls)
    with tempfile.TemporaryDirectory() as folder, Archive.open(Path(folder) / "a") as archive:
        build(archive, rows)
        gc.collect()
        gc.freeze()
        alone = [call(archive, keys) for keys, _ in zip(cycle(calls), range(CALLS), strict=False)]
        command = [sys.executable, "-c", IMPORTING, f"{folder}/a", str(small_files())]
        beside = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            child.stdout.readline()
            for keys in cycle(calls):
                beside.append(call(archive, keys))
                if child.poll() is not None:
                    break
            rate = child.stdout.read().strip()
        assert child.returncode == 0, "the import failed"
        (whole,) = archive.records(Query("patient", PatientID="P049"))
        assert whole["NumberOfPatientRelatedInstances"] == 100
    print(f"  {len(beside):,} calls while {rate} were imported", file=sys.stderr)
    results = []
    for name, percentile in (("p50", 50), ("p95", 95)):
        mine, before = (statistics.quantiles(times, n=100)[percentile - 1]
                        for times in (beside, alone))  # fmt: skip
        results.append(
            Result(f"find while importing ({name})", "ms", mine, before, before / mine, None,
                   "before the import")
        )  # fmt: skip
    p95 = results[-1].ours
    assert p95 is not None
    results.append(
        Result("find while importing (p95)", "ms", p95, GOAL_P95_MS, GOAL_P95_MS / p95, 1.0, "goal")
    )
    return results


def call(archive: Archive, keys: dict[str, str]) -> float:
    """Return how many milliseconds one call takes."""
    start = time.perf_counter()
    list(archive.records(Query("study", limit=LIMIT, **keys)))
    return (time.perf_counter() - start) * 1e3
