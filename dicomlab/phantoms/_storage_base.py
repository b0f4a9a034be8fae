"""What the phantoms of storage classes share: patient, study, series, pixels and codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from dicomlab.phantoms import _noise
from dicomlab.phantoms._instances import Value, code, common, dataset, pixels

STUDY = "Storage"
_SPATIAL = ("FrameOfReferenceUID", "PositionReferenceIndicator")
_OF_IMAGES = ("BurnedInAnnotation", "LossyImageCompression", "AcquisitionDate", "AcquisitionTime")


def base(seed: int, modality: str, description: str, **values: Value) -> dict[str, Value]:
    """Return what every instance has, without frame of reference and without pixels."""
    found = common(seed, STUDY, modality, description, 1, made_with=description)
    for keyword in (*_SPATIAL, *_OF_IMAGES):
        del found[keyword]
    return {**found, "InstanceNumber": 1, **values}


def spatial(seed: int) -> dict[str, Value]:
    """Return the Frame of Reference module."""
    shared = common(seed, STUDY, "", "", 1, made_with="")
    return {keyword: shared[keyword] for keyword in _SPATIAL}


def image(seed: int, modality: str, description: str, **values: Value) -> dict[str, Value]:
    """Return what an image has besides: acquisition, compression, burned-in text."""
    shared = common(seed, STUDY, modality, description, 1, made_with=description)
    return {
        **base(seed, modality, description),
        **{keyword: shared[keyword] for keyword in _OF_IMAGES},
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "PatientOrientation": ["L", "F"],
        **values,
    }


def grey(
    seed: int, *, frames: int = 1, bits: int = 12, rows: int = 24, columns: int = 32
) -> tuple[dict[str, Value], bytes]:
    """Return Image Pixel attributes and pixels of a disc on a ramp with noise."""
    stored = _disc(seed, frames, rows, columns) * ((1 << bits) - 1)
    whole = np.rint(stored)
    values: NDArray[np.integer] = whole.astype(np.uint8 if bits <= 8 else "<u2")
    attributes = pixels(values, bits_stored=bits)
    if frames > 1:
        attributes["NumberOfFrames"] = frames
    return attributes, values.tobytes()


def colour(seed: int, *, frames: int = 1) -> tuple[dict[str, Value], bytes]:
    """Return Image Pixel attributes and pixels of a coloured disc, by pixel."""
    shade = _disc(seed, frames, 24, 32) * 255
    rgb = np.stack((shade, 255 - shade, shade / 2), axis=-1).astype(np.uint8)
    attributes: dict[str, Value] = {
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": 0,
        "Rows": 24,
        "Columns": 32,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
    }
    if frames > 1:
        attributes["NumberOfFrames"] = frames
    return attributes, rgb.tobytes()


def single_bits(seed: int, frames: int) -> tuple[dict[str, Value], bytes]:
    """Return Image Pixel attributes and pixels of one bit each, packed (PS3.5 8.1.1)."""
    values = _disc(seed, frames, 24, 32) > 0.5
    attributes = pixels(values.astype(np.uint8), bits_stored=1)
    attributes |= {"BitsAllocated": 1, "NumberOfFrames": frames}
    packed = np.packbits(values.ravel(), bitorder="little").tobytes()
    return attributes, packed


def _disc(seed: int, frames: int, rows: int, columns: int) -> NDArray[np.float64]:
    y, x = np.indices((rows, columns))
    across = np.hypot(y - rows / 2, x - columns / 2)
    planes = []
    for frame in range(frames):
        grain = _noise.grain(_noise.stream(seed, 31, frame), rows, columns)
        disc = 0.35 * (across < rows / 4 + frame)
        planes.append(np.clip(0.2 + 0.3 * x / columns + disc + 0.02 * grain, 0, 1))
    return np.array(planes)


def with_pixels(values: dict[str, Value], made: tuple[dict[str, Value], bytes]) -> Dataset:
    """Return a data set of attributes and pixels."""
    attributes, raw = made
    found = dataset({**values, **attributes})
    is_words = attributes["BitsAllocated"] == 16
    found.add_new(0x7FE00010, "OW" if is_words else "OB", raw + b"\0" * (len(raw) % 2))
    return found


def sequence(**values: Value) -> list[Dataset]:
    """Return a sequence of one item."""
    return [dataset(values)]


def coded(value: str, meaning: str, scheme: str = "SCT") -> list[Dataset]:
    """Return a code sequence of one item."""
    return [code(value, meaning, scheme)]
