"""A colour object: ultrasound of a beating vessel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from dicomlab.phantoms import _noise
from dicomlab.phantoms._encoding import EXPLICIT_VR_LITTLE_ENDIAN
from dicomlab.phantoms._instances import (
    Value,
    check_keywords,
    common,
    dataset,
    decimal,
    instance,
)

_FRAME_TIME_MS = 40
_DEPTH_CM = 12.0
_GREY = np.array([1.0, 1.0, 1.0], np.float32)
_TOWARDS = np.array([1.0, 0.25, 0.1], np.float32)
_AWAY = np.array([0.1, 0.35, 1.0], np.float32)


def colour(
    *,
    seed: int = 0,
    frames: int = 12,
    rows: int = 240,
    columns: int | None = None,
    planar_configuration: int = 0,
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN,
    **attributes: Value,
) -> Iterator[Dataset]:
    """Make an ultrasound loop in RGB: a sector with a vessel that pulses (PS3.3 A.7).

    Parameters
    ----------
    seed, transfer_syntax_uid, **attributes
        As in `thorax_ct`.
    frames, rows, columns
        Any number; four columns to three rows where not given.
    planar_configuration
        0 for colour by pixel, 1 for colour by plane (PS3.3 C.7.6.3.1.3); compressed frames are
        always by pixel.

    Raises
    ------
    ValueError
        No frames, rows or columns, a planar configuration that is neither, or an unknown keyword.
    UnsupportedError
        Phantoms are not made in that transfer syntax.
    """
    columns = columns or rows * 4 // 3
    if min(frames, rows, columns) < 1:
        raise ValueError("frames, rows and columns must each be 1 or more.")
    if planar_configuration not in (0, 1):
        raise ValueError(f"planar_configuration is {planar_configuration}: it is 0 or 1.")
    check_keywords(attributes)
    return _instances(
        (frames, rows, columns), seed, planar_configuration, transfer_syntax_uid, attributes
    )


def _frame(shape: tuple[int, int, int], number: int, seed: int) -> NDArray[np.uint8]:
    """Return one frame, shape (row, column, 3)."""
    frames, rows, columns = shape
    across = (np.arange(columns, dtype=np.float32) - np.float32((columns - 1) / 2))[None, :]
    across = across * np.float32(1 / rows)
    down = (np.arange(rows, dtype=np.float32) + np.float32(0.5))[:, None] * np.float32(1 / rows)
    away = np.sqrt(np.square(across) + np.square(down + np.float32(0.12)))
    sector = (away > 0.16) & (away < 1.08) & (np.abs(across) < 0.8 * (down + 0.12))
    # The pulse swells over a third of the loop and falls over the rest.
    phase = number / frames
    pulse = 3 * phase if phase < 1 / 3 else 1.5 * (1 - phase)
    radius = 0.11 + 0.03 * pulse
    off = np.sqrt(np.square(across - 0.2 * (down - 0.5)) + np.square((down - 0.55) * 1.3))
    lumen = off < radius
    wall = (off >= radius) & (off < radius + 0.02)
    echo = np.full((rows, columns), 90, np.float32) - np.float32(45) * away
    echo[wall] = 190
    echo[lumen] = 12
    speckle = np.abs(_noise.grain(_noise.stream(seed, 21, number), rows, columns))
    echo *= np.float32(0.35) + np.float32(0.65) * speckle
    rgb: NDArray[np.float32] = echo[..., None] * _GREY
    flow = lumen & (off < 0.8 * radius)
    speed = np.clip(1 - np.square(off / np.float32(radius)), 0, 1) * np.float32(60 + 190 * pulse)
    for side, tint in (
        (across > 0.2 * (down - 0.5), _TOWARDS),
        (across <= 0.2 * (down - 0.5), _AWAY),
    ):
        rgb[flow & side] = speed[flow & side][:, None] * tint
    rgb[~sector] = 0
    np.rint(rgb, out=rgb)
    np.clip(rgb, 0, 255, out=rgb)
    return rgb.astype(np.uint8)


def _region(rows: int, columns: int) -> Dataset:
    """Return the calibration of the whole frame (PS3.3 C.8.5.5)."""
    return dataset(
        {
            "RegionSpatialFormat": 1,
            "RegionDataType": 1,
            "RegionFlags": 0,
            "RegionLocationMinX0": 0,
            "RegionLocationMinY0": 0,
            "RegionLocationMaxX1": columns - 1,
            "RegionLocationMaxY1": rows - 1,
            "PhysicalUnitsXDirection": 3,
            "PhysicalUnitsYDirection": 3,
            "PhysicalDeltaX": _DEPTH_CM / rows,
            "PhysicalDeltaY": _DEPTH_CM / rows,
        }
    )


def _instances(
    shape: tuple[int, int, int],
    seed: int,
    planar_configuration: int,
    transfer_syntax_uid: str,
    attributes: Mapping[str, Value],
) -> Iterator[Dataset]:
    frames, rows, columns = shape
    values = np.stack([_frame(shape, number, seed) for number in range(frames)])
    own = {
        **common(seed, "Vessel", "US", "Colour flow", 1, made_with=(shape, planar_configuration)),
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.3.1",
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "BodyPartExamined": "ABDOMEN",
        "PatientOrientation": "",
        "InstanceNumber": 1,
        "NumberOfFrames": frames,
        "FrameTime": decimal(_FRAME_TIME_MS),
        "FrameIncrementPointer": 0x00181063,
        "SequenceOfUltrasoundRegions": [_region(rows, columns)],
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": planar_configuration,
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "UltrasoundColorDataPresent": 1,
    }
    for absent in ("FrameOfReferenceUID", "PositionReferenceIndicator"):
        del own[absent]
    if planar_configuration == 1:
        values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
    yield instance(
        Dataset(), own, values, transfer_syntax_uid=transfer_syntax_uid, attributes=attributes
    )
