"""The one configuration file: what it may say, and what it says.

`home` and `is_set` are here at once; the rest is imported when it is first asked for, because most
commands need no more.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from dicomlab.config._home import FILE_NAME, home, is_set

if TYPE_CHECKING:
    from dicomlab.config._check import Checked, Problem, UnknownKey
    from dicomlab.config._file import Watched, check, load, schema, write
    from dicomlab.config._settings import (
        Archive,
        Courtesy,
        DicomwebPeer,
        General,
        Images,
        InitialWindow,
        Interpolation,
        Journal,
        Layout,
        LocalAE,
        Peer,
        RemoteLocation,
        Retention,
        Safety,
        Server,
        Settings,
        Storing,
        Tls,
        Viewing,
        Window,
        Workers,
    )
    from dicomlab.config._values import Secret

__all__ = [
    "FILE_NAME",
    "Archive",
    "Checked",
    "Courtesy",
    "DicomwebPeer",
    "General",
    "Images",
    "InitialWindow",
    "Interpolation",
    "Journal",
    "Layout",
    "LocalAE",
    "Peer",
    "Problem",
    "RemoteLocation",
    "Retention",
    "Safety",
    "Secret",
    "Server",
    "Settings",
    "Storing",
    "Tls",
    "UnknownKey",
    "Viewing",
    "Watched",
    "Window",
    "Workers",
    "check",
    "home",
    "is_set",
    "load",
    "schema",
    "write",
]

_HOMES = ("_file", "_check", "_settings", "_values")


def __getattr__(name: str) -> object:
    """Import the module that has a public name."""
    if name in __all__:
        for module in _HOMES:
            found = import_module(f"dicomlab.config.{module}")
            if hasattr(found, name):
                return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
