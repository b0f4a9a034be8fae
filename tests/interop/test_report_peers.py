"""Reports say what DCMTK's dsrdump and dsr2html say, and dciodvfy finds ours valid."""

import html
import re

import highdicom as hd
import pytest

from dicomlab.errors import DicomlabError
from dicomlab.iod import (
    Code,
    InstanceReference,
    Measurement,
    MeasurementGroup,
    load,
    read_report,
    write_report,
    write_segmentation,
)
from tests.derived import ct_volume, findings

VOLUME, CM3 = Code("118565006", "SCT", "Volume"), Code("cm3", "UCUM", "cubic centimeter")


def reports(real_data):
    """Return every structured report of the real data that passes the border."""
    found = []
    for path in sorted(real_data.rglob("*")):
        if not path.is_file() or path.stat().st_size > 2_000_000:
            continue
        if b"1.2.840.10008.5.1.4.1.1.88." not in path.read_bytes()[:4096]:
            continue
        try:
            if load(path).sop_class_uid.startswith("1.2.840.10008.5.1.4.1.1.88."):
                found.append(path)
        except DicomlabError:
            continue
    return found


def words(text):
    return set(re.findall(r"[^\W_]+", text.lower()))


def shown(path):
    """Return the words of our document, codes in its tags too, entities undone."""
    return words(html.unescape(read_report(path).to_html()))


OWN_WORDS = words("""
    html generator OFFIS DCMTK 3.6.7 dicom SR document this page was generated from a structured
    reporting by Patient male female other Referring Physician Manufacturer Completion Flag
    Verification Content Date Time Preliminary Series Study Patient ID Observation Context
    Acquisition Concept Modifier Properties Inferred Selected view code using not UID observer
    footnote details on the following can be found in appendix pixel graphic data type points
    annex for more multiple can coordinates numeric value qualifier frame image object number
    verifying verified see reference spatial
""")


def test_every_word_of_dsr2html_is_in_our_document(peers, real_data):
    """Texts, names, codes, numbers: nothing that the other document says is missing from ours."""
    compared, missing = 0, {}
    for path in reports(real_data):
        done = peers.run("dsr2html", "+Rd", "-Ei", "-Er", "-Ec", path, check=False)
        if done.returncode:
            continue
        declared = re.search(rb"charset=([\w-]+)", done.stdout)
        page = done.stdout.decode(declared[1].decode() if declared else "ascii", "replace")
        theirs = html.unescape(re.sub(r"<[^>]*>", " ", page.partition("<body>")[2]))
        absent = {one for one in words(theirs) - shown(path) - OWN_WORDS if not one.isdigit()}
        if absent:
            missing[path.name] = sorted(absent)
        compared += 1

    assert missing == {}
    assert compared >= 12


def test_the_tree_has_the_items_of_dsrdump(peers, real_data):
    """As many of each type, with the same concept names."""
    compared = 0
    for path in reports(real_data):
        done = peers.run("dsrdump", "-Ei", "-Er", "-Ec", path, check=False)
        if done.returncode or b"Skipping invalid" in done.stderr:
            continue  # DCMTK drops a container's rest after a text without value; we show it.
        lines = re.findall(
            r'^ *<(?:[a-z ]*? )?([A-Z0-9]+):\(,,"(.*?)"\)',
            done.stdout.decode("latin-1"),
            re.MULTILINE,
        )
        mine = [
            (item.value_type, item.concept.meaning)
            for item in read_report(path).root.walk()
            if item.concept is not None and item.value_type and item.concept.meaning.isascii()
        ]
        theirs = [(kind, name) for kind, name in lines if name.isascii()]
        assert sorted(mine) == sorted(theirs), path.name
        compared += 1

    assert compared >= 12


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    return ct_volume(tmp_path_factory.mktemp("ct"))


@pytest.mark.smoke
def test_our_report_has_no_finding(peers, volume, tmp_path):
    """Groups with and without a segment; dsrdump reads it without complaint."""
    labels = (volume.compute() > 0).astype("uint8")
    segmentation = write_segmentation(volume, labels, ["Tissue"])
    segment = InstanceReference(
        segmentation.SOPClassUID, segmentation.SOPInstanceUID, segment_numbers=(1,)
    )

    made = write_report(
        volume,
        [
            MeasurementGroup((Measurement(VOLUME, 12.5, CM3),), "a", segment=segment),
            MeasurementGroup((Measurement(VOLUME, 1.5, CM3),), "b"),
        ],
        segmentation=segmentation,
    )

    assert findings(peers, made, tmp_path / "sr.dcm") == []
    said = peers.run("dsrdump", tmp_path / "sr.dcm").stdout.decode()
    assert 'NUM:(,,"Volume")="12.5"' in said


def test_highdicom_reads_our_groups(volume, tmp_path):
    """By its own template reader: groups and their measurements."""
    groups = [MeasurementGroup((Measurement(VOLUME, 12.5, CM3),), "a", "2.25.5")]
    write_report(volume, groups).save_as(tmp_path / "sr.dcm")

    read = hd.sr.srread(tmp_path / "sr.dcm")

    (group,) = read.content.get_image_measurement_groups()
    (measurement,) = group.get_measurements()
    assert group.tracking_uid == "2.25.5"
    assert measurement.value == 12.5
    assert measurement.unit.value == "cm3"


def test_real_measurement_groups_are_those_of_highdicom(real_data):
    """TID 1500 by somebody else: as many groups, the same numbers."""
    folder = real_data / "ImagingDataCommons__highdicom/data/test_files"
    for name in ("sr_document.dcm", "sr_document_with_multiple_groups.dcm"):
        theirs = hd.sr.srread(folder / name).content
        expected = [
            [(one.name.meaning, one.value) for one in group.get_measurements()]
            for get in (
                theirs.get_planar_roi_measurement_groups,
                theirs.get_volumetric_roi_measurement_groups,
                theirs.get_image_measurement_groups,
            )
            for group in get()
        ]
        mine = [
            [(one.name.meaning, one.value) for one in group.measurements]
            for group in read_report(folder / name).groups
        ]
        assert sorted(mine) == sorted(expected)
        assert mine
