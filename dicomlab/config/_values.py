"""The kinds of value that a setting can have, each with the rule of its standard."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from dicomlab.errors import NotFoundError, RefusedError
from dicomlab.standard import TRANSFER_SYNTAXES, attribute, uid_name

_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_HOURS = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]")


class Section(BaseModel):
    """A table of the file: frozen, its values of exactly the kinds that it names."""

    # `extra` is "ignore" because unknown keys are found, and reported, before the models see them.
    model_config = ConfigDict(
        frozen=True, strict=True, extra="ignore", allow_inf_nan=False, use_attribute_docstrings=True
    )


def _ae_title(text: str) -> str:
    """Return an AE title without the spaces that say nothing (PS3.5 6.2, PS3.8 9.3.2)."""
    if not _AE_TITLE.fullmatch(text) or not (title := text.strip(" ")):
        raise ValueError(
            "an AE title: 1 to 16 characters of ASCII, without backslash and control characters, "
            "not spaces alone"
        )
    return title


def _transfer_syntax(uid: str) -> str:
    if len(uid) > 64 or not _UID.fullmatch(uid):
        raise ValueError(
            "a UID: numbers without leading zeros and full stops, at most 64 characters"
        )
    if uid not in TRANSFER_SYNTAXES and uid_name(uid):  # a private one has no name
        raise ValueError("the UID of a transfer syntax (PS3.6 table A-1)")
    return uid


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("a host name or IP address, without port, path or spaces")
    return text


def _hours(text: str) -> str:
    if not _HOURS.fullmatch(text):
        raise ValueError('hours of the day as "18:00-06:00"')
    return text


def _web_address(text: str) -> str:
    parts = _split(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an address that begins with https:// or http:// and names a host")
    if parts.query or parts.fragment:
        raise ValueError("an address without ? and #")
    return text


class _Parts(NamedTuple):
    scheme: str
    hostname: str | None
    query: str
    fragment: str


def _split(text: str) -> _Parts:
    """Return the parts of a URL that carries no secret."""
    parts = urlsplit(text)
    if parts.password is not None:
        raise ValueError("no password here: name it in the key for it, by reference")
    return _Parts(parts.scheme, parts.hostname, parts.query, parts.fragment)


def _location(text: str) -> str:
    if not text.strip() or "\x00" in text:
        raise ValueError("a folder or a URL")
    _split(text)
    return text


def _criterion(text: str) -> str:
    keyword, is_one, _value = text.partition("=")
    try:
        attribute(keyword.partition(".")[0])
    except NotFoundError:
        is_one = ""
    if not is_one:
        raise ValueError('a keyword of DICOM and what it must match, as "Modality=CT"')
    return text


def _of_different_keywords(criteria: tuple[str, ...]) -> tuple[str, ...]:
    if len({text.partition("=")[0] for text in criteria}) != len(criteria):
        raise ValueError("each keyword once")
    return criteria


_Item = TypeVar("_Item")


def _once(values: tuple[_Item, ...]) -> tuple[_Item, ...]:
    if len(set(values)) != len(values):
        raise ValueError("each value once")
    return values


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
"""What a thing is called here: lower-case letters, digits, ``-`` and ``_``."""
AETitle = Annotated[str, AfterValidator(_ae_title)]
Port = Annotated[int, Field(ge=1, le=65535)]
Host = Annotated[str, AfterValidator(_host)]
Hours = Annotated[str, AfterValidator(_hours)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Location = Annotated[str, AfterValidator(_location)]
TransferSyntaxes = Annotated[
    tuple[Annotated[str, AfterValidator(_transfer_syntax)], ...], AfterValidator(_once)
]
"""UIDs of transfer syntaxes, the best first."""
Criteria = Annotated[
    tuple[Annotated[str, AfterValidator(_criterion)], ...], AfterValidator(_of_different_keywords)
]
"""What must match, each as "Keyword=Value"."""


class Secret(Section):
    """Where a password or token is: never the secret itself. One of the two is given."""

    env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Name of an environment variable that holds it."""
    file: Location | None = None
    """File that holds it, readable by its owner alone (mode 600)."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError('either { env = "NAME" } or { file = "PATH" }')
        return self

    def read(self, environ: Mapping[str, str] | None = None) -> str:
        """Return the secret; a line break at the end of a file does not belong to it.

        Parameters
        ----------
        environ
            Environment to look in, by default this process's.

        Raises
        ------
        NotFoundError
            The variable is not set or empty, or there is no such file.
        RefusedError
            Others than its owner may read or write the file.
        """
        if self.env is not None:
            value = (os.environ if environ is None else environ).get(self.env)
            if not value:
                raise NotFoundError(
                    f"The environment variable {self.env} should hold a secret and is not set. "
                    "Set it where dicomlab is started."
                )
            return value
        assert self.file is not None
        return _read_key_file(Path(self.file).expanduser())


def _read_key_file(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            if os.name == "posix" and mode & 0o077:
                raise RefusedError(
                    f"The key file {path.name} has mode {mode:03o}: others than its owner may use "
                    f"it. Expected 600: chmod 600 {path.name}.",
                    rule="secret-file-mode",
                    limit=0o600,
                    found=mode,
                )
            return stream.read().decode().rstrip("\r\n")
    except OSError as exc:
        raise NotFoundError(
            f"The key file {path.name} cannot be read ({exc.strerror}). "
            "Make it, with mode 600, or name another in the configuration."
        ) from exc
