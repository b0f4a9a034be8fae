"""RT structure sets (PS3.3 A.19, C.8.8.5, C.8.8.6): contours, and the masks that they enclose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import GeometryError, NonConformantError, NotFoundError
from dicomlab.geometry import Grid, Polygon, polygon_mask
from dicomlab.iod._load import Loadable, Loaded, load
from dicomlab.safety import Attributes
from dicomlab.volume import Volume

RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
CLOSED = frozenset(("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"))
_FLATNESS = 0.05
"""How far a contour may leave its plane, in slices."""


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """One contour (PS3.3 C.8.8.6).

    Attributes
    ----------
    points_lps
        Shape (n, 3), mm.
    geometric_type
        Contour Geometric Type (3006,0042).
    sop_instance_uid, frame_number
        The image that it was drawn on, where the object says so.
    """

    points_lps: NDArray[np.float64]
    geometric_type: str = "CLOSED_PLANAR"
    sop_instance_uid: str | None = None
    frame_number: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Roi:
    """One region of interest.

    Attributes
    ----------
    number, name
        ROI Number (3006,0022) and Name (3006,0026).
    contours
        In the order of the object.
    interpreted_type
        RT ROI Interpreted Type (3006,00A4): ``"ORGAN"``, ``"PTV"``, ``"EXTERNAL"`` and so on.
    generation_algorithm
        ROI Generation Algorithm (3006,0036).
    display_color
        Red, green and blue, 0 to 255.
    frame_of_reference_uid
        In which the points lie.
    """

    number: int
    name: str
    contours: tuple[Contour, ...]
    interpreted_type: str = ""
    generation_algorithm: str = ""
    display_color: tuple[int, int, int] | None = None
    frame_of_reference_uid: str | None = None


class StructureSet:
    """An RT structure set: its regions, and masks of them on the grid of a volume.

    Attributes
    ----------
    label
        Structure Set Label (3006,0002).
    rois
        In the order of the object.
    """

    def __init__(self, loaded: Loaded) -> None:
        loaded.check_class("RT structure set", RT_STRUCTURE_SET)
        header = loaded.header
        self.sop_instance_uid = loaded.sop_instance_uid
        self.label = header.string("StructureSetLabel") or ""
        self._header = header
        contours = _by_number(header, "ROIContourSequence")
        observations = _by_number(header, "RTROIObservationsSequence")
        self.rois = tuple(
            _roi(item, contours, observations) for item in header.items("StructureSetROISequence")
        )

    @property
    def referenced_series_uids(self) -> tuple[str, ...]:
        """Series Instance UIDs of the images that the contours were drawn on."""
        return tuple(
            uid
            for frame in self._header.items("ReferencedFrameOfReferenceSequence")
            for study in frame.items("RTReferencedStudySequence")
            for series in study.items("RTReferencedSeriesSequence")
            if (uid := series.string("SeriesInstanceUID"))
        )

    def roi(self, name: int | str) -> Roi:
        """Return a region by its number or name.

        Raises
        ------
        NotFoundError
            There is none, or several of that name.
        """
        found = [roi for roi in self.rois if name in (roi.number, roi.name)]
        if len(found) != 1:
            raise NotFoundError(
                f"{len(found)} regions of structure set {self.sop_instance_uid} go by that name; "
                f"it has the numbers {', '.join(str(roi.number) for roi in self.rois)}."
            )
        return found[0]

    def mask(self, name: int | str, like: Volume | Grid) -> Volume:
        """Return which voxels of a volume have their centre in a region: 1 inside, 0 outside.

        Closed contours alone enclose anything. Those of one plane are taken together by the
        even-odd rule, so that a contour within another is a hole. A plane of contours holds for
        the slices that are nearer to it than half the distance of contour planes or of slices,
        whichever is more.

        Parameters
        ----------
        name
            Number or name of the region.
        like
            The volume, or a grid.

        Raises
        ------
        GeometryError
            The contours do not lie in the planes of the volume, or in another frame of reference.
        """
        roi = self.roi(name)
        grid = like.grid if isinstance(like, Volume) else like
        frame = like.frame_of_reference_uid if isinstance(like, Volume) else None
        if None not in (frame, roi.frame_of_reference_uid) and frame != roi.frame_of_reference_uid:
            raise GeometryError(
                "The contours lie in another frame of reference than the volume "
                "(FrameOfReferenceUID (0020,0052)): the same numbers are other places.",
                reason="other-frame-of-reference",
                tag=0x00200052,
                remedies=("Apply a spatial registration first.",),
            )
        return Volume(
            _ContourReader(grid.shape, _planes(roi, grid)),
            grid,
            np.array(1.0),
            np.array(0.0),
            modality="RTSTRUCT",
            series_description=roi.name,
            series_instance_uid=self._header.string("SeriesInstanceUID") or "",
            study_instance_uid=self._header.string("StudyInstanceUID") or "",
            frame_of_reference_uid=roi.frame_of_reference_uid,
            bits_stored=1,
        )

    def __repr__(self) -> str:
        return f"<StructureSet: {len(self.rois)} regions>"


@dataclass(frozen=True, slots=True, eq=False)
class _ContourReader:
    """Fills the contours of a slice when it is asked for."""

    shape: tuple[int, int, int]
    planes: Mapping[int, tuple[Polygon, ...]]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return np.dtype(np.uint8)

    def read(self, index: int) -> NDArray[np.generic]:
        polygons = self.planes.get(index, ())
        return polygon_mask(polygons, self.shape[1:]).astype(np.uint8)

    def read_into(self, start: int, out: NDArray[np.generic]) -> None:
        for place in range(len(out)):
            out[place] = self.read(start + place)


def _planes(roi: Roi, grid: Grid) -> dict[int, tuple[Polygon, ...]]:
    """Return the polygons of each slice, as (row, column)."""
    by_plane: dict[float, list[Polygon]] = {}
    for contour in roi.contours:
        if contour.geometric_type not in CLOSED:
            continue
        indices = grid.to_index(contour.points_lps)
        along = indices[:, 0]
        if np.ptp(along) > 2 * _FLATNESS:
            raise GeometryError(
                f"A contour of ROI number {roi.number} crosses {np.ptp(along):.2f} slices: it was "
                "drawn on other planes than those of the volume.",
                reason="other-planes",
                tag=0x30060050,
                reference="PS3.3 C.8.8.6",
                remedies=("Take the volume that the contours were drawn on.",),
            )
        place = float(along.mean())
        near = next((plane for plane in by_plane if abs(plane - place) <= _FLATNESS), place)
        by_plane.setdefault(near, []).append(indices[:, 1:])
    if not by_plane:
        return {}
    places = np.array(sorted(by_plane))
    reach = max(1.0, float(np.diff(places).min(initial=np.inf)) if len(places) > 1 else 1.0) / 2
    found = {}
    first = max(0, int(np.ceil(places[0] - reach - 1e-9)))
    last = min(grid.shape[0] - 1, int(np.floor(places[-1] + reach + 1e-9)))
    for index in range(first, last + 1):
        nearest = float(places[int(np.abs(places - index).argmin())])
        if abs(nearest - index) <= reach + 1e-9:
            found[index] = tuple(by_plane[nearest])
    return found


def _by_number(header: Attributes, sequence: str) -> dict[int, Attributes]:
    found: dict[int, Attributes] = {}
    for item in header.items(sequence):
        number = item.integer("ReferencedROINumber")
        if number is not None:
            found.setdefault(number, item)
    return found


def _roi(
    item: Attributes, contours: Mapping[int, Attributes], observations: Mapping[int, Attributes]
) -> Roi:
    number = item.integer("ROINumber")
    if number is None:
        raise NonConformantError(
            "ROINumber (3006,0022) is absent from a region (PS3.3 C.8.8.5): its contours cannot be "
            "told from others. Correct the instance at its source.",
            reason="missing-attribute",
            tag=0x30060022,
            reference="PS3.3 C.8.8.5",
        )
    drawn = contours.get(number)
    observed = observations.get(number)
    colour = tuple(int(value) for value in drawn.numbers("ROIDisplayColor")) if drawn else ()
    return Roi(
        number,
        item.string("ROIName") or "",
        tuple(_contour(one) for one in drawn.items("ContourSequence")) if drawn else (),
        (observed.string("RTROIInterpretedType") or "") if observed else "",
        item.string("ROIGenerationAlgorithm") or "",
        (colour[0], colour[1], colour[2]) if len(colour) == 3 else None,
        item.string("ReferencedFrameOfReferenceUID"),
    )


def _contour(item: Attributes) -> Contour:
    numbers = np.array(item.numbers("ContourData"), dtype=np.float64)
    declared = item.integer("NumberOfContourPoints")
    if numbers.size % 3 or (declared is not None and declared * 3 != numbers.size):
        raise NonConformantError(
            f"ContourData (3006,0050) holds {numbers.size} numbers for {declared} points "
            "(PS3.3 C.8.8.6). Correct the instance at its source.",
            reason="bad-contour",
            tag=0x30060050,
            reference="PS3.3 C.8.8.6",
        )
    if not np.isfinite(numbers).all():
        raise NonConformantError(
            "ContourData (3006,0050) holds what is no number (PS3.5 6.2). Correct the instance at "
            "its source.",
            reason="bad-contour",
            tag=0x30060050,
            reference="PS3.5 6.2",
        )
    images = item.items("ContourImageSequence")
    return Contour(
        numbers.reshape(-1, 3),
        item.string("ContourGeometricType") or "",
        images[0].string("ReferencedSOPInstanceUID") if images else None,
        images[0].integer("ReferencedFrameNumber") if images else None,
    )


def read_structure_set(what: Loadable) -> StructureSet:
    """Return an RT structure set (PS3.3 A.19).

    Raises
    ------
    UnsupportedError
        It is an instance of another class.
    NonConformantError
        Points are missing or no numbers.
    """
    return StructureSet(load(what))
