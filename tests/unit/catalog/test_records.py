"""Records of all levels are made from what instances say."""

import io

import pytest
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from dicomlab.catalog import JsonAttributes, Query, dicom_json, instance_record, summarise, value_of
from dicomlab.safety import read_header
from dicomlab.standard import AGGREGATES, ITEM_KEYS, LEVEL_KEYS, Level, attribute


def header(**values):
    """Return the header of a data set that pydicom wrote."""
    data = Dataset()
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    for keyword, value in values.items():
        setattr(data, keyword, value)
    buffer = io.BytesIO()
    dcmwrite(buffer, data, implicit_vr=False, little_endian=True)
    return read_header(buffer.getvalue())


def rows(*instances):
    return [instance_record(header(**instance)) for instance in instances]


def instance(number, *, study="1", series="1.1", **more):
    return {
        "SOPInstanceUID": f"1.9.{number}",
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
        "InstanceNumber": number,
        "PatientID": "P",
    } | more


def test_values_are_pythons_own():
    """Text, whole numbers, decimals, several values, no value, and the items of a sequence."""
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "77477000", "SCT"

    record = instance_record(
        header(
            SeriesNumber="7",
            PatientWeight="70.5",
            ImageType=["ORIGINAL", "", "AXIAL"],
            Rows=512,
            StudyDate="20240229",
            AccessionNumber="",
            ProcedureCodeSequence=[code],
        )
    )

    assert record["SeriesNumber"] == 7
    assert isinstance(record["SeriesNumber"], int)
    assert record["PatientWeight"] == 70.5
    assert record["ImageType"] == ("ORIGINAL", "", "AXIAL")
    assert record["Rows"] == 512
    assert record["StudyDate"] == "20240229"
    assert record["AccessionNumber"] is None
    assert record["StudyID"] is None
    assert record["ProcedureCodeSequence"][0]["CodeValue"] == "77477000"


@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning")  # pydicom's, on what we write
def test_a_number_that_is_none_stays_text():
    """One bad weight does not hide a study."""
    raw = header(PatientWeight="70").buffer.replace(b"DS\x02\x0070", b"DS\x04\x0070kg")

    assert value_of(read_header(raw), "PatientWeight") == "70kg"


@pytest.mark.parametrize("written", ["NaN", "inf", "-1e999"])
def test_a_number_without_an_end_stays_text(written):
    """JSON and tables have no such numbers: a record holds what was written."""
    data = header(SeriesNumber="1")
    data = read_header(data.buffer + b"\x10\x00\x30\x10DS\x06\x00" + written.ljust(6).encode())

    assert value_of(data, "PatientWeight") == written


def test_a_study_counts_what_lies_below():
    """Modalities, SOP classes, series and instances are counted, not read."""
    found = summarise(
        rows(
            instance(1, Modality="PT"),
            instance(2, Modality="PT"),
            instance(3, series="1.2", Modality="CT", SeriesNumber=2),
            instance(4, study="2", series="2.1", Modality="MR"),
        )
    )

    first, second = found[Level.STUDY]
    assert first["ModalitiesInStudy"] == ("CT", "PT")
    assert (first["NumberOfStudyRelatedSeries"], first["NumberOfStudyRelatedInstances"]) == (2, 3)
    assert second["ModalitiesInStudy"] == ("MR",)
    assert [row["NumberOfSeriesRelatedInstances"] for row in found[Level.SERIES]] == [2, 1, 1]
    assert found[Level.PATIENT][0]["NumberOfPatientRelatedInstances"] == 4
    assert len(found[Level.IMAGE]) == 4


def test_instances_are_put_together_alike_however_they_are_asked_for():
    """One by one, in parts and in turn; what the series says of both stands in each."""
    images = summarise(
        rows(instance(1, StudyDescription="first"), instance(2, StudyDescription="second"))
    )[Level.IMAGE]

    assert [images[0], images[-1]] == images[:] == list(images)
    assert [row["StudyDescription"] for row in images] == ["first", "first"]
    assert [row["NumberOfSeriesRelatedInstances"] for row in images[:1]] == [2]


def test_one_id_of_two_issuers_is_two_patients():
    """Patient identity is the ID and its issuer."""
    found = summarise(
        rows(
            instance(1, IssuerOfPatientID="A"),
            instance(2, study="2", series="2.1", IssuerOfPatientID="B"),
            instance(3, study="3", series="3.1", IssuerOfPatientID="A"),
        )
    )

    assert [row["NumberOfPatientRelatedStudies"] for row in found[Level.PATIENT]] == [2, 1]


def test_no_id_is_not_one_and_the_same_patient():
    """Without an ID, name and birth date tell patients apart."""
    found = summarise(
        rows(
            instance(1, PatientID="", PatientName="Doe^Jane"),
            instance(2, study="2", series="2.1", PatientID="", PatientName="Doe^John"),
        )
    )

    assert len(found[Level.PATIENT]) == 2


def test_contradictions_are_settled_the_same_in_any_order():
    """The smallest SOP Instance UID speaks for the study; where it is silent, the next does."""
    instances = rows(
        instance(1, StudyDescription="first", PatientWeight=None),
        instance(2, StudyDescription="second", PatientWeight="70"),
        instance(3, StudyDescription="third", PatientWeight="80"),
    )

    for order in (instances, instances[::-1]):
        study = summarise(order)[Level.STUDY][0]
        assert (study["StudyDescription"], study["PatientWeight"]) == ("first", 70.0)


def test_records_of_a_level_hold_its_keywords_and_those_above():
    """What a query lists is what a record holds."""
    found = summarise(rows(instance(1)))

    for level in Level:
        assert set(Query(level).keywords) <= set(found[level][0])


def test_a_header_and_its_json_give_the_same_record():
    """An index may keep the JSON instead of the file."""
    values = instance(1, PatientName="Yamada^Tarou=山田^太郎", SpecificCharacterSet="ISO_IR 192")
    read = header(**values, PatientWeight="70.5", ImageType=["DERIVED", ""], Rows=3)

    assert instance_record(JsonAttributes(dicom_json(read))) == instance_record(read)


def test_every_level_key_is_in_the_dictionary():
    """The tables of keys hold no slip of the pen, and no key on two levels."""
    keys = [key for level in Level for key in LEVEL_KEYS[level]]

    assert len(keys) == len(set(keys))
    assert all(attribute(key).vr for key in keys)
    assert set(keys) >= AGGREGATES
    assert set(ITEM_KEYS) == {key for key in keys if attribute(key).vr == "SQ"}
