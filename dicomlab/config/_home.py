"""Where dicomlab keeps its things, and whether anything is configured there."""

from __future__ import annotations

import os
from pathlib import Path

FILE_NAME = "config.toml"
PREFIX = "DICOMLAB_"


def home() -> Path:
    """Return the folder that everything is kept under.

    It is what the environment variable ``DICOMLAB_HOME`` names, or else ``.dicomlab`` in the
    user's own folder. It is not made here: whoever writes into it makes it, for the owner alone.
    """
    named = os.environ.get("DICOMLAB_HOME")
    return Path(named).expanduser().absolute() if named else Path.home() / ".dicomlab"


def is_set() -> bool:
    """Return whether a configuration file or variable is there, without reading it.

    Where none is, everything has its default, and what reads settings need not be imported.
    """
    # A variable of a setting has a double underscore: see `dicomlab.config.load`.
    named = any(name.startswith(PREFIX) and "__" in name for name in os.environ)
    return named or (home() / FILE_NAME).exists()
