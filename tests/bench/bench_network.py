"""The DICOM network beside Orthanc, storescu and storescp, on loopback, TCP_NODELAY everywhere.

What is received is on disk and indexed before it is acknowledged, on both sides (Orthanc's
``SyncStorageArea`` is its default).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from measure import Result, beside, missing, seconds

sys.path.insert(0, str(Path(__file__).parents[2]))

from dicomlab import phantoms
from dicomlab.archive import Archive
from dicomlab.catalog import Query
from dicomlab.dimse import Peer, Push, remote_ae
from tests.dicom_peers import orthanc, storescp
from tests.peers import PeerMissingError, Peers
from tests.small import part10

_SLICES = int(os.environ.get("BENCH_SLICES", "100"))
_STUDIES = 2990  # a round number would be taken for a limit, and asked again in parts


def run(repeat: int) -> list[Result]:
    """Measure echo, receiving, sending, finding and retrieving."""
    peers = Peers(missing=_raise, started=lambda _name: None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            peers.find("Orthanc")
            peers.find("storescu")
        except PeerMissingError as error:
            return [missing("network", "", "Orthanc, DCMTK", str(error))]
        made = phantoms.thorax_ct(slices=_SLICES, rows=512, noise_hu=0)
        files = phantoms.write(made, folder / "ct")
        return [
            *_receive(peers, folder, files, repeat),
            *_send(peers, folder, files, repeat),
            *_find(peers, folder, repeat),
        ]


def _raise(error: PeerMissingError) -> None:
    raise error


@contextmanager
def _serve(folder: Path) -> Iterator[tuple[str, int]]:
    """Serve an archive as ``dicomlab serve`` does, in a process of its own: AE title and port."""
    command = [
        sys.executable, "-c", "from dicomlab.cli import main; main()", "serve",
        "--http-port", "0", "--dicom-port", "0", "--archive", str(folder), "--json",
    ]  # fmt: skip
    environment = {**os.environ, "DICOMLAB_HOME": str(folder.with_name(f"{folder.name}.home"))}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = b""
        while not said.rstrip().endswith(b"}"):
            line = process.stdout.readline()
            assert line, "dicomlab serve did not start"
            said += line
        url = urlsplit(json.loads(said)["dicom"])
        assert url.username is not None
        assert url.port is not None
        try:
            yield url.username, url.port
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _storescu(peers: Peers, aet: str, port: int, files: list[Path], at_once: int) -> float:
    """Send files from several programs at once; return instances a second."""
    program = str(peers.find("storescu"))
    environment = {**os.environ, "TCP_NODELAY": "1"}

    def send() -> None:
        running = [
            subprocess.Popen(
                [program, "-aec", aet, "127.0.0.1", str(port), *map(str, files[at::at_once])],
                env=environment,
            )
            for at in range(at_once)
        ]
        if any(process.wait() for process in running):
            raise RuntimeError("a storescu failed")

    return len(files) / seconds(send)


def _receive(peers: Peers, folder: Path, files: list[Path], repeat: int) -> Iterator[Result]:
    """Each repetition begins with an empty archive on both sides."""
    count = iter(range(1_000_000))

    def ours(at_once: int) -> float:
        with _serve(folder / f"ours{next(count)}") as (aet, port):
            return _storescu(peers, aet, port, files, at_once)

    def theirs(at_once: int) -> float:
        with orthanc(peers, folder / f"theirs{next(count)}") as server:
            return _storescu(peers, server.aet, server.port, files, at_once)

    for at_once in (1, 4, 8):
        yield beside(
            f"receive, on disk and indexed, {at_once} associations",
            lambda at_once=at_once: ours(at_once), lambda at_once=at_once: theirs(at_once),
            repeat=repeat, unit="instances/s", peer_name="Orthanc", goal=1.5, more_is_better=True,
        )  # fmt: skip


def _send(peers: Peers, folder: Path, files: list[Path], repeat: int) -> Iterator[Result]:
    with ExitStack() as stack:
        archive = stack.enter_context(Archive.open(folder / "sent"))
        archive.import_(files)
        options = ("--ignore",)
        scp = stack.enter_context(storescp(peers, folder / "ignored", *options))
        peer = Peer(remote_ae(scp.url))
        program = str(peers.find("echoscu"))

        def push() -> float:
            return len(files) / seconds(lambda: Push(peer, archive).run([Query("study")]))

        yield beside(
            "send, 1 association", push,
            lambda: _storescu(peers, scp.aet, scp.port, files, 1),
            repeat=repeat, unit="instances/s", peer_name="storescu", goal=1.2, more_is_better=True,
        )  # fmt: skip
        aet, port = stack.enter_context(_serve(folder / "sent"))

        def echo(aet: str, port: int) -> Callable[[], float]:
            command = [program, "--repeat", "200", "-aec", aet, "127.0.0.1", str(port)]
            environment = {**os.environ, "TCP_NODELAY": "1"}
            return lambda: seconds(
                lambda: subprocess.run(command, check=True, env=environment)
            ) / 200 * 1e3  # fmt: skip

        yield beside(
            "echo by echoscu, 200 in an association", echo(aet, port),
            echo(scp.aet, scp.port),
            repeat=repeat, unit="ms", peer_name="storescp", goal=1 / 1.5,
        )  # fmt: skip
        server = stack.enter_context(orthanc(peers, folder / "get"))
        _storescu(peers, server.aet, server.port, files, 1)
        study = next(iter(archive.records(Query("study"))))["StudyInstanceUID"]
        getscu = str(peers.find("getscu"))
        size = sum(path.stat().st_size for path in files) / 1e6

        def get(aet: str, port: int) -> Callable[[], float]:
            command = [
                getscu, "-S", "--ignore", "-aec", aet, "127.0.0.1", str(port),
                "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}",
            ]  # fmt: skip
            environment = {**os.environ, "TCP_NODELAY": "1"}
            return lambda: (
                size / seconds(lambda: subprocess.run(command, check=True, env=environment))
            )

        yield beside(
            f"C-GET by getscu, {_SLICES} slices", get(aet, port),
            get(server.aet, server.port),
            repeat=repeat, unit="MB/s", peer_name="Orthanc", goal=1.0, more_is_better=True,
        )  # fmt: skip


def _find(peers: Peers, folder: Path, repeat: int) -> Iterator[Result]:
    """Queries by our own user, of a node and of Orthanc with the same studies."""
    (folder / "many").mkdir()
    for number in range(1, _STUDIES + 1):
        day = f"20{number % 24:02d}{1 + number % 12:02d}{1 + number % 28:02d}"
        (folder / "many" / f"{number}").write_bytes(part10(number, 1, 1, StudyDate=day))
    files = sorted((folder / "many").iterdir())
    with (
        Archive.open(folder / "found") as archive,
        orthanc(peers, folder / "findable", SyncStorageArea=False) as server,
        _serve(folder / "found") as (aet, port),
    ):
        archive.import_([folder / "many"])
        _storescu(peers, server.aet, server.port, files, 1)
        questions = {
            "UID": {"StudyInstanceUID": next(iter(archive.records(Query())))["StudyInstanceUID"]},
            "prefix": {"PatientName": "Doe^Number12*"},
            "infix": {"PatientName": "*er12*"},
            "date range": {"StudyDate": "20120301-20120401"},
            "all": {},
        }

        def ask(url: str, matches: dict[str, object]) -> Callable[[], float]:
            peer = Peer(remote_ae(url))
            query = Query.of("study", matches)  # type: ignore[arg-type]
            return lambda: seconds(lambda: list(peer.records(query))) * 1e3

        own = f"dicom://{aet}@127.0.0.1:{port}"
        for name, matches in questions.items():
            yield beside(
                f"C-FIND of {_STUDIES} studies, {name}", ask(own, matches),
                ask(server.url, matches),
                repeat=repeat, unit="ms", peer_name="Orthanc", goal=5.0 if name == "all" else 7.0,
            )  # fmt: skip
