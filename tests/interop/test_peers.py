"""The peers are who their names say."""

import shutil
import stat
from pathlib import Path

import pytest

from tests import peers as finder
from tests.peers import PeerMissingError, Peers


@pytest.mark.smoke
@pytest.mark.parametrize(
    "name", ["dcmdump", "gdcminfo", "dciodvfy", "dcm2niix", "Orthanc", "chromium"]
)
def test_each_peer_names_itself(peers: Peers, name: str):
    """Each program is found outside the environment and says whose it is."""
    program = peers.find(name)

    assert program.is_file()


@pytest.mark.smoke
def test_a_program_of_the_same_name_is_refused(tmp_path: Path):
    """pynetdicom installs a storescp; taken for DCMTK's it would compare us with ourselves."""
    imposter = tmp_path / "storescp"
    imposter.write_text("#!/bin/sh\necho 'storescp.py v0.6.0'\n")
    imposter.chmod(imposter.stat().st_mode | stat.S_IXUSR)

    with pytest.raises(PeerMissingError, match="does not name itself"):
        finder.identify(imposter, "storescp")


@pytest.mark.smoke
def test_the_environment_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A program in the environment's own folder is never found."""
    own = tmp_path / "env" / "bin"
    own.mkdir(parents=True)
    (own / "storescp").write_text("#!/bin/sh\necho dcmtk\n")
    (own / "storescp").chmod(0o755)
    monkeypatch.setenv("PATH", str(own), prepend=":")
    monkeypatch.setenv("VIRTUAL_ENV", str(own.parent))

    assert shutil.which("storescp") == str(own / "storescp")
    assert shutil.which("storescp", path=finder.search_path()) != str(own / "storescp")
