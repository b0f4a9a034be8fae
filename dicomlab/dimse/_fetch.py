"""Instances of a peer one after the other, for who wants their bytes and keeps none."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dicomlab.catalog import Query, Stored
from dicomlab.dimse._retrieve import Retrieval, get_contexts
from dicomlab.dimse._services import GET_CLASSES, PATIENT_ROOT
from dicomlab.errors import IncompleteError, UnsupportedError
from dicomlab.safety import ByteSource, FileBytes
from dicomlab.standard import UNIQUE_KEY, Level

if TYPE_CHECKING:
    from dicomlab.catalog import Record, Value
    from dicomlab.dimse._peer import Peer


class _Folder:
    """Takes instances into files of a folder, by their number: no sender names one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files: list[tuple[str, Path]] = []

    def begin(self, origin: str = "") -> _File:  # noqa: ARG002  nobody asks where it came from
        return _File(self, self._folder / str(len(self.files)))


class _File:
    """One instance on its way into a file."""

    def __init__(self, folder: _Folder, path: Path) -> None:
        self._folder = folder
        self._path = path
        self._file: BinaryIO = path.open("wb")

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(data)

    def finish(
        self, *, sop_class_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> Stored:
        del sop_class_uid
        self._file.close()
        self._folder.files.append((sop_instance_uid or "", self._path))
        return Stored.NEW

    def abandon(self) -> None:
        self._file.close()


def fetch(peer: Peer, query: Query) -> Iterator[tuple[str, ByteSource]]:
    """Yield the instances of what matches; see `Peer.retrieve`."""
    for record in list(peer.records(query)):
        with tempfile.TemporaryDirectory(prefix="dicomlab-") as name:
            folder = _Folder(Path(name))
            for part in _studies(peer, query, record):
                _fetch_one(peer, query.level, part, folder)
            for uid, path in folder.files:
                with FileBytes(path) as source:
                    yield uid, source


def _studies(peer: Peer, query: Query, record: Record) -> list[Record]:
    """Return what is asked for by C-GET: of a patient each study, as Study Root has no patients."""
    if query.level is not Level.PATIENT:
        return [record]
    keys = {key: record.get(key) for key in ("PatientID", "IssuerOfPatientID")}
    matches = {key: str(value) for key, value in keys.items() if value}
    return list(peer.records(Query.of(Level.STUDY, matches)))


def _fetch_one(peer: Peer, level: Level, record: Record, folder: _Folder) -> None:
    depth = max(level.depth, Level.STUDY.depth)
    keys: dict[str, Value] = {
        UNIQUE_KEY[one]: record.get(UNIQUE_KEY[one])
        for one in Level
        if Level.STUDY.depth <= one.depth <= depth
    }
    keys["QueryRetrieveLevel"] = str(list(Level)[depth])
    classes = record.get("SOPClassUID") or record.get("SOPClassesInStudy") or ()
    listed = classes if isinstance(classes, tuple) else (classes,)
    contexts, roles = get_contexts([str(one) for one in listed])
    with peer.remote.associate(contexts, roles=roles) as association:
        found = (association.context_for(uid) for uid in GET_CLASSES)
        context = next((one for one in found if one is not None), None)
        if context is None:
            raise UnsupportedError("The peer has no C-GET for our AE title.")
        if context.abstract_syntax in PATIENT_ROOT:
            keys["PatientID"] = record.get("PatientID")
        result = Retrieval(association, folder).get(context, keys)
    if result.failed:
        raise IncompleteError(
            f"The peer could not give {len(result.failed)} instances of a study. Its log says why.",
            report=result,
        )
