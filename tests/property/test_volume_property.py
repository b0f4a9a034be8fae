"""Whatever the attributes hold, a series opens or is refused by a typed error."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicomlab.catalog import InstanceData
from dicomlab.errors import DicomlabError
from dicomlab.volume import examine

NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 16.0, 1e300, -1e-300]),
)
KEYWORDS = {
    "ImagePositionPatient": 3,
    "ImageOrientationPatient": 6,
    "PixelSpacing": 2,
    "SliceThickness": 1,
    "SpacingBetweenSlices": 1,
    "RescaleSlope": 1,
    "RescaleIntercept": 1,
    "WindowCenter": 1,
    "WindowWidth": 1,
    "EchoTime": 1,
}
SOUND = {
    "Rows": (2.0,), "Columns": (3.0,), "BitsAllocated": (16.0,), "BitsStored": (12.0,),
    "HighBit": (11.0,), "PixelRepresentation": (0.0,), "SamplesPerPixel": (1.0,),
    "ImageOrientationPatient": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), "PixelSpacing": (0.5, 0.5),
    "SliceThickness": (2.0,),
}  # fmt: skip


class Values:
    """A data set of numbers."""

    def __init__(self, values):
        self.values = values

    def __contains__(self, keyword):
        return keyword in self.values

    def numbers(self, keyword):
        return self.values.get(keyword, ())

    def number(self, keyword):
        values = self.numbers(keyword)
        return values[0] if values else None

    def integer(self, keyword):
        value = self.number(keyword)
        return None if value is None else int(value)

    def strings(self, keyword):
        return ()

    def string(self, keyword):
        return None

    def items(self, keyword):
        return ()


class Zeros:
    """Frames of nothing but zeros."""

    transfer_syntax_uid = "1.2.840.10008.1.2.1"

    def __len__(self):
        return 1

    def read(self, index):
        return bytes(12)

    def locate(self, index):
        return None


@st.composite
def series(draw):
    count = draw(st.integers(1, 5))
    made = []
    for number in range(count):
        values = {**SOUND, "ImagePositionPatient": (0.0, 0.0, 2.0 * number)}
        for keyword in draw(st.sets(st.sampled_from(sorted(KEYWORDS)), max_size=2)):
            size = draw(st.sampled_from([KEYWORDS[keyword], 0, 1]))
            values[keyword] = tuple(draw(st.lists(NUMBERS, min_size=size, max_size=size)))
        made.append(InstanceData(f"1.2.{number}", Values(values), Zeros()))
    return made


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=200)
@given(instances=series())
def test_no_attribute_brings_down_the_opening(instances):
    """Every instance is in one volume, or in one part that was refused by a typed error."""
    parts = examine(instances)

    uids = [uid for part in parts for uid in part.sop_instance_uids]
    assert sorted(uids) == [one.sop_instance_uid for one in instances]
    for part in parts:
        assert (part.volume is None) == isinstance(part.refusal, DicomlabError)
        if part.volume is not None:
            assert np.isfinite(part.volume.affine).all()
            assert part.volume.compute().shape == part.volume.shape
