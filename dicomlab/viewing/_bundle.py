"""The built viewer: files that a page or a notebook loads."""

from __future__ import annotations

from pathlib import Path

from dicomlab.errors import MissingDependencyError

__all__ = ["SCHEMA_FOLDER", "STATIC_FOLDER", "bundle_file"]

STATIC_FOLDER = Path(__file__).with_name("static")
SCHEMA_FOLDER = Path(__file__).with_name("schema")


def bundle_file(name: str) -> Path:
    """Return the path of one built file.

    Parameters
    ----------
    name
        ``viewer.js`` (the module of a page), ``widget-loader.js`` (a widget's `_esm`),
        ``widget.js`` (what the loader asks for), ``manifest.json`` or ``THIRD-PARTY.txt``.

    Raises
    ------
    MissingDependencyError
        The bundle was not built into this copy of the package.
    """
    path = STATIC_FOLDER / name
    if not path.is_file():
        raise MissingDependencyError(
            f"The viewer file {name} is not part of this copy of dicomlab: it was installed "
            "without building extensions/. Install it again with pip, which builds it."
        )
    return path
