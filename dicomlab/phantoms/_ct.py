"""CT of the thorax."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from dicomlab.phantoms import _noise
from dicomlab.phantoms._encoding import EXPLICIT_VR_LITTLE_ENDIAN
from dicomlab.phantoms._grid import Stack, Triple
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
from dicomlab.phantoms._thorax import FIELD_OF_VIEW_MM, Lesion, thorax

INTERCEPT = -1024
"""Rescale Intercept: stored values are HU + 1024."""


def thorax_lesion(*, seed: int = 0) -> Lesion:
    """Return the lesion of a seed's thorax: where it is, and what CT and PET show there."""
    return thorax(seed).lesion


def thorax_ct(
    *,
    seed: int = 0,
    slices: int = 60,
    rows: int = 256,
    columns: int | None = None,
    spacing_mm: Triple | None = None,
    noise_hu: float = 12.0,
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN,
    **attributes: Value,
) -> Iterator[Dataset]:
    """Make a CT of a thorax with contrast, one instance at a time (PS3.3 A.3).

    Slices come from the head down: Instance Number rises as z falls. The same arguments give the
    same bytes on every machine, in native transfer syntaxes; the bytes of compressed and deflated
    ones may change with the codec, their pixels never.

    Parameters
    ----------
    seed
        Another seed is another patient: other UIDs, size, vessels and noise.
    slices, rows, columns
        Any number; as many columns as rows where not given.
    spacing_mm
        (slice, row, column); without it the slices fill 300 x 400 x 400 mm.
    noise_hu
        Standard deviation of the noise, 0 for none.
    transfer_syntax_uid
        One that `encode` knows.
    **attributes
        By keyword, in place of the phantom's own on every instance: ``PatientName``,
        ``SpecificCharacterSet``, ``StudyDescription`` and so on; ``None`` removes one.

    Raises
    ------
    ValueError
        A size or spacing that cannot be, or an unknown keyword.
    UnsupportedError
        Phantoms are not made in that transfer syntax.
    """
    stack = Stack.filling((slices, rows, columns or rows), spacing_mm, FIELD_OF_VIEW_MM)
    check_keywords(attributes)
    return _instances(stack, seed, noise_hu, transfer_syntax_uid, attributes)


def thorax_hu(stack: Stack, number: int, *, seed: int, noise_hu: float) -> NDArray[np.uint16]:
    """Return the stored values of one slice, 12 bits."""
    edge_mm = max(stack.spacing_mm[1:])
    values = thorax(seed).attenuation(stack.x, stack.y, stack.z(number), edge_mm=edge_mm)
    if noise_hu:
        source = _noise.stream(seed, 2, number)
        values += np.float32(noise_hu) * _noise.grain(source, *values.shape)
    values -= np.float32(INTERCEPT)
    np.rint(values, out=values)
    return np.clip(values, np.float32(0), np.float32(4095), out=values).astype(np.uint16)


def _instances(
    stack: Stack,
    seed: int,
    noise_hu: float,
    transfer_syntax_uid: str,
    attributes: Mapping[str, Value],
) -> Iterator[Dataset]:
    shared = dataset(
        {
            **common(
                seed, "Thorax", "CT", "Thorax with contrast", 2, made_with=(stack.key, noise_hu)
            ),
            **pixels(np.empty(stack.shape[1:], np.uint16), bits_stored=12),
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "BodyPartExamined": "CHEST",
            "PatientPosition": "HFS",
            "KVP": "120",
            "AcquisitionNumber": 1,
            "ConvolutionKernel": "SOFT",
            "ContrastBolusAgent": "Phantom contrast",
            "SliceThickness": decimal(stack.spacing_mm[0]),
            "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
            "PixelSpacing": decimals(stack.spacing_mm[1:]),
            "RescaleIntercept": str(INTERCEPT),
            "RescaleSlope": "1",
            "RescaleType": "HU",
            "WindowCenter": ["40", "-550"],
            "WindowWidth": ["400", "1500"],
            "WindowCenterWidthExplanation": ["SOFT TISSUE", "LUNG"],
        }
    )
    x, y, _ = stack.first_centre
    for number in range(stack.shape[0]):
        z = stack.z(number)
        own = {
            "InstanceNumber": number + 1,
            "ImagePositionPatient": decimals((x, y, z)),
            "SliceLocation": decimal(z),
        }
        yield instance(
            shared,
            own,
            thorax_hu(stack, number, seed=seed, noise_hu=noise_hu),
            transfer_syntax_uid=transfer_syntax_uid,
            attributes=attributes,
        )
