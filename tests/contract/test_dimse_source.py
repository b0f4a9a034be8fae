"""A peer on the DICOM network is a source like any other: asked of our own node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydicom import Dataset

from dicomlab import phantoms
from dicomlab.archive import Archive
from dicomlab.dimse import Node, Peer, Service, remote_ae
from dicomlab.testing import SourceOf
from dicomlab.testing._contract import RetrievesContract


class TestPeer(RetrievesContract):
    """What an archive holds, found by C-FIND and given by C-GET."""

    @pytest.fixture
    def source_of(self, tmp_path: Path) -> Iterator[SourceOf]:
        """Return how a peer of some instances is made."""
        with ExitStack() as stack:

            def make(instances: Sequence[Dataset]) -> Peer:
                phantoms.write(instances, tmp_path / "studies")
                archive = stack.enter_context(Archive.open(tmp_path / "archive"))
                assert archive.import_([tmp_path / "studies"]).is_complete
                node = stack.enter_context(Node(Service(archive)))
                return Peer(remote_ae(node.address))

            yield make  # type: ignore[misc]  it reads no headers
