"""Standardised uptake values, by hand from the formulas and by the vendors' rules."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

import dicomlab as dl
from dicomlab import phantoms
from dicomlab.errors import NonConformantError, UnsupportedError
from dicomlab.volume import SuvInputs, SuvKind, suv_factors

HALF_LIFE = 6586.2
INPUTS = SuvInputs(
    patient_weight_kg=80,
    patient_size_m=1.8,
    patient_sex="M",
    radionuclide_total_dose_bq=370e6,
    radionuclide_half_life_s=HALF_LIFE,
    radiopharmaceutical_start="20240115083000.00",
    series_date="20240115",
    series_time="093000",
    acquisition_times=("20240115093000", "20240115093500"),
    units="BQML",
    decay_correction="START",
    corrected_image=("DECY", "ATTN", "SCAT"),
)
LEFT_AFTER_AN_HOUR = 370e6 * 0.5 ** (3600 / HALF_LIFE)


def test_body_weight():
    """80 kg and what is left of 370 MBq after one hour."""
    factors = suv_factors(INPUTS, slices=2)

    assert factors == pytest.approx([80_000 / LEFT_AFTER_AN_HOUR] * 2)


@pytest.mark.parametrize(
    ("kind", "sex", "body"),
    [
        (SuvKind.BODY_SURFACE_AREA, "M", 0.007184 * 80**0.425 * 180**0.725 * 10_000),
        (SuvKind.LEAN_BODY_MASS, "M", 1000 * 9270 * 80 / (6680 + 216 * 80 / 1.8**2)),
        (SuvKind.LEAN_BODY_MASS, "F", 1000 * 9270 * 80 / (8780 + 244 * 80 / 1.8**2)),
        (SuvKind.LEAN_BODY_MASS_JAMES, "M", 1000 * (1.10 * 80 - 128 * (80 / 180) ** 2)),
        (SuvKind.LEAN_BODY_MASS_JAMES, "F", 1000 * (1.07 * 80 - 148 * (80 / 180) ** 2)),
    ],
)
def test_lean_mass_and_surface(kind, sex, body):
    """Du Bois, Janmahasatian and James."""
    factors = suv_factors(replace(INPUTS, patient_sex=sex), kind)

    assert factors == pytest.approx([body / LEFT_AFTER_AN_HOUR])


def test_the_time_that_decay_is_corrected_to():
    """ADMIN: none has decayed; NONE: up to each slice; START: see the scanner's rules."""
    at_injection = suv_factors(replace(INPUTS, decay_correction="ADMIN"))
    by_slice = suv_factors(replace(INPUTS, decay_correction="NONE"), slices=2)

    assert at_injection == pytest.approx([80_000 / 370e6])
    decayed = [370e6 * 0.5 ** (seconds / HALF_LIFE) for seconds in (3600, 3900)]
    assert by_slice == pytest.approx([80_000 / left for left in decayed])


def test_a_series_made_again_later_counts_from_the_scan():
    """Its own time is that of the computer: the earliest acquisition holds, or what GE states."""
    later = replace(INPUTS, series_time="174500.5")

    assert suv_factors(later) == pytest.approx([80_000 / LEFT_AFTER_AN_HOUR])
    stated = suv_factors(replace(later, ge_scan_datetime="20240115092000.00"))
    left = 370e6 * 0.5 ** (3000 / HALF_LIFE)
    assert stated == pytest.approx([80_000 / left])


def test_philips_counts_have_their_own_factor():
    """To SUVbw at once, or to an activity."""
    counts = replace(INPUTS, units="CNTS")

    assert suv_factors(replace(counts, philips_suv_factor=0.0004)) == pytest.approx([0.0004])
    by_activity = suv_factors(replace(counts, philips_activity_factor=2.5))
    assert by_activity == pytest.approx([2.5 * 80_000 / LEFT_AFTER_AN_HOUR])
    with pytest.raises(UnsupportedError, match="CNTS"):
        suv_factors(counts)


def test_values_that_are_suv_already():
    """GML is SUVbw; another kind differs by the body alone."""
    done = replace(INPUTS, units="GML")

    assert suv_factors(done).tolist() == [1]
    surface = suv_factors(done, SuvKind.BODY_SURFACE_AREA)
    assert surface == pytest.approx([0.007184 * 80**0.425 * 180**0.725 * 10_000 / 80_000])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"patient_weight_kg": None}, NonConformantError),
        ({"patient_weight_kg": 0.0}, NonConformantError),
        ({"radionuclide_total_dose_bq": None}, NonConformantError),
        ({"radionuclide_half_life_s": math.nan}, NonConformantError),
        ({"radiopharmaceutical_start": None}, NonConformantError),
        ({"radiopharmaceutical_start": "20240115103000"}, NonConformantError),
        ({"radiopharmaceutical_start": "20240113083000"}, NonConformantError),
        ({"radiopharmaceutical_start": "233000"}, NonConformantError),
        ({"decay_correction": None}, NonConformantError),
        ({"units": "PROPCPS"}, UnsupportedError),
        ({"corrected_image": ("DECY",)}, UnsupportedError),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_missing_is_no_guess(change, error):
    """A measurement is refused, not made up."""
    with pytest.raises(error):
        suv_factors(replace(INPUTS, **change))


def test_a_volume_becomes_suv(tmp_path: Path):
    """The phantom's lesion is where it was put, and the window goes along."""
    phantoms.write(phantoms.thorax_pet(slices=8, rows=48, noise=0), tmp_path)
    (series,) = dl.open(tmp_path).find("series")["SeriesInstanceUID"]
    volume = dl.open(tmp_path).series(series).volume()
    first = pydicom.dcmread(min(tmp_path.rglob("*.dcm")))

    suv = volume.to_suv()

    dose = first.RadiopharmaceuticalInformationSequence[0]
    left = float(dose.RadionuclideTotalDose) * 0.5 ** (3600 / float(dose.RadionuclideHalfLife))
    factor = float(first.PatientWeight) * 1000 / left
    assert np.allclose(suv.compute(), volume.compute() * factor, rtol=1e-6)
    assert suv.units == "g/ml"
    assert suv.windows[0].width == pytest.approx(volume.windows[0].width * factor)
    with pytest.raises(UnsupportedError, match="no PET"):
        replace(volume, suv=None).to_suv()
