"""Study, Series and Instance show themselves, and never let a name act."""

from pathlib import Path

import numpy as np
import pytest

from dicomlab import phantoms
from dicomlab.archive import Archive
from dicomlab.catalog import Instance, Query, Series, Study
from dicomlab.errors import GeometryError, NotFoundError, UnsupportedError

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def archive(tmp_path: Path):
    """Yield an archive with one small CT whose texts are hostile."""
    datasets = list(phantoms.thorax_ct(slices=4, rows=32))
    for dataset in datasets:
        dataset.PatientName = f"{HOSTILE}^A"
        dataset.StudyDescription = HOSTILE
        dataset.SeriesDescription = HOSTILE
    phantoms.write(datasets, tmp_path / "in")
    with Archive.open(tmp_path / "archive") as archive:
        archive.import_([tmp_path / "in"])
        yield archive


def one(archive: Archive, kind: type, level: str):
    """Return the first handle of a level."""
    return kind(archive, next(iter(archive.records(Query(level)))))


@pytest.mark.parametrize(
    ("kind", "level"), [(Study, "study"), (Series, "series"), (Instance, "image")]
)
def test_every_text_is_escaped(archive: Archive, kind: type, level: str):
    """A name that is markup is shown as text."""
    shown = one(archive, kind, level)._repr_html_()

    assert "<img src=x" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown


def test_a_study_shows_a_picture_of_each_series(archive: Archive):
    """The table of a study holds a thumbnail as PNG."""
    study = one(archive, Study, "study")

    assert study._repr_html_().count("data:image/png;base64,") == 1
    assert study.series[0].thumbnail()[:8] == b"\x89PNG\r\n\x1a\n"


def test_an_instance_gives_its_stored_values(archive: Archive):
    """The pixels are those that pydicom reads from the same bytes."""
    instance = one(archive, Study, "study").series[0].instances[2]

    assert np.array_equal(instance.pixels(), instance.dataset().pixel_array)
    with pytest.raises(NotFoundError, match="1 frame"):
        instance.pixels(frame=1)


def test_an_instance_without_pixels_has_no_picture(tmp_path: Path):
    """An object without pixel data shows its attributes, and says so when pixels are asked for."""
    dataset = next(phantoms.thorax_ct(slices=1, rows=32))
    del dataset.PixelData
    phantoms.write([dataset], tmp_path / "in")
    with Archive.open(tmp_path / "archive") as archive:
        archive.import_([tmp_path / "in"])
        instance = one(archive, Instance, "image")

        assert instance.thumbnail() is None
        assert "SOPInstanceUID" in instance._repr_html_()
        with pytest.raises(UnsupportedError, match="no pixel data"):
            instance.pixels()


def test_a_series_is_viewed_with_remedies(tmp_path: Path):
    """What opens as a volume with a remedy can be looked at with it too."""
    phantoms.write(phantoms.tilted(phantoms.thorax_ct(slices=6, rows=32)), tmp_path / "in")
    with Archive.open(tmp_path / "archive") as archive:
        archive.import_([tmp_path / "in"])
        series = one(archive, Series, "series")

        with pytest.raises(GeometryError, match="allow_tilt"):
            series.view()
        assert series.view(allow_tilt=True).volume.shape == (6, 32, 32)
