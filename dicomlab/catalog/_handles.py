"""Study, Series and Instance: what a source holds, in hand.

A handle keeps the record that the source answered and asks the source for more when it is used.
In a notebook it shows itself: a table, with pictures, every text escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from dicomlab.catalog import _html, _verbs
from dicomlab.catalog._query import Query
from dicomlab.catalog._source import Finds, InstanceData, ReadsHeaders, Record, Retrieves, Value
from dicomlab.errors import DicomlabError, NotFoundError, UnsupportedError
from dicomlab.pixels import DecodeInto, FrameDescription, Presentation, decode_frame, png
from dicomlab.standard import Level, sop_class_name

if TYPE_CHECKING:
    from pydicom import Dataset

_THUMBNAIL = 96


class Browsable(Finds, ReadsHeaders, Retrieves, Protocol):
    """A source whose studies can be looked through without fetching them first."""


@dataclass(frozen=True, eq=False)
class _Handle:
    """One entity of a source.

    Attributes
    ----------
    source
        What it was found in.
    record
        What the source answered, by keyword.
    """

    source: Browsable
    record: Record

    def __getitem__(self, keyword: str) -> Value:
        return self.record.get(keyword)

    def _uid(self, keyword: str) -> str:
        return str(self.record[keyword])


@dataclass(frozen=True, eq=False)
class Study(_Handle):
    """One study."""

    @property
    def uid(self) -> str:
        """Study Instance UID (0020,000D)."""
        return self._uid("StudyInstanceUID")

    @property
    def series(self) -> list[Series]:
        """The series of the study, by Series Number."""
        query = Query(Level.SERIES, StudyInstanceUID=self.uid, order_by=("SeriesNumber",))
        return [Series(self.source, record) for record in self.source.records(query)]

    def __repr__(self) -> str:
        return f"<Study {self.uid}>"

    def _repr_html_(self) -> str:
        title = " · ".join(
            str(value)
            for value in map(self.record.get, ("PatientName", "StudyDate", "StudyDescription"))
            if value
        )
        return _html.titled(title or self.uid, _series_table(self.series))


@dataclass(frozen=True, eq=False)
class Series(_Handle):
    """One series."""

    @property
    def uid(self) -> str:
        """Series Instance UID (0020,000E)."""
        return self._uid("SeriesInstanceUID")

    @property
    def instances(self) -> list[Instance]:
        """The instances of the series, by Instance Number."""
        query = Query(Level.IMAGE, SeriesInstanceUID=self.uid, order_by=("InstanceNumber",))
        return [Instance(self.source, record) for record in self.source.records(query)]

    volume = _verbs.volume
    volumes = _verbs.volumes
    view = _verbs.view

    def thumbnail(
        self, size: int = _THUMBNAIL, *, decode: DecodeInto | None = None
    ) -> bytes | None:
        """Return a small PNG of the middle instance, ``None`` where it holds no picture.

        Parameters
        ----------
        size
            Its longer side, pixels.
        decode
            What decodes the frame, where that is not to happen in this process.
        """
        data = self.source.instances(self.uid)
        images = [one for one in data if one.frames is not None]
        if not images:
            return None
        images.sort(key=lambda one: _number(one, "InstanceNumber"))
        return _thumbnail(images[len(images) // 2], size, decode)

    def __repr__(self) -> str:
        return f"<Series {self.uid}>"

    def _repr_html_(self) -> str:
        return _html.titled(
            str(self.record.get("SeriesDescription") or self.uid), _series_table([self])
        )


@dataclass(frozen=True, eq=False)
class Instance(_Handle):
    """One instance."""

    @property
    def uid(self) -> str:
        """SOP Instance UID (0008,0018)."""
        return self._uid("SOPInstanceUID")

    @property
    def data(self) -> InstanceData:
        """Its attributes, and its frames when they are read."""
        series = self._uid("SeriesInstanceUID")
        for one in self.source.instances(series, sop_instance_uid=self.uid):
            return one
        raise NotFoundError(f"The source no longer holds instance {self.uid}.")

    def pixels(self, frame: int = 0) -> NDArray[np.generic]:
        """Return one frame's stored values.

        Parameters
        ----------
        frame
            Which one, counted from 0.

        Returns
        -------
        ndarray
            Shape (row, column), or (row, column, sample) in colour.

        Raises
        ------
        UnsupportedError
            The instance holds no pixels, or its transfer syntax is not handled.
        NotFoundError
            There is no such frame.
        """
        one = self.data
        encoded, syntax = _frame(one, frame)
        described = FrameDescription.from_attributes(one.attributes, syntax)
        return decode_frame(encoded, described, number=frame)

    read = _verbs.read

    def dataset(self) -> Dataset:
        """Return the whole instance as a pydicom data set."""
        import pydicom  # noqa: PLC0415  slow to import, and most handles never need it

        for _uid, source in self.source.retrieve(Query(Level.IMAGE, SOPInstanceUID=self.uid)):
            return pydicom.dcmread(BytesIO(source.read_at(0, source.size)), force=True)
        raise NotFoundError(f"The source no longer holds instance {self.uid}.")

    def thumbnail(self, size: int = _THUMBNAIL) -> bytes | None:
        """Return a small PNG of the middle frame, ``None`` where there is no picture."""
        return _thumbnail(self.data, size)

    def __repr__(self) -> str:
        return f"<Instance {self.uid}>"

    def _repr_html_(self) -> str:
        rows = [
            (_html.text(keyword), _html.text(value))
            for keyword, value in self.record.items()
            if value not in (None, "", ())
        ]
        name = sop_class_name(str(self.record.get("SOPClassUID") or ""))
        shown = _html.picture(self.thumbnail(256), alt=name, size=256)
        return _html.titled(name, shown, _html.table(("Attribute", "Value"), rows))


def _series_table(series: list[Series]) -> str:
    columns = ("", "No.", "Modality", "Description", "Instances", "Series Instance UID")
    return _html.table(columns, map(_series_row, series))


def _series_row(series: Series) -> tuple[str, ...]:
    said = series.record.get
    alt = f"{said('Modality') or 'series'} thumbnail"
    return (
        _html.picture(series.thumbnail(), alt=alt, size=_THUMBNAIL),
        _html.text(said("SeriesNumber")),
        _html.text(said("Modality")),
        _html.text(said("SeriesDescription")),
        _html.text(said("NumberOfSeriesRelatedInstances")),
        _html.text(series.uid),
    )


def _number(one: InstanceData, keyword: str) -> float:
    try:
        return one.attributes.number(keyword) or 0.0
    except DicomlabError:
        return 0.0


def _frame(one: InstanceData, frame: int) -> tuple[bytes, str]:
    """Return one encoded frame and its transfer syntax."""
    if one.frames is None:
        raise UnsupportedError(
            f"Instance {one.sop_instance_uid} holds no pixel data.",
            sop_class_uid=one.attributes.string("SOPClassUID"),
        )
    count = len(one.frames)
    if not 0 <= frame < count:
        raise NotFoundError(
            f"Instance {one.sop_instance_uid} has {count} frame(s), counted from 0: no {frame}."
        )
    return one.frames.read(frame), one.frames.transfer_syntax_uid


def _thumbnail(one: InstanceData, size: int, decode: DecodeInto | None = None) -> bytes | None:
    """Return a picture where one can be made; a thumbnail is never worth an error."""
    if one.frames is None:
        return None
    try:
        middle = len(one.frames) // 2
        encoded, syntax = _frame(one, middle)
        shown = Presentation.from_attributes(one.attributes, syntax, frame=middle)
        picture = shown.render(encoded, number=middle, decode=decode)
        return png(picture, longest_side=size)
    except DicomlabError:
        return None
