"""Work that crashes, hangs or takes all memory costs itself and nothing else."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from dicomlab.errors import HostileInputError, NonConformantError, RefusedError, StorageError
from dicomlab.safety import WorkerLimits, Workers
from tests.capped_jobs import ALL
from tests.hostile.parts import RLE
from tests.hostile.pixels import codestreams

ROOT = Path(__file__).parents[3]
LIMITS = WorkerLimits(
    memory_bytes=256 << 20, shared_bytes=1 << 20, cpu_s=0, cpu_s_per_mib=0, wall_s=30
)
DEADLINE_S = 30


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(*ALL, count=2, limits=LIMITS) as made:
        yield made


def done(workers: Workers, job: str, data: bytes = b"", size: int = 0) -> bytes:
    out = bytearray(size)
    workers.run(f"tests.capped_jobs:{job}", data, b"note", memoryview(out))
    return bytes(out)


def told(workers: Workers, job: str) -> Any:
    return json.loads(done(workers, job, size=4096).rstrip(b"\0"))


def pids(workers: Workers) -> tuple[int, int]:
    """Return the numbers of a worker and of the process that workers come from."""
    worker, parent = told(workers, "pids")
    return worker, parent


def gone(*numbers: int) -> None:
    """Wait until processes are gone."""
    found = []
    for pid in numbers:
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    _gone, alive = psutil.wait_procs(found, timeout=DEADLINE_S)
    assert alive == []


def test_work_is_done_on_shared_memory(workers):
    data = bytes(range(100)) * 1000

    assert done(workers, "double", data, len(data)) == bytes(2 * n for n in range(100)) * 1000


@pytest.mark.parametrize(
    ("job", "rule", "said"),
    [
        ("segv", "worker_crash", "SIGSEGV"),
        ("bomb", "worker_memory", "more memory"),
        ("big_array", "worker_memory", "more memory"),
        ("spin", "worker_time", "longer"),
        ("bug", "worker_error", "KeyError at "),
        ("lie", "worker_error", "should not"),
        ("babble", "worker_crash", "crashed"),
    ],
)
def test_what_goes_wrong_is_a_typed_error_and_the_next_work_is_done(workers, job, rule, said):
    """Whatever becomes of a worker, the caller is told in words, and the pool goes on."""
    with pytest.raises(HostileInputError, match=said) as found:
        done(workers, job)

    assert found.value.rule == rule
    assert "Canary" not in str(found.value)
    assert done(workers, "double", b"\1\2", 2) == b"\2\4"


def test_a_worker_that_sleeps_is_ended_by_the_clock():
    limits = WorkerLimits(shared_bytes=4096, wall_s=0.2)

    with Workers(*ALL, count=1, limits=limits) as workers:
        with pytest.raises(HostileInputError) as found:
            done(workers, "hang")

        assert found.value.rule == "worker_time"


def rle(value: int) -> bytes:
    """Return two pixels of 16 bits in RLE (PS3.5 G), high bytes first."""
    return struct.pack("<16I", 2, 64, 66, *[0] * 13) + bytes((0xFF, value >> 8, 0xFF, value & 255))


def hostile_rle() -> bytes:
    """Return the frame of a file of the corpus that leads its decoder out of its memory."""
    (made,) = (one for one in codestreams() if one.id == "rle-second-huge")
    assert RLE.encode() in made.data
    return made.data[made.data.index(struct.pack("<3I", 2, 64, 0xFFFF025E)) :]


def test_of_two_hundred_frames_one_that_crashes_its_decoder_costs_one(workers):
    """A codestream of the corpus ends the process that decodes it; the other 199 are right."""
    frames = [rle(1000 + n) for n in range(200)]
    frames[137] = hostile_rle()

    def decoded(frame: bytes) -> list[int] | str:
        try:
            return np.frombuffer(done(workers, "unchecked_rle", frame, 4), "<u2").tolist()
        except HostileInputError as error:
            return error.rule

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(decoded, frames))

    assert found.pop(137) == "worker_crash"
    assert found == [[1000 + n] * 2 for n in range(200) if n != 137]


def test_the_job_says_itself_what_is_wrong(workers):
    """A typed error comes over with its facts, and the worker stays."""
    before = pids(workers)

    with pytest.raises(NonConformantError, match="The frame is bad") as found:
        done(workers, "typed")

    assert vars(found.value) == {"reason": "bad", "tag": 0x7FE00010, "reference": "PS3.5 8"}
    assert pids(workers) == before


def test_a_worker_has_nothing_to_take_and_no_way_out(workers, monkeypatch):
    """No environment, no file, no network, no process of its own; one socket, one memory."""
    monkeypatch.setenv("DICOMLAB_SECRET", "hush")
    with Workers(*ALL, count=1, limits=LIMITS) as fresh:
        found = told(fresh, "look")

    threads = {name for name in found["environment"] if name.endswith("_THREADS")}
    assert set(found["environment"]) - threads <= {"LC_CTYPE", "LD_LIBRARY_PATH"}
    assert {found["file"], found["socket"], found["process"]}.isdisjoint({"made"})
    socket, regular = 0o14, 0o10
    assert sorted(found["descriptors"]) == [regular, socket]


def test_nothing_of_one_picture_shines_through_in_the_next():
    """A job that fills a part of its output leaves the rest zero, whatever was there before."""
    with Workers(*ALL, count=1) as workers:
        done(workers, "double", b"\x7f" * 4096, 4096)

        left = done(workers, "nothing", b"", 4096)

    assert left == bytes(4096)


def test_too_large_a_piece_is_refused_before_any_worker_sees_it(workers):
    with pytest.raises(HostileInputError, match="shared_bytes") as found:
        done(workers, "double", bytes(1 << 19), 1 << 20)

    assert (found.value.rule, found.value.limit) == ("worker_bytes", LIMITS.shared_bytes)


def test_who_finds_the_queue_full_is_told_to_come_again():
    """The pool is bounded: so many workers, so many who wait, and no more."""
    with Workers(*ALL, count=1, waiting=0) as workers, ThreadPoolExecutor(1) as threads:
        with pytest.raises(RefusedError) as found:
            done(workers, "double", b"\1", 1)
        assert found.value.rule == "busy"
        threads.submit(lambda: None).result()


def test_closing_ends_work_in_hand_and_all_processes():
    workers = Workers(*ALL, count=2)
    numbers = pids(workers)
    with ThreadPoolExecutor(2) as threads:
        work = [threads.submit(done, workers, "hang") for _ in range(2)]
        while workers.at_work < 2:
            threading.Event().wait(0.01)
        workers.close()

        for one in work:
            with pytest.raises(RefusedError, match="closed"):
                one.result(DEADLINE_S)

    gone(*numbers)
    workers.close()
    with pytest.raises(RefusedError, match="closed"):
        done(workers, "double", b"\1", 1)


def test_the_process_that_workers_come_from_is_replaced_too():
    with Workers(*ALL, count=1, limits=LIMITS) as workers:
        worker, parent = pids(workers)
        os.kill(parent, signal.SIGKILL)
        os.kill(worker, signal.SIGKILL)
        gone(parent, worker)

        assert pids(workers)[1] != parent


def test_jobs_that_cannot_be_imported_are_told_of():
    with (
        Workers("tests.no_such_module:job") as workers,
        pytest.raises(StorageError, match="no_such_module"),
    ):
        workers.run("tests.no_such_module:job", b"", b"", memoryview(b""))


@pytest.mark.parametrize("ending", ["close", "return", "SIGTERM", "SIGINT", "SIGKILL"])
def test_nothing_outlives_the_program_however_it_ends(ending):
    """Also not a worker in an endless loop; what they share has no name that could be left."""
    waits = ending.startswith("SIG")
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.capped_jobs", "wait" if waits else ending],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with program:
        worker, nursery = json.loads(program.stdout.readline())
        if waits:
            os.kill(program.pid, getattr(signal, ending))
        program.wait(DEADLINE_S)

    gone(worker, nursery)
