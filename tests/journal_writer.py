"""A process that uses a journal: to `write` entries, to `die` often, or to `hang` in a job.

Usage: python -m tests.journal_writer MODE URL HEAD NUMBER. What is acknowledged is printed, one
line of sequence and hash each, after `record` returned.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from enum import StrEnum
from pathlib import Path
from threading import Event as Flag

from sqlalchemy import event
from sqlalchemy.engine import Engine

from dicomlab.journal import Count, Entry, Event, EventKind, Journal, Task


class Kind(StrEnum):
    """Kinds of job."""

    HANG = "hang"


def say(entry: Entry) -> None:
    """Acknowledge an entry, in one write."""
    os.write(1, f"{entry.sequence} {entry.hash}\n".encode())


def write(url: str, head: Path, number: int) -> None:
    """Write so many entries."""
    with Journal.open(url, head=head) as journal:
        for index in range(number):
            say(journal.record(Event(EventKind.QUERIED, counts={Count.MATCHES: index})))


def die_at(step: int) -> None:
    """Kill this process at a step: before or after a statement, at a commit, before the head."""
    left = step

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "after_cursor_execute", count)
    event.listen(Engine, "commit", count)
    sys.addaudithook(
        lambda name, args: count() if name == "open" and "head" in str(args[0]) else None
    )


def die(url: str, head: Path, points: int) -> None:
    """Write in child after child, each killed where a seed says.

    Every other one kills itself at a step; the others are killed from outside after so many
    acknowledgements, wherever they are then.
    """
    seeded = random.Random(20240229)
    for point in range(points):
        step, acknowledgements = seeded.randint(1, 250), seeded.randint(1, 20)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(writer, 1)
            os.close(reader)
            if point % 2:
                die_at(step)
            write(url, head, 1000)
        os.close(writer)
        with os.fdopen(reader) as lines:
            for number, line in enumerate(lines, 1):
                if number == acknowledgements and not point % 2:
                    os.kill(child, signal.SIGKILL)
                sys.stdout.write(line)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def hang(url: str, head: Path, _number: int) -> None:
    """Start a job that never ends."""
    begun = Flag()

    def work(task: Task) -> None:
        task.report(3, 10)
        begun.set()
        Flag().wait()

    with Journal.open(url, head=head) as journal:
        job = journal.start(Kind.HANG, work)
        begun.wait()
        os.write(1, f"{job.id}\n".encode())
        job.wait()


if __name__ == "__main__":
    mode, url, head, number = sys.argv[1:]
    {"write": write, "die": die, "hang": hang}[mode](url, Path(head), int(number))
