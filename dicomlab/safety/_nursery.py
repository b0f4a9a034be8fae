"""The process that capped workers are born from, and what a worker does.

It is single-threaded, has read the code of every job before, and never sees a byte of input: a
worker is a fork of it, there in milliseconds and with the memory of its code shared. Forking the
program itself would copy its threads' locks, its secrets and its open files; starting Python anew
for each worker would cost half a second after each crash.
"""

from __future__ import annotations

import ctypes
import gc
import json
import mmap
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

from dicomlab.errors import DicomlabError, kind_and_place

Job: TypeAlias = Callable[[memoryview, bytes, memoryview], None]
"""Takes input, a note that describes it, and where its output goes."""
Reply: TypeAlias = Mapping[str, object]

REQUEST = struct.Struct("<HQQH")
"""Number of the job, bytes of input, bytes of output, bytes of the note that follows."""
_LENGTH = struct.Struct("<I")
_COMMAND = struct.Struct("<cq")
_LARGEST_REPLY = 1 << 16
_ALIGNED = 64
_LOOK_S = 5.0
_NOBODY = 65534
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What one piece of work may take; beyond it, it ends with a typed error.

    Attributes
    ----------
    memory_bytes
        Address space that a worker may have more than it begins with, shared memory included.
    shared_bytes
        Room for input and output of a piece of work together.
    cpu_s, cpu_s_per_mib
        Processor time, and more of it for each MiB of output; rounded up to whole seconds.
    wall_s
        Time on the clock, for a worker that sleeps or is kept from running.
    """

    memory_bytes: int = 512 << 20
    shared_bytes: int = 128 << 20
    cpu_s: float = 5.0
    cpu_s_per_mib: float = 0.25
    wall_s: float = 60.0


def output_place(size: int) -> int:
    """Return where in the shared memory the output begins, after so many bytes of input."""
    return -(-size // _ALIGNED) * _ALIGNED


def send_reply(to: socket.socket, reply: Reply) -> None:
    """Send a reply; an empty one says that all is well."""
    body = json.dumps(reply).encode() if reply else b""
    to.sendall(_LENGTH.pack(len(body)) + body)


def receive_reply(source: socket.socket) -> Reply:
    """Return a reply; what comes from a worker is never more than JSON to us.

    Raises
    ------
    EOFError
        The other side is gone, or says what no reply is.
    """
    (size,) = _LENGTH.unpack(_exactly(source, _LENGTH.size))
    if size > _LARGEST_REPLY:
        raise EOFError
    if not size:
        return {}
    with suppress(ValueError):
        reply = json.loads(_exactly(source, size))
        if isinstance(reply, dict):
            return reply
    raise EOFError


def send_command(
    to: socket.socket, command: bytes, pid: int = 0, files: tuple[int, ...] = ()
) -> None:
    """Ask the nursery for a worker (``b"S"``, with its files) or for the end of one (``b"E"``)."""
    socket.send_fds(to, [_COMMAND.pack(command, pid)], files)


def _exactly(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = source.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def main() -> None:
    """Read the code of all jobs, then make and end workers until the program is gone."""
    control = socket.socket(fileno=int(sys.argv[2]))
    names, limits = json.loads(sys.argv[3]), WorkerLimits(**json.loads(sys.argv[4]))
    program = os.getppid()
    try:
        jobs = [_job(name) for name in names]
    except Exception as error:  # noqa: BLE001  whatever it is, the program is told
        send_reply(control, {"failed": f"{type(error).__name__}: {error}"})
        return
    _leave_the_world()
    gc.collect()
    gc.freeze()  # Collecting in a worker would touch, and so copy, all pages of the code.
    workers: set[int] = set()
    try:
        while os.getppid() == program:
            # Whoever forked the program may hold the other end open: its death is looked for too.
            if not select.select([control], [], [], _LOOK_S)[0]:
                continue
            if not _obey(control, jobs, limits, workers):
                break
    finally:
        for pid in workers:
            _end(pid)


def _job(name: str) -> Job:
    """Return a function by ``module:name``, after its module's ``prepare`` if there is one."""
    place, _, called = name.partition(":")
    module = import_module(place)
    getattr(module, "prepare", lambda: None)()
    job: Job = getattr(module, called)
    return job


def _obey(control: socket.socket, jobs: list[Job], limits: WorkerLimits, workers: set[int]) -> bool:
    """Do one thing that the program asks for; return whether it was still there."""
    message, files, _flags, _address = socket.recv_fds(control, _COMMAND.size, 2)
    if len(message) < _COMMAND.size:
        return False
    command, pid = _COMMAND.unpack(message)
    if command == b"E":
        status = 0
        if pid in workers:
            workers.discard(pid)
            status = _end(pid)
        send_reply(control, {"status": status})
        return True
    pid = os.fork()
    if pid == 0:
        status = 1
        with suppress(BaseException):
            control.close()
            status = _work(socket.socket(fileno=files[0]), files[1], jobs, limits)
        os._exit(status)
    for descriptor in files:
        os.close(descriptor)
    workers.add(pid)
    send_reply(control, {"pid": pid})
    return True


def _end(pid: int) -> int:
    """End a worker, and return how it ended: minus the number of a signal."""
    found, status = os.waitpid(pid, os.WNOHANG)
    if not found:
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _leave_the_world() -> None:
    """Give up the network and the rights of root, as far as this system lets us."""
    if hasattr(os, "geteuid") and sys.platform == "linux":
        is_root = os.geteuid() == 0
        ctypes.CDLL(None).unshare(_NEW_NETWORK | (0 if is_root else _NEW_USER))
        if is_root:
            with suppress(OSError):
                os.setgroups([])
                os.setgid(_NOBODY)
                os.setuid(_NOBODY)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # A core would hold the picture.


def _confine(limits: WorkerLimits, mapped: int) -> None:
    """Cap what this process may take from here on; no descriptor can be made any more."""
    with suppress(OSError):  # Elsewhere than on Linux memory has no such cap.
        pages = int(Path("/proc/self/statm").read_bytes().split()[0])
        most = pages * resource.getpagesize() - mapped + limits.memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for name in ("RLIMIT_FSIZE", "RLIMIT_NPROC", "RLIMIT_NOFILE"):
        resource.setrlimit(getattr(resource, name), (0, 0))


def _work(job_socket: socket.socket, descriptor: int, jobs: list[Job], limits: WorkerLimits) -> int:
    """Do one piece of work after the other, until the program closes its end."""
    memory = mmap.mmap(descriptor, limits.shared_bytes)
    os.close(descriptor)
    _confine(limits, limits.shared_bytes)
    whole = memoryview(memory)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    while True:
        try:
            request = _exactly(job_socket, REQUEST.size)
        except EOFError:
            return 0
        number, size, room, told = REQUEST.unpack(request)
        note = _exactly(job_socket, told)
        place = output_place(size)
        # What a job leaves out must be nothing, not a part of somebody else's picture.
        ctypes.memset(address + place, 0, room)
        _begin_cpu(limits.cpu_s + limits.cpu_s_per_mib * (room >> 20))
        reply = _done(jobs[number], whole[:size], note, whole[place : place + room])
        send_reply(job_socket, reply)
        if reply.get("rule") == "worker_memory":
            return 1  # What is left of it may be in pieces.


def _begin_cpu(seconds: float) -> None:
    """Count the processor time of a piece of work from now; at its end stands SIGXCPU."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    end = int(time.process_time() + seconds + 1)
    if hard != resource.RLIM_INFINITY:
        end = min(end, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (end, hard))


def _done(job: Job, data: memoryview, note: bytes, out: memoryview) -> Reply:
    """Do a piece of work, and return what the program is told of it."""
    try:
        job(data, note, out)
    except DicomlabError as error:
        facts = {name: value for name, value in vars(error).items() if name != "__notes__"}
        return {"error": type(error).__name__, "message": str(error), "facts": facts}
    except MemoryError:
        return {"rule": "worker_memory"}
    except Exception as error:  # noqa: BLE001  a bug of ours, told by its place and no value
        return {"rule": "worker_error", "place": kind_and_place(error)}
    return {}
