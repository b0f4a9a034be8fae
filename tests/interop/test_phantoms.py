"""Phantoms are what the standard says, by the word of other implementations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from dicomlab import phantoms
from tests.peers import Peers

Make = Callable[..., Iterator[Dataset]]

OBJECTS: dict[str, tuple[Make, dict[str, int]]] = {
    "ct": (phantoms.thorax_ct, {"slices": 2, "rows": 40}),
    "pet": (phantoms.thorax_pet, {"slices": 2, "rows": 40}),
    "mr": (phantoms.head_mr, {"slices": 2, "rows": 40}),
    "mr-dual-echo": (phantoms.head_mr, {"slices": 1, "rows": 40, "echoes": 2}),
    "enhanced-ct": (phantoms.enhanced_ct, {"slices": 3, "rows": 40}),
    "ultrasound": (phantoms.colour, {"frames": 3, "rows": 40}),
    "ultrasound-by-plane": (
        phantoms.colour,
        {"frames": 3, "rows": 40, "planar_configuration": 1},
    ),
}
DECODERS = {
    "1.2.840.10008.1.2.4.70": "dcmdjpeg",
    "1.2.840.10008.1.2.4.80": "dcmdjpls",
    "1.2.840.10008.1.2.5": "dcmdrle",
}
NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
KINDS = ("ct", "pet", "enhanced-ct", "ultrasound")


def findings(peers: Peers, path: Path) -> list[str]:
    """Return what dciodvfy has to say beside the name of the object."""
    said = peers.run("dciodvfy", "-new", path, check=False).stderr.decode()
    return [line for line in said.splitlines() if line.startswith(("Error", "Warning"))]


def check_clean(peers: Peers, kind: str, folder: Path) -> None:
    """Assert that dciodvfy knows each object and finds neither error nor warning."""
    make, size = OBJECTS[kind]
    for path in phantoms.write(make(**size), folder):
        assert findings(peers, path) == []


@pytest.mark.smoke
def test_a_ct_has_no_finding(peers: Peers, tmp_path: Path):
    """The commonest object keeps every rule that dciodvfy knows."""
    check_clean(peers, "ct", tmp_path)


@pytest.mark.parametrize("kind", OBJECTS)
def test_dciodvfy_has_nothing_to_say(peers: Peers, tmp_path: Path, kind: str):
    """Every phantom keeps the rules of its object: no errors, no warnings."""
    check_clean(peers, kind, tmp_path)


def test_dciodvfy_would_say_it(peers: Peers, tmp_path: Path):
    """The check can fail: an object without a type 1 attribute has a finding."""
    path, *_ = phantoms.write(
        phantoms.thorax_ct(slices=1, rows=8, ImageOrientationPatient=None), tmp_path
    )

    assert any("ImageOrientationPatient" in line for line in findings(peers, path))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transfer_syntax_uid", DECODERS)
def test_dcmtk_decodes_compressed_pixels_bit_for_bit(
    peers: Peers, tmp_path: Path, kind: str, transfer_syntax_uid: str
):
    """What DCMTK makes of a compressed phantom are the pixels of the native one."""
    make, size = OBJECTS[kind]
    path, *_ = phantoms.write(make(**size, transfer_syntax_uid=transfer_syntax_uid), tmp_path)

    peers.run(DECODERS[transfer_syntax_uid], path, tmp_path / "native.dcm")

    decoded = dcmread(tmp_path / "native.dcm")
    native = next(make(**size))
    assert dcmread(path).file_meta.TransferSyntaxUID == transfer_syntax_uid
    assert decoded.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    np.testing.assert_array_equal(decoded.pixel_array, native.pixel_array)


@pytest.mark.parametrize("kind", KINDS)
def test_gdcm_decodes_jpeg_2000_bit_for_bit(peers: Peers, tmp_path: Path, kind: str):
    """DCMTK has no JPEG 2000 decoder; GDCM's pixels are those of the native object."""
    make, size = OBJECTS[kind]
    path, *_ = phantoms.write(make(**size, transfer_syntax_uid="1.2.840.10008.1.2.4.90"), tmp_path)

    peers.run("gdcmconv", "--raw", path, tmp_path / "native.dcm")

    np.testing.assert_array_equal(
        dcmread(tmp_path / "native.dcm").pixel_array, next(make(**size)).pixel_array
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transfer_syntax_uid", NATIVE)
def test_dcmtk_reads_other_native_encodings(
    peers: Peers, tmp_path: Path, kind: str, transfer_syntax_uid: str
):
    """Implicit, deflated and big endian objects, rewritten by DCMTK, are the same object."""
    make, size = OBJECTS[kind]
    path, *_ = phantoms.write(make(**size, transfer_syntax_uid=transfer_syntax_uid), tmp_path)

    peers.run("dcmconv", "+te", path, tmp_path / "explicit.dcm")

    rewritten = dcmread(tmp_path / "explicit.dcm")
    native = next(make(**size))
    np.testing.assert_array_equal(rewritten.pixel_array, native.pixel_array)
    assert rewritten.to_json_dict().keys() == native.to_json_dict().keys()
    assert rewritten.SOPInstanceUID == native.SOPInstanceUID


@pytest.mark.parametrize(
    ("character_set", "name"),
    [("ISO_IR 192", "Wang^XiaoDong=王^小东"), ("ISO_IR 100", "Buc^Jérôme")],
)
def test_names_in_other_scripts_reach_dcmtk(
    peers: Peers, tmp_path: Path, character_set: str, name: str
):
    """A name that the caller asks for is encoded in the character set that the caller asks for."""
    path, *_ = phantoms.write(
        phantoms.thorax_ct(slices=1, rows=8, PatientName=name, SpecificCharacterSet=character_set),
        tmp_path,
    )

    said = peers.run("dcmdump", "+U8", "+P", "PatientName", path).stdout.decode()

    assert name in said
