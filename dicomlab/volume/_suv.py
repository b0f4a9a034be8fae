"""What a standardised uptake value is computed from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SuvInputs:
    """The attributes of a PET series that SUV depends on, as the file states them (PS3.3 C.8.9).

    Nothing is computed here: an input that is absent is ``None``, so that no one takes a guess for
    a measurement. Dates and times are DICOM's own text.

    Attributes
    ----------
    patient_weight_kg, patient_size_m, patient_sex
        Patient's Weight (0010,1030), Size (0010,1020) and Sex (0010,0040).
    radionuclide_total_dose_bq, radionuclide_half_life_s
        (0018,1074) and (0018,1075).
    radiopharmaceutical_start
        Radiopharmaceutical Start DateTime (0018,1078), or Time (0018,1072).
    series_date, series_time
        The reference of decay correction ``START`` (PS3.3 C.8.9.1.1.5).
    acquisition_times
        Acquisition Date (0008,0022) and Time (0008,0032) of each slice, joined.
    units, decay_correction
        (0054,1001) and (0054,1102).
    corrected_image
        (0028,0051): which corrections were applied.
    decay_factors
        Decay Factor (0054,1321) of each slice.
    ge_scan_datetime
        When the scan began, as a GE scanner states it (0009,xx0D).
    philips_suv_factor, philips_activity_factor
        What a Philips scanner's counts are multiplied with (7053,xx00 and xx09).
    """

    patient_weight_kg: float | None = None
    patient_size_m: float | None = None
    patient_sex: str | None = None
    radionuclide_total_dose_bq: float | None = None
    radionuclide_half_life_s: float | None = None
    radiopharmaceutical_start: str | None = None
    series_date: str | None = None
    series_time: str | None = None
    acquisition_times: tuple[str | None, ...] = ()
    units: str | None = None
    decay_correction: str | None = None
    corrected_image: tuple[str, ...] = ()
    decay_factors: tuple[float | None, ...] = ()
    ge_scan_datetime: str | None = None
    philips_suv_factor: float | None = None
    philips_activity_factor: float | None = None
