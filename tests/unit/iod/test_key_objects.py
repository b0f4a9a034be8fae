"""What somebody marked comes back: which instances, where they are, and why."""

import pytest

from dicomlab import phantoms
from dicomlab.errors import UnsupportedError
from dicomlab.iod import FOR_TEACHING, read_key_objects, write_key_objects
from tests.derived import ct_series


def test_a_selection_comes_back(tmp_path):
    """Instances of a series, with their study and series, title and words."""
    series = ct_series(tmp_path, slices=4, rows=8)
    chosen = series.instances[1:3]

    found = read_key_objects(
        write_key_objects(chosen, title=FOR_TEACHING, description="See the <lesion>")
    )

    assert found.title == FOR_TEACHING
    assert found.description == "See the <lesion>"
    assert [one.sop_instance_uid for one in found.objects] == [one.uid for one in chosen]
    assert {one.series_instance_uid for one in found.objects} == {series.uid}
    assert {one.study_instance_uid for one in found.objects} == {series["StudyInstanceUID"]}
    assert found.objects[0].sop_class_uid == "1.2.840.10008.5.1.4.1.1.2"


def test_mistakes_are_told():
    """Nothing selected, two studies, another class."""
    one = next(phantoms.thorax_ct(slices=1, rows=8))
    other = next(phantoms.thorax_ct(slices=1, rows=8, seed=1))
    with pytest.raises(ValueError, match="one study"):
        write_key_objects([])
    with pytest.raises(ValueError, match="one study"):
        write_key_objects([one, other])
    with pytest.raises(UnsupportedError, match="key object"):
        read_key_objects(one)
