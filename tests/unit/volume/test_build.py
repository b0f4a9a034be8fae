"""A series becomes its volumes, or the reason why not is named."""

import gc
import pickle
from dataclasses import replace

import numpy as np
import pytest

from dicomlab import phantoms
from dicomlab.catalog import InstanceData
from dicomlab.errors import GeometryError, NonConformantError, NotFoundError, UnsupportedError
from dicomlab.geometry import Defect
from dicomlab.safety import Header
from dicomlab.volume import examine, volume, volumes
from tests.series import instances_of

SLICES = 9


def ct(**options):
    return phantoms.thorax_ct(slices=SLICES, rows=32, **options)


def truth(datasets) -> np.ndarray:
    """Modality values in the order of z, by pydicom and arithmetic."""
    ordered = sorted(datasets, key=lambda one: one.ImagePositionPatient[2])
    return np.stack(
        [
            np.frombuffer(one.PixelData, np.uint16).reshape(one.Rows, one.Columns)
            * float(one.RescaleSlope)
            + float(one.RescaleIntercept)
            for one in ordered
        ]
    )


def test_a_ct_is_one_volume_in_hounsfield_units(tmp_path):
    """Values, order, spacing and place are those of the data sets."""
    datasets = list(ct())
    opened = volume(instances_of(phantoms.shuffled(datasets, seed=4), tmp_path))

    first = min(datasets, key=lambda one: one.ImagePositionPatient[2])
    assert opened.compute().tolist() == truth(datasets).tolist()
    assert opened.array.compute().tolist() == truth(datasets).tolist()
    assert opened.dtype == np.int16
    assert opened.units == "HU"
    assert opened.modality == "CT"
    assert opened.grid.origin_lps == pytest.approx(np.array(first.ImagePositionPatient, float))
    assert opened.spacing_mm[1:] == pytest.approx(tuple(map(float, first.PixelSpacing)))
    assert opened.series_instance_uid == first.SeriesInstanceUID
    assert opened.frame_of_reference_uid == first.FrameOfReferenceUID
    assert opened.windows[0].center == float(np.atleast_1d(first.WindowCenter)[0])


def test_the_order_of_arrival_changes_nothing(tmp_path):
    """Instance numbers and file names say nothing of where a slice lies."""
    plain = volume(instances_of(ct(), tmp_path / "plain"))
    shuffled = volume(instances_of(phantoms.shuffled(ct(), seed=7), tmp_path / "shuffled"))

    assert plain.grid == shuffled.grid
    assert plain.sop_instance_uids == shuffled.sop_instance_uids


def test_each_slice_keeps_its_instance(tmp_path):
    """A finding in a slice can be traced to the instance that it came from."""
    datasets = sorted(ct(), key=lambda one: one.ImagePositionPatient[2])
    opened = volume(instances_of(datasets, tmp_path))

    assert opened.sop_instance_uids == tuple(one.SOPInstanceUID for one in datasets)
    assert opened.frame_numbers == (1,) * SLICES


def test_opening_reads_no_pixels_and_one_slice_reads_one_frame(tmp_path):
    """Frames are counted as they are read, compressed as well as native."""
    for name, uid in (("native", "1.2.840.10008.1.2.1"), ("packed", "1.2.840.10008.1.2.4.80")):
        asked = []
        instances = [
            InstanceData(one.sop_instance_uid, one.attributes, Counting(one.frames, asked))
            for one in instances_of(ct(transfer_syntax_uid=uid), tmp_path / name)
        ]
        opened = volume(instances)
        assert asked == []

        opened.array[4].compute()

        assert len(asked) == 1


class Counting:
    """Frames that note what was asked of them."""

    def __init__(self, frames, asked):
        self.frames = frames
        self.asked = asked
        self.transfer_syntax_uid = frames.transfer_syntax_uid

    def __len__(self):
        return len(self.frames)

    def read(self, index):
        self.asked.append(index)
        return self.frames.read(index)

    def locate(self, index):
        self.asked.append(index)
        return self.frames.locate(index)


@pytest.mark.parametrize(
    "suffix", ["1.99", "2", "4.70", "4.80", "4.90", "5"], ids=lambda suffix: f"syntax {suffix}"
)
def test_every_lossless_transfer_syntax_gives_the_same_volume(tmp_path, suffix):
    """Compression changes no value."""
    datasets = list(ct())
    packed = ct(transfer_syntax_uid=f"1.2.840.10008.1.2.{suffix}")

    assert volume(instances_of(packed, tmp_path)).compute().tolist() == truth(datasets).tolist()


def test_an_enhanced_object_is_one_volume(tmp_path):
    """Frames are slices; each keeps its frame number."""
    (dataset,) = phantoms.enhanced_ct(slices=6, rows=24)
    opened = volume(instances_of([dataset], tmp_path))

    heights = [
        float(group.PlanePositionSequence[0].ImagePositionPatient[2])
        for group in dataset.PerFrameFunctionalGroupsSequence
    ]
    order = np.argsort(heights)
    stored = np.frombuffer(dataset.PixelData, np.uint16).reshape(6, 24, -1)
    assert opened.frame_numbers == tuple(int(place) + 1 for place in order)
    assert opened.reader.read(0).tolist() == stored[order[0]].tolist()
    assert opened.grid.to_lps([5, 0, 0])[2] == pytest.approx(max(heights))
    assert opened.units == "HU"


def test_a_pet_keeps_what_suv_is_computed_from(tmp_path):
    """Nothing is computed, nothing is lost; rescale differs from slice to slice."""
    datasets = sorted(
        phantoms.thorax_pet(slices=5, rows=24), key=lambda one: one.ImagePositionPatient[2]
    )
    opened = volume(instances_of(datasets, tmp_path))

    dose = datasets[0].RadiopharmaceuticalInformationSequence[0]
    assert opened.units == "BQML"
    assert opened.dtype == np.float32
    assert opened.compute() == pytest.approx(truth(datasets), rel=1e-6)
    assert opened.suv.patient_weight_kg == float(datasets[0].PatientWeight)
    assert opened.suv.radionuclide_total_dose_bq == float(dose.RadionuclideTotalDose)
    assert opened.suv.radionuclide_half_life_s == float(dose.RadionuclideHalfLife)
    assert opened.suv.decay_correction == datasets[0].DecayCorrection
    assert len(opened.suv.acquisition_times) == 5


def test_echoes_are_volumes_of_their_own(tmp_path):
    """Positions repeat; the echo tells them apart."""
    opened = volumes(instances_of(phantoms.head_mr(slices=5, rows=24, echoes=2), tmp_path))

    times = [next(iter(one.split.values())) for one in opened]
    assert [one.shape for one in opened] == [(5, 24, opened[0].shape[2])] * 2
    assert len(set(times)) == 2
    assert opened[0].grid == opened[1].grid


@pytest.mark.parametrize(
    ("defect", "expected"),
    [
        (phantoms.with_gap, Defect.GAP),
        (phantoms.with_duplicate, Defect.DUPLICATE_POSITION),
        (phantoms.tilted, Defect.TILT),
        (phantoms.with_mixed_orientation, Defect.MIXED_ORIENTATION),
        (phantoms.with_unlike_sizes, Defect.UNLIKE_SIZES),
        (phantoms.without_position, Defect.MISSING_POSITION),
    ],
)
def test_each_defect_is_found_and_named(tmp_path, defect, expected):
    """The reason, the numbers and what to do about it."""
    with pytest.raises(GeometryError) as caught:
        volume(instances_of(defect(ct()), tmp_path))

    assert caught.value.reason == expected
    assert caught.value.remedies


@pytest.mark.parametrize(
    "clean",
    [
        ct,
        lambda: ct(spacing_mm=(0.625, 0.7, 0.7)),
        lambda: phantoms.thorax_pet(slices=7, rows=24),
        lambda: phantoms.head_mr(slices=7, rows=24),
        lambda: phantoms.enhanced_ct(slices=7, rows=24),
        lambda: phantoms.thorax_ct(slices=2, rows=16),
        lambda: phantoms.thorax_ct(slices=1, rows=16),
    ],
)
def test_clean_series_raise_no_alarm(tmp_path, clean):
    """Any order, any of the phantoms: one volume."""
    assert volume(instances_of(clean(), tmp_path)).shape[0] >= 1


def test_remedies_open_what_was_refused(tmp_path):
    """Each error names an option; the option works."""
    gap = instances_of(phantoms.with_gap(ct()), tmp_path / "gap")
    twice = instances_of(phantoms.with_duplicate(ct()), tmp_path / "twice")
    lean = instances_of(phantoms.tilted(ct(), degrees=12), tmp_path / "lean")

    assert [one.shape[0] for one in volumes(gap, gaps="split")] == [4, 4]
    assert volume(twice, duplicates="first").shape[0] == SLICES
    tilted = volume(lean, allow_tilt=True)
    positions = sorted(one.attributes.numbers("ImagePositionPatient") for one in lean)
    found = sorted(tuple(tilted.grid.to_lps([slice_, 0, 0])) for slice_ in range(SLICES))
    assert np.array(found) == pytest.approx(np.array(positions), abs=1e-6)


def test_an_attribute_of_choice_tells_repetitions_apart(tmp_path):
    """Two passes that differ in nothing but the instance number open when that is named."""
    first, second = list(ct()), list(ct(seed=1))
    for number, dataset in enumerate((*first, *second)):
        dataset.InstanceNumber = number + 1
        dataset.SeriesInstanceUID = first[0].SeriesInstanceUID
        dataset.FrameOfReferenceUID = first[0].FrameOfReferenceUID
        dataset.AcquisitionNumber = 1
        for keyword in ("AcquisitionTime", "AcquisitionDateTime"):
            if keyword in dataset:
                del dataset[keyword]
    instances = instances_of(first + second, tmp_path)

    with pytest.raises(GeometryError) as caught:
        volumes(instances)
    opened = volumes(instances, split_by="InstanceNumber")

    assert caught.value.reason == Defect.DUPLICATE_POSITION
    assert [one.shape[0] for one in opened] == [SLICES, SLICES]
    assert opened[0].compute().tolist() == truth(first).tolist()
    assert opened[1].compute().tolist() == truth(second).tolist()


def test_what_is_refused_does_not_hide_the_rest(tmp_path):
    """examine() shows all; volumes() refuses unless told to skip."""
    odd = list(ct())
    odd[0].Rows, odd[0].Columns = odd[0].Columns // 2, odd[0].Rows * 2
    del odd[0].ImagePositionPatient
    instances = instances_of(odd, tmp_path)

    parts = examine(instances)
    with pytest.raises(GeometryError) as caught:
        volumes(instances)

    assert [part.volume is None for part in parts].count(True) == 1
    assert [one.shape[0] for one in volumes(instances, skip_refused=True)] == [SLICES - 1]
    assert "1 of 2 parts" in caught.value.__notes__[0]


def test_several_volumes_are_listed(tmp_path):
    """volume() wants one; the error says what there is instead."""
    instances = instances_of(phantoms.head_mr(slices=4, rows=24, echoes=2), tmp_path)

    with pytest.raises(GeometryError, match="holds 2") as caught:
        volume(instances)

    assert caught.value.reason == Defect.SEVERAL_VOLUMES
    assert str(caught.value).count("4 x 24 x 24") == 2
    assert "EchoNumbers=1;" in str(caught.value)
    assert "EchoNumbers=2. Choose" in str(caught.value)


def test_the_list_of_volumes_holds_no_text_of_the_sender(tmp_path):
    """Errors end in logs and reports; a description may hold a name."""
    named = phantoms.head_mr(slices=4, rows=24, echoes=2, SeriesDescription="Jane Doe, head")

    with pytest.raises(GeometryError, match="holds 2") as caught:
        volume(instances_of(named, tmp_path))

    assert "Doe" not in str(caught.value)


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("EchoTime", (10, 80)),
        ("EchoNumbers", (1, 2)),
        ("InversionTime", (100, 900)),
        ("FlipAngle", (5, 30)),
        ("TemporalPositionIdentifier", (1, 2)),
        ("ImageType", (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"])),
    ],
)
def test_contrasts_are_never_mixed_even_where_no_position_repeats(tmp_path, keyword, values):
    """Two contrasts in turns lie on one even grid and are two volumes all the same."""
    slices = list(phantoms.head_mr(slices=6, rows=24))
    for number, one in enumerate(slices):
        setattr(one, keyword, values[number % 2])
    expected = [{one.SOPInstanceUID for one in slices[start::2]} for start in (0, 1)]

    made = volumes(instances_of(slices, tmp_path))

    assert [set(one.sop_instance_uids) for one in made] == expected
    assert all(keyword in one.split for one in made)


def test_a_slice_of_another_contrast_fills_no_gap(tmp_path):
    """Where an echo lost a slice, the other echo's slice in that place does not stand in for it."""
    first, second = (
        [one for one in phantoms.head_mr(slices=5, rows=24, echoes=2) if one.EchoNumbers == echo]
        for echo in (1, 2)
    )

    parts = examine(instances_of([*first[:2], second[2], *first[3:]], tmp_path))

    reasons = [getattr(part.refusal, "reason", None) for part in parts]
    assert reasons == [Defect.GAP, None]
    assert [len(part.sop_instance_uids) for part in parts] == [4, 1]


def test_an_acquisition_in_steps_is_one_volume(tmp_path):
    """Number and time of acquisition change within a volume that is acquired in steps."""
    slices = list(phantoms.thorax_ct(slices=6, rows=16))
    for number, one in enumerate(slices):
        one.AcquisitionNumber = 1 + number // 3
        one.AcquisitionTime = f"1000{number // 3:02d}"

    assert volume(instances_of(slices, tmp_path)).shape == (6, 16, 16)


def test_colours_are_no_volume(tmp_path):
    """A volume holds single values."""
    with pytest.raises(UnsupportedError, match="a volume holds single values"):
        volumes(instances_of(phantoms.colour(frames=2, rows=24), tmp_path))


@pytest.mark.parametrize("term", ["MOSAIC", "VFRAME"])
def test_a_mosaic_is_refused_by_name(tmp_path, term):
    """Slices tiled into one plane are no plane."""
    tiled = list(phantoms.head_mr(slices=1, rows=24))
    tiled[0].ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", term]

    with pytest.raises(GeometryError) as caught:
        volume(instances_of(tiled, tmp_path))

    assert caught.value.reason == Defect.MOSAIC


def test_instances_without_pixels_are_left_out():
    """A series of reports has no volume, and says so."""
    with pytest.raises(NotFoundError):
        volume([InstanceData("1.2", None, None)])


def test_a_slope_of_zero_is_refused(tmp_path):
    """It would make all values alike."""
    broken = list(ct())
    broken[3].RescaleSlope = 0

    with pytest.raises(NonConformantError) as caught:
        volume(instances_of(broken, tmp_path))

    assert caught.value.reason == "bad-rescale"


def test_a_file_cut_short_after_opening_names_its_instance(tmp_path):
    """The error says which instance, by UID."""
    instances = instances_of(ct(), tmp_path)
    opened = volume(instances)
    path = instances[0].frames.path
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(NonConformantError) as caught:
        opened.compute()

    assert caught.value.reason == "truncated"
    assert any(instances[0].sop_instance_uid in note for note in caught.value.__notes__)


def test_a_volume_travels_to_other_processes(tmp_path):
    """Dask workers get it by pickle."""
    opened = volume(instances_of(ct(transfer_syntax_uid="1.2.840.10008.1.2.4.80"), tmp_path))

    again = pickle.loads(pickle.dumps(opened))

    assert again.compute().tolist() == opened.compute().tolist()
    assert again.grid == opened.grid


def test_an_open_volume_keeps_no_headers(tmp_path):
    """What a slice costs while its volume is open does not hang on how much its header says."""

    def held() -> int:
        gc.collect()
        return sum(isinstance(one, Header) for one in gc.get_objects())

    before = held()
    opened = volume(instances_of(ct(), tmp_path))

    assert held() == before
    assert opened.array[4].compute().shape == opened.shape[1:]


def test_frames_that_contradict_the_attributes_are_refused(tmp_path):
    """An instance that says one frame and offers none is not read on trust."""

    class Lost(Counting):
        def __len__(self):
            return 0

    first = instances_of(ct(), tmp_path)[0]

    (part,) = examine([replace(first, frames=Lost(first.frames, []))])

    assert part.volume is None
    assert isinstance(part.refusal, NonConformantError)
    assert part.refusal.reason == "frames-contradicted"


def test_monochrome1_is_said_of_the_volume(tmp_path):
    """Values stay as stored; the volume says that the least one is shown white."""
    datasets = list(ct(PhotometricInterpretation="MONOCHROME1"))

    opened = volume(instances_of(datasets, tmp_path))

    assert opened.photometric_interpretation == "MONOCHROME1"
    assert opened.compute().tolist() == truth(datasets).tolist()


@pytest.mark.parametrize("name", ["tolerance_mm", "slice_spacing_mm"])
@pytest.mark.parametrize("length", [-1.0, float("nan"), float("inf")])
def test_a_length_that_is_none_is_refused(tmp_path, name, length):
    """A negative tolerance would call every grid uneven, or none."""
    instances = instances_of(ct(), tmp_path)

    with pytest.raises(ValueError, match=name):
        volumes(instances, **{name: length})
