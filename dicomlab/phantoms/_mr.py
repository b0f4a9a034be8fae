"""MR of the head, in planes oblique to the body's axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from dicomlab.phantoms import _noise
from dicomlab.phantoms._encoding import EXPLICIT_VR_LITTLE_ENDIAN
from dicomlab.phantoms._grid import Stack, Triple
from dicomlab.phantoms._head import FIELD_OF_VIEW_MM, Weighting, head
from dicomlab.phantoms._instances import (
    Value,
    check_keywords,
    common,
    dataset,
    decimal,
    decimals,
    instance,
    pixels,
)

# A sagittal plane, turned by 9:40:41 about the left-right axis and by 11:60:61 about the long
# axis: Pythagorean triples give rational cosines, so that no machine rounds them otherwise.
_ROW: Triple = (-11 / 61, 60 / 61 * 40 / 41, 60 / 61 * 9 / 41)
_COLUMN: Triple = (0.0, 9 / 41, -40 / 41)
_NORMAL: Triple = (-60 / 61, -11 / 61 * 40 / 41, -11 / 61 * 9 / 41)


@dataclass(frozen=True)
class _Echo:
    """One echo of a sequence."""

    weighting: Weighting
    echo_time_ms: float
    repetition_time_ms: float


_T1 = (_Echo(Weighting.T1, 12, 550),)
_DUAL = (_Echo(Weighting.PROTON_DENSITY, 14, 3200), _Echo(Weighting.T2, 96, 3200))


def head_mr(
    *,
    seed: int = 0,
    slices: int = 32,
    rows: int = 192,
    columns: int | None = None,
    spacing_mm: Triple | None = None,
    echoes: int = 1,
    noise: float = 12.0,
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN,
    **attributes: Value,
) -> Iterator[Dataset]:
    """Make an MR of a head in oblique sagittal planes (PS3.3 A.4).

    No axis of the planes is an axis of the body, so whatever forgets the orientation is wrong by
    centimetres. With two echoes, both of a plane follow each other in one series, as a dual spin
    echo sequence gives them: same position, Echo Time (0018,0081) 14 and 96 ms.

    Parameters
    ----------
    seed, slices, rows, columns, transfer_syntax_uid, **attributes
        As in `thorax_ct`.
    spacing_mm
        (slice, row, column); without it the slices fill 160 x 250 x 250 mm.
    echoes
        1 for T1 weighting, 2 for proton density and T2.
    noise
        Standard deviation of the noise in stored values, 0 for none.

    Raises
    ------
    ValueError
        A size or spacing that cannot be, an unknown keyword, or echoes other than 1 or 2.
    UnsupportedError
        Phantoms are not made in that transfer syntax.
    """
    if echoes not in (1, 2):
        raise ValueError(f"echoes is {echoes}: a head is made with 1 (T1) or 2 (PD and T2).")
    stack = Stack.filling((slices, rows, columns or rows), spacing_mm, FIELD_OF_VIEW_MM)
    check_keywords(attributes)
    sequence = _T1 if echoes == 1 else _DUAL
    return _instances(stack, seed, sequence, noise, transfer_syntax_uid, attributes)


def _shared(stack: Stack, seed: int, sequence: tuple[_Echo, ...], noise: float) -> Dataset:
    name = "T1 oblique sagittal" if len(sequence) == 1 else "PD and T2 oblique sagittal"
    return dataset(
        {
            **common(seed, "Head", "MR", name, 1 + len(sequence), made_with=(stack.key, noise)),
            **pixels(np.empty(stack.shape[1:], np.uint16), bits_stored=12),
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4",
            "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
            "BodyPartExamined": "HEAD",
            "PatientPosition": "HFS",
            "ScanningSequence": "SE",
            "SequenceVariant": "NONE",
            "ScanOptions": "",
            "MRAcquisitionType": "2D",
            "MagneticFieldStrength": "1.5",
            "FlipAngle": "90",
            "EchoTrainLength": len(sequence),
            "SliceThickness": decimal(stack.spacing_mm[0]),
            "SpacingBetweenSlices": decimal(stack.spacing_mm[0]),
            "ImageOrientationPatient": decimals((*_ROW, *_COLUMN)),
            "PixelSpacing": decimals(stack.spacing_mm[1:]),
            "WindowCenter": "450",
            "WindowWidth": "900",
        }
    )


def _corner(stack: Stack, number: int) -> Triple:
    """Return the centre of the first pixel of a slice, LPS mm."""
    x, y, _ = stack.first_centre
    z = -stack.z(number)
    a, b, c = (
        x * row + y * column + z * normal
        for row, column, normal in zip(_ROW, _COLUMN, _NORMAL, strict=True)
    )
    return a, b, c


def _plane(stack: Stack, number: int, seed: int, echo: _Echo, noise: float) -> NDArray[np.uint16]:
    """Return the stored values of one slice and echo."""
    across = np.arange(stack.shape[2])[None, :] * stack.spacing_mm[2]
    down = np.arange(stack.shape[1])[:, None] * stack.spacing_mm[1]
    x, y, z = (
        (corner + across * row + down * column).astype(np.float32)
        for corner, row, column in zip(_corner(stack, number), _ROW, _COLUMN, strict=True)
    )
    values = head(seed).signal((x, y, z), echo.weighting, edge_mm=max(stack.spacing_mm[1:]))
    if noise:
        source = _noise.stream(seed, 12, number, echo.weighting)
        values += np.float32(noise) * _noise.grain(source, *values.shape)
    return np.rint(np.abs(values)).clip(0, 4095).astype(np.uint16)


def _instances(
    stack: Stack,
    seed: int,
    sequence: tuple[_Echo, ...],
    noise: float,
    transfer_syntax_uid: str,
    attributes: Mapping[str, Value],
) -> Iterator[Dataset]:
    shared = _shared(stack, seed, sequence, noise)
    for number in range(stack.shape[0]):
        for nth, echo in enumerate(sequence):
            own = {
                "InstanceNumber": number * len(sequence) + nth + 1,
                "AcquisitionNumber": 1,
                "EchoNumbers": nth + 1,
                "EchoTime": decimal(echo.echo_time_ms),
                "RepetitionTime": decimal(echo.repetition_time_ms),
                "ImagePositionPatient": decimals(_corner(stack, number)),
                "SliceLocation": decimal(-stack.z(number)),
            }
            yield instance(
                shared,
                own,
                _plane(stack, number, seed, echo, noise),
                transfer_syntax_uid=transfer_syntax_uid,
                attributes=attributes,
            )
