"""Application entities of others, started for a test on loopback and gone with it."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers import Peers

_START_S = 60


def free_port() -> int:
    """Return a port of loopback that nobody holds now."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str | Path], folder: Path, ready: bytes | int
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; it is ready when it says a text, or takes connections."""
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "TCP_NODELAY": "1", "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        if isinstance(ready, bytes):
            _wait_for(process, ready)
        else:
            _wait_for_port(process, ready)
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _wait_for(process: subprocess.Popen[bytes], text: bytes) -> None:
    assert process.stdout is not None
    said = b""
    end = time.monotonic() + _START_S
    while text not in said:
        readable, _, _ = select.select([process.stdout], [], [], max(0, end - time.monotonic()))
        more = os.read(process.stdout.fileno(), 65536) if readable else b""
        assert more, f"a peer did not start: {said[-800:].decode(errors='replace')}"
        said += more


def _wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until somebody listens; between tries, for the end of the process that should."""
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            break
        return
    raise AssertionError("a peer did not start to listen")


@dataclass(frozen=True)
class Running:
    """A peer that runs.

    Attributes
    ----------
    url
        As `dicomlab.connect` takes it.
    """

    aet: str
    port: int
    folder: Path
    http_port: int = 0

    @property
    def url(self) -> str:
        return f"dicom://{self.aet}@127.0.0.1:{self.port}"


@contextmanager
def orthanc(
    peers: Peers, folder: Path, modalities: dict[str, list[object]] | None = None, **options: object
) -> Iterator[Running]:
    """Run an Orthanc without users, with its data in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    port, http_port = free_port(), free_port()
    configuration = {
        "Name": "peer", "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"), "DicomAet": "ORTHANC", "DicomPort": port,
        "HttpPort": http_port, "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
        "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True, "DicomAlwaysAllowMove": True,
        "DicomModalities": modalities or {}, "Plugins": [], "DicomScpTimeout": 20,
        **options,
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    command = [peers.find("Orthanc"), folder / "orthanc.json"]
    with running(command, folder, b"Orthanc has started"):
        yield Running("ORTHANC", port, folder, http_port)


@contextmanager
def storescp(peers: Peers, folder: Path, *options: str) -> Iterator[Running]:
    """Run DCMTK's storescp; what it receives is in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [
        peers.find("storescp"),
        "--fork",
        "-aet",
        "STORESCP",
        "-od",
        folder,
        *options,
        str(port),
    ]
    with running(command, folder, port):
        yield Running("STORESCP", port, folder)


@contextmanager
def dcmqrscp(
    peers: Peers, folder: Path, destinations: dict[str, int] | None = None, *options: str
) -> Iterator[Running]:
    """Run DCMTK's archive, which knows the destinations by AE title and port."""
    (folder / "db").mkdir(parents=True, exist_ok=True)
    port = free_port()
    hosts = "\n".join(f"{aet.lower()} = ({aet}, 127.0.0.1, {to})"
                      for aet, to in (destinations or {}).items())  # fmt: skip
    names = ", ".join(aet.lower() for aet in destinations or {})
    vendor = f'VendorTable BEGIN\n"all" = {names}\nVendorTable END\n' if names else (
        "VendorTable BEGIN\nVendorTable END\n")  # fmt: skip
    (folder / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\n{hosts}\nHostTable END\n{vendor}"
        f"AETable BEGIN\nDCMQRSCP {folder / 'db'} RW (200, 1024mb) ANY\nAETable END\n"
    )
    command = [peers.find("dcmqrscp"), "-c", folder / "dcmqrscp.cfg", *options]
    with running(command, folder, port):
        yield Running("DCMQRSCP", port, folder)
