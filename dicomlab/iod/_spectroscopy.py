"""MR spectroscopy (PS3.3 A.36.3) and raw data (A.37): kept, read where known, and described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import NonConformantError
from dicomlab.iod._load import Loadable, load, required
from dicomlab.safety import UNDEFINED
from dicomlab.standard import sop_class_name

MR_SPECTROSCOPY = "1.2.840.10008.5.1.4.1.1.4.2"
RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """Spectroscopy data (PS3.3 C.8.14).

    Attributes
    ----------
    values
        Complex, or real where the instance holds one component: shape (frame, row, column, point).
    domain
        Of the points: ``"TIME"`` or ``"FREQUENCY"``.
    spectral_width_hz
        (0018,9052).
    transmitter_frequency_mhz
        (0018,9098).
    nuclei
        Resonant Nucleus (0018,9100).
    """

    values: NDArray[np.generic]
    domain: str
    spectral_width_hz: tuple[float, ...]
    transmitter_frequency_mhz: tuple[float, ...]
    nuclei: tuple[str, ...]


def read_spectra(what: Loadable) -> Spectra:
    """Return the data of an MR Spectroscopy instance (PS3.3 C.8.14.4).

    Raises
    ------
    UnsupportedError
        It is an instance of another class.
    NonConformantError
        There are fewer numbers than declared.
    """
    loaded = load(what)
    loaded.check_class("MR spectroscopy", MR_SPECTROSCOPY)
    header = loaded.header
    shape = tuple(
        header.integer(keyword) or 1
        for keyword in ("NumberOfFrames", "Rows", "Columns", "DataPointColumns")
    )
    points = header.integer("DataPointRows") or 1
    if points > 1:
        shape = (*shape[:3], points * shape[3])
    is_complex = header.string("DataRepresentation") == "COMPLEX"
    kind = np.dtype("<f4" if header.is_little_endian else ">f4")
    raw = required(header, "SpectroscopyData")
    needed = int(np.prod(shape)) * (2 if is_complex else 1)
    if len(raw) < needed * kind.itemsize:
        raise NonConformantError(
            f"SpectroscopyData (5600,0020) holds {len(raw)} bytes, {needed * kind.itemsize} are "
            "declared (PS3.3 C.8.14.4). Retrieve the instance again.",
            reason="truncated",
            tag=0x56000020,
            reference="PS3.3 C.8.14.4",
        )
    numbers = np.frombuffer(raw, kind, needed).astype(np.float32)
    values: NDArray[np.generic] = numbers.view(np.complex64) if is_complex else numbers
    return Spectra(
        values.reshape(shape),
        header.string("SignalDomainColumns") or "",
        header.numbers("SpectralWidth"),
        header.numbers("TransmitterFrequency"),
        header.strings("ResonantNucleus"),
    )


@dataclass(frozen=True, slots=True)
class RawDescription:
    """What can be said of data that only its maker reads.

    Attributes
    ----------
    sop_class
        Name of the class.
    creators
        Private creators, by group as the standard writes it: ``"0021"``.
    elements
        How many elements the data set has.
    private_bytes
        Bytes in private elements that say their length.
    """

    sop_class: str
    creators: Mapping[str, tuple[str, ...]]
    elements: int
    private_bytes: int


def describe_raw(what: Loadable) -> RawDescription:
    """Return what an instance of any class holds for its maker alone; nothing is interpreted."""
    loaded = load(what)
    header = loaded.header
    creators: dict[str, list[str]] = {}
    private = 0
    for tag, (_vr, _offset, length) in sorted(header.elements.items()):
        if not tag >> 16 & 1:
            continue
        if 0x10 <= tag & 0xFFFF <= 0xFF:
            creators.setdefault(f"{tag >> 16:04X}", []).append(header.text_of(tag).strip())
        elif length != UNDEFINED:
            private += length
    return RawDescription(
        sop_class_name(loaded.sop_class_uid),
        {group: tuple(names) for group, names in creators.items()},
        len(header.elements),
        private,
    )
