"""Standardised uptake values: what an activity is multiplied with (PS3.3 C.8.9, PS3.16 CID 85)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import NonConformantError, UnsupportedError
from dicomlab.volume._suv import SuvInputs

_DATE_TIME = re.compile(r"(\d{8})(\d{2})(\d{2})?(\d{2})?(?:\.(\d{1,6}))?([+-]\d{4})?$")
_TIME = re.compile(r"\d{2,6}(\.\d{1,6})?$")
_GRAMS, _CM, _CM2 = 1000.0, 100.0, 10_000.0
_LONGEST_UPTAKE = timedelta(days=1)


class SuvKind(StrEnum):
    """What an uptake is related to: defined terms of SUV Type (0054,1006)."""

    BODY_WEIGHT = "BW"
    LEAN_BODY_MASS = "LBMJANMA"
    LEAN_BODY_MASS_JAMES = "LBMJAMES128"
    BODY_SURFACE_AREA = "BSA"

    @property
    def units(self) -> str:
        """The units of the values, in UCUM."""
        return "cm2/ml" if self is SuvKind.BODY_SURFACE_AREA else "g/ml"


def suv_factors(
    inputs: SuvInputs, kind: SuvKind = SuvKind.BODY_WEIGHT, *, slices: int = 1
) -> NDArray[np.float64]:
    """Return what the modality values of each slice are multiplied with to be SUV.

    ``SUV = activity / (dose left at the time that the activity is corrected to / body)``. That time
    is the one of Decay Correction (0054,1102): of the injection for ADMIN, of each slice for NONE,
    and of the scan's start for START. There the series' own time holds unless images were made
    again later: a GE scanner then states the time (0009,xx0D), of others it is that of the earliest
    acquisition. Counts of a Philips scanner have a scale factor of their own (7053,xx00, or xx09).

    Parameters
    ----------
    kind
        Body weight, lean body mass by Janmahasatian or by James, or surface by Du Bois.
    slices
        How many there are.

    Returns
    -------
    numpy.ndarray
        Shape (slices,).

    Raises
    ------
    NonConformantError
        What is needed is absent or no number; the message names the attribute.
    UnsupportedError
        The values are of units that no rule leads from, or were not corrected for attenuation.
    """
    if inputs.units == "GML":
        # Body weight it is already.
        return _like(1.0, slices) * _body(inputs, kind) / (_weight_g(inputs))
    missing = {"ATTN"} - {term.upper() for term in inputs.corrected_image}
    if missing:
        raise UnsupportedError(
            "CorrectedImage (0028,0051) does not hold ATTN: an uptake needs attenuation correction."
        )
    scale = 1.0
    if inputs.units == "CNTS":
        if inputs.philips_suv_factor:
            weight_free = inputs.philips_suv_factor / _weight_g(inputs)
            return _like(weight_free * _body(inputs, kind), slices)
        if not inputs.philips_activity_factor:
            raise UnsupportedError(
                "Units (0054,1001) are CNTS, and the scanner states no factor (7053,xx00 or xx09) "
                "that leads to an activity."
            )
        scale = inputs.philips_activity_factor
    elif inputs.units != "BQML":
        raise UnsupportedError(
            "Units (0054,1001) are none of BQML, CNTS and GML: no rule leads to SUV."
        )
    dose = _positive(inputs.radionuclide_total_dose_bq, "RadionuclideTotalDose (0018,1074)")
    left = dose * 2.0 ** -(_uptake_s(inputs, slices) / _half_life(inputs))
    return np.asarray(scale * _body(inputs, kind) / left)


def _like(value: float, slices: int) -> NDArray[np.float64]:
    return np.full(slices, value)


def _half_life(inputs: SuvInputs) -> float:
    return _positive(inputs.radionuclide_half_life_s, "RadionuclideHalfLife (0018,1075)")


def _weight_g(inputs: SuvInputs) -> float:
    return _positive(inputs.patient_weight_kg, "PatientWeight (0010,1030)") * _GRAMS


def _body(inputs: SuvInputs, kind: SuvKind) -> float:
    """Return what the dose is spread over: grams, or square centimetres."""
    weight_kg = _weight_g(inputs) / _GRAMS
    if kind is SuvKind.BODY_WEIGHT:
        return weight_kg * _GRAMS
    height_m = _positive(inputs.patient_size_m, "PatientSize (0010,1020)")
    if kind is SuvKind.BODY_SURFACE_AREA:
        return float(0.007184 * weight_kg**0.425 * (height_m * _CM) ** 0.725 * _CM2)
    if inputs.patient_sex not in ("M", "F"):
        raise NonConformantError(
            "PatientSex (0010,0040) is neither M nor F: lean body mass has a formula for each.",
            reason="missing-suv-input",
            tag=0x00100040,
        )
    is_male = inputs.patient_sex == "M"
    if kind is SuvKind.LEAN_BODY_MASS_JAMES:
        ratio = (weight_kg / (height_m * _CM)) ** 2
        lean = 1.10 * weight_kg - 128 * ratio if is_male else 1.07 * weight_kg - 148 * ratio
    else:
        index = weight_kg / height_m**2
        lean = 9270 * weight_kg / ((6680 + 216 * index) if is_male else (8780 + 244 * index))
    return _positive(lean, "the lean body mass of that weight and size") * _GRAMS


def _uptake_s(inputs: SuvInputs, slices: int) -> NDArray[np.float64]:
    """Return from the injection to the time that each slice is corrected to, in seconds."""
    correction = inputs.decay_correction
    if correction == "ADMIN":
        return np.zeros(slices)
    times = [_moment(text) for text in inputs.acquisition_times]
    known = [time for time in times if time is not None]
    if correction == "NONE":
        if len(known) != slices:
            raise _absent("AcquisitionTime (0008,0032)", 0x00080032)
        moments = known
    elif correction == "START":
        moments = [_scan_start(inputs, min(known) if known else None)] * slices
    else:
        raise _absent("DecayCorrection (0054,1102)", 0x00541102)
    injected = _injection(inputs, moments[0])
    uptake = [(moment - injected) for moment in moments]
    if min(uptake) < timedelta(0) or max(uptake) > _LONGEST_UPTAKE:
        raise NonConformantError(
            "The injection (0018,1078 or 1072) lies after the scan, or more than a day before it: "
            "an uptake of that length has no meaning. Correct the times at the source.",
            reason="bad-suv-input",
            tag=0x00181078,
        )
    return np.array([one.total_seconds() for one in uptake])


def _scan_start(inputs: SuvInputs, earliest: datetime | None) -> datetime:
    series = _moment((inputs.series_date or "") + (inputs.series_time or ""))
    if series is not None and (earliest is None or series <= earliest):
        return series
    stated = _moment(inputs.ge_scan_datetime)
    chosen = stated or earliest
    if chosen is None:
        raise _absent("SeriesTime (0008,0031)", 0x00080031)
    return chosen


def _injection(inputs: SuvInputs, scan: datetime) -> datetime:
    text = inputs.radiopharmaceutical_start or ""
    if _TIME.fullmatch(text):
        text = scan.strftime("%Y%m%d") + text  # the time alone: on the day of the scan
    moment = _moment(text)
    if moment is None:
        raise _absent("RadiopharmaceuticalStartDateTime (0018,1078)", 0x00181078)
    return moment


def _moment(text: str | None) -> datetime | None:
    """Return a DICOM date and time; an offset from UTC is left out: scanners state local time."""
    match = _DATE_TIME.match((text or "").strip())
    if match is None:
        return None
    day, hour, minute, second, fraction, _offset = match.groups()
    try:
        moment = datetime.strptime(
            f"{day}{hour}{minute or '00'}{second or '00'}", "%Y%m%d%H%M%S"
        ).replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment + timedelta(seconds=float(f"0.{fraction or 0}"))


def _positive(value: float | None, what: str) -> float:
    if value is None or not np.isfinite(value) or value <= 0:
        raise NonConformantError(
            f"SUV needs {what}, which is absent or not above 0 (PS3.3 C.8.9). Complete the "
            "instances at their source.",
            reason="missing-suv-input",
            reference="PS3.3 C.8.9",
        )
    return value


def _absent(what: str, tag: int) -> NonConformantError:
    return NonConformantError(
        f"SUV needs {what}, which is absent or cannot be read (PS3.3 C.8.9). Complete the "
        "instances at their source.",
        reason="missing-suv-input",
        tag=tag,
        reference="PS3.3 C.8.9",
    )
