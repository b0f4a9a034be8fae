"""A header is read without pydicom, and says the same as pydicom."""

import pytest

from dicomlab.errors import NonConformantError
from dicomlab.safety import read_header


def test_an_empty_file_is_not_dicom():
    """Nothing is not DICOM, and the error says so by code."""
    with pytest.raises(NonConformantError) as caught:
        read_header(b"")

    assert caught.value.reason == "not-dicom"
