"""Work on untrusted bytes in processes that may crash, hang or run out of memory."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Self

from dicomlab.errors import DicomlabError, HostileInputError, RefusedError
from dicomlab.safety._nursery import WorkerLimits, output_place
from dicomlab.safety._worker import REASONS, LostError, Nursery, Worker

__all__ = ["DEFAULT_LIMITS", "WorkerLimits", "Workers", "processors"]

_LOG = logging.getLogger(__name__)
_WAITING = 1024

DEFAULT_LIMITS = WorkerLimits()


def processors() -> int:
    """Return how many processors this process may use; not every system can say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
        self._idle: deque[Worker] = deque()
        self._made = self._queued = 0
        self._nursery: Nursery | None = None
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
        except LostError as lost:
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

    def _take(self) -> Worker:
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
            return Worker(self._there(), self.limits)
        except BaseException:
            self._one_less()
            self._check_open()  # Closed while it was made: that is why there is none.
            raise

    def _there(self) -> Nursery:
        """Return the nursery, a new one where it has ended."""
        with self._change:
            self._check_open()
            if self._nursery is None or self._nursery.is_gone:
                if self._nursery is not None:
                    self._nursery.close()
                self._nursery = Nursery(tuple(self._jobs), self.limits)
            return self._nursery

    def _check_open(self) -> None:
        if self._is_closed:
            raise RefusedError("The workers are closed: make new ones.", rule="closed") from None

    def _give_back(self, worker: Worker) -> None:
        with self._change:
            if not self._is_closed:
                self._idle.append(worker)
                self._change.notify()
                return
        worker.end()

    def _forget(self, worker: Worker) -> int:
        try:
            return worker.end()
        finally:
            self._one_less()

    def _one_less(self) -> None:
        with self._change:
            self._made -= 1
            self._change.notify()

    def _replaced(self, worker: Worker, lost: LostError) -> DicomlabError:
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
            f"The pixels cannot be read: {REASONS[rule]}{f' ({how})' if how else ''}. The instance "
            "is damaged or made to do harm: retrieve it again, or look at it alone.",
            rule=rule,
            limit=limit.get(rule),
        )
