"""An export writes what matches, goes on where it stopped, and tells what it could not write."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

from dicomlab.catalog import Query
from dicomlab.media import Exported, export, open_folder
from dicomlab.phantoms import thorax_ct, write
from dicomlab.pixels import Loss

RLE, JPEG_LS_NEAR = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.81"


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    write(thorax_ct(slices=3, rows=32), tmp_path / "scans")
    return tmp_path / "scans"


def datasets(folder: Path) -> dict[str, pydicom.Dataset]:
    found = (pydicom.dcmread(path) for path in sorted(folder.rglob("*")) if path.is_file())
    return {one.SOPInstanceUID: one for one in found}


def test_files_stand_under_their_uids(scans: Path, tmp_path: Path):
    """As they are, byte for byte; no name of a patient is in a path."""
    report = export(open_folder(scans), Query("study"), tmp_path / "out")

    assert report.is_complete
    assert report.counts[Exported.WRITTEN] == 3
    for row in report.rows:
        study, series, name = row.path.split("/")
        written = tmp_path / "out" / row.path
        dataset = pydicom.dcmread(written)
        assert (study, series) == (dataset.StudyInstanceUID, dataset.SeriesInstanceUID)
        assert name == f"{row.sop_instance_uid}.dcm"
        assert row.size == written.stat().st_size
    originals = {path.read_bytes() for path in scans.rglob("*.dcm")}
    assert {(tmp_path / "out" / row.path).read_bytes() for row in report.rows} == originals


def test_another_transfer_syntax_keeps_the_values(scans: Path, tmp_path: Path):
    """Only what was asked for is written, with pydicom's reading as the judge."""
    source = datasets(scans)
    wanted = sorted(source)[:2]

    query = Query.of("image", {"SOPInstanceUID": wanted})
    report = export(open_folder(scans), query, tmp_path / "out", transfer_syntax_uid=RLE)

    result = datasets(tmp_path / "out")
    assert sorted(result) == wanted == sorted(row.sop_instance_uid for row in report.rows)
    for uid, dataset in result.items():
        assert dataset.file_meta.TransferSyntaxUID == RLE
        assert np.array_equal(dataset.pixel_array, source[uid].pixel_array)


@pytest.mark.parametrize("loss", [None, Loss()])
def test_a_second_export_writes_only_what_is_missing(scans: Path, tmp_path: Path, loss):
    """What is whole is left; half a file of an export that was killed is written again."""
    options = {"transfer_syntax_uid": JPEG_LS_NEAR, "loss": loss}
    first = export(open_folder(scans), Query("study"), tmp_path / "out", **options)
    gone = tmp_path / "out" / first.rows[0].path
    gone.rename(gone.with_name(gone.name + ".partial"))
    before = {row.path: (tmp_path / "out" / row.path).stat() for row in first.rows[1:]}

    second = export(open_folder(scans), Query("study"), tmp_path / "out", **options)

    assert second.counts == {Exported.WRITTEN: 1, Exported.ALREADY_THERE: 2, Exported.REFUSED: 0}
    assert {row.path for row in second.rows} == {row.path for row in first.rows}
    after = {path: (tmp_path / "out" / path).stat() for path in before}
    assert {path: stat.st_ino for path, stat in after.items()} == {
        path: stat.st_ino for path, stat in before.items()
    }
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_another_syntax_replaces_what_was_written(scans: Path, tmp_path: Path):
    """A file of another coding is not what was asked for now."""
    export(open_folder(scans), Query("study"), tmp_path / "out")

    report = export(open_folder(scans), Query("study"), tmp_path / "out", transfer_syntax_uid=RLE)

    assert report.counts[Exported.WRITTEN] == 3
    assert len(datasets(tmp_path / "out")) == 3


def test_one_that_cannot_be_written_does_not_stop_the_others(scans: Path, tmp_path: Path):
    """Its row has the reason; nothing of it is left in the folder."""
    damaged = sorted(scans.rglob("*.dcm"))[1]
    dataset = pydicom.dcmread(damaged)
    dataset.BitsAllocated = dataset.BitsStored = 64
    dataset.HighBit = 63
    dataset.PixelData = dataset.PixelData * 4
    dataset.save_as(damaged)

    report = export(open_folder(scans), Query("study"), tmp_path / "out", transfer_syntax_uid=RLE)

    assert not report.is_complete
    (refused,) = (row for row in report.rows if row.outcome is Exported.REFUSED)
    assert refused.reason == "unsupported"
    assert "BitsAllocated" in refused.message
    assert refused.sop_instance_uid == dataset.SOPInstanceUID
    assert len(datasets(tmp_path / "out")) == 2


def test_progress_is_told(scans: Path, tmp_path: Path):
    """Each instance counts once."""
    seen: list[int] = []

    export(
        open_folder(scans),
        Query("study"),
        tmp_path / "out",
        progress=lambda done, _total: seen.append(done),
    )

    assert seen == [1, 2, 3]
