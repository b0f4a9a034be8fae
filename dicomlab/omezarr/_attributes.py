"""What a store says of its volume: the ``ome`` and the ``dicomlab`` attributes of its group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, JsonValue

from dicomlab.geometry import Grid
from dicomlab.omezarr._layout import Level
from dicomlab.pixels import VoiWindow
from dicomlab.volume import SliceReader, SuvInputs, Volume

KEY = "dicomlab"
STORED = "stored"
_TOWARDS = (
    ("right-to-left", "left-to-right"),
    ("anterior-to-posterior", "posterior-to-anterior"),
    ("inferior-to-superior", "superior-to-inferior"),
)


class VolumeAttributes(BaseModel):
    """All of a `Volume` but its voxels, as the attribute ``dicomlab`` of the group holds it.

    The names are those of `Volume`; ``index_to_lps`` takes (slice, row, column, 1) to LPS
    millimetres. Floating point numbers are written so that they read back to the last bit.

    Attributes
    ----------
    version
        Of this list of attributes.
    values
        What the levels hold: ``"stored"`` values, to be rescaled with the slope and intercept that
        all slices share, or ``"modality"`` values, where slices differ in theirs.
    stored_path
        The array that holds the stored values at full resolution.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, allow_inf_nan=False)

    version: Literal[1] = 1
    values: Literal["stored", "modality"]
    stored_path: str
    index_to_lps: tuple[tuple[float, float, float, float], ...]
    rescale_slope: tuple[float, ...]
    rescale_intercept: tuple[float, ...]
    units: str
    modality: str
    series_description: str
    series_instance_uid: str
    study_instance_uid: str
    frame_of_reference_uid: str | None
    sop_instance_uids: tuple[str, ...]
    frame_numbers: tuple[int, ...]
    split: dict[str, str | int | float | tuple[float, ...]]
    windows: tuple[VoiWindow, ...]
    suv: SuvInputs | None
    pixel_padding_value: int | None
    photometric_interpretation: str = "MONOCHROME2"
    bits_stored: int | None

    @classmethod
    def of(cls, volume: Volume) -> VolumeAttributes:
        """Describe a volume."""
        alike = shares_rescale(volume)
        return cls(
            values="stored" if alike else "modality",
            stored_path="0" if alike else STORED,
            index_to_lps=tuple((a, b, c, d) for a, b, c, d in volume.affine.tolist()),
            rescale_slope=tuple(volume.rescale_slope.tolist()),
            rescale_intercept=tuple(volume.rescale_intercept.tolist()),
            units=volume.units,
            modality=volume.modality,
            series_description=volume.series_description,
            series_instance_uid=volume.series_instance_uid,
            study_instance_uid=volume.study_instance_uid,
            frame_of_reference_uid=volume.frame_of_reference_uid,
            sop_instance_uids=volume.sop_instance_uids,
            frame_numbers=volume.frame_numbers,
            split=dict(volume.split),
            windows=volume.windows,
            suv=volume.suv,
            pixel_padding_value=volume.pixel_padding_value,
            photometric_interpretation=volume.photometric_interpretation,
            bits_stored=volume.bits_stored,
        )

    def volume(self, reader: SliceReader) -> Volume:
        """Return the volume that is described, its planes read by `reader`."""
        return Volume(
            reader,
            Grid(reader.shape, np.array(self.index_to_lps)),
            np.array(self.rescale_slope),
            np.array(self.rescale_intercept),
            units=self.units,
            modality=self.modality,
            series_description=self.series_description,
            series_instance_uid=self.series_instance_uid,
            study_instance_uid=self.study_instance_uid,
            frame_of_reference_uid=self.frame_of_reference_uid,
            sop_instance_uids=self.sop_instance_uids,
            frame_numbers=self.frame_numbers,
            split=self.split,
            windows=self.windows,
            suv=self.suv,
            pixel_padding_value=self.pixel_padding_value,
            photometric_interpretation=self.photometric_interpretation,
            bits_stored=self.bits_stored,
        )


def shares_rescale(volume: Volume) -> bool:
    """Return whether one slope and one intercept hold for all slices."""
    slope, intercept = volume.rescale_slope, volume.rescale_intercept
    return bool((slope == slope[0]).all() and (intercept == intercept[0]).all())


def multiscales(levels: Sequence[Level]) -> dict[str, JsonValue]:
    """Return the ``ome`` attribute: OME-Zarr 0.5 multiscales with scale and translation in mm.

    OME-Zarr 0.5 has no rotation: the axes z, y and x are the volume's own (slice, row, column), and
    the translation is the first voxel's distance from the patient's origin along each of them.
    Other readers therefore show an oblique volume unrotated.
    """
    base = levels[0].grid
    axes: list[JsonValue] = []
    for name, towards in zip("zyx", _orientations(base), strict=True):
        axis: dict[str, JsonValue] = {"name": name, "type": "space", "unit": "millimeter"}
        if towards is not None:
            axis["orientation"] = {"type": "anatomical", "value": towards}
        axes.append(axis)
    datasets: list[JsonValue] = [
        {
            "path": level.path,
            "coordinateTransformations": [
                {"type": "scale", "scale": list(level.grid.spacing_mm)},
                {
                    "type": "translation",
                    "translation": (base.direction.T @ level.grid.origin_lps).tolist(),
                },
            ],
        }
        for level in levels
    ]
    return {
        "version": "0.5",
        "multiscales": [
            {"name": "volume", "type": "mean", "axes": axes, "datasets": datasets},
        ],
    }


def _orientations(grid: Grid) -> list[str | None]:
    """Return the anatomical orientation of each axis (RFC-4), of none in an oblique volume."""
    direction = grid.direction
    if np.abs(direction).max(axis=0).min() < 1 - 1e-6:
        return [None, None, None]
    patient_axes = np.abs(direction).argmax(axis=0)
    return [
        _TOWARDS[patient][int(direction[patient, axis] < 0)]
        for axis, patient in enumerate(patient_axes)
    ]
