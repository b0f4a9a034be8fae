"""CT series of any length for benchmarks, kept in the folder for temporary files between runs."""

from __future__ import annotations

import tempfile
from copy import deepcopy
from pathlib import Path

from dicomlab import phantoms
from dicomlab.catalog import FileFrames, InstanceData
from dicomlab.safety import FileBytes, Layouts, read_header
from dicomlab.volume import Volume, volume

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
JPEG_LS_LOSSLESS = "1.2.840.10008.1.2.4.80"
DISTINCT = 100
SPACING_MM = 0.6


def thorax(slices: int, transfer_syntax_uid: str = EXPLICIT_LITTLE_ENDIAN) -> Path:
    """Return the folder of a CT of 512 x 512; beyond 100 slices their pixels repeat.

    Pixels of a hundred slices are more than any compressor looks back on; positions and UIDs are
    each slice's own.
    """
    suffix = transfer_syntax_uid.rpartition(".")[2]
    folder = Path(tempfile.gettempdir()) / "dicomlab-bench" / f"ct-{slices}-{suffix}"
    if not folder.exists():
        unfinished = folder.with_name(folder.name + ".partial")
        unfinished.mkdir(parents=True, exist_ok=True)
        distinct = list(
            phantoms.thorax_ct(
                slices=min(slices, DISTINCT),
                rows=512,
                spacing_mm=(SPACING_MM, 0.7, 0.7),
                transfer_syntax_uid=transfer_syntax_uid,
            )
        )
        x, y, top = distinct[0].ImagePositionPatient
        for number in range(slices):
            instance = deepcopy(distinct[number % DISTINCT])
            z = f"{float(top) - SPACING_MM * number:.4f}"
            instance.ImagePositionPatient = [x, y, z]
            instance.SliceLocation = z
            instance.SOPInstanceUID = f"{distinct[0].SOPInstanceUID}.{number + 1}"
            instance.file_meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
            instance.InstanceNumber = number + 1
            instance.save_as(unfinished / f"CT{number + 1:05d}.dcm", enforce_file_format=True)
        unfinished.rename(folder)
    return folder


def open_volume(folder: Path) -> Volume:
    """Open the series of a folder as a source does: headers are read, pixels not."""
    instances = []
    layouts: Layouts = {}
    for path in sorted(folder.iterdir()):
        with FileBytes(path) as file:
            header = read_header(file)
        header.share_layout(layouts)
        uid = header.string("SOPInstanceUID")
        assert uid is not None
        instances.append(InstanceData(uid, header, FileFrames(path, header)))
    return volume(instances)
