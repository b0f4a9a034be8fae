"""The command line: each command with progress, ``--json`` and an exit code that is true."""

from dicomlab.cli._main import main

__all__ = ["main"]
