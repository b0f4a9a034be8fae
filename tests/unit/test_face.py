"""What a researcher holds: DataFrames, handles, and names that stay what they are."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import dicomlab as dl
from dicomlab import phantoms
from dicomlab._face import to_dataframe
from dicomlab.errors import NotFoundError, UnsupportedError
from dicomlab.standard import Level


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory):
    """Yield an archive with a CT and its PET."""
    folder: Path = tmp_path_factory.mktemp("face")
    phantoms.write(phantoms.thorax_ct(slices=4, rows=32), folder / "ct")
    phantoms.write(phantoms.thorax_pet(slices=3, rows=16), folder / "pet")
    with dl.open_archive(folder / "archive") as archive:
        archive.import_(folder / "ct", folder / "pet")
        yield archive


def test_find_gives_a_tidy_table(archive):
    """Dates are dates, counts are numbers, several values a tuple, text is text."""
    studies = archive.find("study")

    assert len(studies) == 1
    assert studies["StudyDate"].dtype == "datetime64[s]"
    assert studies["NumberOfStudyRelatedInstances"].dtype == "Int64"
    assert studies["NumberOfStudyRelatedInstances"].item() == 7
    assert sorted(studies["ModalitiesInStudy"].item()) == ["CT", "PT"]
    assert pd.api.types.is_string_dtype(studies["PatientName"])
    assert studies.attrs["level"] == "STUDY"


def test_find_of_nothing_has_the_same_columns(archive):
    """An empty answer is a table too: code that reads columns does not break."""
    nothing = archive.find("series", Modality="XX")
    everything = archive.find("series")

    assert list(nothing.columns) == list(everything.columns)
    assert list(nothing.dtypes) == list(everything.dtypes)


def test_more_columns_on_request(archive):
    """An attribute that is not shown usually is shown when it is asked for."""
    table = archive.find("series", Modality="PT", include=["PatientWeight"])

    assert table["PatientWeight"].tolist() == [75.0]


def test_an_unknown_keyword_names_near_ones(archive):
    """A misspelt keyword is an error that helps."""
    with pytest.raises(NotFoundError, match="PatientName"):
        archive.find(PatentName="X")


def test_handles_are_found_by_uid(archive):
    """A UID from a table leads to its handle; an unknown one is an error."""
    row = archive.find("image").iloc[0]

    assert archive.study(row["StudyInstanceUID"]).uid == row["StudyInstanceUID"]
    assert archive.series(row["SeriesInstanceUID"]).uid == row["SeriesInstanceUID"]
    assert archive.instance(row["SOPInstanceUID"]).uid == row["SOPInstanceUID"]
    with pytest.raises(NotFoundError, match="StudyInstanceUID"):
        archive.study("1.2.3")


def test_a_series_opens_as_its_volume(archive):
    """From a table to a volume in one line."""
    uid = archive.find("series", Modality="CT")["SeriesInstanceUID"].item()

    volume = archive.series(uid).volume()

    assert volume.shape == (4, 32, 32)
    assert volume.units == "HU"


def test_no_room_shadows_a_public_name():
    """After every room is imported, each public name is still what it was."""
    before = {name: getattr(dl, name) for name in dl.__all__}

    for module in pkgutil.iter_modules(dl.__path__, "dicomlab."):
        if not module.name.endswith(("._version", ".testing")):
            importlib.import_module(module.name)

    assert {name: getattr(dl, name) for name in dl.__all__} == before


def test_importing_dicomlab_loads_nothing_heavy():
    """`import dicomlab` costs next to nothing: no NumPy, no pydicom, no pandas."""
    heavy = ("numpy", "pandas", "pydicom", "dask", "sqlalchemy", "zarr", "panel")
    program = f"import sys, dicomlab; print([m for m in {heavy} if m in sys.modules])"

    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert loaded.stdout.strip() == "[]"


def test_nonsense_in_one_row_hides_no_other():
    """A number, date or text that is none is missing or shown as it is; the table is made."""
    rows = [
        {"SeriesNumber": 2, "InstanceNumber": 1, "PatientID": "A"},
        {"SeriesNumber": "12x", "InstanceNumber": 10**99, "PatientID": ("A", "B")},
        {"SeriesNumber": 1.5, "InstanceNumber": (1, 2), "PatientID": ""},
        {},
    ]

    table = to_dataframe(rows, Level.IMAGE)

    assert table["SeriesNumber"].dtype == table["InstanceNumber"].dtype == "Int64"
    assert table["SeriesNumber"].dropna().tolist() == [2]
    assert table["InstanceNumber"].dropna().tolist() == [1]
    assert table["PatientID"].dropna().tolist() == ["A", "A\\B"]


def test_a_url_is_no_folder(tmp_path, monkeypatch):
    """A URL is refused; it does not become a folder of that name."""
    monkeypatch.chdir(tmp_path)
    for location in ("postgresql://host/name", "s3://bucket", "https://host/dicomweb"):
        with pytest.raises(UnsupportedError, match="path"):
            dl.open(location)
    for location in ("postgresql://host/name", "https://host/dicomweb"):
        with pytest.raises(UnsupportedError, match="folder"):
            dl.open_archive(location)

    assert list(tmp_path.iterdir()) == []


def test_an_empty_location_is_not_the_current_folder(tmp_path, monkeypatch):
    """An empty variable in a script must not open, or make, whatever is there."""
    monkeypatch.chdir(tmp_path)
    for opened in (dl.open, dl.open_archive):
        for location in ("", " "):
            with pytest.raises(ValueError, match="empty"):
                opened(location)

    assert list(tmp_path.iterdir()) == []


def test_a_collection_is_exported(tmp_path: Path):
    """What matches is written as files, coded as asked for."""
    phantoms.write(phantoms.thorax_ct(slices=2, rows=16), tmp_path / "scans")

    report = dl.open(tmp_path / "scans").export(
        tmp_path / "out", "series", transfer_syntax_uid="1.2.840.10008.1.2.5", Modality="CT"
    )

    assert report.is_complete
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 2
