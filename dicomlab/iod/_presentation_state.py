"""Softcopy presentation states (PS3.3 A.33): how somebody showed images, read and applied."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import NonConformantError, NotFoundError, UnsupportedError
from dicomlab.geometry import polygon_mask
from dicomlab.iod._load import Loadable, Loaded, load
from dicomlab.pixels import (
    FrameDescription,
    LookupTable,
    Presentation,
    VoiWindow,
    decode_frame,
    lookup_table,
    voi_windows,
)
from dicomlab.safety import Attributes

_ROOT = "1.2.840.10008.5.1.4.1.1.11."


class StateKind(StrEnum):
    """The storage classes of presentation states that are read."""

    GREY_SCALE = _ROOT + "1"
    COLOUR = _ROOT + "2"
    PSEUDO_COLOUR = _ROOT + "3"
    BLENDING = _ROOT + "4"


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image, or some of its frames (counted from 1; empty for all of them)."""

    sop_class_uid: str
    sop_instance_uid: str
    frame_numbers: tuple[int, ...] = ()

    @classmethod
    def from_item(cls, item: Attributes) -> ImageReference:
        """Return what an item of Referenced Image Sequence (0008,1140) refers to."""
        return cls(
            item.string("ReferencedSOPClassUID") or "",
            item.string("ReferencedSOPInstanceUID") or "",
            tuple(int(number) for number in item.numbers("ReferencedFrameNumber")),
        )

    def covers(self, sop_instance_uid: str, frame: int) -> bool:
        """Whether it refers to a frame, counted from 0."""
        is_frame = not self.frame_numbers or frame + 1 in self.frame_numbers
        return self.sop_instance_uid == sop_instance_uid and is_frame


@dataclass(frozen=True, slots=True, eq=False)
class SoftcopyVoi:
    """A window or a table for some images, for all where none is named (PS3.3 C.11.8)."""

    images: tuple[ImageReference, ...]
    window: VoiWindow | None
    table: LookupTable | None


@dataclass(frozen=True, slots=True)
class DisplayedArea:
    """What part of some images is shown (PS3.3 C.10.4): corners are (column, row) from 1."""

    images: tuple[ImageReference, ...]
    top_left: tuple[int, int]
    bottom_right: tuple[int, int]
    size_mode: str
    magnification: float | None = None
    pixel_spacing_mm: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Graphic:
    """A drawing or a text over some images (PS3.3 C.10.5).

    Attributes
    ----------
    kind
        ``"TEXT"``, or Graphic Type (0070,0023): ``"POINT"``, ``"POLYLINE"``, ``"CIRCLE"``, …
    points
        (column, row) pairs; of a text its anchor, or the corners of its box.
    units
        ``"PIXEL"``: of the image, from 1; ``"DISPLAY"``: of the displayed area, from 0 to 1.
    text
        Of a text.
    layer
        Graphic Layer (0070,0002) that it is drawn on.
    """

    images: tuple[ImageReference, ...]
    kind: str
    points: tuple[tuple[float, float], ...]
    units: str = "PIXEL"
    text: str = ""
    layer: str = ""
    is_filled: bool = False


@dataclass(frozen=True, slots=True)
class Shutter:
    """What is not to be seen (PS3.3 C.7.6.11): its shapes hide what lies outside any of them."""

    shapes: tuple[str, ...]
    rectangle: tuple[int, int, int, int] | None = None
    circle: tuple[int, int, int] | None = None
    polygon: tuple[tuple[int, int], ...] = ()
    presentation_value: int = 0

    def open(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return which pixels of an image stay visible."""
        rows, columns = np.indices(shape) + 1
        seen = np.ones(shape, bool)
        if self.rectangle is not None:
            left, right, upper, lower = self.rectangle
            seen &= (columns >= left) & (columns <= right) & (rows >= upper) & (rows <= lower)
        if self.circle is not None:
            row, column, radius = self.circle
            seen &= (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
        if self.polygon:
            seen &= polygon_mask([np.array(self.polygon, np.float64) - 1], shape)
        return seen


@dataclass(frozen=True, slots=True, eq=False)
class PresentationState:
    """How images are shown.

    Attributes
    ----------
    kind
        Grey-scale, colour, pseudo-colour or blending.
    label, description
        Content Label (0070,0080) and Description (0070,0081).
    images
        Which images it is for.
    rescale
        Slope and intercept, ``None`` where a table or nothing stands in their place.
    modality_table, voi
        Modality LUT and what follows it.
    inverse, presentation_table
        Presentation LUT Shape (2050,0020) is INVERSE, or a table.
    palette
        Red, green and blue of a pseudo-colour or blending state.
    areas, graphics, shutter
        What is shown, what is drawn over it, what is hidden.
    rotation_degrees, is_flipped
        Turned clockwise, then mirrored left to right.
    """

    kind: StateKind
    label: str
    description: str
    images: tuple[ImageReference, ...]
    rescale: tuple[float, float] | None
    modality_table: LookupTable | None
    voi: tuple[SoftcopyVoi, ...]
    inverse: bool
    presentation_table: LookupTable | None
    palette: tuple[LookupTable, LookupTable, LookupTable] | None
    areas: tuple[DisplayedArea, ...]
    graphics: tuple[Graphic, ...]
    shutter: Shutter | None
    rotation_degrees: int = 0
    is_flipped: bool = False

    def apply(self, image: Loadable, frame: int = 0, *, crop: bool = True) -> NDArray[np.uint8]:
        """Return a frame as the state shows it, without its graphics: P-values of 8 bits.

        Parameters
        ----------
        image
            One of `images`.
        frame
            Which frame, counted from 0.
        crop
            Show the displayed area alone; what of it lies beyond the image is left out.

        Returns
        -------
        ndarray
            Shape (row, column), with a colour state (row, column, 3).

        Raises
        ------
        NotFoundError
            The state is not for this frame.
        UnsupportedError
            A blending state, which shows two images at once.
        """
        loaded = load(image)
        uid = loaded.sop_instance_uid
        if not any(one.covers(uid, frame) for one in self.images):
            raise NotFoundError(
                f"The presentation state is not for frame {frame + 1} of instance {uid}."
            )
        if self.kind is StateKind.BLENDING:
            raise UnsupportedError(
                "A blending state shows two images at once: its description is read, it is not "
                "applied to one image."
            )
        shown = self._shown(loaded, frame)
        if self.shutter is not None:
            shown[~self.shutter.open(shown.shape[:2])] = self.shutter.presentation_value >> 8
        area = next((one for one in self.areas if _is_for(one.images, uid, frame)), None)
        if crop and area is not None:
            shown = shown[_slices(area, shown.shape[:2])]
        shown = np.rot90(shown, -self.rotation_degrees // 90)
        return np.ascontiguousarray(shown[:, ::-1] if self.is_flipped else shown)

    def _shown(self, loaded: Loaded, frame: int) -> NDArray[np.uint8]:
        frames = loaded.data.frames
        if frames is None:
            raise NotFoundError(f"Instance {loaded.sop_instance_uid} holds no frames.")
        encoded = frames.read(frame)
        syntax = frames.transfer_syntax_uid
        if self.kind is StateKind.COLOUR:
            found = Presentation.from_attributes(loaded.header, syntax, frame=frame).render(encoded)
            return found if found.ndim == 3 else np.repeat(found[..., None], 3, axis=2)
        stored = decode_frame(encoded, FrameDescription.from_attributes(loaded.header, syntax))
        if stored.ndim != 2:
            raise UnsupportedError("A grey-scale presentation state is for images of one sample.")
        shade = self._brightness(stored, loaded, frame)
        if self.palette is not None:
            return np.stack([_through(table, shade) for table in self.palette], axis=-1)
        if self.presentation_table is not None:
            return _through(self.presentation_table, shade)
        shade = 1 - shade if self.inverse else shade
        return np.rint(shade * 255).astype(np.uint8)

    def _brightness(
        self, stored: NDArray[np.generic], loaded: Loaded, frame: int
    ) -> NDArray[np.float64]:
        """Return values from 0 to 1 after modality and VOI transformations (PS3.4 N.2)."""
        values: NDArray[np.generic] = stored
        bits = loaded.header.integer("BitsStored") or 8
        is_signed = loaded.header.integer("PixelRepresentation") == 1
        low, high = (
            (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if is_signed else (0, (1 << bits) - 1)
        )
        ends = np.array((low, high), np.float64)
        if self.modality_table is not None:
            values = self.modality_table.apply(stored)
            ends = np.array((0, (1 << self.modality_table.bits) - 1), np.float64)
        elif self.rescale is not None:
            slope, intercept = self.rescale
            values = stored.astype(np.float64) * slope + intercept
            ends = np.sort(ends * slope + intercept)
        voi = next(
            (one for one in self.voi if _is_for(one.images, loaded.sop_instance_uid, frame)), None
        )
        if voi is not None and voi.table is not None:
            whole = np.rint(values.astype(np.float64)).astype(np.int64)
            brightness: NDArray[np.float64] = np.asarray(voi.table.apply(whole), np.float64)
            brightness /= (1 << voi.table.bits) - 1
            return brightness
        if voi is not None and voi.window is not None:
            return voi.window.apply(values).astype(np.float64)
        span = max(float(ends[1] - ends[0]), 1e-9)
        shade: NDArray[np.float64] = (values.astype(np.float64) - ends[0]) / span
        return shade.clip(0, 1)


def _is_for(images: tuple[ImageReference, ...], uid: str, frame: int) -> bool:
    return not images or any(one.covers(uid, frame) for one in images)


def _through(table: LookupTable, shade: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return 8 bits of a table whose entries stand for all input there is (PS3.3 C.11.6)."""
    places = np.rint(shade * (len(table.entries) - 1)).astype(np.intp)
    found = table.entries[places].astype(np.float64) / ((1 << table.bits) - 1)
    return np.rint(np.clip(found, 0, 1) * 255).astype(np.uint8)


def _slices(area: DisplayedArea, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return rows and columns of an area; its corners are named as they lie when shown."""
    ends = []
    for axis, size in ((1, shape[0]), (0, shape[1])):
        low, high = sorted((area.top_left[axis], area.bottom_right[axis]))
        ends.append(slice(max(low - 1, 0), max(min(high, size), 0)))
    return ends[0], ends[1]


def read_presentation_state(what: Loadable) -> PresentationState:
    """Return a softcopy presentation state (PS3.3 A.33).

    Raises
    ------
    UnsupportedError
        It is an instance of another class.
    NonConformantError
        It turns images by what is no right angle, or its areas have no corners.
    """
    loaded = load(what)
    loaded.check_class("presentation state", *StateKind)
    header = loaded.header
    modality = header.items("ModalityLUTSequence")
    slope, intercept = header.number("RescaleSlope"), header.number("RescaleIntercept")
    tables = header.items("PresentationLUTSequence")
    reds = [
        lookup_table(header, f"{name}PaletteColorLookupTable") for name in ("Red", "Green", "Blue")
    ]
    red, green, blue = reds
    rotation = header.integer("ImageRotation") or 0
    if rotation % 90:
        raise NonConformantError(
            "ImageRotation (0070,0042) is no multiple of 90 degrees (PS3.3 C.10.6). Correct the "
            "instance at its source.",
            reason="bad-rotation",
            tag=0x00700042,
            reference="PS3.3 C.10.6",
        )
    return PresentationState(
        StateKind(loaded.sop_class_uid),
        header.string("ContentLabel") or "",
        header.string("ContentDescription") or "",
        _images(header),
        (1.0 if slope is None else slope, intercept or 0.0)
        if not modality and not (slope is None and intercept is None)
        else None,
        lookup_table(modality[0]) if modality else None,
        tuple(_voi(item) for item in header.items("SoftcopyVOILUTSequence")),
        header.string("PresentationLUTShape") == "INVERSE",
        lookup_table(tables[0]) if tables else None,
        (red, green, blue) if red and green and blue else None,
        tuple(_area(item) for item in header.items("DisplayedAreaSelectionSequence")),
        tuple(one for item in header.items("GraphicAnnotationSequence") for one in _graphics(item)),
        _shutter(header),
        rotation % 360,
        header.string("ImageHorizontalFlip") == "Y",
    )


def _references(item: Attributes) -> tuple[ImageReference, ...]:
    return tuple(ImageReference.from_item(one) for one in item.items("ReferencedImageSequence"))


def _images(header: Attributes) -> tuple[ImageReference, ...]:
    places = [header, *header.items("BlendingSequence")]
    return tuple(
        one
        for place in places
        for series in place.items("ReferencedSeriesSequence")
        for one in _references(series)
    )


def _voi(item: Attributes) -> SoftcopyVoi:
    tables = item.items("VOILUTSequence")
    windows = voi_windows(item)
    return SoftcopyVoi(
        _references(item),
        windows[0] if windows and not tables else None,
        lookup_table(tables[0]) if tables else None,
    )


def _area(item: Attributes) -> DisplayedArea:
    corners = [
        tuple(int(value) for value in item.numbers(keyword))
        for keyword in ("DisplayedAreaTopLeftHandCorner", "DisplayedAreaBottomRightHandCorner")
    ]
    if any(len(corner) != 2 for corner in corners):
        raise NonConformantError(
            "A displayed area has no two corners of column and row (PS3.3 C.10.4). Correct the "
            "instance at its source.",
            reason="bad-area",
            tag=0x00700052,
            reference="PS3.3 C.10.4",
        )
    (left, top), (right, bottom) = corners
    return DisplayedArea(
        _references(item),
        (left, top),
        (right, bottom),
        item.string("PresentationSizeMode") or "",
        item.number("PresentationPixelMagnificationRatio"),
        item.numbers("PresentationPixelSpacing"),
    )


def _graphics(item: Attributes) -> list[Graphic]:
    images, layer = _references(item), item.string("GraphicLayer") or ""
    found = [
        Graphic(
            images,
            one.string("GraphicType") or "",
            _points(one.numbers("GraphicData")),
            one.string("GraphicAnnotationUnits") or "PIXEL",
            "",
            layer,
            one.string("GraphicFilled") == "Y",
        )
        for one in item.items("GraphicObjectSequence")
    ]
    for one in item.items("TextObjectSequence"):
        anchor = one.numbers("AnchorPoint")
        box = (
            *one.numbers("BoundingBoxTopLeftHandCorner"),
            *one.numbers("BoundingBoxBottomRightHandCorner"),
        )
        units = one.string("AnchorPointAnnotationUnits" if anchor else "BoundingBoxAnnotationUnits")
        text = "\n".join(one.strings("UnformattedTextValue"))
        found.append(Graphic(images, "TEXT", _points(anchor or box), units or "", text, layer))
    return found


def _points(numbers: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    return tuple(zip(numbers[::2], numbers[1::2], strict=False))


def _shutter(header: Attributes) -> Shutter | None:
    shapes = header.strings("ShutterShape")
    if not shapes:
        return None
    edges = [
        header.integer(f"Shutter{edge}Edge")
        for edge in ("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal")
    ]
    left, right, upper, lower = edges
    centre = header.numbers("CenterOfCircularShutter")
    radius = header.integer("RadiusOfCircularShutter")
    vertices = header.numbers("VerticesOfThePolygonalShutter")
    rectangle = None
    if left is not None and right is not None and upper is not None and lower is not None:
        rectangle = (left, right, upper, lower)
    return Shutter(
        shapes,
        rectangle,
        (int(centre[0]), int(centre[1]), radius) if len(centre) == 2 and radius else None,
        tuple((int(row), int(column)) for row, column in _points(vertices)),
        header.integer("ShutterPresentationValue") or 0,
    )
