"""Headers laid out alike are recognised, and read as the walk would read them."""

from __future__ import annotations

from io import BytesIO
from random import Random

import pydicom
import pytest

from dicomlab import phantoms
from dicomlab.errors import DicomlabError
from dicomlab.safety import Bounds, _layout, read_header
from tests.hostile.mutate import changed


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_layout, "_known", {})
    monkeypatch.setattr(_layout, "_met", set())


def slices(uid: str = "1.2.840.10008.1.2.1") -> list[bytes]:
    made = phantoms.thorax_ct(slices=9, rows=16, transfer_syntax_uid=uid)
    return [encoded(one) for one in made]


def encoded(data: pydicom.Dataset) -> bytes:
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


def said(data: bytes) -> object:
    """Return all that reading gives, or the refusal."""
    try:
        header = read_header(data)
    except DicomlabError as error:
        return type(error), str(error)
    values = [header.raw(tag) for tag in header.elements]
    return (header.elements, values, header.pixel_data, header.findings, header.buffer,
            header.transfer_syntax_uid, header.is_little_endian)  # fmt: skip


def plainly_said(data: bytes) -> object:
    """Return the same of the walk alone."""
    known = _layout._known
    _layout._known = {}
    try:
        return said(data)
    finally:
        _layout._known = known


def test_the_third_of_a_series_shares_the_table_of_the_second() -> None:
    """The first shows that there is one, the second is kept."""
    first, second, third = (read_header(data) for data in slices()[:3])

    assert third.elements is second.elements
    assert first.elements is not second.elements
    assert first.string("SOPInstanceUID") != third.string("SOPInstanceUID")


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"])
def test_what_is_implicit_or_deflated_is_always_walked(uid: str) -> None:
    """The bytes before a value do not tell its VR, or are not those of the file."""
    for data in slices(uid):
        read_header(data)

    assert not _layout._known


def test_a_layout_has_no_more_elements_than_are_allowed() -> None:
    """What was read with other bounds tells nothing of these."""
    for data in slices():
        read_header(data)

    with pytest.raises(DicomlabError, match="more than 20 elements"):
        read_header(slices()[0], bounds=Bounds(elements=20))


@pytest.mark.parametrize("seed", range(40))
def test_changed_files_read_the_same_with_and_without_known_layouts(seed: int) -> None:
    """Bytes changed anywhere: in tags, lengths, VRs, values, the preamble, or cut off."""
    originals = slices()
    for data in originals:
        read_header(data)
    random = Random(seed)

    for _ in range(25):
        data = changed(random.choice(originals), originals, random)
        assert said(data) == plainly_said(data)


def test_one_byte_of_each_head_tells_layouts_apart() -> None:
    """Every tag, VR and length of a known layout, changed alone."""
    originals = slices()
    for data in originals:
        read_header(data)
    original = originals[-1]
    header = read_header(original)
    for _vr, value, _length in header.elements.values():
        for back in range(1, 9):
            data = bytearray(original)
            data[value - back] ^= 1
            assert said(bytes(data)) == plainly_said(bytes(data))


def test_values_are_those_of_pydicom() -> None:
    """All of a series, most by layouts that are known."""
    for data in slices():
        header = read_header(data)
        expected = pydicom.dcmread(BytesIO(data))
        assert header.string("SOPInstanceUID") == expected.SOPInstanceUID
        assert header.numbers("ImagePositionPatient") == tuple(expected.ImagePositionPatient)
        assert header.numbers("PixelSpacing") == tuple(expected.PixelSpacing)
