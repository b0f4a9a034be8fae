"""The thorax phantoms: same bytes for the same seed, true geometry, right SUV inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from dicomlab import phantoms

SMALL = {"slices": 3, "rows": 24}


def at(instances: list[Dataset], point: tuple[float, float, float]) -> tuple[Dataset, int, int]:
    """Return the instance, row and column nearest to a point."""
    nearest = min(instances, key=lambda i: abs(float(i.ImagePositionPatient[2]) - point[2]))
    x, y, _ = map(float, nearest.ImagePositionPatient)
    row_spacing, column_spacing = map(float, nearest.PixelSpacing)
    row, column = round((point[1] - y) / row_spacing), round((point[0] - x) / column_spacing)
    return nearest, row, column


def seconds(time: str) -> int:
    """Return the seconds since midnight of HHMMSS."""
    return 3600 * int(time[:2]) + 60 * int(time[2:4]) + int(time[4:])


@pytest.mark.parametrize("make", [phantoms.thorax_ct, phantoms.thorax_pet])
def test_a_seed_decides_every_byte(make, tmp_path: Path):
    """The same arguments give the same files, another seed gives others."""
    first = phantoms.write(make(seed=4, **SMALL), tmp_path / "first")
    second = phantoms.write(make(seed=4, **SMALL), tmp_path / "second")
    other = phantoms.write(make(seed=5, **SMALL), tmp_path / "other")

    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    for mine, theirs in zip(map(dcmread, first), map(dcmread, other), strict=True):
        assert mine.PixelData != theirs.PixelData
        assert mine.SOPInstanceUID != theirs.SOPInstanceUID
        assert mine.StudyInstanceUID != theirs.StudyInstanceUID


def test_geometry_is_as_asked_for():
    """Sizes, spacings and positions are the caller's; slices come from the head down."""
    made = list(phantoms.thorax_ct(slices=4, rows=20, columns=30, spacing_mm=(2.5, 1.25, 0.75)))

    assert [(i.Rows, i.Columns) for i in made] == [(20, 30)] * 4
    assert [float(i.ImagePositionPatient[2]) for i in made] == [3.75, 1.25, -1.25, -3.75]
    assert {tuple(map(float, i.PixelSpacing)) for i in made} == {(1.25, 0.75)}
    assert [i.InstanceNumber for i in made] == [1, 2, 3, 4]
    assert len({i.SOPInstanceUID for i in made}) == 4


def test_ct_numbers_are_those_of_the_tissues():
    """Air, lung and tumour read as they should where there is no noise."""
    lesion = phantoms.thorax_lesion(seed=1)
    made = list(phantoms.thorax_ct(seed=1, slices=60, rows=128, noise_hu=0))
    inside, row, column = at(made, lesion.centre_lps)
    hu = inside.pixel_array * float(inside.RescaleSlope) + float(inside.RescaleIntercept)

    assert hu[row, column] == lesion.hu
    assert hu[0, 0] == -1000
    assert np.count_nonzero(hu == -850) > 1000


def test_suv_of_the_lesion_by_the_standards_arithmetic():
    """Activity, dose, decay, weight and time give back the uptake that was painted."""
    lesion = phantoms.thorax_lesion(seed=2)
    made = list(phantoms.thorax_pet(seed=2, slices=100, rows=128, noise=0))
    hot, row, column = at(made, lesion.centre_lps)
    dose = hot.RadiopharmaceuticalInformationSequence[0]
    elapsed_s = seconds(hot.SeriesTime) - seconds(dose.RadiopharmaceuticalStartTime)
    left = float(dose.RadionuclideTotalDose) * 0.5 ** (elapsed_s / float(dose.RadionuclideHalfLife))
    grams = float(hot.PatientWeight) * 1000

    suv = hot.pixel_array[row, column] * float(hot.RescaleSlope) * grams / left

    assert hot.Units == "BQML"
    assert hot.DecayCorrection == "START"
    assert suv == pytest.approx(lesion.suvbw, abs=0.5 * float(hot.RescaleSlope) * grams / left)
    assert len({float(i.RescaleSlope) for i in made}) > 5


def test_pet_and_ct_are_one_examination():
    """PET and CT share patient, study and frame of reference, not the series."""
    ct = next(phantoms.thorax_ct(**SMALL))
    pet = next(phantoms.thorax_pet(**SMALL))

    for keyword in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert ct[keyword].value == pet[keyword].value
    assert ct.SeriesInstanceUID != pet.SeriesInstanceUID
    assert ct.SOPInstanceUID != pet.SOPInstanceUID


def test_attributes_by_keyword_replace_the_phantoms_own(tmp_path: Path):
    """A name in any script, text with markup, a missing attribute: whatever a test needs."""
    made = phantoms.thorax_ct(
        **SMALL,
        PatientName="Yamada^Tarou=山田^太郎",
        SpecificCharacterSet=["", "ISO 2022 IR 87"],
        StudyDescription="<b>bold</b>",
        ImagePositionPatient=None,
    )
    read = [dcmread(path) for path in phantoms.write(made, tmp_path)]

    assert {str(i.PatientName) for i in read} == {"Yamada^Tarou=山田^太郎"}
    assert {i.StudyDescription for i in read} == {"<b>bold</b>"}
    assert not any("ImagePositionPatient" in i for i in read)


def test_a_japanese_name_is_encoded_as_the_standards_example(tmp_path: Path):
    """The bytes in the file are those of PS3.5 H.3.1."""
    (path,) = phantoms.write(
        phantoms.thorax_ct(
            slices=1,
            rows=8,
            PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう",
            SpecificCharacterSet=["", "ISO 2022 IR 87"],
        ),
        tmp_path,
    )

    assert (
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"
    ) in path.read_bytes()


def test_wrong_arguments_are_refused_at_once():
    """The call itself fails, before the first slice is asked for."""
    with pytest.raises(ValueError, match="no keyword"):
        phantoms.thorax_ct(PatientsName="X")
    with pytest.raises(ValueError, match="slices is 0"):
        phantoms.thorax_ct(slices=0)
    with pytest.raises(ValueError, match="above 0 mm"):
        phantoms.thorax_pet(spacing_mm=(1, 0, 1))


def test_instances_share_nothing_that_changes():
    """Changing one instance leaves the others as they were."""
    first, second, _ = phantoms.thorax_ct(**SMALL)

    first.ImageOrientationPatient[0] = "0"
    first.PatientName = "Other"

    assert float(second.ImageOrientationPatient[0]) == 1
    assert second.PatientName == "PHANTOM^THORAX"


def test_files_are_never_overwritten(tmp_path: Path):
    """A second series of the same modality needs another folder; names hold no patient data."""
    paths = phantoms.write(phantoms.thorax_ct(**SMALL), tmp_path)

    with pytest.raises(FileExistsError):
        phantoms.write(phantoms.thorax_ct(**SMALL), tmp_path)
    assert [path.name for path in paths] == ["CT00001.dcm", "CT00002.dcm", "CT00003.dcm"]
