"""The files of a series become one array of modality values: 500 CT slices of 512 x 512.

We read every header, order the slices and check the grid; SimpleITK is given the files in order,
which spares it that.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813  its own habit
from measure import Result, beside, seconds

from dicomlab import phantoms
from dicomlab.catalog import FileFrames, InstanceData
from dicomlab.safety import FileBytes, read_header
from dicomlab.volume import volume

SLICES, SIDE = 500, 512


def instance(path: Path) -> InstanceData:
    with FileBytes(path) as file:
        header = read_header(file)
    return InstanceData(header.string("SOPInstanceUID") or "", header, FileFrames(path, header))


def ours(paths: list[Path]) -> np.ndarray:
    return volume([instance(path) for path in paths]).compute()


def with_simpleitk(paths: list[Path]) -> np.ndarray:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in paths])
    return sitk.GetArrayFromImage(reader.Execute())


def run(repeat: int) -> list[Result]:
    """Measure native and lossless JPEG files, and check that both arrays are equal."""
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    results = []
    for name, uid, goal in (
        ("uncompressed", "1.2.840.10008.1.2.1", 6.0),
        ("JPEG lossless .70", "1.2.840.10008.1.2.4.70", 3.0),
    ):
        with tempfile.TemporaryDirectory() as folder:
            made = phantoms.thorax_ct(slices=SLICES, rows=SIDE, transfer_syntax_uid=uid)
            paths = phantoms.write(made, folder)
            # The phantom counts from the head down; slices are wanted from the feet up.
            paths.reverse()
            assert np.array_equal(ours(paths), with_simpleitk(paths))
            results.append(
                beside(
                    f"{SLICES} CT slices to an array, {name}",
                    lambda given=paths: seconds(lambda: ours(given)),
                    lambda given=paths: seconds(lambda: with_simpleitk(given)),
                    repeat=repeat,
                    unit="s",
                    peer_name=f"SimpleITK {sitk.Version_VersionString()}",
                    goal=goal,
                )
            )
    return results
