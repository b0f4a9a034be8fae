"""Jobs for capped workers that do what hostile input makes of a decoder."""

from __future__ import annotations

import json
import os
import signal
import socket
import time

import imagecodecs
import numpy as np

from dicomlab.errors import NonConformantError
from dicomlab.safety import Workers

ALL = tuple(
    f"tests.capped_jobs:{name}"
    for name in ("double", "unchecked_rle", "segv", "bomb", "big_array", "spin", "hang", "look",
                 "typed", "bug", "lie", "babble", "pids", "nothing")
)  # fmt: skip


def prepare() -> None:
    """Load what a worker could not."""
    imagecodecs.dicomrle_decode  # noqa: B018  loads the codec


def double(data: memoryview, note: bytes, out: memoryview) -> None:
    np.multiply(np.frombuffer(data, np.uint8), 2, out=np.frombuffer(out, np.uint8))


def unchecked_rle(data: memoryview, note: bytes, out: memoryview) -> None:
    """Decode as the library does that believes the offsets of its input."""
    values = imagecodecs.dicomrle_decode(bytes(data), np.dtype("<u2"))
    out[:] = values[: len(out)]


def nothing(data: memoryview, note: bytes, out: memoryview) -> None:
    """Leave the output as it is."""


def segv(data: memoryview, note: bytes, out: memoryview) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def bomb(data: memoryview, note: bytes, out: memoryview) -> None:
    kept = []
    while True:
        kept.append(bytearray(1 << 24))


def big_array(data: memoryview, note: bytes, out: memoryview) -> None:
    np.ones(1 << 30, np.uint8)


def spin(data: memoryview, note: bytes, out: memoryview) -> None:
    while True:
        pass


def hang(data: memoryview, note: bytes, out: memoryview) -> None:
    time.sleep(600)


def pids(data: memoryview, note: bytes, out: memoryview) -> None:
    """Tell the numbers of this worker and of the process that it comes from."""
    _tell(out, [os.getpid(), os.getppid()])


def look(data: memoryview, note: bytes, out: memoryview) -> None:
    """Try to get at what is no business of a worker."""
    found: dict[str, object] = {"environment": sorted(os.environ)}
    for name, attempt in (
        ("file", lambda: os.open("/etc/hostname", os.O_RDONLY)),
        ("socket", socket.socket),
        ("process", os.fork),
    ):
        try:
            made = attempt()
        except OSError as error:
            found[name] = type(error).__name__
        else:
            if made == 0:
                os._exit(0)
            found[name] = "made"
    kinds = []
    for descriptor in range(3, 256):
        try:
            mode = os.fstat(descriptor).st_mode
        except OSError:
            continue
        kinds.append(mode >> 12)
    found["descriptors"] = kinds
    _tell(out, found)


def typed(data: memoryview, note: bytes, out: memoryview) -> None:
    raise NonConformantError("The frame is bad.", reason="bad", tag=0x7FE00010, reference="PS3.5 8")


def bug(data: memoryview, note: bytes, out: memoryview) -> None:
    raise KeyError("Canary^Patient")


def lie(data: memoryview, note: bytes, out: memoryview) -> None:
    """Say to the program what no worker says."""
    reply = json.dumps({"error": "SystemExit", "message": "x", "facts": {}}).encode()
    os.write(_socket(), len(reply).to_bytes(4, "little") + reply)
    time.sleep(600)


def babble(data: memoryview, note: bytes, out: memoryview) -> None:
    os.write(_socket(), b"\xff" * 4)
    time.sleep(600)


def _socket() -> int:
    return next(n for n in range(3, 256) if os.fstat(n).st_mode >> 12 == 0o14)


def _tell(out: memoryview, found: object) -> None:
    text = json.dumps(found).encode()
    out[: len(text)] = text


def program(ending: str) -> None:
    """Make a worker, tell of it, give it endless work, and end in some way: run as a program."""
    import threading

    # A shell starts what runs in the background with Ctrl-C ignored, and we inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    workers = Workers(*ALL, count=1)
    out = bytearray(100)
    workers.run("tests.capped_jobs:pids", b"", b"", memoryview(out))
    threading.Thread(
        target=workers.run,
        args=("tests.capped_jobs:spin", b"", b"", memoryview(bytearray())),
        daemon=True,
    ).start()
    while workers.at_work < 1:
        time.sleep(0.01)
    print(out.rstrip(b"\0").decode(), flush=True)
    if ending == "wait":
        time.sleep(600)
    elif ending == "close":
        workers.close()


if __name__ == "__main__":
    import sys

    program(sys.argv[1])
