"""What every command shares: output for people or machines, progress, and exit codes that are true.

Standard output carries the answer (with ``--json`` one document), standard error everything else.
0 is done, 1 failed, 2 a wrong call, 3 done in part.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from dicomlab._face import Archive, Collection, Peer

_OBEYED = re.compile("[\0-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control signs, what turns the direction of writing around, line ends, halves of signs."""
FAILED, WRONG_CALL, PARTLY = 1, 2, 3
P = ParamSpec("P")
T = TypeVar("T")

port_type = click.IntRange(0, 65535)
_MATCH = re.compile(r"[A-Z][A-Za-z0-9.]*=")
json_option = click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")


def _not_empty(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty; leave it away for what is configured.")
    return value


_archive_option = click.option(
    "--archive",
    metavar="FOLDER|URL",
    callback=_not_empty,
    help="The archive to use instead of the configured one.",
)
_index_option = click.option(
    "--index",
    metavar="URL",
    callback=_not_empty,
    help="The database of its index instead of the configured one.",
)


@dataclass(frozen=True, slots=True)
class ArchiveChoice:
    """Which archive a command is about: what ``--archive`` and ``--index`` say, if anything."""

    location: str | None
    index: str | None

    def open(self) -> Archive:
        """Open it."""
        from dicomlab._face import open_archive  # noqa: PLC0415

        try:
            return open_archive(self.location, index=self.index)
        except ValueError as error:
            raise click.UsageError(str(error)) from None


def archive_option(function: Callable[..., T]) -> Callable[..., T]:
    """Take ``--archive`` and ``--index``, and give the command its choice as ``archive``."""

    @_archive_option
    @_index_option
    @wraps(function)
    def chosen(*args: Any, archive: str | None, index: str | None, **kwargs: Any) -> T:
        return function(*args, archive=ArchiveChoice(archive, index), **kwargs)

    return chosen


def collection_of(source: str | None, archive: ArchiveChoice) -> Collection:
    """Return what a SOURCE names: a path or DICOMweb server, or by default the archive."""
    from dicomlab._face import WebPeer, connect  # noqa: PLC0415
    from dicomlab._face import open as open_path  # noqa: PLC0415

    if source is None:
        return archive.open()
    if not source.strip():
        raise click.UsageError("SOURCE is empty; leave it away for the archive.")
    if _is_web(source):
        server = connect(source)
        assert isinstance(server, WebPeer)
        click.get_current_context().call_on_close(server.close)
        return server
    return open_path(source)


def peer_of(location: str, aet: str | None, timeout_s: float) -> Peer:
    """Return the peer that an address or a configured name means."""
    from dicomlab._face import WebPeer, connect  # noqa: PLC0415

    try:
        peer = connect(location, aet=aet, timeout_s=timeout_s)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if isinstance(peer, WebPeer):
        raise click.UsageError("A DICOMweb server has no AE title: use dicomlab find.")
    return peer


def _is_web(source: str) -> bool:
    """Return whether a SOURCE is a DICOMweb server: an address, or a name configured so."""
    if source.startswith(("http://", "https://")):
        return True
    if "/" in source or Path(source).exists():
        return False
    from dicomlab import config  # noqa: PLC0415

    return config.is_set() and source in config.load().dicomweb


def matches_of(words: Iterable[str]) -> dict[str, Any]:
    """Return Keyword=Value pairs as matches."""
    pairs = [word.partition("=") for word in words]
    wrong = next((keyword for keyword, equals, _ in pairs if not equals), None)
    if wrong is not None:
        raise click.UsageError("Write what is to match as Keyword=Value.")
    return {keyword: value for keyword, _, value in pairs}


def is_peer(source: str | None) -> bool:
    """Return whether a SOURCE is a peer: an address, or a name that is configured and no path."""
    if source is None or source.startswith(("dicom://", "dicoms://")):
        return source is not None
    if "/" in source or Path(source).exists():
        return False
    from dicomlab import config  # noqa: PLC0415

    return config.is_set() and source in config.load().peers


aet_option = click.option("--aet", metavar="TITLE", help="Our own AE title.")
timeout_option = click.option(
    "--timeout", "timeout_s", default=40.0, show_default=True, metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True), help="How long a peer may be silent.",
)  # fmt: skip


def plain(text: str) -> str:
    """Return text without signs that a terminal obeys: names and file names come from strangers."""
    return _OBEYED.sub("\ufffd", text)


def machine(document: str) -> str:
    """Return a JSON document in which such signs are escapes: they stand in strings only."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def say(message: str) -> None:
    """Tell a person something beside the answer."""
    click.echo(plain(message), err=True)


def answer(document: object, *, as_json: bool, text: str) -> None:
    """Print the answer of a command."""
    said = json.dumps(document, ensure_ascii=False, indent=2) if as_json else ""
    click.echo(machine(said) if as_json else plain(text))


def fail(message: str, *, as_json: bool, kind: str, code: int = FAILED) -> NoReturn:
    """End the command with an error in one sentence, or as JSON."""
    if as_json:
        click.echo(json.dumps({"error": {"type": kind, "message": message}}))
    say(f"Error: {message}")
    sys.exit(code)


def command(function: Callable[P, int | None]) -> Callable[P, None]:
    """Turn our errors into a sentence and an exit code; Ctrl-C ends cleanly."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        from dicomlab.errors import DicomlabError, IncompleteError  # noqa: PLC0415

        as_json = bool(kwargs.get("as_json"))
        try:
            code = function(*args, **kwargs)
        except IncompleteError as error:
            fail(str(error), as_json=as_json, kind=type(error).__name__, code=PARTLY)
        except DicomlabError as error:
            fail(str(error), as_json=as_json, kind=type(error).__name__)
        except OSError as error:
            fail(error.strerror or "The system refused.", as_json=as_json, kind="OSError")
        except KeyboardInterrupt:
            fail("Interrupted. What was finished is kept.", as_json=as_json, kind="Interrupted",
                 code=PARTLY)  # fmt: skip
        sys.exit(code or 0)

    return run


@contextmanager
def bar(label: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show progress on a terminal, nothing elsewhere."""
    from tqdm import tqdm  # noqa: PLC0415

    shown: tqdm[Any] = tqdm(
        desc=label, unit=f" {unit}", disable=not sys.stderr.isatty(), leave=False, file=sys.stderr
    )

    def update(done: int, total: int | None = None) -> None:
        if total is not None:
            shown.total = total
        shown.update(done - shown.n)

    with shown:
        yield update


def words_of(words: tuple[str, ...]) -> tuple[str | None, dict[str, Any]]:
    """Tell the SOURCE from the Keyword=Value pairs."""
    matches = dict(word.split("=", 1) for word in words if _MATCH.match(word))
    sources = [word for word in words if not _MATCH.match(word)]
    if len(sources) > 1:
        raise click.UsageError(f"One SOURCE at the most, not {len(sources)}.")
    return (sources[0] if sources else None), matches
