"""Waveforms have units, a table and a picture."""

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomlab import phantoms
from dicomlab.errors import NonConformantError, UnsupportedError
from dicomlab.iod import read_waveform


def code(value, meaning, scheme="99X"):
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, scheme, meaning
    return [made]


def channel(label, *, sensitivity=None, units="mV", baseline="0", correction="1"):
    made = Dataset()
    made.ChannelSourceSequence = code("1", label)
    made.WaveformBitsStored = 16
    if sensitivity is not None:
        made.ChannelSensitivity = sensitivity
        made.ChannelSensitivityUnitsSequence = code(units, units, "UCUM")
        made.ChannelSensitivityCorrectionFactor = correction
        made.ChannelBaseline = baseline
    return made


def waveform(stored, channels, *, kind="SS", frequency="500", **values):
    """Return an instance of one group, from stored values of shape (sample, channel)."""
    made, group = Dataset(), Dataset()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.9.1.2", "2.25.1"
    made.StudyInstanceUID, made.SeriesInstanceUID = "2.25.2", "2.25.3"
    group.NumberOfWaveformChannels = len(channels)
    group.NumberOfWaveformSamples = len(stored)
    group.SamplingFrequency = frequency
    group.ChannelDefinitionSequence = channels
    group.WaveformBitsAllocated = stored.dtype.itemsize * 8
    group.WaveformSampleInterpretation = kind
    raw = stored.tobytes()
    group.add_new(
        0x54001010, "OW" if stored.dtype.itemsize == 2 else "OB", raw + b"\0" * (len(raw) % 2)
    )
    for keyword, value in values.items():
        setattr(group, keyword, value)
    made.WaveformSequence = [group]
    return made


def test_stored_values_become_units():
    """Stored value times sensitivity and correction, and the baseline (PS3.3 C.10.9.1.4.2)."""
    stored = np.array([[100, 3], [-200, 4], [0, 5]], "<i2")
    made = waveform(
        stored,
        [
            channel("Lead I", sensitivity="2.5", units="uV", baseline="10", correction="2"),
            channel("Counter"),
        ],
        MultiplexGroupTimeOffset="100",
        MultiplexGroupLabel="RHYTHM",
    )

    (group,) = read_waveform(made).groups
    table = group.to_dataframe()

    assert table.columns.tolist() == ["Lead I", "Counter"]
    assert table["Lead I"].tolist() == [510, -990, 10]
    assert table["Counter"].tolist() == [3, 4, 5]
    assert table.attrs["units"] == {"Lead I": "uV", "Counter": ""}
    np.testing.assert_allclose(table.index, [0.1, 0.102, 0.104])
    assert group.label == "RHYTHM"


def test_padding_is_no_value():
    """Samples that were not taken are missing, and leave a gap in the picture."""
    stored = np.array([[1], [-32768], [3], [4]], "<i2")
    made = waveform(stored, [channel("A", sensitivity="1")])
    made.WaveformSequence[0].add_new(0x5400100A, "OW", np.array([-32768], "<i2").tobytes())

    (group,) = read_waveform(made).groups

    np.testing.assert_array_equal(group.values[:, 0], [1, np.nan, 3, 4])
    picture = group.to_svg()
    assert picture.count("M", picture.index('stroke="#111"') - 200) >= 1
    assert picture.partition('fill="none" stroke="#111"')[0].rpartition('d="')[2].count("M") == 2


@pytest.mark.parametrize(
    ("kind", "codes", "expected"),
    [("MB", [0xFF, 0x7F, 0x00, 0x80], [0, 0, -8031, 8031]),
     ("AB", [0xD5, 0x55, 0xAA, 0x2A], [1, -1, 4032, -4032])],
)  # fmt: skip
def test_voice_is_expanded(kind, codes, expected):
    """The ends and the middle of mu-law and A-law (ITU-T G.711, tables 1 and 2)."""
    made = waveform(np.array(codes, np.uint8)[:, None], [channel("Voice")], kind=kind)

    assert read_waveform(made).groups[0].values[:, 0].tolist() == expected


def test_the_picture_is_drawn_to_scale_and_escaped():
    """One millivolt is 10 mm up, one second 25 mm along; a label is text and nothing else."""
    stored = np.array([[0], [1000]], "<i2")
    made = waveform(stored, [channel("<script>", sensitivity="1", units="uV")], frequency="1")

    picture = read_waveform(made).groups[0].to_svg()

    assert "<script>" not in picture
    assert "&lt;script&gt; [uV]" in picture
    assert 'd="M4.00 15.00L29.00 5.00"' in picture


def test_a_long_recording_makes_a_picture_of_bounded_size():
    """A day of ECG is thinned to its extremes, and keeps them."""
    stored = np.zeros((400_000, 1), "<i2")
    stored[123_456] = 2000
    made = waveform(stored, [channel("A", sensitivity="1", units="uV")])

    picture = read_waveform(made).groups[0].to_svg()

    assert len(picture) < 200_000
    assert " -5.00" in picture


def test_columns_of_one_name_are_told_apart():
    """A table has no two columns of one name."""
    made = waveform(np.zeros((2, 2), "<i2"), [channel("A"), channel("A")])

    table = read_waveform(made).groups[0].to_dataframe()

    assert table.columns.tolist() == ["A", "A (2)"]


def test_what_is_no_waveform_is_refused():
    """Fewer samples than declared, unlike declarations, unknown samples, an image."""
    stored = np.zeros((4, 1), "<i2")
    for change, error in (
        ({"NumberOfWaveformSamples": 5}, NonConformantError),
        ({"NumberOfWaveformChannels": 2}, NonConformantError),
        ({"SamplingFrequency": None}, NonConformantError),
        ({"WaveformSampleInterpretation": "UB"}, UnsupportedError),
    ):
        with pytest.raises(error):
            read_waveform(waveform(stored, [channel("A")], **change))
    with pytest.raises(UnsupportedError, match="no waveform"):
        read_waveform(next(phantoms.thorax_ct(slices=1, rows=8)))
