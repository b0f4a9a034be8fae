"""A volume written to OME-Zarr: complete or not there, and never in the way of anything else."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from dicomlab import omezarr
from dicomlab.errors import RefusedError, StorageError
from dicomlab.geometry import Grid
from dicomlab.volume import ArrayReader, Volume

AFFINE = np.array([[0, 0, 0.5, -10], [0, 0.6, 0, 20], [2, 0, 0, 30], [0, 0, 0, 1.0]])


class CountingReader(ArrayReader):
    """Counts the planes that were read."""

    def __init__(self, array):
        super().__init__(array)
        self.asked = []

    def read_into(self, start, out):
        self.asked.extend(range(start, start + len(out)))
        super().read_into(start, out)


def make(slices: int = 200, *, series: str = "1.2.3", seed: int = 0, slopes=1.0) -> Volume:
    """Return a volume of noise whose slices have names."""
    array = np.random.default_rng(seed).integers(-1000, 1000, (slices, 20, 24), np.int16)
    return Volume(
        CountingReader(array),
        Grid(array.shape, AFFINE),
        np.broadcast_to(slopes, slices),
        np.zeros(slices),
        series_instance_uid=series,
        study_instance_uid="1.2",
        sop_instance_uids=tuple(f"{series}.{number}" for number in range(slices)),
        frame_numbers=(1,) * slices,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Return each file's bytes by its relative path."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


class StopError(Exception):
    """What a user's interrupt stands for."""


def stop_after(calls: int):
    """Return a progress callback that raises at its n-th call."""
    left = [calls]

    def progress(done: int, total: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise StopError

    return progress


def test_progress_counts_slices(tmp_path):
    """The caller hears how many of all slices are done, up to all of them."""
    heard = []

    omezarr.write(make(70), tmp_path / "v.zarr", progress=lambda *told: heard.append(told))

    assert heard == [(32, 70), (64, 70), (70, 70)]


def test_source_is_read_once(tmp_path):
    """One pass makes all levels."""
    volume = make(100)

    omezarr.write(volume, tmp_path / "v.zarr", levels=3)

    assert volume.reader.asked == list(range(100))


@pytest.mark.parametrize("slopes", [1.0, np.linspace(0.1, 3, 200)], ids=["alike", "unlike"])
@pytest.mark.parametrize("slabs", [1, 2, 3, 5, 6, 7])
def test_interrupted_write_resumes(tmp_path, slabs, slopes):
    """Whenever it stopped, nothing looks complete, and the next call makes the same bytes."""
    volume = make(slopes=slopes)
    expected = omezarr.write(volume, tmp_path / "expected.zarr", levels=3)
    target = tmp_path / "v.zarr"
    with pytest.raises(StopError):
        omezarr.write(volume, target, levels=3, progress=stop_after(slabs))
    left = [entry.name for entry in tmp_path.iterdir()]
    volume.reader.asked.clear()

    omezarr.write(volume, target, levels=3)

    assert sorted(left) == ["expected.zarr", "v.zarr.partial"]
    assert contents(target) == contents(expected)
    # The slab after the one that was told of was on its way to the disk, and arrived.
    assert volume.reader.asked == list(range(32 * (slabs + 1), 200))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["expected.zarr", "v.zarr"]


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_omezarr_write import make
from dicomlab import omezarr
def die(done, total):
    if done >= {done}:
        os.kill(os.getpid(), signal.SIGKILL)
omezarr.write(make(), {target!r}, levels=3, progress=die)
"""


def test_killed_writer_resumes(tmp_path):
    """After kill -9 the next call goes on after the last whole slab, to the same bytes."""
    expected = omezarr.write(make(), tmp_path / "expected.zarr", levels=3)
    target = tmp_path / "v.zarr"
    code = KILLED.format(tests=str(Path(__file__).parent), done=96, target=str(target))
    child = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path.cwd())
    exists = target.exists()
    volume = make()

    omezarr.write(volume, target, levels=3)

    assert child.returncode == -signal.SIGKILL
    assert not exists
    # The fourth slab was on its way to the disk.
    assert volume.reader.asked in (list(range(96, 200)), list(range(128, 200)))
    assert contents(target) == contents(expected)


def test_torn_journal_and_chunks_are_written_again(tmp_path):
    """What was cut short while it was written is not taken for whole."""
    expected = omezarr.write(make(), tmp_path / "expected.zarr", levels=3)
    target = tmp_path / "v.zarr"
    with pytest.raises(StopError):
        omezarr.write(make(), target, levels=3, progress=stop_after(4))
    partial = tmp_path / "v.zarr.partial"
    journal = partial / "journal"
    journal.write_text(journal.read_text()[:-2])
    chunk = partial / "store" / "0" / "c" / "4" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:50])

    omezarr.write(make(), target, levels=3)

    assert contents(target) == contents(expected)


def test_resuming_does_not_write_again_what_it_reads_back(tmp_path):
    """A second kill must not tear a chunk that the journal calls whole."""
    target = tmp_path / "v.zarr"
    with pytest.raises(StopError):
        omezarr.write(make(), target, levels=3, progress=stop_after(3))
    chunks = tmp_path / "v.zarr.partial" / "store" / "0" / "c"
    whole = {f.relative_to(chunks): f.stat().st_mtime_ns for f in chunks.rglob("*") if f.is_file()}

    omezarr.write(make(), target, levels=3)

    assert len(whole) == 4
    assert (
        whole.items()
        <= {name: (target / "0" / "c" / name).stat().st_mtime_ns for name in whole}.items()
    )


@pytest.mark.parametrize(
    ("other", "options"),
    [({"series": "1.2.4"}, {}), ({}, {"levels": 2}), ({"slopes": 2.0}, {})],
    ids=["series", "levels", "rescale"],
)
def test_another_source_begins_anew(tmp_path, other, options):
    """What was begun for another source, or with other options, is not mixed in."""
    target = tmp_path / "v.zarr"
    with pytest.raises(StopError):
        omezarr.write(make(seed=1), target, levels=3, progress=stop_after(4))
    volume = make(**other)

    omezarr.write(volume, target, **({"levels": 3} | options))

    assert volume.reader.asked == list(range(200))
    assert omezarr.verify(target, volume).is_equal


def test_a_volume_without_uids_begins_anew(tmp_path):
    """Two arrays of one shape cannot be told apart, so an unfinished one is not gone on with."""
    one, other = (
        Volume.from_array(np.full((70, 8, 8), value, np.int16), Grid((70, 8, 8), AFFINE))
        for value in (1, 2)
    )
    target = tmp_path / "v.zarr"
    with pytest.raises(StopError):
        omezarr.write(one, target, progress=stop_after(2))

    omezarr.write(other, target)

    assert omezarr.verify(target, other).is_equal


def test_a_finished_store_is_not_replaced_unasked(tmp_path):
    """The second write of one name is refused before anything is read."""
    target = omezarr.write(make(seed=1), tmp_path / "v.zarr")
    volume = make(seed=2)

    with pytest.raises(RefusedError, match="exists already") as refused:
        omezarr.write(volume, target)

    assert refused.value.rule == "overwrite"
    assert volume.reader.asked == []
    assert omezarr.verify(target, make(seed=1)).is_equal


def test_overwrite_replaces_our_own(tmp_path):
    """On request the new store takes the place of the old one, of which nothing is left."""
    target = omezarr.write(make(200, seed=1), tmp_path / "v.zarr")

    omezarr.write(make(40, seed=2), target, overwrite=True)

    assert omezarr.verify(target, make(40, seed=2)).is_equal
    assert [entry.name for entry in tmp_path.iterdir()] == ["v.zarr"]


def test_overwrite_keeps_the_old_until_the_new_is_whole(tmp_path):
    """An interrupted replacement leaves the old store as it was."""
    target = omezarr.write(make(seed=1), tmp_path / "v.zarr")

    with pytest.raises(StopError):
        omezarr.write(make(seed=2), target, overwrite=True, progress=stop_after(3))

    assert omezarr.verify(target, make(seed=1)).is_equal


@pytest.mark.parametrize("kind", ["file", "folder", "foreign zarr", "empty folder"])
def test_what_is_not_ours_is_never_touched(tmp_path, kind):
    """Not even overwrite replaces what dicomlab did not write."""
    target = tmp_path / "v.zarr"
    if kind == "file":
        target.write_text("thesis")
    elif kind == "foreign zarr":
        zarr.create_group(str(target), zarr_format=3)
    else:
        target.mkdir()
    if kind == "folder":
        (target / "thesis.txt").write_text("thesis")
    before = target.read_text() if target.is_file() else contents(target)

    with pytest.raises(RefusedError, match="no OME-Zarr of dicomlab"):
        omezarr.write(make(), target, overwrite=True)

    assert before == (target.read_text() if target.is_file() else contents(target))


def test_a_folder_with_the_partial_name_is_not_touched(tmp_path):
    """A user's own folder in the place of the unfinished store is refused."""
    mine = tmp_path / "v.zarr.partial"
    mine.mkdir()
    (mine / "thesis.txt").write_text("thesis")

    with pytest.raises(RefusedError, match="no unfinished store"):
        omezarr.write(make(), tmp_path / "v.zarr")

    assert contents(mine) == {"thesis.txt": b"thesis"}


def test_a_writer_that_died_at_once_is_no_obstacle(tmp_path):
    """A folder that was made but has no journal yet is begun anew."""
    (tmp_path / "v.zarr.partial").mkdir()
    (tmp_path / "v.zarr.partial" / "journal.new").write_text("{")

    target = omezarr.write(make(), tmp_path / "v.zarr")

    assert omezarr.verify(target, make()).is_equal
    assert [entry.name for entry in tmp_path.iterdir()] == ["v.zarr"]


def test_a_writer_that_died_before_the_rename_is_finished(tmp_path):
    """When all slabs were written but the name was not given, nothing is read again."""
    target = tmp_path / "v.zarr"
    with pytest.raises(StopError):
        omezarr.write(make(), target, levels=3, progress=stop_after(7))
    volume = make()

    omezarr.write(volume, target, levels=3)

    assert volume.reader.asked == []
    assert omezarr.verify(target, volume).is_equal


def test_a_source_that_fails_is_named_as_such(tmp_path):
    """An unreadable slice is the source's failure; what was written stays."""

    class Failing(ArrayReader):
        def read_into(self, start, out):
            if start >= 64:
                raise OSError(errno.EIO, "Input/output error", "/home/DOE^JOHN/scan")
            super().read_into(start, out)

    volume = make(100)
    failing = Volume(
        Failing(volume.reader.planes),
        volume.grid,
        volume.rescale_slope,
        volume.rescale_intercept,
        sop_instance_uids=volume.sop_instance_uids,
    )

    with pytest.raises(StorageError, match="slices 64 to 95") as failed:
        omezarr.write(failing, tmp_path / "v.zarr")

    assert "DOE" not in str(failed.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["v.zarr.partial"]


def test_permission_is_a_storage_error(tmp_path):
    """A target whose folder is a file cannot be written; the message keeps the path to itself."""
    (tmp_path / "DOE").write_text("")

    with pytest.raises(StorageError) as failed:
        omezarr.write(make(), tmp_path / "DOE" / "v.zarr")

    assert "DOE" not in str(failed.value)


def test_types_without_a_place_are_refused(tmp_path):
    """Complex values are a wrong call."""
    volume = Volume.from_array(np.zeros((2, 2, 2), np.complex64), Grid((2, 2, 2), AFFINE))

    with pytest.raises(TypeError, match="complex64"):
        omezarr.write(volume, tmp_path / "v.zarr")


DISK_FULL = """
import sys, os, subprocess
sys.path.insert(0, {tests!r})
disk = {disk!r}
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], check=True)
import numpy as np
from test_omezarr_write import contents, make
from dicomlab import omezarr
from dicomlab.errors import StorageError
target = os.path.join(disk, "v.zarr")
try:
    omezarr.write(make(), target, levels=3)
except StorageError as error:
    print(error)
print(sorted(os.listdir(disk)))
subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
volume = make()
omezarr.write(volume, target, levels=3)
print(volume.reader.asked[0] > 0, omezarr.verify(target, volume).is_equal, os.listdir(disk))
"""


def test_full_disk_keeps_what_was_written(tmp_path):
    """A full disk is a StorageError; with room again, the write goes on where it stopped."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed: no disk of our own to fill")
    code = DISK_FULL.format(tests=str(Path(__file__).parent), disk=str(tmp_path))
    child = subprocess.run(
        ["unshare", "--mount", "--map-root-user", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path.cwd(),
    )
    if "unshare failed" in child.stderr:
        pytest.skip("this machine allows no mount namespaces")

    assert child.stderr == ""
    message, left, outcome = child.stdout.splitlines()
    assert "No space left on device" in message
    assert "goes on where it stopped" in message
    assert left == "['v.zarr.partial']"
    assert outcome == "True True ['v.zarr']"


def test_attributes_name_no_patient(tmp_path):
    """The group says what the volume says, UIDs among it, in the documented names alone."""
    target = omezarr.write(make(40), tmp_path / "v.zarr")

    attributes = json.loads((target / "zarr.json").read_text())["attributes"]

    assert set(attributes) == {"ome", "dicomlab"}
    assert set(attributes["dicomlab"]) == set(omezarr.VolumeAttributes.model_fields)
    assert not [name for name in attributes["dicomlab"] if name.startswith("patient")]


def test_every_chunk_has_a_file(tmp_path):
    """Chunks that hold nothing but the fill value are written too: a missing one is damage."""
    empty = Volume.from_array(np.zeros((40, 300, 20), np.int16), Grid((40, 300, 20), AFFINE))

    target = omezarr.write(empty, tmp_path / "v.zarr", levels=1)

    chunks = [file for file in (target / "0" / "c").rglob("*") if file.is_file()]
    assert len(chunks) == 2 * 3 * 1


def test_umask_and_names_are_the_users(tmp_path):
    """Files get the rights that the user's umask says, and a relative path works."""
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        target = omezarr.write(make(40), "v.zarr")
    finally:
        os.chdir(here)

    assert target == Path("v.zarr")
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "v.zarr" / "zarr.json").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "v.zarr").stat().st_mode & 0o777 == 0o777 & ~umask


def test_a_finished_store_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file and folder is synced before the rename, and the folder that has the name after."""
    trace: list[tuple[str, Path]] = []
    fsync, rename = os.fsync, Path.rename

    def traced_fsync(descriptor: int) -> None:
        trace.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    def traced_rename(source: Path, target: Path) -> Path:
        trace.append(("rename", source))
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(Path, "rename", traced_rename)
    store = tmp_path / "v.ome.zarr"
    values = np.arange(40 * 30 * 20, dtype=np.int16).reshape(40, 30, 20)
    grid = Grid(values.shape, np.diag([1.0, 1.0, 1.0, 1.0]))

    omezarr.write(Volume.from_array(values, grid), store, levels=2)

    unfinished = tmp_path / "v.ome.zarr.partial" / "store"
    named = trace.index(("rename", unfinished))
    before = {path for name, path in trace[:named] if name == "sync"}
    wanted = {unfinished, *(unfinished / path.relative_to(store) for path in store.rglob("*"))}
    assert wanted <= before
    assert len(wanted) > 10
    assert ("sync", tmp_path) in trace[named:]
