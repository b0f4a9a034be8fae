"""Presentation states look as DCMTK and a reference picture show them, and ours are valid."""

import io

import numpy as np
import pytest
from PIL import Image

from dicomlab import phantoms
from dicomlab.iod import Graphic, read_presentation_state, write_presentation_state
from dicomlab.pixels import VoiWindow
from tests.derived import findings


def by_dcmp2pgm(peers, state, image, out):
    peers.run("dcmp2pgm", "-p", state, image, out)
    return np.asarray(Image.open(io.BytesIO(out.read_bytes())))


def test_three_tables_in_a_row_give_the_reference_picture(peers, real_data, tmp_path):
    """Scrambled modality, VOI and presentation LUT: pixel for pixel, as DCMTK too."""
    folder = (
        real_data
        / "nroduit__weasis-dicom-tools/weasis-dicom-tools/src/test/resources/org/dcm4che3/img"
    )
    state, image = folder / "prLUTs.dcm", folder / "imageForPrLUTs.dcm"

    found = read_presentation_state(state).apply(image)

    reference = np.asarray(Image.open(folder / "expected_imgForPrLUT.png").convert("L"))
    np.testing.assert_array_equal(found, reference)
    np.testing.assert_array_equal(found, by_dcmp2pgm(peers, state, image, tmp_path / "out.pgm"))


@pytest.mark.smoke
@pytest.mark.parametrize("inverse", [False, True])
def test_dcmtk_shows_our_state_as_we_do(peers, tmp_path, inverse):
    """A window on a CT, straight and inverted: within one grey level."""
    image = next(phantoms.thorax_ct(slices=1, rows=48))
    image.save_as(tmp_path / "image.dcm", enforce_file_format=True)
    made = write_presentation_state([image], VoiWindow(40, 400), inverse=inverse)
    made.save_as(tmp_path / "state.dcm", enforce_file_format=True)

    theirs = by_dcmp2pgm(
        peers, tmp_path / "state.dcm", tmp_path / "image.dcm", tmp_path / "out.pgm"
    )

    mine = read_presentation_state(made).apply(image)
    assert np.abs(mine.astype(int) - theirs).max() <= 1


@pytest.mark.smoke
def test_our_state_has_no_finding(peers, tmp_path):
    """Window, area, turning, drawings and texts."""
    image = next(phantoms.thorax_ct(slices=1, rows=48))

    made = write_presentation_state(
        [image], VoiWindow(40, 400), rotation_degrees=90, is_flipped=True,
        area=((3, 5), (40, 30)),
        graphics=[
            Graphic((), "CIRCLE", ((10.0, 10.0), (10.0, 15.0))),
            Graphic((), "TEXT", ((3.0, 4.0), (20.0, 9.0)), text="A text"),
        ],
    )  # fmt: skip

    assert findings(peers, made, tmp_path / "state.dcm") == []
