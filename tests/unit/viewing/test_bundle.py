"""The built viewer is of this tree, small, and carries its licences."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import hatch_build
from dicomlab.errors import MissingDependencyError
from dicomlab.viewing import bundle_file

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def built_bundle():
    """A desk without an up-to-date bundle skips; where peers are required it is a failure."""
    if not hatch_build.is_built(ROOT) and os.environ.get("DICOMLAB_PEERS") != "required":
        pytest.skip("the viewer is not built from this tree: run python hatch_build.py")


def test_bundle_is_built_from_these_sources():
    """What a page loads was built from extensions/ as it stands here."""
    assert hatch_build.is_built(ROOT)


def test_every_file_of_the_manifest_is_there():
    """The manifest lists each built file with its size and hash."""
    manifest = json.loads(bundle_file("manifest.json").read_text(encoding="utf-8"))

    assert set(manifest["files"]) == {"viewer.js", "widget.js", "widget-loader.js"}
    for name, entry in manifest["files"].items():
        content = bundle_file(name).read_bytes()
        assert entry == {
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }


def test_a_notebook_keeps_a_small_loader():
    """anywidget stores the loader in every notebook: it stays below 3 kB."""
    assert bundle_file("widget-loader.js").stat().st_size < 3072


def test_bundles_name_the_packages_they_carry():
    """Each bundled package is listed with its licence."""
    text = bundle_file("THIRD-PARTY.txt").read_text(encoding="utf-8")

    assert "\nzarrita " in text
    assert "Permission is hereby granted" in text


def test_bundles_name_no_other_host():
    """Nothing in the bundle points at another host but the names of XML."""
    for name in ("viewer.js", "widget.js", "widget-loader.js"):
        addresses = re.findall(r"https?://[^\s\"'`)]+", bundle_file(name).read_text("utf-8"))
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, name


def test_an_unbuilt_file_says_what_to_do():
    """A copy without the bundle says how to get it."""
    with pytest.raises(MissingDependencyError, match="Install it again"):
        bundle_file("nothing.js")


def test_source_archive_holds_bundle_and_sources(tmp_path):
    """A wheel can be made from the source archive without node: bundle and sources are in it."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())

    assert hatch_build.is_built(unpacked)
    assert not list(unpacked.rglob("node_modules"))
