"""Every header of the real data is what pydicom reads: same tags, VRs and bytes at every depth."""

import logging
import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom.dataelem import RawDataElement

from dicomlab.errors import DicomlabError
from dicomlab.safety import UNDEFINED, FileBytes, read_header

REFUSED = {
    "fo-dicom__fo-dicom/Tests/FO-DICOM.Tests/Test Data/FreezePattern.dcm": (
        "truncated",
        "sequences end within items; DCMTK reads no more than the meta information (PS3.5 7.5)",
    ),
    "fo-dicom__fo-dicom/Tests/FO-DICOM.Tests/Test Data/GH179B.dcm": (
        "truncated",
        "an element has neither VR nor length, so that all after it is guessed (PS3.5 7.1)",
    ),
    "fo-dicom__fo-dicom/Tests/FO-DICOM.Tests/Test Data/GH626.dcm": (
        "truncated",
        "explicit items in an implicit data set; DCMTK stops too (PS3.5 6.2.2)",
    ),
}
"""What pydicom reads in part and we refuse: path, our reason, why that is right."""

UNLIKE = {
    "fo-dicom__fo-dicom/Tests/FO-DICOM.Tests/Test Data/GH179A.dcm": (
        "PixelPaddingValue has two spaces for a VR: DCMTK and we take its length from two bytes, "
        "pydicom from four, and loses what follows (PS3.5 7.1.2)"
    ),
}
"""What both read, but not alike: path, and why ours is right."""


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def read_with_pydicom(path):
    """Return a data set whose elements are raw, ``None`` where pydicom makes nothing of it."""
    try:
        data = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    except Exception:
        return None
    # With force=True pydicom makes elements of anything; without these it is no DICOM.
    return data if len(data) > 3 and ("SOPClassUID" in data or "SOPInstanceUID" in data) else None


def differences(header, data, where=""):
    """Yield what differs between a header and pydicom's data set, all depths."""
    mine = {tag: element for tag, element in header.elements.items() if tag >> 16 != 2}
    theirs = {int(tag): data.get_item(tag) for tag in data.keys()}  # noqa: SIM118  no dict
    theirs = {tag: one for tag, one in theirs.items() if tag < 0x7FE00008 or tag in mine}
    for tag in sorted(mine.keys() ^ theirs.keys()):
        yield f"{where}{tag:08X} is in {'ours' if tag in mine else 'theirs'} only"
    for tag in sorted(mine.keys() & theirs.keys()):
        name = f"{where}{tag:08X}"
        if header.is_sequence(tag):
            yield from unlike_items(list(header.items_of(tag)), data[tag].value, name)
        elif isinstance(theirs[tag], RawDataElement):
            yield from unlike_value(header, tag, theirs[tag], name)
        elif theirs[tag].VR == "SQ":
            yield f"{name} is a sequence in theirs only"


def unlike_items(items, sequence, name):
    if isinstance(sequence, bytes):
        yield f"{name} is a sequence in ours only"
        return
    if len(items) != len(sequence):
        yield f"{name} has {len(items)} items, {len(sequence)} in theirs"
    for number, (item, other) in enumerate(zip(items, sequence, strict=False)):
        yield from differences(item, other, f"{name}[{number}].")


def unlike_value(header, tag, theirs, name):
    vr, _offset, length = header.elements[tag]
    if theirs.VR not in (None, vr, "UN"):
        yield f"{name} is {vr}, {theirs.VR} in theirs"
    if length != UNDEFINED and header.raw(tag) != (theirs.value or b""):
        yield f"{name} has other bytes"


@pytest.mark.timeout(600)
def test_headers_of_real_files_are_what_pydicom_reads(real_data: Path):
    """All that pydicom reads is read alike, or stands in the table with its reason."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    found, refused, compared = {}, {}, 0
    for path in files(real_data):
        name = str(path.relative_to(real_data))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = read_with_pydicom(path)
            try:
                with FileBytes(path) as source:
                    header = read_header(source)
            except DicomlabError as error:
                if data is not None:
                    refused[name] = getattr(error, "reason", type(error).__name__)
                continue
            if data is None:
                continue
            compared += 1
            unlike = list(differences(header, data))
            if unlike:
                found[name] = unlike

    assert refused == {name: reason for name, (reason, _why) in REFUSED.items()}
    assert found.keys() == UNLIKE.keys(), found
    assert compared > 1000
