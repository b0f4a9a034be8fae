"""DICOMweb servers by their address or configured name."""

from __future__ import annotations

from dicomlab import config
from dicomlab.dicomweb._source import DicomWebSource
from dicomlab.errors import RefusedError

DEFAULT_TIMEOUT_S = 40.0


def web_source(
    location: str,
    *,
    auth: str | tuple[str, str] | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> DicomWebSource:
    """Return the DICOMweb server that an address or a configured name means.

    Parameters
    ----------
    location
        ``https://host/dicom-web``, or the name of a table in ``dicomweb`` of ``config.toml``.
    auth
        A bearer token, or user and password; by default what is configured.
    timeout_s
        How long the server may be silent.

    Raises
    ------
    ValueError
        The address is none.
    RefusedError
        No server of this name is configured.
    """
    token = auth if isinstance(auth, str) else None
    user, password = auth if isinstance(auth, tuple) else (None, None)
    if "://" in location:
        return DicomWebSource(
            location, token=token, user=user, password=password, timeout_s=timeout_s
        )
    settings = config.load()
    peer = settings.dicomweb.get(location)
    if peer is None:
        known = ", ".join(sorted(settings.dicomweb)) or "none"
        raise RefusedError(
            f"No DICOMweb server is configured by this name; configured are: {known}. Add a table "
            "[dicomweb.NAME] with url to config.toml, or write https://host/dicom-web.",
            rule="unknown-peer",
        )
    if auth is None:
        token = peer.token.read() if peer.token else None
        user = peer.user
        password = peer.password.read() if peer.password else None
    tls = peer.tls
    return DicomWebSource(
        peer.url,
        token=token,
        user=user,
        password=password,
        timeout_s=timeout_s,
        ca_file=tls.ca if tls else None,
        certificate=tls.certificate if tls else None,
        key=tls.key if tls else None,
        key_password=tls.key_password.read() if tls and tls.key_password else None,
    )


def is_web(location: str) -> bool:
    """Whether an address or a configured name means a DICOMweb server."""
    if "://" in location:
        return location.startswith(("http://", "https://"))
    return location in config.load().dicomweb
