"""Other implementations, found on this machine and proved to be what their names say.

pynetdicom and GDCM's wheel put programs named like DCMTK's into an environment's ``bin``; a test
that started one of those would compare us with ourselves. So the environment's own folder is left
out of the search, and every program must say who it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


class PeerMissingError(Exception):
    """A peer is not installed, or another program stands in its place."""


@dataclass(frozen=True)
class _Identity:
    """How a program proves whose it is."""

    package: str
    says: str
    arguments: tuple[str, ...] = ("--version",)


_DCMTK = _Identity("dcmtk", "dcmtk")
_GDCM = _Identity("libgdcm-tools", "gdcm")
_IDENTITIES = {
    **dict.fromkeys(
        (
            "cda2dcm", "dcm2json", "dcm2pdf", "dcm2pnm", "dcm2xml",
            "dcmcjpeg", "dcmcjpls", "dcmcrle", "dcmdjpeg",
            "dcmdjpls", "dcmdrle", "dcmdump", "dcmj2pnm", "dcmmkdir", "dcmodify", "dcmsend",
            "dcmconv", "dcmgpdir", "dcmp2pgm", "dcmpsmk", "dcmqrscp", "dcmquant", "dcmscale",
            "dsr2html", "dsr2xml", "dsrdump", "pdf2dcm", "stl2dcm", "xml2dcm", "xml2dsr",
            "dump2dcm", "echoscu", "findscu", "getscu",
            "img2dcm", "movescu", "storescp", "storescu", "wlmscpfs",
        ),
        _DCMTK,
    ),
    **dict.fromkeys(
        ("gdcmanon", "gdcmconv", "gdcmdump", "gdcmgendir", "gdcmimg", "gdcminfo", "gdcmraw"), _GDCM
    ),
    "dciodvfy": _Identity("dicom3tools", "dicom3tools", ("-version",)),
    "dcentvfy": _Identity("dicom3tools", "dicom3tools", ("-version",)),
    "dcm2niix": _Identity("dcm2niix", "dcm2niix"),
    "Orthanc": _Identity("orthanc", "orthanc"),
    "chromium": _Identity("chromium", "chromium"),
}  # fmt: skip


def search_path() -> str:
    """Return PATH without this environment's own programs."""
    own = {Path(sys.prefix, "bin").resolve(), Path(sys.executable).parent.resolve()}
    if virtual := os.environ.get("VIRTUAL_ENV"):
        own.add(Path(virtual, "bin").resolve())
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/sbin"]
    return os.pathsep.join(f for f in folders if f and Path(f).resolve() not in own)


def identify(program: Path, name: str) -> str:
    """Return what a program says of its version, or refuse it if it is somebody else's.

    Raises
    ------
    PeerMissingError
        It does not say what a program of this name must say.
    """
    identity = _IDENTITIES[name]
    answer = subprocess.run(
        [str(program), *identity.arguments], capture_output=True, text=True, timeout=30, check=False
    )
    said = (answer.stdout + answer.stderr).strip()
    if identity.says not in said.lower():
        raise PeerMissingError(
            f"{program} is not {identity.package}'s {name}: it does not name itself. "
            f"Install the Debian package {identity.package}."
        )
    return said.splitlines()[0]


def find(name: str) -> Path:
    """Return the program of a peer, proved to be the peer's.

    Raises
    ------
    PeerMissingError
        There is none.
    """
    found = shutil.which(name, path=search_path())
    if found is None:
        package = _IDENTITIES[name].package
        raise PeerMissingError(f"{name} is not installed: Debian package {package}.")
    identify(Path(found), name)
    return Path(found)


@dataclass(frozen=True)
class Peers:
    """Starts peers for a test, and notes in the results which ones it started."""

    missing: Callable[[PeerMissingError], None]
    started: Callable[[str], None]

    def find(self, name: str) -> Path:
        """Return a peer's program; skip or fail the test where there is none."""
        try:
            program = find(name)
        except PeerMissingError as error:
            self.missing(error)
            raise
        self.started(_IDENTITIES[name].package)
        return program

    def run(
        self,
        name: str,
        *arguments: str | Path,
        check: bool = True,
        stdin: bytes | None = None,
        timeout_s: float = 120,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a peer's program to its end and return what it said."""
        command: Sequence[str] = [str(self.find(name)), *map(str, arguments)]
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env={**os.environ, "TCP_NODELAY": "1"},
        )
        if check and done.returncode:
            said = done.stderr.decode(errors="replace")[-800:]
            raise AssertionError(f"{name} ended with {done.returncode}: {said}")
        return done
