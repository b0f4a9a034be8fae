"""Spectra are read as complex numbers; raw data is kept and described."""

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomlab.errors import NonConformantError
from dicomlab.iod import describe_raw, read_spectra


def spectroscopy(values, representation="COMPLEX"):
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4.2", "2.25.1"
    made.StudyInstanceUID, made.SeriesInstanceUID = "2.25.2", "2.25.3"
    made.NumberOfFrames, made.Rows, made.Columns = values.shape[:3]
    made.DataPointRows, made.DataPointColumns = 1, values.shape[3]
    made.DataRepresentation, made.SignalDomainColumns = representation, "TIME"
    made.SpectralWidth, made.TransmitterFrequency = 2000.0, 127.7
    made.ResonantNucleus = "1H"
    made.SpectroscopyData = values.tobytes()
    return made


def test_complex_points_come_back():
    """Real and imaginary parts follow one another (PS3.3 C.8.14.4)."""
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(1, 2, 3, 16)) + 1j * rng.normal(size=(1, 2, 3, 16))).astype("c8")

    found = read_spectra(spectroscopy(values))

    np.testing.assert_array_equal(found.values, values)
    assert (found.domain, found.spectral_width_hz, found.nuclei) == ("TIME", (2000.0,), ("1H",))
    real = read_spectra(spectroscopy(values.real.copy(), "REAL"))
    np.testing.assert_array_equal(real.values, values.real)
    broken = spectroscopy(values)
    broken.DataPointColumns = 17
    with pytest.raises(NonConformantError, match="declared"):
        read_spectra(broken)


def test_raw_data_is_described():
    """Who made it and how much there is, nothing of what it means."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.66", "2.25.1"
    made.StudyInstanceUID, made.SeriesInstanceUID = "2.25.2", "2.25.3"
    made.add_new(0x00210010, "LO", "ACME")
    made.add_new(0x00211001, "OB", bytes(100))

    found = describe_raw(made)

    assert found.sop_class == "Raw Data Storage"
    assert found.creators == {"0021": ("ACME",)}
    assert (found.elements, found.private_bytes) == (6, 100)
