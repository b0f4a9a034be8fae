"""The archive is a source like any other, wherever its files and its index are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from pydicom import Dataset
from sqlalchemy import URL

from dicomlab import phantoms
from dicomlab.archive import Archive
from dicomlab.testing import Announcer, AnnouncesContract, SourceContract, SourceOf
from tests.postgres import Postgres
from tests.stores import S3


class TestArchive(SourceContract):
    """Imported instances, answered from the index."""

    @pytest.fixture
    def source_of(self, tmp_path: Path) -> Iterator[SourceOf]:
        """Return how an archive of some instances is made."""
        with ExitStack() as stack:

            def make(instances: Sequence[Dataset]) -> Archive:
                phantoms.write(instances, tmp_path / "studies")
                archive = stack.enter_context(Archive.open(tmp_path / "archive"))
                assert archive.import_([tmp_path / "studies"]).is_complete
                return archive

            yield make


class TestArchiveOnPostgresql(SourceContract):
    """The same, with the index in PostgreSQL."""

    @pytest.fixture
    def source_of(self, tmp_path: Path, postgres: Postgres) -> Iterator[SourceOf]:
        """Return how an archive of some instances is made."""
        with ExitStack() as stack:

            def make(instances: Sequence[Dataset]) -> Archive:
                phantoms.write(instances, tmp_path / "studies")
                opened = Archive.open(tmp_path / "archive", index=postgres.emptied())
                archive = stack.enter_context(opened)
                assert archive.import_([tmp_path / "studies"]).is_complete
                return archive

            yield make


class _OnS3:
    @pytest.fixture
    def index(self) -> URL | None:
        """Return where the index is."""
        return None

    @pytest.fixture
    def source_of(
        self, tmp_path: Path, s3: S3, index: URL | None, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[SourceOf]:
        """Return how an archive of some instances is made."""
        monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))
        with ExitStack() as stack:

            def make(instances: Sequence[Dataset]) -> Archive:
                phantoms.write(instances, tmp_path / "studies")
                location = f"s3://{s3.bucket()}/archive"
                opened = Archive.open(location, index=index, storage_options=s3.options())
                archive = stack.enter_context(opened)
                assert archive.import_([tmp_path / "studies"]).is_complete
                return archive

            yield make


class TestArchiveOnS3(_OnS3, SourceContract):
    """The files are in an object store, the index is SQLite."""


class TestArchiveOnS3AndPostgresql(_OnS3, SourceContract):
    """Neither files nor index are on this machine."""

    @pytest.fixture
    def index(self, postgres: Postgres) -> URL | None:
        """Return where the index is."""
        return postgres.emptied()


class TestArchiveAnnounces(AnnouncesContract):
    """Imports are announced."""

    @pytest.fixture(params=["sqlite", "postgresql"])
    def announcer(self, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Announcer]:
        """Give an empty archive, and what imports into it."""
        index: URL | None = None
        if request.param == "postgresql":
            server: Postgres = request.getfixturevalue("postgres")
            index = server.database()
        numbers = count()
        with Archive.open(tmp_path / "archive", index=index) as archive:

            def bring(instances: Sequence[Dataset]) -> None:
                folder = tmp_path / f"in{next(numbers)}"
                phantoms.write(instances, folder)
                archive.import_([folder])

            yield archive, bring
