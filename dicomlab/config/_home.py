"""Where dicomlab keeps its things."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Return the folder that everything is kept under.

    It is what the environment variable ``DICOMLAB_HOME`` names, or else ``.dicomlab`` in the
    user's own folder. It is not made here: whoever writes into it makes it, for the owner alone.
    """
    named = os.environ.get("DICOMLAB_HOME")
    return Path(named).expanduser().absolute() if named else Path.home() / ".dicomlab"
