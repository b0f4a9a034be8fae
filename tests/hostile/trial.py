"""One file through everything that reads files; run as a program, all of the corpus within limits.

It is a process of its own: a decoder in C that crashes, hangs or takes all memory ends this process
and no test run, and the last line that it printed says at which file.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from dicomlab.archive import Archive, ImportReport, Outcome, Quarantine
from dicomlab.catalog import FileFrames, InstanceData, dicom_json, instance_record
from dicomlab.errors import DicomlabError, HostileInputError, NonConformantError, UnsupportedError
from dicomlab.pixels import decode_frame, decoded_photometric_interpretation
from dicomlab.safety import FileBytes, check_instance, read_header
from dicomlab.volume import examine
from tests.hostile.corpus import corpus
from tests.hostile.parts import CANARY

MEMORY_BYTES = 768 << 20
"""What a file may ask for; a bound of `Bounds` is 512 MiB, and a frame is copied once."""
SECONDS = 5
IMPORT_SECONDS = 60


class HungError(Exception):
    """A file took too long."""


def reason_of(error: DicomlabError) -> str:
    """Return the code of a refusal, after looking at its sentence."""
    sentence = str(error)
    assert sentence.endswith("."), sentence
    assert len(sentence.split()) >= 6, sentence
    assert CANARY.decode() not in sentence
    if isinstance(error, NonConformantError):
        assert error.reason
        return error.reason
    if isinstance(error, HostileInputError):
        assert error.rule
        return error.rule
    assert isinstance(error, UnsupportedError), repr(error)
    return "unsupported"


def outcome(path: Path) -> str:
    """Return what becomes of a file, in the words of `Hostile.expects`."""
    try:
        with FileBytes(path) as source:
            header = read_header(source)
            check_instance(header, source)
        json.dumps(dicom_json(header), allow_nan=False)
        json.dumps(instance_record(header))
    except DicomlabError as error:
        return f"refused: {reason_of(error)}"
    frames = None if header.pixel_data is None else FileFrames(path, header)
    instance = InstanceData(header.string("SOPInstanceUID") or "", header, frames)
    for part in examine([instance]):
        if part.refusal is not None:
            reason_of(part.refusal)
    if frames is None:
        return "accepted"
    try:
        encoded = frames.read(0)
        decode_frame(encoded, frames.description)
        decoded_photometric_interpretation(encoded, frames.description)
    except DicomlabError as error:
        return f"undecodable: {reason_of(error)}"
    return "accepted"


def imported(report: ImportReport, folder: Path) -> dict[str, list[str]]:
    """Return what became of each file or zip of a folder, by the number in its name."""
    found: dict[str, list[str]] = {}
    for row in report.rows:
        entry = found.setdefault(row.path[len(str(folder)) + 1 :].partition(".")[0], [])
        if row.reason and row.reason != "same-uid-other-content":
            assert row.message.endswith("."), row.message
            assert CANARY.decode() not in row.message
            entry.append(f"refused: {row.reason}")
        else:
            entry.append("accepted")
    return found


def kept(report: ImportReport, folder: Path) -> dict[str, list[str]]:
    """Return of each file or zip, by the number in its name, what is in quarantine of it.

    These are ids, and the sentence for what was refused and is not kept.
    """
    found: dict[str, list[str]] = {}
    for row in report.of(Outcome.REFUSED):
        entry = found.setdefault(row.path[len(str(folder)) + 1 :].partition(".")[0], [])
        entry.append(row.quarantine or row.not_kept)
    return found


def looked_at(quarantine: Quarantine) -> None:
    """Look at every file in quarantine, as bytes and as tags, each within its time and memory."""
    for entry in quarantine:
        tell(id=entry.id)
        try:
            with limited():
                dump = quarantine.hex(entry.id, 0, 65536)
                listing = quarantine.tags(entry.id)
                texts = [str(dump), str(listing), json.dumps(listing.to_dict())]
                assert all(one.replace("\n", "").isprintable() for one in texts)
                assert "<script" not in dump._repr_html_() + listing._repr_html_()
                assert CANARY.decode() not in entry.message
                assert len(dump.data) == min(entry.size, 65536)
        except Exception as error:
            tell(id=entry.id, broke=f"{type(error).__name__}: {error}"[:300])
        else:
            tell(id=entry.id, listed=listing.reason, size=entry.size)


@contextmanager
def limited(seconds: float = SECONDS) -> Iterator[None]:
    """Let what is inside take so much memory more than there is now, and so much processor time.

    A decoder in C sees no signal and may swallow what its handler raises: the time is looked at
    afterwards too.
    """

    def hung(_signal: int, _frame: FrameType | None) -> None:
        raise HungError(f"took longer than {seconds} s")

    pages = int(Path("/proc/self/statm").read_text().split()[5])
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (pages * resource.getpagesize() + MEMORY_BYTES, hard))
    before = signal.signal(signal.SIGPROF, hung)
    began = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    if time.process_time() - began > seconds:
        raise HungError(f"took longer than {seconds} s")


def tell(**found: object) -> None:
    """Print one line of JSON."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def main(folder: Path) -> None:
    """Try every file of the corpus, telling of each before and after, and then import all."""
    inbox = folder / "in"
    inbox.mkdir()
    ids = {}
    for number, made in enumerate(corpus()):
        path = inbox / f"{number}{made.suffix}"
        path.write_bytes(made.data)
        ids[str(number)] = made.id
        tell(id=made.id)
        if made.suffix == ".zip":
            continue
        try:
            with limited():
                found = outcome(path)
        except Exception as error:
            tell(id=made.id, broke=f"{type(error).__name__}: {error}"[:300])
        else:
            tell(id=made.id, outcome=found)
    with Archive.open(folder / "archive") as archive:
        with limited(IMPORT_SECONDS):
            report = archive.import_([inbox])
        for name, rows in imported(report, inbox).items():
            tell(id=ids[name], imported=rows)
        for name, rows in kept(report, inbox).items():
            tell(id=ids[name], kept=rows)
        looked_at(archive.quarantine)
        before = stored(folder / "archive")
        with limited(IMPORT_SECONDS):
            again = archive.import_([inbox])
        assert kept(again, inbox) == kept(report, inbox)
        assert stored(folder / "archive") == before
        assert archive.check().is_sound


def stored(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of each file of the store and the quarantine, by name."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for place in ("instances", "quarantine")
        for path in (folder / place).rglob("*")
        if path.is_file()
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
