"""The main job on sample studies: from files to an archive, a table, volumes and a picture."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from dicomlab.cli._frame import answer, bar, say
from dicomlab.errors import DicomlabError, IncompleteError, NotFoundError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from dicomlab._face import Archive
    from dicomlab.server import Server

_SAMPLES = "samples"


@dataclass
class _Figures:
    """What was done, and how long each step took."""

    seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step and say that it is done."""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)
        say(f"{name:10} {self.seconds[name]:7.2f} s")


def run(*, check: bool, port: int, as_json: bool) -> None:
    """Do the main job, then serve it; with `check`, fetch from the server instead of staying.

    Raises
    ------
    DicomlabError
        Any step did not do what it promises.
    """
    from dicomlab import datasets  # noqa: PLC0415
    from dicomlab._face import open_archive  # noqa: PLC0415
    from dicomlab.config import home  # noqa: PLC0415
    from dicomlab.server import serve  # noqa: PLC0415

    figures = _Figures()
    with figures.step("samples"), bar("making samples", "files") as progress:
        samples = datasets.fetch(_SAMPLES, progress=progress)
    say(f"           licence {samples.licence}: {samples.path}")
    with open_archive(home() / "demo" / "archive") as archive:
        with figures.step("import"), bar("importing", "files") as update:
            report = archive.import_(
                samples.path, progress=lambda done: update(done.files, done.total_files)
            )
        if not report.is_complete:
            raise IncompleteError(f"The import was not complete: {report}", report=report)
        say(f"           {report}")
        with figures.step("find"):
            studies = archive.find()
        say(studies[["PatientName", "StudyDate", "ModalitiesInStudy"]].to_string(index=False))
        figures.facts["studies"] = len(studies)
        with figures.step("convert"):
            figures.facts["volumes"] = _convert(archive, home() / "demo" / "volumes")
        with serve(archive.source, port=port) as server:
            if check:
                with figures.step("serve"):
                    figures.facts |= _fetch(archive, server)
                document = {"seconds": figures.seconds, **figures.facts}
                answer(document, as_json=as_json, text=_told(document))
                return
            document = {"seconds": figures.seconds, **figures.facts, "address": server.address}
            answer(document, as_json=as_json, text=server.address)
            say("Open the address in a browser; Ctrl-C ends.")
            server.wait()


def _convert(archive: Archive, folder: Path) -> list[dict[str, Any]]:
    """Write every volume of the archive as OME-Zarr and read it back; return what each is."""
    from dicomlab.omezarr import verify, write  # noqa: PLC0415

    done = []
    for uid in archive.find("series")["SeriesInstanceUID"]:
        try:
            volumes = archive.series(uid).volumes()
        except DicomlabError as refusal:
            say(f"           no volume: {refusal}")
            continue
        for number, volume in enumerate(volumes):
            target = folder / f"{uid}-{number}.ome.zarr"
            write(volume, target, overwrite=True)
            if not verify(target, volume).is_equal:
                raise StorageError("A volume read back differs from the one written.")
            done.append(
                {
                    "modality": volume.modality,
                    "shape": list(volume.shape),
                    "spacing_mm": [round(step, 4) for step in volume.spacing_mm],
                    "units": volume.units,
                }
            )
            say(f"           {volume.modality} {volume.shape}, read back equal")
    if not done:
        raise NotFoundError("No series of the samples forms a volume.")
    return done


def _fetch(archive: Archive, server: Server) -> dict[str, Any]:
    """Fetch the pages and a rendered plane, and prove that they are what they should be."""
    uid = archive.find("series", Modality="CT")["SeriesInstanceUID"].iloc[0]
    page, study = (_get(server, path) for path in ("/", f"/series/{uid}"))
    if b"<title>" not in page or b"<title>" not in study:
        raise StorageError("A page came without its title.")
    volume = json.loads(_get(server, f"/api/series/{uid}/volumes"))[0]
    slices, rows, columns = volume["shape"]
    png = _get(server, f"/volumes/{volume['id']}/plane/0/{slices // 2}.png")
    if png[:8] != b"\x89PNG\r\n\x1a\n":
        raise StorageError("The rendered plane is not a PNG.")
    width, height = struct.unpack(">II", png[16:24])
    if (height, width) != (rows, columns):
        raise StorageError(f"The plane is {height} x {width}, the volume's are {rows} x {columns}.")
    return {
        "address": server.address,
        "page_bytes": len(page),
        "plane": {"bytes": len(png), "width": width, "height": height},
    }


def _get(server: Server, path: str) -> bytes:
    with urlopen(server.address + path, timeout=120) as reply:  # noqa: S310  our own server's
        return bytes(reply.read())


def _told(document: dict[str, Any]) -> str:
    plane = document["plane"]
    return (
        f"{document['studies']} studies, {len(document['volumes'])} volumes read back equal, "
        f"home page of {document['page_bytes']} bytes, plane of {plane['width']} x "
        f"{plane['height']} pixels in {plane['bytes']} bytes."
    )
