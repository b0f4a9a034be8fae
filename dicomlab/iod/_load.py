"""One instance in hand, whatever it comes as: behind the border, with all its values."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

from pydicom import Dataset, dcmwrite

from dicomlab.catalog import (
    ByteFrames,
    FileFrames,
    Instance,
    InstanceData,
    Query,
)
from dicomlab.errors import NonConformantError, NotFoundError, UnsupportedError
from dicomlab.safety import (
    ByteSource,
    FileBytes,
    Header,
    MemoryBytes,
    check_instance,
    read_header,
)
from dicomlab.standard import Level, sop_class_name, tag_of, tag_text

Loadable: TypeAlias = "Loaded | Instance | Dataset | ByteSource | bytes | str | os.PathLike[str]"
"""What an object is read from: an instance of a source, a path, bytes, or a pydicom data set."""


class Loaded:
    """An instance whose attributes are read behind the border, binary values too.

    Attributes
    ----------
    header
        Its attributes.
    data
        The same as sources offer instances: attributes now, frames later.
    """

    def __init__(self, source: ByteSource, header: Header, path: Path | None = None) -> None:
        self.header = header
        self._source = source
        uid = header.string("SOPInstanceUID") or ""
        frames = None
        if header.pixel_data is not None:
            frames = ByteFrames(source, header) if path is None else FileFrames(path, header)
        self.data = InstanceData(uid, header, frames)

    @property
    def sop_class_uid(self) -> str:
        """SOP Class UID (0008,0016)."""
        return self.header.string("SOPClassUID") or ""

    @property
    def sop_instance_uid(self) -> str:
        """SOP Instance UID (0008,0018)."""
        return self.data.sop_instance_uid

    def check_class(self, what: str, *uids: str) -> None:
        """Refuse an instance of another kind.

        Raises
        ------
        UnsupportedError
            Its SOP Class is none of `uids`.
        """
        if self.sop_class_uid not in uids:
            raise UnsupportedError(
                f"Instance {self.sop_instance_uid} is of SOP Class "
                f"{sop_class_name(self.sop_class_uid) or 'none'}: no {what}.",
                sop_class_uid=self.sop_class_uid,
            )


def load(what: Loadable) -> Loaded:
    """Return an instance behind the border, ready to be read as an object of its class.

    Parameters
    ----------
    what
        An instance of a source, a path, the bytes of a file, or a pydicom data set. Of a file the
        header alone is read; frames follow when they are asked for.

    Raises
    ------
    NonConformantError, HostileInputError
        It is no DICOM, or breaks a bound.
    """
    if isinstance(what, Loaded):
        return what
    if isinstance(what, Instance):
        what = _retrieved(what)
    if isinstance(what, Dataset):
        what = _written(what)
    if isinstance(what, str | os.PathLike):
        path = Path(what)
        with FileBytes(path) as file:
            header = read_header(file)
            check_instance(header, file)
        return Loaded(file, header, path)
    source = MemoryBytes(what) if isinstance(what, bytes) else what
    header = read_header(source)
    check_instance(header, source)
    return Loaded(source, header)


def _retrieved(instance: Instance) -> ByteSource:
    query = Query(Level.IMAGE, SOPInstanceUID=instance.uid)
    for _uid, source in instance.source.retrieve(query):
        return source
    raise NotFoundError(f"The source no longer holds instance {instance.uid}.")


def _written(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    meta = getattr(dataset, "file_meta", None)
    if meta is not None and "TransferSyntaxUID" in meta:
        dcmwrite(buffer, dataset, enforce_file_format=True)
    else:
        dcmwrite(buffer, dataset, implicit_vr=False, little_endian=True)
    return buffer.getvalue()


def required(header: Header, keyword: str) -> bytes:
    """Return the bytes of an attribute's value, little endian as all that dicomlab writes.

    Raises
    ------
    NonConformantError
        It is absent or empty.
    """
    raw = header.raw(tag_of(keyword))
    if not raw:
        raise NonConformantError(
            f"{keyword} {tag_text(tag_of(keyword))} is absent or empty: without it there is "
            "nothing to read. Retrieve the instance again.",
            reason="missing-attribute",
            tag=tag_of(keyword),
        )
    return raw
