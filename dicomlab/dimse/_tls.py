"""Secured links: the BCP 195 profiles of PS3.15 B.9 and B.10."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from dicomlab.errors import RefusedError

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL"
"""For TLS 1.2: forward secrecy and authenticated encryption alone (RFC 9325 4.2)."""


def client_context(
    *,
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    password: str | None = None,
) -> ssl.SSLContext:
    """Return what we secure our calls with: the peer must show a certificate that we trust.

    Parameters
    ----------
    ca
        Certificates to trust, PEM; by default those of the system.
    certificate, key, password
        Our own, for peers that ask who we are.

    Raises
    ------
    RefusedError
        A file cannot be used.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    return _prepared(context, ca, certificate, key, password)


def server_context(
    *,
    certificate: Path,
    key: Path | None = None,
    password: str | None = None,
    ca: Path | None = None,
) -> ssl.SSLContext:
    """Return what we secure our ports with.

    Parameters
    ----------
    ca
        Who calls must show a certificate that these vouch for; ``None`` takes any caller.

    Raises
    ------
    RefusedError
        A file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return _prepared(context, ca, certificate, key, password)


def _prepared(
    context: ssl.SSLContext,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    password: str | None,
) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    try:
        if ca is not None:
            context.load_verify_locations(ca)
        if certificate is not None:
            context.load_cert_chain(certificate, key, password)
    except (OSError, ssl.SSLError) as error:
        raise RefusedError(
            "A certificate or key for the secured link cannot be used "
            f"({type(error).__name__}). Expected PEM files, the key that belongs to the "
            "certificate, and its password where it has one.",
            rule="tls-files",
        ) from error
    return context
