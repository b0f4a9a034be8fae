"""Reports: measurements to a table and back, any tree as an escaped document."""

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomlab import phantoms
from dicomlab.errors import UnsupportedError
from dicomlab.iod import (
    Code,
    InstanceReference,
    Measurement,
    MeasurementGroup,
    read_report,
    write_report,
    write_segmentation,
)
from tests.derived import ct_volume

VOLUME = Code("118565006", "SCT", "Volume")
MEAN = Code("373098007", "SCT", "Mean")
CM3, HU = Code("cm3", "UCUM", "cubic centimeter"), Code("[hnsf'U]", "UCUM", "Hounsfield unit")
ATTENUATION = Code("112031", "DCM", "Attenuation Coefficient")
LUNG = Code("39607008", "SCT", "Lung")


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    return ct_volume(tmp_path_factory.mktemp("ct"))


def test_measurements_come_back(volume):
    """Groups with their segment, codes and units; the table shows them a row each."""
    segmentation = write_segmentation(volume, np.ones(volume.shape, np.uint8), ["Lung"])
    segment = InstanceReference(
        segmentation.SOPClassUID, segmentation.SOPInstanceUID, segment_numbers=(1,)
    )
    given = [
        MeasurementGroup(
            (
                Measurement(VOLUME, 4321.5, CM3),
                Measurement(ATTENUATION, -812.25, HU, derivation=MEAN),
            ),
            tracking_identifier="lung 1",
            tracking_uid="2.25.77",
            finding=LUNG,
            finding_sites=(Code("51185008", "SCT", "Thorax"),),
            segment=segment,
        ),
        MeasurementGroup((Measurement(VOLUME, 3.0, CM3),), "other", "2.25.78"),
    ]

    read = read_report(write_report(volume, given, segmentation=segmentation))
    table = read.to_dataframe()

    assert [group.measurements for group in read.groups] == [one.measurements for one in given]
    assert read.groups[0].segment.sop_instance_uid == segmentation.SOPInstanceUID
    assert read.groups[0].segment.segment_numbers == (1,)
    assert read.groups[0].finding == LUNG
    assert read.groups[0].finding_sites == given[0].finding_sites
    assert table.value.tolist() == [4321.5, -812.25, 3.0]
    assert table.units.tolist() == ["cm3", "[hnsf'U]", "cm3"]
    assert table.group.tolist() == [1, 1, 2]
    assert table.derivation[1] == "Mean"
    assert table.tracking_identifier.tolist() == ["lung 1", "lung 1", "other"]
    assert table.segment_number[0] == 1
    assert table.loc[2, ["finding", "derivation"]].isna().all()


def test_a_report_refers_to_what_was_measured(volume):
    """The instances of the volume are its evidence, the study is theirs."""
    made = write_report(volume, [MeasurementGroup((Measurement(VOLUME, 1.0, CM3),))])

    sequences = ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
    found = {
        instance.ReferencedSOPInstanceUID
        for sequence in sequences
        for study in made.get(sequence, [])
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }
    assert found == set(volume.sop_instance_uids)
    assert made.StudyInstanceUID == volume.study_instance_uid
    with pytest.raises(ValueError, match="segmentation"):
        write_report(volume, [MeasurementGroup((), segment=InstanceReference("1", "2", (), (1,)))])
    with pytest.raises(ValueError, match="no value"):
        write_report(volume, [MeasurementGroup((Measurement(VOLUME, None, CM3),))])
    with pytest.raises(ValueError, match="one group"):
        write_report(volume, [])


def item(kind, relationship="CONTAINS", name="Name", **values):
    made, concept = Dataset(), Dataset()
    made.ValueType, made.RelationshipType = kind, relationship
    concept.CodeValue, concept.CodingSchemeDesignator, concept.CodeMeaning = "1", "99X", name
    made.ConceptNameCodeSequence = [concept]
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def report(*children):
    made = item("CONTAINER", name="<b>Title</b>")
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.33", "2.25.1"
    made.StudyInstanceUID, made.SeriesInstanceUID = "2.25.2", "2.25.3"
    made.PatientName = "Doe<script>^Jane^^Dr^MD"
    made.ContentSequence = list(children)
    return made


def test_every_text_is_escaped():
    """What a sender wrote is shown, never run."""
    evil = '<script>alert("x")</script>&\n<img src=x onerror=y>'
    children = [
        item("TEXT", TextValue=evil, name=evil),
        item("PNAME", PersonName="<i>^x"),
        item("CODE", name="' onclick='x"),
        item("DATE", Date="20240131"),
        item("DATETIME", DateTime="20240131235959.5"),
    ]

    shown = read_report(report(*children)).to_html()

    assert "<script" not in shown.replace("<style>", "")
    assert "<img" not in shown
    assert "<i>" not in shown
    assert "' onclick" not in shown
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;<br>&lt;img" in shown
    assert "&lt;b&gt;Title&lt;/b&gt;" in shown
    assert "Dr Jane Doe&lt;script&gt;, MD" in shown
    assert "2024-01-31 23:59:59.5" in shown


def test_numbers_without_a_group_are_rows_too():
    """Dose and CAD reports have their own templates: each number with the headings above it."""
    value, units = Dataset(), Dataset()
    value.NumericValue = "12.5"
    units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = "mGy", "UCUM", "mGy"
    value.MeasurementUnitsCodeSequence = [units]
    number = item("NUM", name="CTDIvol", MeasuredValueSequence=[value])
    without = item("NUM", name="DLP", MeasuredValueSequence=[])
    section = item("CONTAINER", name="Irradiation Event", ContentSequence=[number, without])

    table = read_report(report(section)).to_dataframe()

    assert table.name.tolist() == ["CTDIvol", "DLP"]
    assert table.value[0] == 12.5
    assert np.isnan(table.value[1])
    assert table.section.tolist() == ["Irradiation Event"] * 2
    assert table.group.isna().all()


def test_other_instances_are_no_reports():
    """A CT is told from a report before anything else."""
    with pytest.raises(UnsupportedError, match="no structured report"):
        read_report(next(phantoms.thorax_ct(slices=1, rows=8)))
