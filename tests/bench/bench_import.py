"""Importing 5,000 small files and 500 CT slices of 512 x 512 into a fresh archive, all checks on.

Beside it, in turn in one run: the same import with the border taken away (bounds, identity, length
of the pixels, free disk; the bounded walk itself stays, as it is what reads the header: no option
leads there, this module replaces the functions), the loop that people write (pydicom reads, the
bytes are written and forced to the disk, SQLite commits every 256), and Orthanc as it comes, by
REST over one loopback connection. All write to one disk and force what they acknowledge onto it;
Orthanc is given the first files only, as it needs minutes for all. Memory is what an import of two
fifths of the files, and one of all, adds to a process of its own.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import fields
from functools import partial
from pathlib import Path
from statistics import median
from unittest.mock import patch

import pydicom
from bench_memory import start
from ct_series import thorax
from measure import Result, missing

from dicomlab import phantoms
from dicomlab.archive import Archive, Outcome, _staging
from dicomlab.archive._room import Room
from dicomlab.safety import Bounds, read_header
from tests.peers import PeerMissingError, find

SMALL, SLICES = 5_000, 500
FOR_ORTHANC = {SMALL: 500, SLICES: 100}
COMMIT = 256
FLAT = 1.2
KEYS = ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "AccessionNumber",
        "StudyDescription", "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription",
        "SOPInstanceUID", "SOPClassUID", "InstanceNumber", "Rows", "Columns")  # fmt: skip
MEMORY = """
import resource, sys, tempfile
from itertools import islice
from pathlib import Path
from dicomlab.archive import Archive
from dicomlab import archive, phantoms, safety
with tempfile.TemporaryDirectory() as folder, Archive.open(folder) as opened:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    opened.import_(islice(sorted(Path(sys.argv[1]).iterdir()), int(sys.argv[2])))
    print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def small_files() -> Path:
    """Return a folder of 5,000 files of 10 kB: 50 patients with two series of 50 slices each."""
    folder = Path(tempfile.gettempdir()) / "dicomlab-bench" / f"small-{SMALL}"
    if not folder.exists():
        unfinished = folder.with_name(folder.name + ".partial")
        unfinished.mkdir(parents=True, exist_ok=True)
        slices = list(phantoms.thorax_ct(slices=50, rows=64))
        for number in range(SMALL):
            study, place = divmod(number, 100)
            instance = deepcopy(slices[place % 50])
            instance.PatientID = f"P{study:03d}"
            instance.PatientName = f"Bench^Number{study:03d}"
            instance.SeriesNumber = place // 50 + 1
            instance.StudyInstanceUID = f"{slices[0].StudyInstanceUID}.{study}"
            instance.SeriesInstanceUID = f"{instance.StudyInstanceUID}.{place // 50}"
            instance.SOPInstanceUID = f"{instance.SeriesInstanceUID}.{place}"
            instance.file_meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
            instance.save_as(unfinished / f"{number:05d}.dcm", enforce_file_format=True)
        unfinished.rename(folder)
    return folder


def ours(paths: list[Path]) -> float:
    """Return how many files a second an import of ours takes in."""
    with tempfile.TemporaryDirectory() as folder, Archive.open(folder) as archive:
        begin = time.perf_counter()
        report = archive.import_(paths)
        rate = len(paths) / (time.perf_counter() - begin)
        assert [row.outcome for row in report.rows] == [Outcome.NEW] * len(paths)
    return rate


def without_border(paths: list[Path]) -> float:
    """Return the same without the checks."""
    all_of_it = Bounds(**{one.name: sys.maxsize for one in fields(Bounds)})
    with ExitStack() as patches:
        for owner, name, free in (
            (_staging, "read_header", lambda source, **_: read_header(source, bounds=all_of_it)),
            (_staging, "check_instance", lambda *_, **__: None),
            (Room, "take", lambda *_: None),
        ):
            patches.enter_context(patch.object(owner, name, free))
        return ours(paths)


def by_hand(paths: list[Path]) -> float:
    """Return how many files a second the plain loop takes in."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        index = sqlite3.connect(Path(folder) / "index.sqlite3")
        index.execute("PRAGMA journal_mode = WAL")
        index.execute("PRAGMA synchronous = FULL")
        index.execute(f"CREATE TABLE instance (path, {', '.join(KEYS)})")
        names = os.open(folder, os.O_RDONLY)
        for number, path in enumerate(paths, 1):
            data = path.read_bytes()
            header = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
            target = Path(folder) / f"{header.SOPInstanceUID}.dcm"
            with target.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            row = (str(target), *(str(header.get(key, "")) for key in KEYS))
            index.execute(f"INSERT INTO instance VALUES ({', '.join('?' * len(row))})", row)
            if number % COMMIT == 0:
                os.fsync(names)
                index.commit()
        os.fsync(names)
        index.commit()
        seconds = time.perf_counter() - begin
        os.close(names)
        index.close()
    return len(paths) / seconds


@contextmanager
def orthanc() -> Iterator[int]:
    """Start Orthanc as it comes, with nothing in it; give its port."""
    program = find("Orthanc")
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        configuration = Path(folder) / "orthanc.json"
        configuration.write_text(json.dumps({
            "StorageDirectory": f"{folder}/storage", "IndexDirectory": f"{folder}/storage",
            "HttpPort": port, "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
            "DicomServerEnabled": False, "Plugins": [],
        }))  # fmt: skip
        with subprocess.Popen(
            [program, configuration],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"TCP_NODELAY": "1"},
        ) as server:  # fmt: skip
            try:
                until = time.monotonic() + 30
                while time.monotonic() < until:
                    try:
                        socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    except ConnectionRefusedError:
                        time.sleep(0.05)
                    else:
                        break
                yield port
            finally:
                server.terminate()


def to_orthanc(paths: list[Path]) -> float:
    """Return how many files a second Orthanc takes in."""
    with orthanc() as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.connect()
        assert connection.sock is not None
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begin = time.perf_counter()
        for path in paths:
            connection.request("POST", "/instances", path.read_bytes())
            answer = connection.getresponse()
            assert json.loads(answer.read())["Status"] == "Success"
        seconds = time.perf_counter() - begin
        connection.close()
    return len(paths) / seconds


def growth(folder: Path, files: int) -> float:
    """Return by how many MB the process of an import grows."""
    _, told, *_ = start(sys.executable, "-c", MEMORY, str(folder), str(files))
    before, after = (int(value) / 1000 for value in told.split())
    print(f"  import of {files} files: peak {after:.0f} MB, {before:.0f} of it before")
    return after - before


def run(repeat: int) -> list[Result]:
    """Measure all sides in turn for both kinds of files, then the memory."""
    results = []
    for what, folder in ((f"{SMALL:,} files", small_files()), (f"{SLICES} CT", thorax(SLICES))):
        paths = sorted(folder.iterdir())
        size = sum(path.stat().st_size for path in paths) / len(paths) / 1e6
        sides: dict[str, Callable[[], float]] = {
            "ours": partial(ours, paths),
            "the same without the border": partial(without_border, paths),
            f"pydicom {pydicom.__version__}, copy, SQLite": partial(by_hand, paths),
        }
        try:
            version = find("Orthanc").name
        except PeerMissingError as error:
            results.append(missing(f"import {what}", "files/s", "Orthanc", str(error)))
        else:
            sides[f"{version}, REST"] = partial(to_orthanc, paths[: FOR_ORTHANC[len(paths)]])
        rates = in_turn(sides, repeat)
        mine = rates.pop("ours")
        for peer, theirs in rates.items():
            ratio = median(one / other for one, other in zip(mine, theirs, strict=True))
            results.append(
                Result(f"import {what}", "files/s", median(mine), median(theirs), ratio, None, peer)
            )
        results.append(
            Result(f"import {what}", "MB/s", median(mine) * size, None, None, peer_name="")
        )
        some = len(paths) * 2 // 5
        fewer, all_of_them = growth(folder, some), growth(folder, len(paths))
        results.append(
            Result(f"growth of the peak, {some:,} / {what}", "MB", all_of_them, fewer,
                   fewer / all_of_them, 1 / FLAT, "two fifths of them")
        )  # fmt: skip
    return results


def in_turn(sides: dict[str, Callable[[], float]], repeat: int) -> dict[str, list[float]]:
    """Return what each side measures, each repetition beginning with another one."""
    names = list(sides)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(repeat):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(sides[name]())
    return found
