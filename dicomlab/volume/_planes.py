"""Every frame of every instance as a plane: where it lies, and what tells it from others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dicomlab.catalog import Frames, InstanceData, StoredFrames
from dicomlab.errors import GeometryError, NonConformantError, UnsupportedError
from dicomlab.geometry import Defect, slice_normal
from dicomlab.pixels import FrameDescription, FunctionalGroups
from dicomlab.safety import Attributes, not_a_number
from dicomlab.standard import attribute_at

_RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
_FARTHEST_MM = 1e9
_IN_STACK = frozenset(("InStackPositionNumber", "ImagePositionPatient", "StackID"))
_MACROS = {
    "EffectiveEchoTime": "MREchoSequence",
    "InversionTimes": "MRModifierSequence",
    "FlipAngle": "MRTimingAndRelatedParametersSequence",
    "DiffusionBValue": "MRDiffusionSequence",
    "DiffusionDirectionality": "MRDiffusionSequence",
    "TemporalPositionIndex": "FrameContentSequence",
    "TemporalPositionTimeOffset": "TemporalPositionSequence",
    "NominalCardiacTriggerDelayTime": "CardiacSynchronizationSequence",
    "StackID": "FrameContentSequence",
    "FrameAcquisitionNumber": "FrameContentSequence",
    "FrameAcquisitionDateTime": "FrameContentSequence",
    "ReferencedSegmentNumber": "SegmentIdentificationSequence",
    "ConvolutionKernel": "CTReconstructionSequence",
}
"""Which macro of an enhanced object holds an attribute (PS3.3 C.7.6.16.2, C.8.13, C.8.15)."""
_MOSAICS = frozenset(("MOSAIC", "VFRAME"))
"""What Siemens and United Imaging write in Image Type (0008,0008) for many slices in one plane."""
_FRAME_TYPES = ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence")


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """One frame of one instance.

    Attributes
    ----------
    instance, frames, frame
        Where it comes from; `frame` counts from 0.
    description
        How its pixels are stored.
    groups
        Functional groups of an enhanced object.
    position, orientation, pixel_spacing_mm
        As the attributes say, empty where they say nothing.
    reach_mm
        Spacing between slices or slice thickness, for one that stands alone.
    """

    instance: InstanceData
    frames: Frames
    frame: int
    description: FrameDescription
    groups: FunctionalGroups | None
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing_mm: tuple[float, ...]
    reach_mm: float | None

    @property
    def attributes(self) -> Attributes:
        """The attributes of the whole instance."""
        return self.instance.attributes

    def macro(self, sequence: str) -> Attributes | None:
        """Return a functional group macro of this frame."""
        return None if self.groups is None else self.groups.macro(self.frame, sequence)

    def label(self, keyword: str) -> str | tuple[float, ...]:
        """Return what an attribute says of this plane, in a form that can be compared."""
        if keyword == "ImageType":
            return "\\".join(self._image_type())
        if keyword == "DiffusionGradientOrientation":
            return self._gradient()
        if keyword == "DimensionIndexValues":
            return self._dimensions()
        place = self.macro(_MACROS[keyword]) if keyword in _MACROS else None
        place = self.attributes if place is None else place
        try:
            return place.numbers(keyword) or ""
        except NonConformantError:
            return place.string(keyword) or ""

    def _image_type(self) -> tuple[str, ...]:
        for sequence in _FRAME_TYPES:
            macro = self.macro(sequence)
            if macro is not None:
                return macro.strings("FrameType")
        return self.attributes.strings("ImageType")

    def _gradient(self) -> tuple[float, ...]:
        diffusion = self.macro("MRDiffusionSequence")
        if diffusion is None:
            return self.attributes.numbers("DiffusionGradientOrientation")
        directions = diffusion.items("DiffusionGradientDirectionSequence")
        return directions[0].numbers("DiffusionGradientOrientation") if directions else ()

    def _dimensions(self) -> tuple[float, ...]:
        """Return the indices of the dimensions other than the place in the stack."""
        content = self.macro("FrameContentSequence")
        if content is None:
            return ()
        pointers = [
            attribute_at(int(item.numbers("DimensionIndexPointer")[0]))
            for item in self.attributes.items("DimensionIndexSequence")
            if item.numbers("DimensionIndexPointer")
        ]
        values = content.numbers("DimensionIndexValues")
        return tuple(
            value
            for pointer, value in zip(pointers, values, strict=False)
            if pointer is None or pointer.keyword not in _IN_STACK
        )


def planes_of(instance: InstanceData) -> Iterator[Plane]:
    """Yield the planes of an instance with pixels.

    Raises
    ------
    GeometryError
        It is a mosaic.
    NonConformantError, UnsupportedError
        Its pixel module is broken, or its samples are no single values.
    """
    frames = instance.frames
    if frames is None:
        return
    attributes = instance.attributes
    if isinstance(frames, StoredFrames):
        description = frames.description
    else:
        description = FrameDescription.from_attributes(attributes, frames.transfer_syntax_uid)
    _refuse_what_is_no_plane(attributes, description)
    if len(frames) != description.number_of_frames:
        raise NonConformantError(
            f"NumberOfFrames (0028,0008) is {description.number_of_frames} in the attributes, and "
            f"{len(frames)} frames are offered. Retrieve the instance again.",
            reason="frames-contradicted",
            tag=0x00280008,
            reference="PS3.3 C.7.6.6",
        )
    groups = FunctionalGroups.from_attributes(attributes)
    offsets = _frame_offsets(attributes, description.number_of_frames)
    for frame in range(description.number_of_frames):
        position, orientation, measures = attributes, attributes, attributes
        if groups is not None:
            position = groups.macro(frame, "PlanePositionSequence") or attributes
            orientation = groups.macro(frame, "PlaneOrientationSequence") or attributes
            measures = groups.macro(frame, "PixelMeasuresSequence") or attributes
        place = _measured(position, "ImagePositionPatient")
        cosines = _measured(orientation, "ImageOrientationPatient")
        if len(offsets) > frame and len(place) == 3 and len(cosines) == 6:
            shifted = np.array(place) + offsets[frame] * slice_normal(cosines)
            place = (float(shifted[0]), float(shifted[1]), float(shifted[2]))
        yield Plane(
            instance,
            frames,
            frame,
            description,
            groups,
            place,
            cosines,
            _measured(measures, "PixelSpacing"),
            _reach(measures),
        )


def _measured(attributes: Attributes, keyword: str) -> tuple[float, ...]:
    """Return values in millimetres, or cosines; what overflows in arithmetic was never measured."""
    values = attributes.numbers(keyword)
    if not all(abs(value) < _FARTHEST_MM for value in values):
        raise not_a_number(keyword, "holds what no scanner can measure")
    return values


def _reach(measures: Attributes) -> float | None:
    """Return how far a plane that stands alone reaches: its spacing, else its thickness."""
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        value = measures.number(keyword)
        if value is not None and 0 < value < _FARTHEST_MM:
            return value
    return None


def _refuse_what_is_no_plane(attributes: Attributes, description: FrameDescription) -> None:
    if description.samples_per_pixel > 1 or not description.photometric_interpretation.startswith(
        "MONOCHROME"
    ):
        raise UnsupportedError(
            "PhotometricInterpretation (0028,0004) is not MONOCHROME1 or MONOCHROME2, or there are "
            "several samples a pixel: a volume holds single values. "
            "Open its frames as pictures instead.",
            sop_class_uid=attributes.string("SOPClassUID"),
        )
    if attributes.items("ModalityLUTSequence"):
        raise UnsupportedError(
            "ModalityLUTSequence (0028,3000): a volume rescales by slope and intercept only. "
            "Open its frames as pictures instead.",
            sop_class_uid=attributes.string("SOPClassUID"),
        )
    if _MOSAICS.intersection(attributes.strings("ImageType")):
        raise GeometryError(
            "The instance is a mosaic: its slices are tiled into one plane, and only private "
            "attributes say how many there are.",
            reason=Defect.MOSAIC,
            tag=0x00080008,
            remedies=("Export the series as enhanced multi-frame MR, or convert it first.",),
        )


def _frame_offsets(attributes: Attributes, frames: int) -> Sequence[float]:
    """Return how far each frame of a dose lies along the normal (PS3.3 C.8.8.3.2)."""
    if attributes.string("SOPClassUID") != _RT_DOSE:
        return ()
    offsets = attributes.numbers("GridFrameOffsetVector")
    # Offsets that begin at 0 count from the first frame, all others are places along the normal.
    return [offset - offsets[0] for offset in offsets] if len(offsets) == frames else ()
