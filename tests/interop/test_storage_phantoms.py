"""An instance of every storage class of the register can be made, and dciodvfy finds it valid."""

import csv
import re
from pathlib import Path

import pytest

from dicomlab import phantoms
from tests.derived import findings

ROWS = Path(__file__).parents[2] / "requirements.csv"
NOT_MADE = {
    "1.2.840.10008.5.1.4.1.1.130": "Enhanced PET",
    "1.2.840.10008.5.1.4.1.1.4.2": "MR Spectroscopy",
}
"""Classes of the register that no phantom is made of yet."""
RETIRED = {
    "1.2.840.10008.5.1.4.1.1.6": "ultrasound image",
    "1.2.840.10008.5.1.4.1.1.3": "ultrasound multi-frame image",
    "1.2.840.10008.5.1.4.1.1.129": "standalone PET curve",
}
"""Classes that dciodvfy does not know any more."""
CONTRADICTED = re.compile(
    # dciodvfy 2022 asks for these where they are absent and forbids them where they are present.
    r"(XRayTubeCurrentInmA|ExposureTimeInms|ExposureInmAs).*condition unsatisfied"
    # PS3.3 C.8.19.2 has it.
    r"|Unrecognized defined term = <SINGLE PLANE>"
    # What raw data is for.
    r"|Unrecognized tag - assuming explicit value representation"
)


def of_the_register():
    """Return the SOP Class UIDs of rows S-001 to S-064."""
    with ROWS.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if "S-001" <= row["id"] <= "S-064"]
    found = set()
    for row in rows:
        # S-048 prints another class's UID first and says so (REQUIREMENTS Z1).
        found.add(re.findall(r"1\.2\.840\.10008\.5[.\d]+\d", row["requirement"])[-1])
    return found


def test_every_class_of_the_register_is_made_or_named():
    """None is forgotten, none is named for nothing."""
    made = set(phantoms.storage_classes())

    assert of_the_register() - made == set(NOT_MADE)
    assert len(of_the_register()) == 64


@pytest.mark.parametrize("uid", sorted(set(phantoms.storage_classes()) - set(RETIRED)))
def test_an_instance_has_no_finding(peers, tmp_path, uid):
    """Neither error nor warning, but for what dciodvfy itself gets wrong."""
    made = phantoms.storage_instance(uid)

    found = findings(peers, made, tmp_path / "made.dcm")

    assert [line for line in found if not CONTRADICTED.search(line)] == []


@pytest.mark.parametrize("uid", sorted(RETIRED))
def test_a_retired_class_is_read_by_dcmtk(peers, tmp_path, uid):
    """DCMTK parses it whole."""
    path = tmp_path / "made.dcm"
    phantoms.storage_instance(uid).save_as(path, enforce_file_format=True)

    said = peers.run("dcmdump", path).stdout.decode()

    assert "SOPClassUID" in said
