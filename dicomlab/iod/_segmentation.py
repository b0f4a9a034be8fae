"""Segmentations (PS3.3 A.51, C.8.20): read as lazy label volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dicomlab.catalog import Frames
from dicomlab.errors import NonConformantError, NotFoundError, UnsupportedError
from dicomlab.geometry import Grid
from dicomlab.iod._codes import Code
from dicomlab.iod._frames_in_space import PlacedFrames, placed_frames, slices_of
from dicomlab.iod._load import Loadable, Loaded, load
from dicomlab.pixels import FrameDescription, FunctionalGroups, decode_frame
from dicomlab.safety import Attributes
from dicomlab.volume import Volume

SEGMENTATION_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")


class SegmentationType(StrEnum):
    """Segmentation Type (0062,0001)."""

    BINARY = "BINARY"
    FRACTIONAL = "FRACTIONAL"
    LABELMAP = "LABELMAP"


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment (PS3.3 C.8.20.4).

    Attributes
    ----------
    label
        Segment Label (0062,0005).
    number
        Segment Number (0062,0004); of a segment to be written 0 means its place in the list.
    category, type
        Segmented Property Category and Type.
    algorithm_type, algorithm_name
        ``"AUTOMATIC"``, ``"SEMIAUTOMATIC"`` or ``"MANUAL"``, and which one.
    tracking_id, tracking_uid
        What names the same thing in other instances.
    description
        Segment Description (0062,0006).
    """

    label: str
    number: int = 0
    category: Code | None = None
    type: Code | None = None
    algorithm_type: str = "AUTOMATIC"
    algorithm_name: str = ""
    tracking_id: str = ""
    tracking_uid: str = ""
    description: str = ""

    @classmethod
    def from_item(cls, item: Attributes) -> Segment:
        """Return the segment that an item of Segment Sequence (0062,0002) describes."""
        return cls(
            label=item.string("SegmentLabel") or "",
            number=item.integer("SegmentNumber") or 0,
            category=Code.from_attributes(item, "SegmentedPropertyCategoryCodeSequence"),
            type=Code.from_attributes(item, "SegmentedPropertyTypeCodeSequence"),
            algorithm_type=item.string("SegmentAlgorithmType") or "",
            algorithm_name=item.string("SegmentAlgorithmName") or "",
            tracking_id=item.string("TrackingID") or "",
            tracking_uid=item.string("TrackingUID") or "",
            description=item.string("SegmentDescription") or "",
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Planes:
    """Which frames make up each slice, and how they are read; shared by all volumes of one SEG."""

    frames: Frames
    description: FrameDescription
    by_slice: Mapping[int, tuple[tuple[int, int], ...]]
    shape: tuple[int, int, int]

    def decoded(self, frame: int) -> NDArray[np.generic]:
        return decode_frame(self.frames.read(frame), self.description)


@dataclass(frozen=True, slots=True, eq=False)
class _LabelReader:
    """Reads slices as segment numbers, 0 where there is none."""

    planes: _Planes
    dtype: np.dtype[np.generic]
    is_labelmap: bool
    sop_instance_uid: str

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.planes.shape

    def read(self, index: int) -> NDArray[np.generic]:
        plane = np.zeros(self.shape[1:], self.dtype)
        for frame, segment in self.planes.by_slice.get(index, ()):
            found = self.planes.decoded(frame)
            if self.is_labelmap:
                return found.astype(self.dtype, copy=False)
            inside = found != 0
            if plane[inside].any():
                raise UnsupportedError(
                    f"Segments of instance {self.sop_instance_uid} overlap: one label for each "
                    "voxel cannot say so. Take them one by one with segment()."
                )
            plane[inside] = segment
        return plane

    def read_into(self, start: int, out: NDArray[np.generic]) -> None:
        for place in range(len(out)):
            out[place] = self.read(start + place)


@dataclass(frozen=True, slots=True, eq=False)
class _SegmentReader:
    """Reads slices of one segment: stored values, 0 outside."""

    planes: _Planes
    segment: int
    is_labelmap: bool
    dtype: np.dtype[np.generic] = field(default_factory=lambda: np.dtype(np.uint8))

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.planes.shape

    def read(self, index: int) -> NDArray[np.generic]:
        plane = np.zeros(self.shape[1:], self.dtype)
        for frame, segment in self.planes.by_slice.get(index, ()):
            if self.is_labelmap:
                plane[self.planes.decoded(frame) == self.segment] = 1
            if segment == self.segment:
                np.maximum(plane, self.planes.decoded(frame), out=plane)
        return plane

    def read_into(self, start: int, out: NDArray[np.generic]) -> None:
        for place in range(len(out)):
            out[place] = self.read(start + place)


class Segmentation:
    """A segmentation that is stored: what its segments are, and lazy volumes of them.

    Attributes
    ----------
    type
        Binary, fractional or label map.
    segments
        In the order of the instance; a label map's background (number 0) is left out.
    """

    def __init__(self, loaded: Loaded) -> None:
        loaded.check_class("segmentation", *SEGMENTATION_CLASSES)
        header = loaded.header
        self.sop_instance_uid = loaded.sop_instance_uid
        self._header = header
        try:
            self.type = SegmentationType(header.string("SegmentationType") or "")
        except ValueError:
            raise NonConformantError(
                "SegmentationType (0062,0001) is none of BINARY, FRACTIONAL and LABELMAP "
                "(PS3.3 C.8.20.2). Correct the instance at its source.",
                reason="bad-segmentation-type",
                tag=0x00620001,
                reference="PS3.3 C.8.20.2",
            ) from None
        found = [Segment.from_item(item) for item in header.items("SegmentSequence")]
        self.segments = tuple(one for one in found if one.number)
        groups = FunctionalGroups.from_attributes(header)
        if groups is None or loaded.data.frames is None:
            raise NonConformantError(
                "A segmentation has functional groups and pixel data (PS3.3 A.51); this one lacks "
                "them. Retrieve the instance again.",
                reason="missing-attribute",
                reference="PS3.3 A.51",
            )
        self._groups = groups
        self._frames = loaded.data.frames
        self._description = FrameDescription.from_attributes(
            header, loaded.data.frames.transfer_syntax_uid
        )

    @property
    def referenced_series_uids(self) -> tuple[str, ...]:
        """Series Instance UIDs of what was segmented."""
        return tuple(
            uid
            for item in self._header.items("ReferencedSeriesSequence")
            if (uid := item.string("SeriesInstanceUID"))
        )

    @property
    def maximum_fractional_value(self) -> int:
        """The stored value that means 1, of a fractional segmentation (0062,000E)."""
        return self._header.integer("MaximumFractionalValue") or 255

    def __len__(self) -> int:
        """Return how many frames there are."""
        return self._description.number_of_frames

    def frame(self, index: int) -> NDArray[np.generic]:
        """Return the stored values of one frame, counted from 0: for those that form no grid."""
        return decode_frame(self._frames.read(index), self._description)

    def segment_of(self, frame: int) -> int | None:
        """Return the segment number of a frame, ``None`` in a label map, which holds them all."""
        macro = self._groups.macro(frame, "SegmentIdentificationSequence")
        return macro.integer("ReferencedSegmentNumber") if macro is not None else None

    @cached_property
    def _placed(self) -> PlacedFrames:
        plane = (self._description.rows, self._description.columns)
        return placed_frames(self._groups, len(self), plane)

    @property
    def grid(self) -> Grid:
        """Where the voxels lie: from the first plane that holds a segment to the last."""
        return self._placed.grid

    def _planes(self, like: Volume | Grid | None) -> tuple[_Planes, Grid]:
        grid = like.grid if isinstance(like, Volume) else like
        slices = self._placed.slices
        if grid is not None:
            slices = slices_of(self.grid, grid)[slices]
        own = self.grid if grid is None else grid
        table: dict[int, list[tuple[int, int]]] = {}
        for frame, place in enumerate(slices.tolist()):
            table.setdefault(place, []).append((frame, self.segment_of(frame) or 0))
        by_slice = {place: tuple(frames) for place, frames in table.items()}
        return _Planes(self._frames, self._description, by_slice, own.shape), own

    def labels(self, like: Volume | Grid | None = None) -> Volume:
        """Return a lazy volume of segment numbers, 0 where no segment is.

        Parameters
        ----------
        like
            The volume that was segmented, or its grid: the labels get its slices, those that the
            segmentation leaves out too.

        Raises
        ------
        UnsupportedError
            The segmentation is fractional; segments that overlap are told of when they are read.
        GeometryError
            The frames form no grid, or not the planes of `like`.
        """
        if self.type is SegmentationType.FRACTIONAL:
            raise UnsupportedError(
                f"Instance {self.sop_instance_uid} is a fractional segmentation: it has a number "
                "for each voxel and segment, no labels. Take segment(), and choose a threshold."
            )
        planes, grid = self._planes(like)
        greatest = max((one.number for one in self.segments), default=0)
        kind = np.dtype(np.uint8 if greatest < 256 else np.uint16)
        reader = _LabelReader(
            planes, kind, self.type is SegmentationType.LABELMAP, self.sop_instance_uid
        )
        return self._volume(reader, grid, "labels")

    def segment(self, segment: int | str, like: Volume | Grid | None = None) -> Volume:
        """Return a lazy volume of one segment: 0 and 1, or its fraction from 0 to 1.

        Parameters
        ----------
        segment
            Its number, or its label.
        like
            As in `labels`.

        Raises
        ------
        NotFoundError
            There is no such segment.
        """
        found = [one for one in self.segments if segment in (one.number, one.label)]
        if len(found) != 1:
            raise NotFoundError(
                f"{len(found)} segments of instance {self.sop_instance_uid} go by that name; it "
                f"has the numbers {', '.join(str(one.number) for one in self.segments)}."
            )
        planes, grid = self._planes(like)
        reader = _SegmentReader(planes, found[0].number, self.type is SegmentationType.LABELMAP)
        scale = 1.0
        if self.type is SegmentationType.FRACTIONAL:
            scale = 1.0 / self.maximum_fractional_value
        return self._volume(reader, grid, found[0].label, scale)

    def _volume(
        self, reader: _LabelReader | _SegmentReader, grid: Grid, name: str, scale: float = 1.0
    ) -> Volume:
        header = self._header
        return Volume(
            reader,
            grid,
            np.array(scale),
            np.array(0.0),
            modality="SEG",
            series_description=name,
            series_instance_uid=header.string("SeriesInstanceUID") or "",
            study_instance_uid=header.string("StudyInstanceUID") or "",
            frame_of_reference_uid=header.string("FrameOfReferenceUID"),
        )

    def __repr__(self) -> str:
        return f"<Segmentation {self.type}: {len(self.segments)} segments, {len(self)} frames>"


def read_segmentation(what: Loadable) -> Segmentation:
    """Return a segmentation (PS3.3 A.51); its frames are read when they are needed.

    Parameters
    ----------
    what
        An instance of a source, a path, bytes, or a pydicom data set.

    Raises
    ------
    UnsupportedError
        It is an instance of another class.
    """
    return Segmentation(load(what))
