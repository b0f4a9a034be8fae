"""One worker, seen from the program, and the process that it comes from."""

from __future__ import annotations

import json
import mmap
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from dicomlab import errors
from dicomlab.errors import StorageError
from dicomlab.safety._nursery import (
    REQUEST,
    Reply,
    WorkerLimits,
    output_place,
    receive_reply,
    send_command,
)

__all__ = ["REASONS", "LostError", "Nursery", "Worker"]

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
_LARGE = 32 << 20
_KINDS = {
    kind.__name__: kind
    for kind in (
        errors.DicomlabError,
        errors.HostileInputError,
        errors.MissingDependencyError,
        errors.NonConformantError,
        errors.NotFoundError,
        errors.RefusedError,
        errors.UnsupportedError,
    )
}
REASONS = {
    "worker_memory": "reading them takes more memory than one piece of work may have",
    "worker_time": "reading them takes longer than one piece of work may take",
    "worker_crash": "the code that reads them crashed",
    "worker_error": "the code that reads them failed in a way that it should not",
}
"""Why a worker is of no more use, as its caller is told."""


class LostError(Exception):
    """A worker is of no more use; `rule` is one of `REASONS`, or empty where it has to be found."""

    def __init__(self, rule: str = "", place: str = "") -> None:
        super().__init__(rule)
        self.rule = rule
        self.place = place


class Nursery:
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


class Worker:
    """One worker, its socket and its shared memory."""

    def __init__(self, nursery: Nursery, limits: WorkerLimits) -> None:
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
        LostError
            The worker must be ended.
        """
        self._memory[: len(data)] = data
        try:
            self._socket.sendall(REQUEST.pack(job, len(data), len(out), len(note)) + note)
            reply = receive_reply(self._socket)
        except TimeoutError:
            raise LostError("worker_time") from None
        except (OSError, EOFError):
            raise LostError from None
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
    if isinstance(rule, str) and rule in REASONS:
        return LostError(rule, str(reply.get("place", "")))
    facts = reply.get("facts")
    if kind is None or not isinstance(facts, dict):
        return LostError("worker_error")
    plain = {name: value for name, value in facts.items() if _is_plain(value)}
    try:
        return kind(str(reply.get("message")), **plain)
    except TypeError:
        return LostError("worker_error")


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)
