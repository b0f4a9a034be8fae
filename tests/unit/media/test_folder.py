"""A folder is read in place; what is no instance stands in the report, never in a traceback."""

import os
import shutil
import struct
import zipfile

import pytest

from dicomlab import phantoms
from dicomlab.catalog import Query
from dicomlab.errors import NotFoundError, StorageError
from dicomlab.media import open_folder
from dicomlab.safety import Bounds
from tests import as_nobody


@pytest.fixture
def folder(tmp_path):
    """Return a folder with three CT slices, one below another folder."""
    instances = phantoms.thorax_ct(slices=3, rows=16, noise_hu=0.0)
    paths = phantoms.write(instances, tmp_path / "studies")
    (tmp_path / "studies" / "below").mkdir()
    paths[2].rename(tmp_path / "studies" / "below" / "third")
    return tmp_path / "studies"


def count(source, level="instance"):
    return len(list(source.records(Query(level))))


def test_nothing_is_read_before_it_is_asked_for(folder):
    """Opening is free; the first question looks at the files."""
    asked = []
    source = open_folder(folder, progress=lambda done, total: asked.append((done, total)))
    assert asked == []

    assert count(source) == 3
    assert count(source, "series") == 1
    assert asked == [(1, 3), (2, 3), (3, 3)]


def test_a_single_file_is_a_source(folder):
    """One instance, whatever its name."""
    assert count(open_folder(folder / "below" / "third")) == 1
    assert count(open_folder(str(folder / "CT00001.dcm"))) == 1


def test_nothing_at_a_path_is_not_found(tmp_path):
    """The message does not repeat the path: it may hold a name."""
    with pytest.raises(NotFoundError) as caught:
        open_folder(tmp_path / "Doe_Jane")
    assert "Doe" not in str(caught.value)


def test_what_is_no_instance_is_reported(folder):
    """Other files, empty ones, cut-off ones, directories of media, missing UIDs, links, pipes."""
    whole = (folder / "CT00001.dcm").read_bytes()
    (folder / "a.txt").write_text("not DICOM")
    (folder / "b.empty").write_bytes(b"")
    (folder / "c.header").write_bytes(whole[:400])
    (folder / "d.pixels").write_bytes(whole[:-10])
    (folder / "e.uid").write_bytes(whole.replace(b"\x08\x00\x18\x00UI", b"\x09\x00\x18\x00UI", 1))
    (folder / "f.dicomdir").write_bytes(
        bytes(128) + b"DICM" + b"\x02\x00\x02\x00UI\x14\x001.2.840.10008.1.3.10"
        b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0" + b"\x04\x00\x20\x12SQ\0\0\0\0\0\0"
    )
    (folder / "g.link").symlink_to("/etc")
    os.mkfifo(folder / "h.pipe")

    report = open_folder(folder).report

    assert report.instances == 3
    reasons = {os.path.basename(row.path): row.reason for row in report.rows}  # noqa: PTH119
    assert reasons == {
        "a.txt": "not-dicom",
        "b.empty": "not-dicom",
        "c.header": "truncated",
        "d.pixels": "truncated",
        "e.uid": "missing-uid",
        "f.dicomdir": "media-directory",
        "g.link": "link",
        "h.pipe": "not-a-file",
    }
    assert report.counts["truncated"] == 2
    assert "truncated (2)" in str(report)
    assert report.to_dict()["instances"] == 3


def test_what_may_not_be_read_is_reported(folder, nobody):
    """A file and a folder without permission: root may read all, so nobody is asked."""
    with as_nobody.folder_of_nobody() as place:
        shutil.copytree(folder, place / "studies")
        (place / "studies" / "CT00001.dcm").chmod(0)
        (place / "studies" / "below").chmod(0)

        said = nobody.call(as_nobody.scan, place / "studies")

        (place / "studies").chmod(0)
        hidden = nobody.call(as_nobody.scan, place / "studies" / "below")

    assert said == {"counts": {"unreadable": 2}, "instances": 1}
    assert hidden["error"] == "StorageError"
    assert "below" not in hidden["message"]


def test_a_file_that_vanishes_while_others_are_looked_at_is_reported(folder):
    """A share may change under the scan."""
    gone = folder / "CT00002.dcm"

    report = open_folder(folder, progress=lambda _done, _all: gone.unlink(missing_ok=True)).report

    assert report.counts == {"unreadable": 1}
    assert report.instances == 2


def test_of_several_with_one_uid_the_first_by_name_counts(folder):
    """The same content is a duplicate; other content is said to be other."""
    whole = (folder / "CT00001.dcm").read_bytes()
    (folder / "again").write_bytes(whole)
    (folder / "changed").write_bytes(whole[:-1] + b"\x7f")

    source = open_folder(folder)

    assert source.report.instances == 3
    reasons = [(os.path.basename(row.path), row.reason) for row in source.report.rows]  # noqa: PTH119
    # In the order of names, capitals first: CT00001.dcm counts.
    assert reasons == [("again", "duplicate"), ("changed", "same-uid-other-content")]


def test_a_file_that_is_gone_is_a_storage_error(folder):
    """Between the scan and the reading a share may vanish."""
    source = open_folder(folder)
    (series,) = source.records(Query("series"))
    for path in (folder / "CT00001.dcm", folder / "CT00002.dcm"):
        path.unlink()

    with pytest.raises(StorageError, match="still there"):
        source.instances(series["SeriesInstanceUID"])


def test_report_names_cannot_steer_a_page_or_a_terminal(folder):
    """A file name is somebody else's text."""
    (folder / "<script>\x1b[2J").write_text("x")

    report = open_folder(folder).report

    assert "<script>" not in report._repr_html_()
    assert "\x1b" not in str(report)
    assert "\x1b" not in report._repr_html_()


def zipped(folder, path, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as container:
        for file in sorted(folder.rglob("*")):
            container.write(file, file.relative_to(folder))
    return path


def test_a_zip_within_a_folder_is_read_too(folder, tmp_path):
    """Its members stand behind its name."""
    zipped(folder, tmp_path / "one.zip")
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "one.zip").rename(folder / "one.zip")
    (folder / "x.txt").write_text("x")

    source = open_folder(folder)

    assert count(source) == 3
    assert source.report.counts == {"not-dicom": 1}


def test_a_zip_that_lies_is_reported(folder, tmp_path):
    """Bombs, encryption, other compression, damage: each has a reason, none a traceback."""
    good = zipped(folder, tmp_path / "good.zip").read_bytes()
    at = good.rindex(b"PK\x01\x02")

    encrypted = bytearray(good)
    encrypted[at + 8] |= 1
    (tmp_path / "encrypted.zip").write_bytes(encrypted)
    zipped(folder, tmp_path / "bzip2.zip", zipfile.ZIP_BZIP2)
    damaged = bytearray(good)
    first = damaged.index(b"PK\x03\x04", 10)
    damaged[first : first + 4] = b"PK\x07\x07"
    (tmp_path / "damaged.zip").write_bytes(damaged)
    (tmp_path / "cut.zip").write_bytes(good[: len(good) // 2])
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("bomb", bytes(64 << 20))

    def reasons(name, **bounds):
        report = open_folder(tmp_path / name, bounds=Bounds(**bounds)).report
        return report.instances, report.counts

    assert reasons("encrypted.zip") == (2, {"encrypted": 1})
    assert reasons("bzip2.zip") == (0, {"zip-compression": 3})
    assert reasons("damaged.zip") == (2, {"damaged-zip": 1})
    assert reasons("cut.zip") == (0, {"damaged-zip": 1})
    assert reasons("bomb.zip") == (0, {"archive-ratio": 1})
    assert reasons("good.zip", archive_entries=2) == (0, {"archive-entries": 1})


def test_a_zip_member_longer_than_it_says_is_cut_where_it_says(folder, tmp_path):
    """What is declared is what comes out: no more is ever inflated."""
    raw = bytearray(zipped(folder, tmp_path / "good.zip").read_bytes())
    for signature, field in ((b"PK\x01\x02", 24),):
        at = raw.index(signature)
        raw[at + field : at + field + 4] = struct.pack("<I", 300)
    (tmp_path / "short.zip").write_bytes(raw)

    report = open_folder(tmp_path / "short.zip").report

    assert report.instances == 2
    assert report.counts == {"truncated": 1}


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_frames_of_a_multi_frame_member_are_read(tmp_path, method):
    """Each frame by itself, from a zip too; located where the member is not compressed."""
    (instance,) = phantoms.enhanced_ct(slices=4, rows=8)
    phantoms.write([instance], tmp_path / "studies")
    source = open_folder(zipped(tmp_path / "studies", tmp_path / "one.zip", method))

    (one,) = source.instances(instance.SeriesInstanceUID)

    size = len(instance.PixelData) // 4
    frames = [one.frames.read(index) for index in (3, 0, 2, 1)]
    expected = [instance.PixelData[index * size :][:size] for index in (3, 0, 2, 1)]
    assert frames == expected
    where = one.frames.locate(2)
    assert (where is None) == (method == zipfile.ZIP_DEFLATED)
    if where is not None:
        data = where.path.read_bytes()[where.offset : where.offset + where.length]
        assert data == one.frames.read(2)
