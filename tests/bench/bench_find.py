"""Finding among 100,000 studies, through the public call, limited to 100 answers.

The peer keeps the same records in a pandas DataFrame in memory and filters its columns: it knows
neither folding nor several values, and is gone when the process ends; it is what a notebook would
do without an index. p50 and p95 of ours are printed beside, and p95 of the CPU time: neighbours on
the machine slow that too, but less. The peer's table is of millions of objects: before the timing
the garbage collector is told to leave them alone (`gc.freeze`), else a pass over them falls into
calls of ours.
"""

from __future__ import annotations

import gc
import hashlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd
from measure import Result, beside

from dicomlab.archive import Archive
from dicomlab.archive._writer import Entry, add
from dicomlab.catalog import Query, Record

STUDIES = 100_000
LIMIT = 100
CALLS = 40
GOAL_P95_MS = 10.0
ROOTS = ("ber", "lind", "stein", "holm", "gar", "mont", "rossi", "del", "kuz", "nak", "oli", "pet",
         "quin", "sor", "tak", "ull", "vas", "wei", "yam", "zap")  # fmt: skip
ENDS = ("g", "man", "sen", "ova", "ini", "ura", "eau", "ski", "ström", "ez")
FAMILIES = [root + end for root in ROOTS for end in ENDS]
GIVEN = ["Anna", "Björn", "Chloé", "Dmitri", "Eva", "Farid", "Grace", "Hugo", "Ines", "Jürgen"]
PARTS = ["Thorax", "Abdomen", "Brain", "Knee", "Spine", "Pelvis", "Shoulder", "Neck"]
WHATS = ["native", "contrast", "angio", "follow-up", "staging", "trauma"]


def records(count: int) -> Iterator[Record]:
    """Yield one instance for each study, of patients who come twice on average."""
    dice = random.Random(7)
    for number in range(count):
        patient = dice.randrange(count // 2)
        who = random.Random(patient)
        # Every thousandth family is rare, as names are.
        family = f"Rarität{patient}" if patient % 1000 == 0 else who.choice(FAMILIES).title()
        modality = dice.choices(["CT", "MR", "US", "CR", "XA"], [40, 35, 15, 9.5, 0.5])[0]
        day = dice.randrange(3650)
        yield {
            "PatientID": f"{patient:08d}",
            "PatientName": f"{family}^{who.choice(GIVEN)}",
            "PatientBirthDate": f"19{who.randrange(100):02d}{who.randrange(1, 13):02d}15",
            "PatientSex": who.choice("FM"),
            "StudyInstanceUID": f"1.2.826.0.1.3680043.8.498.1.{number}",
            "StudyDate": f"{2015 + day // 365}{day % 12 + 1:02d}{day % 28 + 1:02d}",
            "StudyTime": f"{dice.randrange(24):02d}{dice.randrange(60):02d}00",
            "AccessionNumber": f"A{number:07d}",
            "StudyDescription": f"{modality} {dice.choice(PARTS)} {dice.choice(WHATS)}",
            "SeriesInstanceUID": f"1.2.826.0.1.3680043.8.498.1.{number}.1",
            "SeriesNumber": 1,
            "Modality": modality,
            "SOPInstanceUID": f"1.2.826.0.1.3680043.8.498.1.{number}.1.1",
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
            "InstanceNumber": 1,
        }


def build(archive: Archive, rows: list[Record]) -> float:
    """Write the records through the index's own writer; return seconds."""
    start = time.perf_counter()
    for at in range(0, len(rows), 5000):
        with archive._database.writing() as connection:
            add(connection, [
                Entry(hashlib.sha256(str(row["SOPInstanceUID"]).encode()).hexdigest(), 1, row, b"")
                for row in rows[at : at + 5000]
            ])  # fmt: skip
    return time.perf_counter() - start


def cases(table: pd.DataFrame) -> dict[str, tuple[list[dict[str, str]], Callable[..., pd.Series]]]:
    """Return what is asked: keys of each call, and how pandas filters for the same."""
    dice = random.Random(1)
    some = table.sample(CALLS, random_state=1)
    family = table.PatientName.str.lower().str.split("^").str[0]
    days = sorted(dice.sample(range(2015, 2025), 5))
    return {
        "study UID": (
            [{"StudyInstanceUID": uid} for uid in some.StudyInstanceUID],
            lambda keys: table.StudyInstanceUID == keys["StudyInstanceUID"],
        ),
        "patient ID": (
            [{"PatientID": one} for one in some.PatientID],
            lambda keys: table.PatientID == keys["PatientID"],
        ),
        "30 days": (
            [{"StudyDate": f"{day}0601-{day}0630"} for day in days],
            lambda keys: table.StudyDate.between(*keys["StudyDate"].split("-")),
        ),
        "the last years": (
            [{"StudyDate": f"{year}0101-"} for year in (2018, 2021, 2024)],
            lambda keys: table.StudyDate >= keys["StudyDate"][:8],
        ),
        "name prefix, common": (
            [{"PatientName": f"{name}*"} for name in ("Ber", "Yam", "S", "Lindg")],
            lambda keys: family.str.startswith(keys["PatientName"][:-1].lower()),
        ),
        "name prefix, rare": (
            [{"PatientName": f"rarität{one}000*"} for one in (3, 17, 29)],
            lambda keys: family.str.startswith(keys["PatientName"][:-1]),
        ),
        "name infix, common": (
            [{"PatientName": f"*{part}*"} for part in ("man", "ski", "ura")],
            lambda keys: table.PatientName.str.contains(keys["PatientName"][1:-1], case=False),
        ),
        "name infix, rare": (
            [{"PatientName": f"*ität{one}000*"} for one in (3, 17, 29)],
            lambda keys: table.PatientName.str.contains(keys["PatientName"][1:-1], case=False),
        ),
        "description infix": (
            [{"StudyDescription": f"*{part}*"} for part in ("Knee", "angio", "Neck trauma")],
            lambda keys: table.StudyDescription.str.contains(keys["StudyDescription"][1:-1]),
        ),
        "modality, common": (
            [{"ModalitiesInStudy": one} for one in ("CT", "MR")],
            lambda keys: table.Modality == keys["ModalitiesInStudy"],
        ),
        "modality, rare": (
            [{"ModalitiesInStudy": "XA"}],
            lambda keys: table.Modality == keys["ModalitiesInStudy"],
        ),
        "name, date, modality": (
            [
                {"PatientName": "Ber*", "StudyDate": f"{year}0101-{year}1231",
                 "ModalitiesInStudy": "MR"}
                for year in days
            ],
            lambda keys: (
                family.str.startswith("ber")
                & table.StudyDate.between(*keys["StudyDate"].split("-"))
                & (table.Modality == "MR")
            ),
        ),
        "nothing asked": ([{}], lambda keys: table.PatientID == table.PatientID),
    }  # fmt: skip


def run(repeat: int) -> list[Result]:
    """Measure each kind of query; the results are checked to be the same."""
    rows = list(records(STUDIES))
    table = pd.DataFrame(rows)
    results = []
    with tempfile.TemporaryDirectory() as folder, Archive.open(Path(folder) / "a") as archive:
        print(f"  index of {STUDIES:,} studies built in {build(archive, rows):.1f} s",
              file=sys.stderr)  # fmt: skip
        gc.collect()
        gc.freeze()
        for name, (asked, chosen) in cases(table).items():
            calls = [asked[at % len(asked)] for at in range(CALLS)]
            for keys in asked:
                answers = archive.records(Query("study", limit=LIMIT, **keys))
                found = [row["StudyInstanceUID"] for row in answers]  # fmt: skip
                expected = table[chosen(keys)].head(LIMIT).StudyInstanceUID.tolist()
                assert found == expected, name
            times: list[tuple[float, float]] = []
            results.append(
                beside(
                    f"find {name} (p50)", partial(ours, archive, calls, times),
                    partial(in_pandas, table, chosen, calls[:5]),
                    repeat=repeat, unit="ms", peer_name=f"pandas {pd.__version__} in memory",
                )
            )  # fmt: skip
            for what, each in zip(("p95", "p95 of CPU"), zip(*times, strict=True), strict=True):
                p95 = statistics.quantiles(each, n=20)[-1]
                results.append(
                    Result(f"find {name} ({what})", "ms", p95, GOAL_P95_MS, GOAL_P95_MS / p95, 1.0,
                           "goal")
                )  # fmt: skip
    return results


def ours(archive: Archive, calls: list[dict[str, str]], times: list[tuple[float, float]]) -> float:
    """Return the median of the calls, ms, and add each and its CPU time to the list."""
    found = []
    for keys in calls:
        start, cpu_start = time.perf_counter(), time.thread_time()
        list(archive.records(Query("study", limit=LIMIT, **keys)))
        spent, cpu = time.perf_counter() - start, time.thread_time() - cpu_start
        found.append((spent * 1e3, cpu * 1e3))
    times += found
    return statistics.median(spent for spent, _cpu in found)


def in_pandas(
    table: pd.DataFrame, chosen: Callable[..., pd.Series], calls: list[dict[str, str]]
) -> float:
    """Return the median of the same calls as a filter of columns and a list of records, ms."""
    found = []
    for keys in calls:
        start = time.perf_counter()
        table[chosen(keys)].head(LIMIT).to_dict("records")
        found.append((time.perf_counter() - start) * 1e3)
    return statistics.median(found)
