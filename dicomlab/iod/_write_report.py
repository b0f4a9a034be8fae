"""Measurement reports written (TID 1500), on highdicom."""

from __future__ import annotations

from collections.abc import Sequence

import highdicom as hd
from pydicom import Dataset
from pydicom.sr.codedict import codes

from dicomlab.iod._codes import Code
from dicomlab.iod._origin import DICOMLAB, Equipment, Source, new_uid, source_datasets
from dicomlab.iod._report import Measurement, MeasurementGroup
from dicomlab.volume import Volume

_IMAGING_PROCEDURE = Code("363679005", "SCT", "Imaging procedure")


def write_report(
    volume: Volume,
    groups: Sequence[MeasurementGroup],
    *,
    segmentation: Dataset | None = None,
    procedure: Code = _IMAGING_PROCEDURE,
    source: Source | None = None,
    series_description: str = "Measurements",
    series_number: int = 302,
    equipment: Equipment = DICOMLAB,
) -> Dataset:
    """Return a measurement report (TID 1500) on a volume as a Comprehensive SR instance.

    Parameters
    ----------
    volume
        What was measured; its instances are the evidence.
    groups
        Measurements of one thing each. A group without tracking identifier or UID gets one.
    segmentation
        The segmentation that groups refer to with `segment`.
    procedure
        What was done: Procedure Reported.
    source
        Where the instances are, for a volume that does not know its origin.

    Returns
    -------
    Dataset
        With File Meta Information.

    Raises
    ------
    ValueError
        There is no group, a measurement lacks its value or units, or a group refers to a
        segmentation that is not given.
    """
    if not groups:
        raise ValueError("a report has one group of measurements or more")
    sources = source_datasets(volume, source)
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(
            observer_device_context=hd.sr.ObserverContext(
                observer_type=codes.DCM.Device,
                observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
                    uid=new_uid(),
                    name=equipment.manufacturer_model_name,
                    manufacturer_name=equipment.manufacturer,
                    serial_number=equipment.device_serial_number,
                ),
            )
        ),
        procedure_reported=procedure.as_pydicom,
        imaging_measurements=[
            _group(volume, group, segmentation, number) for number, group in enumerate(groups, 1)
        ],
        title=codes.DCM.ImagingMeasurementReport,
    )
    made = hd.sr.ComprehensiveSR(
        evidence=[*sources, *([segmentation] if segmentation is not None else [])],
        content=content[0],
        series_instance_uid=new_uid(),
        series_number=series_number,
        sop_instance_uid=new_uid(),
        instance_number=1,
        manufacturer=equipment.manufacturer,
        is_complete=True,
        # Not everything that was measured on is named within the tree: the volume is evidence.
        record_evidence=True,
    )
    made.SeriesDescription = series_description
    made.ManufacturerModelName = equipment.manufacturer_model_name
    made.DeviceSerialNumber = equipment.device_serial_number
    made.SoftwareVersions = equipment.software_versions
    return made


def _group(
    volume: Volume, group: MeasurementGroup, segmentation: Dataset | None, number: int
) -> hd.sr.MeasurementsAndQualitativeEvaluations:
    tracking = hd.sr.TrackingIdentifier(
        uid=group.tracking_uid or new_uid(),
        identifier=group.tracking_identifier or f"Group {number}",
    )
    options = {
        "tracking_identifier": tracking,
        "finding_type": group.finding.as_pydicom if group.finding else None,
        "finding_sites": [
            hd.sr.FindingSite(anatomic_location=site.as_pydicom) for site in group.finding_sites
        ],
        "measurements": [_measurement(one) for one in group.measurements],
        "qualitative_evaluations": [
            hd.sr.QualitativeEvaluation(name.as_pydicom, value.as_pydicom)
            for name, value in group.evaluations
        ],
    }
    if group.segment is None:
        return hd.sr.MeasurementsAndQualitativeEvaluations(**options)
    if segmentation is None or segmentation.SOPInstanceUID != group.segment.sop_instance_uid:
        raise ValueError("a group refers to a segmentation: give it as segmentation")
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=hd.sr.ReferencedSegment(
            sop_class_uid=group.segment.sop_class_uid,
            sop_instance_uid=group.segment.sop_instance_uid,
            segment_number=group.segment.segment_numbers[0],
            source_series=hd.sr.SourceSeriesForSegmentation(volume.series_instance_uid),
        ),
        **options,
    )


def _measurement(one: Measurement) -> hd.sr.Measurement:
    if one.value is None or one.units is None:
        raise ValueError(f"measurement {one.name} has no value or no units")
    return hd.sr.Measurement(
        name=one.name.as_pydicom,
        value=one.value,
        unit=one.units.as_pydicom,
        derivation=one.derivation.as_pydicom if one.derivation else None,
        method=one.method.as_pydicom if one.method else None,
    )
