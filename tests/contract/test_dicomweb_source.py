"""A DICOMweb server is a source like any other: ours, asked by our client over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
from pydicom import Dataset

from dicomlab import phantoms
from dicomlab.archive import Archive
from dicomlab.dicomweb import DicomWebSource
from dicomlab.server import serve
from dicomlab.testing import SourceContract, SourceOf


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceOf]:
    """Return how a served archive of some instances is made; of the same ones, once."""
    made: dict[tuple[str, ...], DicomWebSource] = {}
    with ExitStack() as stack:

        def make(instances: Sequence[Dataset]) -> DicomWebSource:
            key = tuple(str(one) for one in instances)
            if key not in made:
                folder = tmp_path_factory.mktemp("served")
                phantoms.write(instances, folder / "studies")
                archive = stack.enter_context(Archive.open(folder / "archive"))
                assert archive.import_([folder / "studies"]).is_complete
                server = stack.enter_context(serve(archive, folder=folder / "volumes"))
                source = DicomWebSource(f"{server.address}/dicom-web")
                made[key] = stack.enter_context(source)
            return made[key]

        yield make


class TestDicomWebSource(SourceContract):
    """Imported instances, served and asked for."""

    @pytest.fixture
    def source_of(self, served: SourceOf) -> SourceOf:
        """Return how a source of some instances is made."""
        return served
