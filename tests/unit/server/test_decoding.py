"""What strangers compressed is decoded by workers, which come and go with the server."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image

from dicomlab import phantoms
from dicomlab.archive import Archive
from dicomlab.phantoms import encode
from dicomlab.safety import WorkerLimits
from dicomlab.server import serve
from dicomlab.server._decoding import decoding_workers
from dicomlab.viewing import volume_id

JPEG_LS = "1.2.840.10008.1.2.4.80"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[tuple[Archive, str, np.ndarray]]:
    """An archive of one CT in JPEG-LS, its series, and its stored values from below."""
    made = list(phantoms.thorax_ct(slices=4, rows=32))
    made.sort(key=lambda one: one.ImagePositionPatient[2])
    values = np.stack([one.pixel_array for one in made])
    phantoms.write([encode(one, JPEG_LS) for one in made], tmp_path / "in")
    with Archive.open(tmp_path / "archive") as opened:
        opened.import_([tmp_path / "in"])
        yield opened, made[0].SeriesInstanceUID, values


def test_the_configuration_caps_the_workers(monkeypatch, tmp_path):
    """How many there are, and what a frame may take."""
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text("[workers]\ncount = 3\nmemory_bytes = 300000000\n")

    workers = decoding_workers()

    assert workers.count == 3
    assert workers.limits == WorkerLimits(memory_bytes=300_000_000)


def test_compressed_frames_are_decoded_in_other_processes(archive, tmp_path):
    """Thumbnails and volumes are right; workers that die are replaced; none outlives the server."""
    held, series, values = archive
    before = set(psutil.Process().children())

    with serve(held, folder=tmp_path / "volumes") as server:
        (nursery,) = set(psutil.Process().children()) - before
        address = f"{server.address}/series/{series}/thumbnail.png"
        first = httpx.get(address)
        workers = nursery.children()
        for one in (*workers, nursery):
            one.kill()
        psutil.wait_procs([*workers, nursery], timeout=30)
        again = httpx.get(address)
        (view,) = server.service.volumes(series)
        view.prepare()
        plane = httpx.get(f"{server.address}/volumes/{volume_id(view)}/plane/0/2")
        study, third = view.volume.study_instance_uid, view.volume.sop_instance_uids[2]
        frame = httpx.get(
            f"{server.address}/dicom-web/studies/{study}/series/{series}/instances/{third}/frames/1",
            headers={"Accept": "application/octet-stream"},
        )
        server._workers.close()
        refused = httpx.get(str(frame.url), headers={"Accept": "application/octet-stream"})

    assert workers
    assert np.asarray(Image.open(BytesIO(first.content))).std() > 5
    assert again.content == first.content
    assert np.array_equal(np.frombuffer(plane.content, "<u2").reshape(32, 32), values[2])
    assert values[2].astype("<u2").tobytes() in frame.content
    assert refused.status_code == 503  # No worker, no frame: it is decoded nowhere else.
    assert set(psutil.Process().children()) <= before
