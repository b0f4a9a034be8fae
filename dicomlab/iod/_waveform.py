"""Waveforms (PS3.3 A.34, C.10.9): samples with their units, as tables and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import NonConformantError, UnsupportedError
from dicomlab.iod import _waveform_svg
from dicomlab.iod._codes import NO_UNITS, Code
from dicomlab.iod._load import Loadable, Loaded, load, required
from dicomlab.safety import Header
from dicomlab.standard import sop_class_name

if TYPE_CHECKING:
    import pandas as pd

_KINDS = {"SB": "i1", "UB": "u1", "SS": "i2", "US": "u2", "SL": "i4", "UL": "u4",
          "MB": "u1", "AB": "u1"}  # fmt: skip
"""Waveform Sample Interpretation (5400,1006)."""


@dataclass(frozen=True, slots=True)
class WaveformChannel:
    """One channel (PS3.3 C.10.9.1.4).

    Attributes
    ----------
    source
        What was measured: ``Lead I`` and so on.
    label
        Channel Label (003A,0203), or the meaning of the source.
    units
        Of the values, in UCUM; ``""`` where there are none.
    """

    source: Code | None
    label: str
    units: str


@dataclass(frozen=True, slots=True, eq=False)
class WaveformGroup:
    """Channels that were sampled together (PS3.3 C.10.9.1).

    Attributes
    ----------
    label
        Multiplex Group Label (003A,0020).
    sampling_frequency_hz
        (003A,001A).
    time_offset_s
        When the first sample was taken, after the start of the acquisition.
    channels
        In the order of `values`.
    values
        Shape (sample, channel), in the channels' units; NaN for padding.
    """

    label: str
    sampling_frequency_hz: float
    time_offset_s: float
    channels: tuple[WaveformChannel, ...]
    values: NDArray[np.float64]

    @property
    def time_s(self) -> NDArray[np.float64]:
        """When each sample was taken."""
        samples = np.arange(len(self.values)) / self.sampling_frequency_hz
        return self.time_offset_s + samples

    def to_dataframe(self) -> pd.DataFrame:
        """Return the samples as a table: a row a sample, by seconds; a column a channel.

        ``attrs["units"]`` holds the units by column.
        """
        import pandas as pd  # noqa: PLC0415  slow to import, and no waveform needs it otherwise

        names = _distinct([channel.label for channel in self.channels])
        table = pd.DataFrame(
            self.values, index=pd.Index(self.time_s, name="time_s"), columns=pd.Index(names)
        )
        table.attrs["units"] = {
            name: channel.units for name, channel in zip(names, self.channels, strict=True)
        }
        return table

    def to_svg(self, *, seconds: float | None = None) -> str:
        """Return a picture of the channels one below the other, all text escaped.

        Millivolts stand at 10 mm, seconds at 25 mm, on paper as it is used for an ECG; channels
        of other units fill their strips.

        Parameters
        ----------
        seconds
            How much of the beginning to show, all by default.
        """
        until = None if seconds is None else round(seconds * self.sampling_frequency_hz)
        return _waveform_svg.picture(
            self.values[:until],
            self.sampling_frequency_hz,
            [(channel.label, channel.units) for channel in self.channels],
        )

    def _repr_html_(self) -> str:
        return self.to_svg(seconds=10)


@dataclass(frozen=True, slots=True)
class Waveform:
    """What one waveform instance holds.

    Attributes
    ----------
    sop_class_uid
        Which kind: 12-lead ECG, haemodynamic, audio and so on.
    groups
        In the order of the instance.
    annotations
        What somebody or a machine wrote about it: name and value.
    """

    sop_class_uid: str
    groups: tuple[WaveformGroup, ...]
    annotations: tuple[tuple[str, str], ...]

    def _repr_html_(self) -> str:
        return "".join(group._repr_html_() for group in self.groups)

    def __repr__(self) -> str:
        return f"<Waveform {sop_class_name(self.sop_class_uid)}: {len(self.groups)} groups>"


def read_waveform(what: Loadable) -> Waveform:
    """Return the waveforms of an instance of any waveform class (PS3.3 A.34).

    Raises
    ------
    UnsupportedError
        It holds no waveform, or samples of a kind that PS3.3 does not know.
    NonConformantError
        There are fewer samples than declared.
    """
    loaded = load(what)
    items = loaded.header.items("WaveformSequence")
    if not items:
        raise UnsupportedError(
            f"Instance {loaded.sop_instance_uid} is of SOP Class "
            f"{sop_class_name(loaded.sop_class_uid) or 'none'}: it holds no waveform.",
            sop_class_uid=loaded.sop_class_uid,
        )
    return Waveform(
        loaded.sop_class_uid, tuple(_group(item) for item in items), _annotations(loaded)
    )


def _annotations(loaded: Loaded) -> tuple[tuple[str, str], ...]:
    found = []
    for item in loaded.header.items("WaveformAnnotationSequence"):
        name = Code.from_attributes(item, "ConceptNameCodeSequence")
        code = Code.from_attributes(item, "ConceptCodeSequence")
        units = Code.from_attributes(item, "MeasurementUnitsCodeSequence")
        text = item.string("UnformattedTextValue") or item.string("NumericValue") or ""
        value = f"{text} {units.value if units and text else ''}".strip() or str(code or "")
        found.append((str(name or ""), value))
    return tuple(found)


def _group(item: Header) -> WaveformGroup:
    count, samples = (
        item.integer("NumberOfWaveformChannels") or 0, item.integer("NumberOfWaveformSamples") or 0
    )  # fmt: skip
    frequency = item.number("SamplingFrequency") or 0.0
    definitions = item.items("ChannelDefinitionSequence")
    if min(count, samples, frequency) <= 0 or len(definitions) != count:
        raise NonConformantError(
            f"A waveform declares {count} channels, {samples} samples and {len(definitions)} "
            "channel definitions, or no sampling frequency (PS3.3 C.10.9.1). Correct the instance "
            "at its source.",
            reason="bad-waveform",
            tag=0x54000100,
            reference="PS3.3 C.10.9.1",
        )
    stored, padding = _stored(item, samples, count)
    values = np.empty(stored.shape)
    channels = []
    for number, definition in enumerate(definitions):
        values[:, number], channel = _calibrated(stored[:, number], definition, number)
        channels.append(channel)
    if padding is not None:
        values[stored == padding] = np.nan
    offset = item.number("MultiplexGroupTimeOffset") or 0.0
    label = item.string("MultiplexGroupLabel") or ""
    return WaveformGroup(label, frequency, offset / 1000, tuple(channels), values)


def _stored(item: Header, samples: int, count: int) -> tuple[NDArray[np.generic], float | None]:
    kind = item.string("WaveformSampleInterpretation") or ""
    bits = item.integer("WaveformBitsAllocated")
    if kind not in _KINDS or np.dtype(_KINDS[kind]).itemsize * 8 != bits:
        raise UnsupportedError(
            f"Waveform samples of {bits} bits are not handled with the Waveform Sample "
            "Interpretation (5400,1006) that the instance has."
        )
    dtype = np.dtype(_KINDS[kind]).newbyteorder("<" if item.is_little_endian else ">")
    raw = required(item, "WaveformData")
    if len(raw) < samples * count * dtype.itemsize:
        raise NonConformantError(
            f"WaveformData (5400,1010) holds {len(raw)} bytes, {samples} samples of {count} "
            f"channels take {samples * count * dtype.itemsize} (PS3.3 C.10.9.1). Retrieve the "
            "instance again.",
            reason="truncated",
            tag=0x54001010,
            reference="PS3.3 C.10.9.1",
        )
    stored = np.frombuffer(raw, dtype, samples * count).reshape(samples, count)
    padding = item.raw(0x5400100A)
    value = None
    if padding and len(padding) >= dtype.itemsize:
        value = float(np.frombuffer(padding, dtype, 1)[0])
    if kind in ("MB", "AB"):
        return _companded(kind)[stored], None
    return stored, value


def _companded(kind: str) -> NDArray[np.int16]:
    """Return the 256 values of mu-law or A-law samples, 14 and 13 bits (ITU-T G.711)."""
    codes = np.arange(256)
    if kind == "MB":
        inverted = ~codes & 0xFF
        step, part = inverted >> 4 & 7, inverted & 0xF
        size = ((part * 2 + 33) << step) - 33
        return np.where(inverted & 0x80, -size, size).astype(np.int16)
    toggled = codes ^ 0x55
    step, part = toggled >> 4 & 7, toggled & 0xF
    size = np.where(step == 0, part * 2 + 1, (part * 2 + 33) << np.maximum(step - 1, 0))
    return np.where(toggled & 0x80, size, -size).astype(np.int16)


def _calibrated(
    stored: NDArray[np.generic], definition: Header, number: int
) -> tuple[NDArray[np.float64], WaveformChannel]:
    """Return values in units: stored * sensitivity * correction + baseline (C.10.9.1.4.2)."""
    values = stored.astype(np.float64)
    sensitivity = definition.number("ChannelSensitivity")
    units = Code.from_attributes(definition, "ChannelSensitivityUnitsSequence")
    if sensitivity is not None:
        correction = definition.number("ChannelSensitivityCorrectionFactor")
        values *= sensitivity * (1.0 if correction is None else correction)
        values += definition.number("ChannelBaseline") or 0.0
    source = Code.from_attributes(definition, "ChannelSourceSequence")
    label = definition.string("ChannelLabel") or (source.meaning if source else "")
    is_plain = units is None or units == NO_UNITS or sensitivity is None
    return values, WaveformChannel(
        source, label or f"Channel {number + 1}", "" if is_plain or units is None else units.value
    )


def _distinct(names: list[str]) -> list[str]:
    """Return names with a number where one repeats, so that each column has its own."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
