"""Work on untrusted bytes in processes that may crash, hang or run out of memory."""

from __future__ import annotations

import json
import logging
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from types import TracebackType
from typing import Self

from dicomlab import errors
from dicomlab.errors import DicomlabError, HostileInputError, RefusedError, StorageError
from dicomlab.safety._nursery import (
    REQUEST,
    Reply,
    WorkerLimits,
    output_place,
    receive_reply,
    send_command,
)

__all__ = ["DEFAULT_LIMITS", "WorkerLimits", "Workers", "processors"]

_LOG = logging.getLogger(__name__)
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from dicomlab.safety._nursery import main; main()"
)
_KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""All that a worker gets of the environment: where libraries lie."""
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FFMPEG_THREADS"), "1"
)
"""So that forking the nursery is safe, and a worker asks for no thread that it would not get."""
_PATIENCE_S = 60.0
_WAITING = 1024
_LARGE = 32 << 20
_KINDS = {
    kind.__name__: kind
    for kind in (
        errors.DicomlabError,
        errors.HostileInputError,
        errors.NonConformantError,
        errors.NotFoundError,
        errors.RefusedError,
        errors.UnsupportedError,
    )
}
_SAID = {
    "worker_memory": "reading them takes more memory than one piece of work may have",
    "worker_time": "reading them takes longer than one piece of work may take",
    "worker_crash": "the code that reads them crashed",
    "worker_error": "the code that reads them failed in a way that it should not",
}

DEFAULT_LIMITS = WorkerLimits()


def processors() -> int:
    """Return how many processors this process may use; not every system can say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _LostError(Exception):
    """A worker is of no more use; `rule` is one of `_SAID`, or nothing where it has to be found."""

    def __init__(self, rule: str = "", place: str = "") -> None:
        super().__init__(rule)
        self.rule = rule
        self.place = place


class _Nursery:
    """The process that workers are forked from. Threads may call it."""

    def __init__(self, jobs: tuple[str, ...], limits: WorkerLimits) -> None:
        self._turn = threading.Lock()
        ours, theirs = socket.socketpair()
        ours.settimeout(_PATIENCE_S)
        self._control = ours
        path = [os.path.abspath(place) for place in sys.path]  # noqa: PTH100  also of a zip
        libraries = {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            self._process = subprocess.Popen(  # noqa: S603  this Python, with our own words
                [
                    *(sys.executable, "-I", "-c", _BOOT, json.dumps(path), str(theirs.fileno())),
                    *(json.dumps(jobs), json.dumps(asdict(limits))),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={**libraries, **_ONE_THREAD},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C is for the program, which ends it in order.
            )
        except OSError as error:
            ours.close()
            raise _no_workers(error.strerror or type(error).__name__) from error
        finally:
            theirs.close()
        self.close = weakref.finalize(self, _close, ours, self._process)

    def spawn(self, job_socket: socket.socket, memory: int) -> int:
        """Return the number of a new worker.

        Raises
        ------
        StorageError
            There can be none.
        """
        reply = self._ask(b"S", files=(job_socket.fileno(), memory))
        pid = reply.get("pid")
        if not isinstance(pid, int):
            raise _no_workers(str(reply.get("failed", "it ended at once")))
        return pid

    def end(self, pid: int) -> int:
        """End a worker, and return how it ended: minus the number of a signal."""
        status = self._ask(b"E", pid).get("status")
        return status if isinstance(status, int) else 0

    @property
    def is_gone(self) -> bool:
        """Whether it has ended, by whatever hand."""
        return self._process.poll() is not None

    def _ask(self, command: bytes, pid: int = 0, files: tuple[int, ...] = ()) -> Reply:
        with self._turn:
            try:
                send_command(self._control, command, pid, files)
                return receive_reply(self._control)
            except (OSError, EOFError):
                return {}


def _close(control: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """End the nursery, which ends its workers before."""
    control.close()
    try:
        process.wait(_PATIENCE_S / 10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _no_workers(why: str) -> StorageError:
    return StorageError(
        f"The processes that read compressed pixels cannot be started: {why}. Check that this "
        "machine has memory and processes to spare."
    )


class _Worker:
    """One worker, its socket and its shared memory."""

    def __init__(self, nursery: _Nursery, limits: WorkerLimits) -> None:
        self._nursery = nursery
        self._limits = limits
        self._socket, theirs = socket.socketpair()
        with theirs, _nameless(limits.shared_bytes) as descriptor:
            try:
                self._memory = mmap.mmap(descriptor, limits.shared_bytes)
                self._pid = nursery.spawn(theirs, descriptor)
            except BaseException:
                self._socket.close()
                raise
        self._socket.settimeout(limits.wall_s)

    @property
    def is_there(self) -> bool:
        """Whether it waits for work; one that somebody ended meanwhile does not."""
        line = select.poll()
        line.register(self._socket, select.POLLIN)
        return not line.poll(0)  # It speaks when it is asked, or it is gone.

    def run(self, job: int, data: bytes | memoryview, note: bytes, out: memoryview) -> None:
        """Have a piece of work done.

        Raises
        ------
        DicomlabError
            What the job said.
        _LostError
            The worker must be ended.
        """
        self._memory[: len(data)] = data
        try:
            self._socket.sendall(REQUEST.pack(job, len(data), len(out), len(note)) + note)
            reply = receive_reply(self._socket)
        except TimeoutError:
            raise _LostError("worker_time") from None
        except (OSError, EOFError):
            raise _LostError from None
        if reply:
            raise _error(reply)
        begin = output_place(len(data))
        with memoryview(self._memory) as shared:
            out[:] = shared[begin : begin + len(out)]
        if begin + len(out) > _LARGE and hasattr(mmap, "MADV_REMOVE"):
            self._memory.madvise(mmap.MADV_REMOVE)  # Give the pages back.

    def end(self) -> int:
        """End it, and return how it ended: minus the number of a signal."""
        self._socket.close()
        self._memory.close()
        return self._nursery.end(self._pid)


@contextmanager
def _nameless(size: int) -> Iterator[int]:
    """Give the descriptor of memory that has no name: it goes with the last who holds it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("dicomlab-frame")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        os.ftruncate(descriptor, size)
        yield descriptor
    finally:
        os.close(descriptor)


def _error(reply: Reply) -> Exception:
    """Return what a reply says as an exception; a worker may say anything: little is believed."""
    rule, kind = reply.get("rule"), _KINDS.get(str(reply.get("error")))
    if isinstance(rule, str) and rule in _SAID:
        return _LostError(rule, str(reply.get("place", "")))
    facts = reply.get("facts")
    if kind is None or not isinstance(facts, dict):
        return _LostError("worker_error")
    plain = {name: value for name, value in facts.items() if _is_plain(value)}
    try:
        return kind(str(reply.get("message")), **plain)
    except TypeError:
        return _LostError("worker_error")


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


class Workers:
    """A bounded pool of capped processes that do named jobs on untrusted bytes.

    A worker has its limits of memory and time, no environment, no file, no network, and no way to
    open any. One that crashes, hangs or asks for too much costs its own piece of work, which is a
    typed error, and is replaced. Threads may share a pool; each call waits for its turn.

    Parameters
    ----------
    jobs
        Functions as ``"module:name"``, each ``job(data, note, out)`` with input, description and a
        writable buffer for its output. Their modules are imported before any worker is made, and
        ``prepare()`` of a module is called: a worker can open no file, so it can import nothing.
    count
        Processes at the most, by default one for each processor.
    limits
        What one piece of work may take.
    waiting
        Calls that may wait for a worker.
    """

    def __init__(
        self,
        *jobs: str,
        count: int | None = None,
        limits: WorkerLimits = DEFAULT_LIMITS,
        waiting: int = _WAITING,
    ) -> None:
        self.count = count or processors()
        self.limits = limits
        self._jobs = {name: number for number, name in enumerate(jobs)}
        self._waiting = waiting
        self._change = threading.Condition()
        self._idle: deque[_Worker] = deque()
        self._made = self._queued = 0
        self._nursery: _Nursery | None = None
        self._is_closed = False

    def start(self) -> Self:
        """Begin to read the jobs' code in the background; the first call does it otherwise."""
        self._there()
        return self

    def run(self, job: str, data: bytes | memoryview, note: bytes, out: memoryview) -> None:
        """Do a job, and return when its output is in `out`.

        Parameters
        ----------
        job
            One of those that the pool was made with.
        data, note
            Input, and a short description of it that the job understands.
        out
            Bytes to fill.

        Raises
        ------
        HostileInputError
            The work needs more than its limits, or crashed its worker; `rule` is
            ``"worker_bytes"``, ``"worker_memory"``, ``"worker_time"``, ``"worker_crash"`` or
            ``"worker_error"``.
        RefusedError
            Too many calls wait (`rule` is ``"busy"``), or the pool is closed (``"closed"``).
        StorageError
            No worker can be started.
        DicomlabError
            What the job itself says of the input.
        """
        number = self._jobs[job]
        needed = output_place(len(data)) + len(out)
        if needed > self.limits.shared_bytes:
            raise HostileInputError(
                f"A piece of work takes {needed} bytes of input and output, more than "
                f"{self.limits.shared_bytes}. Raise WorkerLimits.shared_bytes if it is to be "
                "trusted, or open it in Python.",
                rule="worker_bytes",
                limit=self.limits.shared_bytes,
                found=needed,
            )
        worker = self._take()
        while not worker.is_there:
            self._forget(worker)
            worker = self._take()
        try:
            worker.run(number, data, note, out)
        except DicomlabError:
            self._give_back(worker)
            raise
        except _LostError as lost:
            raise self._replaced(worker, lost) from None
        except BaseException:
            self._forget(worker)
            raise
        self._give_back(worker)

    @property
    def at_work(self) -> int:
        """How many workers have work in hand."""
        with self._change:
            return self._made - len(self._idle)

    def close(self) -> None:
        """End all workers, also those at work; twice is no error."""
        with self._change:
            self._is_closed = True
            self._change.notify_all()
            nursery, self._nursery = self._nursery, None
            idle = list(self._idle)
            self._idle.clear()
        for worker in idle:
            worker.end()
        if nursery is not None:
            nursery.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _take(self) -> _Worker:
        """Return a worker for one piece of work, when there is one."""
        with self._change:
            if self._queued >= self._waiting:
                raise RefusedError(
                    f"{self._queued} frames wait to be decoded. Try again in a moment.",
                    rule="busy",
                    limit=self._waiting,
                )
            self._queued += 1
            try:
                while not self._is_closed and not self._idle and self._made >= self.count:
                    self._change.wait()
            finally:
                self._queued -= 1
            self._check_open()
            if self._idle:
                return self._idle.pop()
            self._made += 1
        try:
            return _Worker(self._there(), self.limits)
        except BaseException:
            self._one_less()
            self._check_open()  # Closed while it was made: that is why there is none.
            raise

    def _there(self) -> _Nursery:
        """Return the nursery, a new one where it has ended."""
        with self._change:
            self._check_open()
            if self._nursery is None or self._nursery.is_gone:
                if self._nursery is not None:
                    self._nursery.close()
                self._nursery = _Nursery(tuple(self._jobs), self.limits)
            return self._nursery

    def _check_open(self) -> None:
        if self._is_closed:
            raise RefusedError("The workers are closed: make new ones.", rule="closed") from None

    def _give_back(self, worker: _Worker) -> None:
        with self._change:
            if not self._is_closed:
                self._idle.append(worker)
                self._change.notify()
                return
        worker.end()

    def _forget(self, worker: _Worker) -> int:
        try:
            return worker.end()
        finally:
            self._one_less()

    def _one_less(self) -> None:
        with self._change:
            self._made -= 1
            self._change.notify()

    def _replaced(self, worker: _Worker, lost: _LostError) -> DicomlabError:
        """End a worker whose place the next one takes, and return why its work came to nothing."""
        status = self._forget(worker)
        if self._is_closed:
            return RefusedError("The workers are closed: this was not done.", rule="closed")
        ended = ""
        with suppress(ValueError):
            ended = signal.Signals(-status).name
        rule = lost.rule or ("worker_time" if status == -signal.SIGXCPU else "worker_crash")
        how = lost.place or (ended if rule == "worker_crash" else "")
        _LOG.warning("a worker was replaced: %s%s", rule, f" ({how})" if how else "")
        limit = {"worker_memory": self.limits.memory_bytes, "worker_time": self.limits.cpu_s}
        return HostileInputError(
            f"The pixels cannot be read: {_SAID[rule]}{f' ({how})' if how else ''}. The instance "
            "is damaged or made to do harm: retrieve it again, or look at it alone.",
            rule=rule,
            limit=limit.get(rule),
        )
