"""A result of a computation goes back to DICOM in one call, and opens as what it is."""

import itk
import numpy as np
import pytest

from dicomlab import phantoms
from dicomlab.catalog import Instance, Query
from dicomlab.errors import GeometryError, UnsupportedError
from dicomlab.iod import (
    Code,
    Measurement,
    MeasurementGroup,
    Report,
    Segmentation,
    StructureSet,
    read_object,
    read_segmentation,
)
from dicomlab.media import open_folder
from dicomlab.volume import Volume
from tests.derived import ct_volume, series_of


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    return ct_volume(tmp_path_factory.mktemp("ct"))


def test_a_dask_computation_becomes_each_kind_of_object(volume, tmp_path):
    """One call each; a folder of them opens as what the classes say."""
    mask = volume.array > 0
    measured = MeasurementGroup((Measurement(Code("1", "99X", "n"), 1.0, Code("1", "UCUM", "1")),))
    made = (
        volume.to_segmentation(mask, ["Body"]),
        volume.to_structure_set({"Body": mask}),
        volume.to_parametric_map(volume.array * 0.5, series_description="Half"),
        volume.to_report([measured]),
    )
    for number, one in enumerate(made):
        one.save_as(tmp_path / str(number), enforce_file_format=True)

    source = open_folder(tmp_path)
    found = {record["Modality"]: record for record in source.records(Query("image"))}

    kinds = {kind: Instance(source, record).read() for kind, record in found.items()}
    assert isinstance(kinds["SEG"], Segmentation)
    assert isinstance(kinds["RTSTRUCT"], StructureSet)
    assert isinstance(kinds["SR"], Report)
    (values,) = (one for one in kinds.values() if isinstance(one, Volume))
    np.testing.assert_allclose(values.compute(), volume.compute() * 0.5)
    np.testing.assert_array_equal(kinds["SEG"].labels(volume).compute(), mask.compute())
    np.testing.assert_array_equal(kinds["RTSTRUCT"].mask("Body", volume).compute(), mask.compute())


def test_an_itk_image_becomes_a_segmentation(volume):
    """On the volume's grid it is taken; elsewhere it is refused, not shifted."""
    image = volume.to_itk()
    inside = itk.array_from_image(image) >= 0
    threshold = itk.image_from_array(inside.astype(np.uint8))
    threshold.CopyInformation(image)

    found = read_segmentation(volume.to_segmentation(threshold)).labels(volume).compute()

    np.testing.assert_array_equal(found, volume.compute() >= 0)
    threshold.SetOrigin([0.0, 0.0, 0.0])
    with pytest.raises(GeometryError, match="ITK"):
        volume.to_segmentation(threshold)


@pytest.mark.parametrize("make", [phantoms.thorax_ct, phantoms.thorax_pet, phantoms.head_mr])
def test_a_derived_series_is_a_volume_again(tmp_path, make):
    """Whole numbers as they are, others within half a step; each slice names its source."""
    phantoms.write(make(slices=4, rows=16), tmp_path / "source")
    volume = series_of(tmp_path / "source").volume()
    exact = (np.arange(volume.grid.shape[0] * 256).reshape(volume.shape) - 100) * 3
    if make is phantoms.thorax_pet:
        exact += 300

    for name, values, tolerance in (("whole", exact, 0), ("real", exact / 7, 220 / 32767)):
        made = list(volume.to_series(values, description="Computed"))
        phantoms.write(made, tmp_path / name)
        found = series_of(tmp_path / name).volume()
        assert np.abs(found.compute() - values).max() <= tolerance
        assert found.grid.agrees_with(volume.grid)
        assert found.units == volume.units
        assert (
            made[1].SourceImageSequence[0].ReferencedSOPInstanceUID == volume.sop_instance_uids[1]
        )
        assert made[0].ImageType[0] == "DERIVED"
        assert len({one.SOPInstanceUID for one in made} | set(volume.sop_instance_uids)) == 8


def test_what_cannot_go_back_is_told(volume, tmp_path):
    """Not finite, another shape, a class of many frames, an image read as an object."""
    with pytest.raises(ValueError, match="finite"):
        list(volume.to_series(np.full(volume.shape, np.nan), description="x"))
    with pytest.raises(ValueError, match="shape"):
        volume.to_series(np.zeros((1, 2, 3)), description="x")
    phantoms.write(phantoms.enhanced_ct(slices=3, rows=16), tmp_path)
    enhanced = series_of(tmp_path).volume()
    with pytest.raises(UnsupportedError, match="parametric map"):
        enhanced.to_series(np.zeros(enhanced.shape), description="x")
    with pytest.raises(UnsupportedError, match="no derived object"):
        read_object(next(phantoms.thorax_ct(slices=1, rows=8)))
