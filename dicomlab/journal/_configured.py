"""The journal that the configuration names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dicomlab import config
from dicomlab.journal._journal import Journal


def open_configured() -> Journal:
    """Open the configured journal, by default ``journal.sqlite`` in `dicomlab.config.home`.

    Events that are older than its ``keep_days`` are forgotten.

    Raises
    ------
    StorageError
        The database cannot be reached or made.
    RefusedError
        The configuration cannot be used.
    NotFoundError
        The password is not where the configuration says.
    """
    if not config.is_set():
        return Journal.open()
    said = config.load().journal
    url = said.url
    if url is not None and "://" not in url:
        url = str(config.home() / url)
    journal = Journal.open(url, password=None if said.password is None else said.password.read())
    if said.keep_days is not None:
        journal.forget(datetime.now(UTC) - timedelta(said.keep_days))
    return journal
