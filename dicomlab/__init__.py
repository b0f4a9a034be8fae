"""dicomlab: query, archive, open, de-identify and share DICOM studies from Jupyter.

``import dicomlab as dl`` is all a notebook needs; every name below is resolved when it is first
used, so that the import itself costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicomlab import datasets, errors, phantoms
    from dicomlab._face import (
        Archive,
        Collection,
        Folder,
        Peer,
        connect,
        node,
        open,  # noqa: A004
        open_archive,
    )
    from dicomlab.catalog import Instance, Query, Series, Study
    from dicomlab.volume import Volume

_HOMES = {
    "Archive": "_face",
    "Collection": "_face",
    "Folder": "_face",
    "Instance": "catalog",
    "Peer": "_face",
    "Query": "catalog",
    "Series": "catalog",
    "Study": "catalog",
    "Volume": "volume",
    "connect": "_face",
    "node": "_face",
    "open": "_face",
    "open_archive": "_face",
}
_ROOMS = ("datasets", "errors", "phantoms")

__all__ = [
    "Archive",
    "Collection",
    "Folder",
    "Instance",
    "Peer",
    "Query",
    "Series",
    "Study",
    "Volume",
    "connect",
    "datasets",
    "errors",
    "node",
    "open",
    "open_archive",
    "phantoms",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        value = getattr(import_module(f"dicomlab.{_HOMES[name]}"), name)
    elif name in _ROOMS:
        value = import_module(f"dicomlab.{name}")
    else:
        raise AttributeError(f"module 'dicomlab' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
