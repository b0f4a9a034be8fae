"""HTTP to a DICOMweb server: few sockets, typed errors, and no secret in any of them."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypedDict
from urllib.parse import urlsplit

import httpx

from dicomlab.dicomweb._parts import media_type
from dicomlab.errors import AccessError, NotFoundError, PeerError, StatusError

MOST_SOCKETS: Final = 50
"""A retrieve opens no more connections than these."""
_TIMEOUT_S: Final = 40.0
_TOLD: Final = 200


class TransportOptions(TypedDict, total=False):
    """The options of `Transport`, as keyword arguments."""

    user: str | None
    password: str | None
    token: str | None
    ca_file: str | Path | None
    certificate: str | Path | None
    key: str | Path | None
    key_password: str | None
    timeout_s: float
    sockets: int


class Transport:
    """Requests to one root.

    Parameters
    ----------
    root
        Where the services are, ``https://host/dicom-web``.
    user, password
        For HTTP Basic.
    token
        For HTTP Bearer.
    ca_file
        Certificates to trust instead of the system's.
    certificate, key, key_password
        Our own, for mutual TLS.
    timeout_s
        How long a server may be silent.
    sockets
        How many connections may be open at once, 50 at the most.
    """

    def __init__(
        self,
        root: str,
        *,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        ca_file: str | Path | None = None,
        certificate: str | Path | None = None,
        key: str | Path | None = None,
        key_password: str | None = None,
        timeout_s: float = _TIMEOUT_S,
        sockets: int = 8,
    ) -> None:
        parts = urlsplit(root)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError(
                "A DICOMweb server is given as http(s)://host/path, without user or password: "
                "those are arguments of their own."
            )
        if not 1 <= sockets <= MOST_SOCKETS:
            raise ValueError(f"sockets is a number from 1 to {MOST_SOCKETS}.")
        self.root = root.rstrip("/")
        self.host = parts.netloc
        self.sockets = sockets
        verify: ssl.SSLContext | bool = True
        if ca_file is not None or certificate is not None:
            verify = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
            if certificate is not None:
                verify.load_cert_chain(certificate, key, key_password)
        self._http = httpx.Client(
            auth=None if user is None else httpx.BasicAuth(user, password or ""),
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
            verify=verify,
            timeout=timeout_s,
            limits=httpx.Limits(max_connections=sockets, max_keepalive_connections=sockets),
            # A redirect could lead elsewhere with what we send.
            follow_redirects=False,
        )

    def address(self, path: str) -> str:
        """Return where a path below the root is, and of a whole URL whether it is there.

        Raises
        ------
        PeerError
            The server refers to another host: nothing is fetched from there.
        """
        if "://" not in path:
            return f"{self.root}/{path}"
        own, other = urlsplit(self.root), urlsplit(path)
        if (own.scheme, own.netloc) != (other.scheme, other.netloc):
            raise PeerError(
                f"{self.host} refers to another host for bulk data; that is not followed."
            )
        return path

    def get(
        self, path: str, accept: str, parameters: Iterable[tuple[str, str]] = ()
    ) -> tuple[bytes, str]:
        """Return the body of an answer and its content type; nothing for 204."""
        with self.stream("GET", path, accept, parameters) as answer:
            return answer.read(), answer.headers.get("content-type", "")

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        accept: str,
        parameters: Iterable[tuple[str, str]] = (),
        *,
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] | None = None,
        taken: tuple[int, ...] = (),
    ) -> Iterator[httpx.Response]:
        """Give an answer whose body is still to come; statuses in `taken` are no failures.

        Raises
        ------
        NotFoundError
            404 or 410.
        AccessError
            401 or 403.
        StatusError
            Another status that means failure.
        PeerError
            The server is not there, breaks off, or is silent for too long.
        """
        try:
            with self._http.stream(
                method,
                self.address(path),
                params=list(parameters) or None,
                headers={"Accept": accept, **(headers or {})},
                content=body,
            ) as answer:
                if not answer.is_success and answer.status_code not in taken:
                    raise self._failure(answer)
                yield answer
        except httpx.TimeoutException as error:
            raise PeerError(f"{self.host} was silent for too long. Try again later.") from error
        except httpx.HTTPError as error:
            raise PeerError(
                f"{self.host} cannot be asked: {type(error).__name__}. "
                "Check its address and that it is running."
            ) from error

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _failure(self, answer: httpx.Response) -> Exception:
        status = answer.status_code
        if status in (404, 410):
            return NotFoundError(f"{self.host} has no such study, series, instance or service.")
        if status in (401, 403):
            return AccessError(f"{self.host} does not let us do this ({status}).")
        warning = answer.headers.get("warning", "")[:_TOLD]
        return StatusError(
            f"{self.host} answers {status} {answer.reason_phrase}. Its log says why.",
            status=status,
            details={"Warning": warning} if warning else {},
        )


def body_blocks(answer: httpx.Response) -> Iterator[bytes]:
    """Yield the body of an answer as it arrives."""
    yield from answer.iter_bytes(1 << 20)


def is_multipart(content_type: str) -> bool:
    """Whether a body has parts."""
    return media_type(content_type)[0].startswith("multipart/")
