"""Phantoms of waveform storage classes (PS3.3 A.34) and of the retired PET curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from dicomlab.phantoms._instances import code, dataset
from dicomlab.phantoms._storage_base import base, coded

_ROOT = "1.2.840.10008.5.1.4.1.1."
_LEADS: Final = (
    ("2:1", "Lead I"), ("2:2", "Lead II"), ("2:61", "Lead III"),
    ("2:62", "aVR, augmented voltage, right"), ("2:63", "aVL, augmented voltage, left"),
    ("2:64", "aVF, augmented voltage, foot"),
    ("2:3", "Lead V1"), ("2:4", "Lead V2"), ("2:5", "Lead V3"), ("2:6", "Lead V4"),
    ("2:7", "Lead V5"), ("2:8", "Lead V6"),
)  # fmt: skip
_BEAT: Final = ((0.20, 0.025, 0.12), (0.36, 0.010, -0.10), (0.40, 0.012, 1.1), (0.44, 0.012, -0.25),
                (0.68, 0.045, 0.30))  # fmt: skip
"""Waves P, Q, R, S and T: when in the beat, how wide, s, and how high, mV."""


def ecg_mv(leads: int, seconds: float, frequency_hz: float) -> NDArray[np.float64]:
    """Return an ECG of one beat a second, shape (sample, lead), in millivolts."""
    time = np.arange(int(seconds * frequency_hz)) / frequency_hz % 1.0
    beat = sum(high * np.exp(-(((time - at) / wide) ** 2) / 2) for at, wide, high in _BEAT)
    axes = np.cos(np.linspace(0, 2, leads))
    found: NDArray[np.float64] = np.asarray(beat)[:, None] * axes
    return found


def _channel(source: Dataset, *, microvolts: bool) -> Dataset:
    made = dataset(
        {
            "ChannelSourceSequence": [source],
            "ChannelSampleSkew": "0",
            "WaveformBitsStored": 16 if microvolts else 8,
        }
    )
    if microvolts:
        made.ChannelSensitivity = "1"
        made.ChannelSensitivityUnitsSequence = coded("uV", "microvolt", "UCUM")
        made.ChannelSensitivityCorrectionFactor = "1"
        made.ChannelBaseline = "0"
        made.FilterLowFrequency, made.FilterHighFrequency = "0.05", "150"
    return made


def _electric(
    seed: int, modality: str, description: str, sources: Sequence[tuple[str, str]], frequency: int
) -> Dataset:
    """Microvolts of 16 bits, ten beats or two."""
    seconds = 10.0 if modality == "ECG" else 2.0
    stored = np.rint(ecg_mv(len(sources), seconds, frequency) * 1000).astype("<i2")
    group = dataset(
        {
            "WaveformOriginality": "ORIGINAL",
            "NumberOfWaveformChannels": len(sources),
            "NumberOfWaveformSamples": len(stored),
            "SamplingFrequency": str(frequency),
            "MultiplexGroupLabel": "RHYTHM",
            "ChannelDefinitionSequence": [
                _channel(code(value, meaning, "MDC"), microvolts=True) for value, meaning in sources
            ],
            "WaveformBitsAllocated": 16,
            "WaveformSampleInterpretation": "SS",
        }
    )
    group.add_new(0x54001010, "OW", stored.tobytes())
    return _instance(seed, modality, description, group)


def _instance(seed: int, modality: str, description: str, group: Dataset) -> Dataset:
    made = dataset(
        base(
            seed,
            modality,
            description,
            BodyPartExamined="HEART",
            AcquisitionDateTime="20240115093500",
            AcquisitionContextSequence=[],
            WaveformSequence=[group],
        )
    )
    if modality == "AU":
        made.BodyPartExamined = "CHEST"
    return made


def _voice(seed: int) -> Dataset:
    """Return a second of a tone, eight bits at 8 kHz."""
    tone = np.sin(2 * np.pi * 440 * np.arange(8000) / 8000) * 4000
    group = dataset(
        {
            "WaveformOriginality": "ORIGINAL",
            "NumberOfWaveformChannels": 1,
            "NumberOfWaveformSamples": 8000,
            "SamplingFrequency": "8000",
            "ChannelDefinitionSequence": [
                _channel(code("109110", "Voice", "DCM"), microvolts=False)
            ],
            "WaveformBitsAllocated": 8,
            "WaveformSampleInterpretation": "UB",
        }
    )
    group.add_new(0x54001010, "OB", (tone / 40 + 128).astype(np.uint8).tobytes())
    return _instance(seed, "AU", "Voice", group)


def _curve(seed: int) -> Dataset:
    """Return the retired standalone PET curve: counts by time (PS3.3-2004 A.22)."""
    counts = np.rint(1000 * np.exp(-np.arange(16) / 5)).astype("<u2")
    made = dataset(base(seed, "PT", "PET curve", BodyPartExamined="CHEST"))
    made.add_new(0x50000005, "US", 1)
    made.add_new(0x50000010, "US", len(counts))
    made.add_new(0x50000020, "CS", "TAC")
    made.add_new(0x50000103, "US", 0)
    made.add_new(0x50003000, "OW", counts.tobytes())
    return made


MAKERS: Final[Mapping[str, Callable[[int], Dataset]]] = {
    _ROOT + "9.1.1": partial(
        _electric, modality="ECG", description="12-lead ECG", sources=_LEADS, frequency=500
    ),
    _ROOT + "9.1.2": partial(
        _electric, modality="ECG", description="General ECG", sources=_LEADS[:3], frequency=500
    ),
    _ROOT + "9.1.3": partial(
        _electric, modality="ECG", description="Ambulatory ECG", sources=_LEADS[:2], frequency=200
    ),
    _ROOT + "9.3.1": partial(
        _electric,
        modality="EPS",
        description="Electrophysiology",
        sources=(("2:1", "Lead I"), ("2:2", "Lead II")),
        frequency=1000,
    ),
    _ROOT + "9.4.1": _voice,
    _ROOT + "129": _curve,
}
