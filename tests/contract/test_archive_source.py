"""The archive is a source like any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydicom import Dataset

from dicomlab import phantoms
from dicomlab.archive import Archive
from dicomlab.testing import SourceContract, SourceOf
from tests.postgres import Postgres


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
                opened = Archive.open(tmp_path / "archive", index=postgres.database())
                archive = stack.enter_context(opened)
                assert archive.import_([tmp_path / "studies"]).is_complete
                return archive

            yield make
