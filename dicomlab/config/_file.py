"""The file: reading it, writing it with its comments kept, noticing that it changed."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from dicomlab.config._check import Checked, Problem, check_document, lines_of
from dicomlab.config._home import FILE_NAME, home
from dicomlab.config._settings import Settings
from dicomlab.config._text import as_text, with_settings
from dicomlab.errors import RefusedError, StorageError

_LOG = logging.getLogger(__name__)
_Signature: TypeAlias = tuple[int, int, int]
_BYTES = 1 << 20


def load(path: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Settings:
    """Return what is configured: the environment first, then the file, then the defaults.

    A file that is not there says nothing. Each unknown key is logged as a warning; `check` returns
    them.

    Parameters
    ----------
    path
        The file, by default ``config.toml`` in `home`.
    environ
        Environment to read ``DICOMLAB_SECTION__KEY`` from, by default this process's. A value is
        written as in the file; what is not written so is a text.

    Raises
    ------
    RefusedError
        The file is no TOML, or values cannot be used; the message names all of them, and its
        `rule` is ``"configuration"``.
    StorageError
        The file cannot be read.
    """
    return _settled(check(path, environ=environ))


def check(path: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Checked:
    """Return what `load` would, with every problem and every unknown key as values.

    Raises
    ------
    StorageError
        The file cannot be read.
    """
    return _checked(_read(_place(path))[0], environ)


def schema() -> dict[str, object]:
    """Return the JSON schema of the file; ``applies`` says when a change takes effect."""
    return dict(Settings.model_json_schema())


class Watched:
    """Settings that follow their file: asked again, they are read again if it has changed.

    There is no thread: a question costs one look at the file's time, size and inode. What is
    marked ``at once`` in the schema takes effect this way; the rest is read when a program starts.

    Attributes
    ----------
    problem
        Why the file as it is now cannot be used, ``None`` where it can. Until it is mended the
        last good settings stay.
    """

    def __init__(
        self, path: Path | None = None, *, environ: Mapping[str, str] | None = None
    ) -> None:
        self._path = _place(path)
        self._environ = environ
        self.problem: RefusedError | None = None
        text, self._signature = _read(self._path)
        self._settings = _settled(_checked(text, environ))

    def current(self) -> Settings:
        """Return what is configured now.

        Raises
        ------
        StorageError
            The file cannot be read.
        """
        if _signature(self._path) != self._signature:
            text, self._signature = _read(self._path)
            try:
                self._settings = _settled(_checked(text, self._environ))
            except RefusedError as exc:
                self.problem = exc
                _LOG.warning("%s The settings from before stay.", exc)
            else:
                self.problem = None
        return self._settings


def write(settings: Settings, path: Path | None = None) -> Path:
    """Write settings to the file, whole or not at all, and return its path.

    Comments, order and unknown keys of a file that is there stay (what stands under the heading of
    a table that is removed goes with it, to the next heading). A new file names every setting,
    those at their default as comments. What the environment said is written too, if the settings
    were loaded with it: to change a file, load it with ``environ={}``.

    Raises
    ------
    RefusedError
        The file that is there has problems: mend it first.
    StorageError
        The file cannot be read or written.
    """
    target = _place(path)
    text, signature = _read(target)
    if signature is None:
        written = as_text(settings)
    else:
        _settled(_checked(text, {}))
        written = with_settings(text, settings)
    # Proved before anything is replaced: what is written reads back as what was given.
    if _checked(written, {}).settings != settings:
        raise RefusedError(
            f"{target.name} is written in a way that cannot be changed here without changing its "
            "meaning. Write each table once, as [name], and not as dotted keys; then try again.",
            rule="configuration",
        )
    _replace(target.resolve(), written.encode())
    return target


def _place(path: Path | None) -> Path:
    return home() / FILE_NAME if path is None else Path(path)


def _signature(path: Path) -> _Signature | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> tuple[str, _Signature | None]:
    """Return the file's text and the signature of what was read; no file is an empty text."""
    try:
        with path.open("rb") as stream:
            found = os.fstat(stream.fileno())
            content = stream.read(_BYTES + 1)
    except FileNotFoundError:
        return "", None
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    if len(content) > _BYTES:
        raise RefusedError(
            f"{path.name} is larger than {_BYTES} bytes: it is no configuration. Remove it.",
            rule="configuration",
            limit=_BYTES,
            found=found.st_size,
        )
    # A byte that is no UTF-8 becomes a character that TOML refuses nowhere but in a key; so it is
    # looked for in `_checked`.
    return content.decode("utf-8", "surrogateescape"), (
        found.st_mtime_ns,
        found.st_size,
        found.st_ino,
    )


def _unreadable(path: Path, exc: OSError) -> StorageError:
    return StorageError(
        f"{path.name} cannot be read ({exc.strerror}). Give its owner the right to read it."
    )


def _checked(text: str, environ: Mapping[str, str] | None) -> Checked:
    try:
        text.encode()
        document = tomllib.loads(text)
    except UnicodeEncodeError as exc:
        line = text.count("\n", 0, exc.start) + 1
        return Checked(None, (Problem("", "a byte that is no UTF-8", "UTF-8", line),), ())
    except tomllib.TOMLDecodeError as exc:
        return Checked(None, (_syntax_problem(str(exc)),), ())
    return check_document(document, os.environ if environ is None else environ, lines_of(text))


def _syntax_problem(said: str) -> Problem:
    # "Invalid value (at line 3, column 8)": the text before may quote a character of a secret.
    _what, _, where = said.rpartition("(at ")
    return Problem("", f"something else at {where.rstrip(')') or 'its end'}", "TOML 1.0")


def _settled(checked: Checked) -> Settings:
    for key in checked.unknown:
        _LOG.warning("%s: %s", FILE_NAME, key)
    if checked.settings is None:
        raise RefusedError(
            "\n".join(
                [f"The configuration ({FILE_NAME} and environment) cannot be used. Change:"]
                + [f"- {problem}" for problem in checked.problems]
            ),
            rule="configuration",
        )
    return checked.settings


def _replace(path: Path, content: bytes) -> None:
    """Put a whole new file in the place of the old one; a crash leaves one or the other."""
    partial = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(partial).chmod(mode)
        Path(partial).replace(path)
        partial = None
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as exc:
        raise StorageError(
            f"{path.name} cannot be written ({exc.strerror}); the file is as it was. "
            "Free space, or give the right to write its folder."
        ) from exc
    finally:
        if partial is not None:
            Path(partial).unlink(missing_ok=True)
