"""A million instances in the index, on SQLite and on PostgreSQL: does anything grow but the disk?

A generator writes instances through the index's own writer, 512 in a transaction as imports do,
each with its whole header; every tenth of the way 200 calls of seven kinds are timed. A hundred
instances are a study of two series, two studies a patient. Ours is the last tenth of the way, the
peer the first: a ratio near 1 says that neither the rate nor a query depends on how much is there.

``DICOMLAB_BENCH_INSTANCES`` sets another number.
"""

from __future__ import annotations

import gc
import hashlib
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from bench_find import ENDS, GIVEN, PARTS, ROOTS, WHATS
from measure import Result, missing
from sqlalchemy import URL

from dicomlab import phantoms
from dicomlab.archive import Archive
from dicomlab.archive._select import pack_header
from dicomlab.archive._writer import Entry, add
from dicomlab.catalog import Query, dicom_json_text, instance_record
from dicomlab.safety import MemoryBytes, read_header
from tests.peers import PeerMissingError
from tests.postgres import running

INSTANCES = int(os.environ.get("DICOMLAB_BENCH_INSTANCES", "1_000_000"))
STEPS = 10
GROUP = 512
CALLS = 203
LIMIT = 100
STUDY = 100
UID = "1.2.826.0.1.3680043.8.498.2"
FLAT = 1 / 1.5


def person_and_study(study: int) -> tuple[str, str, str, str]:
    """Return the beginning and the rest of a patient's name, and date and description."""
    who, day = random.Random(study // 2), random.Random(study).randrange(3650)
    return (
        who.choice(ROOTS),
        f"{who.choice(ENDS)}^{who.choice(GIVEN)}",
        f"{2015 + day // 365}{day % 12 + 1:02d}{day % 28 + 1:02d}",
        f"{PARTS[study % 8]} {WHATS[study // 8 % 6]}",
    )


def entries(first: int, end: int) -> Iterator[Entry]:
    """Yield instances by number: the same number is always the same instance."""
    with tempfile.TemporaryDirectory() as folder:
        (path,) = phantoms.write(phantoms.thorax_ct(slices=1, rows=16), folder)
        header = read_header(MemoryBytes(path.read_bytes()))
    packed, said = pack_header(dicom_json_text(header)), instance_record(header)
    for number in range(first, end):
        study, place = divmod(number, STUDY)
        root, name, date, description = person_and_study(study)
        yield Entry(
            hashlib.sha256(str(number).encode()).hexdigest(),
            524_288,
            said | {
                "PatientID": f"{study // 2:08d}",
                "PatientName": root + name,
                "StudyInstanceUID": f"{UID}.{study}",
                "StudyDate": date,
                "StudyDescription": description,
                "AccessionNumber": f"A{study:07d}",
                "SeriesInstanceUID": f"{UID}.{study}.{place // 50}",
                "SeriesNumber": place // 50 + 1,
                "SOPInstanceUID": f"{UID}.{study}.{place // 50}.{place}",
                "InstanceNumber": place + 1,
            },
            packed,
        )  # fmt: skip


def questions(instances: int) -> Iterator[Query]:
    """Yield calls of seven kinds in turn, about what is there."""
    dice = random.Random(3)
    while True:
        study = dice.randrange(instances // STUDY)
        root, _name, date, description = person_and_study(study)
        yield Query("study", StudyInstanceUID=f"{UID}.{study}", limit=LIMIT)
        yield Query("image", SOPInstanceUID=f"{UID}.{study}.1.77", limit=LIMIT)
        yield Query("image", SeriesInstanceUID=f"{UID}.{study}.0", limit=LIMIT)
        yield Query("study", PatientName=f"{root}*", limit=LIMIT)
        yield Query("study", PatientID=f"{study // 2:08d}", limit=LIMIT)
        yield Query("study", StudyDescription=f"*{description.split()[1]}*", limit=LIMIT)
        yield Query(
            "series", StudyDate=f"{date[:4]}0101-{date[:4]}1231", Modality="CT", limit=LIMIT
        )


@dataclass(frozen=True)
class Step:
    """What a tenth of the way was like: wall time, and CPU time of our own thread.

    Neighbours on the machine change the first, hardly the second; of PostgreSQL's work the second
    knows nothing.
    """

    rate: float
    cpu_us: float
    p50_ms: float
    p95_ms: float
    p95_cpu_ms: float


def fill(archive: Archive, first: int, end: int) -> tuple[float, float]:
    """Write instances; return how many a second, and CPU time for one in microseconds."""
    spent = cpu = 0.0
    made = entries(first, end)
    while group := list(islice(made, GROUP)):
        start, cpu_start = time.perf_counter(), time.thread_time()
        with archive._database.writing() as connection:
            add(connection, group)
        spent += time.perf_counter() - start
        cpu += time.thread_time() - cpu_start
    return (end - first) / spent, cpu / (end - first) * 1e6


def ask(archive: Archive, instances: int) -> tuple[float, float, float]:
    """Return p50 and p95 of the calls, and p95 of their CPU time, ms."""
    times, cpu = [], []
    for query in islice(questions(instances), CALLS):
        start, cpu_start = time.perf_counter(), time.thread_time()
        found = list(archive.records(query))
        times.append((time.perf_counter() - start) * 1e3)
        cpu.append((time.thread_time() - cpu_start) * 1e3)
        assert found
    percentiles = statistics.quantiles(times, n=20)
    return percentiles[9], percentiles[18], statistics.quantiles(cpu, n=20)[18]


def grow(name: str, index: URL | None) -> list[Result]:
    """Fill one database step by step; print each step, and compare the ends."""
    steps = []
    with tempfile.TemporaryDirectory() as folder, Archive.open(folder, index=index) as archive:
        for number in range(STEPS):
            first, end = INSTANCES * number // STEPS, INSTANCES * (number + 1) // STEPS
            written = fill(archive, first, end)
            gc.collect()
            step = Step(*written, *ask(archive, end))
            steps.append(step)
            print(f"  {name:10} {end:>9,} instances: {step.rate:>6,.0f}/s ({step.cpu_us:.0f} us)"
                  f", find p50 {step.p50_ms:.2f} ms, p95 {step.p95_ms:.2f} ms"
                  f" ({step.p95_cpu_ms:.2f} ms)", file=sys.stderr, flush=True)  # fmt: skip
    begin, last = steps[0], steps[-1]
    results = []
    for what, unit, attribute in (
        ("written", "/s", "rate"),
        ("written (CPU)", "us", "cpu_us"),
        ("find (p50)", "ms", "p50_ms"),
        ("find (p95)", "ms", "p95_ms"),
        ("find (p95 of CPU)", "ms", "p95_cpu_ms"),
    ):
        ours, peer = getattr(last, attribute), getattr(begin, attribute)
        ratio = ours / peer if unit == "/s" else peer / ours
        results.append(
            Result(f"{INSTANCES:,} instances in {name}, {what}", unit, ours, peer, ratio, FLAT,
                   f"the first {INSTANCES // STEPS:,}")
        )  # fmt: skip
    return results


def run(repeat: int) -> list[Result]:
    """Measure once: it takes minutes."""
    results = grow("SQLite", None)
    try:
        with running(durable=True) as server:
            results += grow("PostgreSQL", server.database())
    except PeerMissingError as error:
        results.append(missing("a million instances", "/s", "PostgreSQL", str(error)))
    return results
