"""Presentation states: written from a view, read, and applied by arithmetic that a test can do."""

import numpy as np
import pytest

from dicomlab import phantoms
from dicomlab.errors import NonConformantError, NotFoundError, UnsupportedError
from dicomlab.iod import Graphic, StateKind, read_presentation_state, write_presentation_state
from dicomlab.pixels import VoiWindow

ROOT = "1.2.840.10008.5.1.4.1.1."
WINDOW = VoiWindow(40, 400)


@pytest.fixture(scope="module")
def image():
    return next(phantoms.thorax_ct(slices=1, rows=24, columns=32))


def windowed(image):
    """Return what the linear function of PS3.3 C.11.2.1.2.1 makes of the CT."""
    values = image.pixel_array.astype(float) - 1024
    shade = (values - 39.5) / 399 + 0.5
    return np.rint(np.clip(shade, 0, 1).astype(np.float32) * 255).astype(np.uint8)


def test_a_view_comes_back(image):
    """Window, turning, area, drawings and texts."""
    graphics = [
        Graphic((), "POLYLINE", ((1.0, 2.0), (5.0, 6.0))),
        Graphic((), "TEXT", ((3.0, 4.0),), text="See <here>"),
    ]

    read = read_presentation_state(
        write_presentation_state(
            [image], WINDOW, rotation_degrees=90, is_flipped=True, inverse=True, graphics=graphics,
            label="VIEW", description="As seen",
        )
    )  # fmt: skip

    assert read.kind is StateKind.GREY_SCALE
    assert (read.label, read.description) == ("VIEW", "As seen")
    assert [one.sop_instance_uid for one in read.images] == [image.SOPInstanceUID]
    assert (read.voi[0].window.center, read.voi[0].window.width) == (40, 400)
    assert (read.rotation_degrees, read.is_flipped, read.inverse) == (90, True, True)
    assert [(one.kind, one.points, one.text) for one in read.graphics] == [
        ("POLYLINE", ((1.0, 2.0), (5.0, 6.0)), ""),
        ("TEXT", ((3.0, 4.0),), "See <here>"),
    ]
    assert read.rescale == (1.0, -1024.0)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("is_flipped", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_state_is_applied(image, rotation, is_flipped, inverse):
    """Window, then inversion; turned clockwise, then mirrored left to right."""
    state = read_presentation_state(
        write_presentation_state(
            [image], WINDOW, rotation_degrees=rotation, is_flipped=is_flipped, inverse=inverse
        )
    )

    found = state.apply(image)

    expected = windowed(image)
    expected = 255 - expected if inverse else expected
    for _ in range(rotation // 90):
        expected = expected[::-1].T
    if is_flipped:
        expected = expected[:, ::-1]
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert found.shape == expected.shape


@pytest.mark.parametrize("rotation", [0, 90])
def test_a_part_is_shown(image, rotation):
    """Corners are named as they lie when shown, and cut the same part out."""
    state = read_presentation_state(
        write_presentation_state(
            [image], WINDOW, area=((3, 5), (12, 20)), rotation_degrees=rotation
        )
    )

    part = windowed(image)[4:20, 2:12]
    expected = part[::-1].T if rotation else part
    assert np.abs(state.apply(image).astype(int) - expected).max() <= 1
    assert state.apply(image, crop=False).size == 24 * 32
    if rotation:
        (area,) = state.areas
        assert (area.top_left, area.bottom_right) == ((3, 20), (12, 5))


def test_a_shutter_hides(image):
    """Rectangle and circle: what lies outside either is the shutter's value."""
    made = write_presentation_state([image], WINDOW)
    made.ShutterShape = ["RECTANGULAR", "CIRCULAR"]
    made.ShutterLeftVerticalEdge, made.ShutterRightVerticalEdge = "2", "31"
    made.ShutterUpperHorizontalEdge, made.ShutterLowerHorizontalEdge = "3", "20"
    made.CenterOfCircularShutter, made.RadiusOfCircularShutter = ["12", "16"], "9"
    made.ShutterPresentationValue = 0x8000

    found = read_presentation_state(made).apply(image)

    row, column = np.indices((24, 32)) + 1
    seen = (column >= 2) & (column <= 31) & (row >= 3) & (row <= 20)
    seen &= (row - 12) ** 2 + (column - 16) ** 2 <= 81
    assert (found[~seen] == 128).all()
    assert np.abs(found[seen].astype(int) - windowed(image)[seen]).max() <= 1


def test_colours_come_from_the_palette(image):
    """A pseudo-colour state: brightness is where in the palette to look."""
    state = phantoms.storage_instance(ROOT + "11.3")
    state.ReferencedSeriesSequence[0].ReferencedImageSequence[
        0
    ].ReferencedSOPInstanceUID = image.SOPInstanceUID
    del state.DisplayedAreaSelectionSequence

    found = read_presentation_state(state).apply(image)

    shade = windowed(image).astype(float) / 255
    expected = np.stack([np.clip(shade * 2, 0, 1), *[np.clip(shade * 2 - 1, 0, 1)] * 2], axis=-1)
    assert found.shape == (24, 32, 3)
    assert np.abs(found - expected * 255).max() <= 3


def test_states_of_each_class_are_read():
    """Kinds, palettes, and what blending refers to; blending is not one picture."""
    for suffix, kind in (
        ("11.1", StateKind.GREY_SCALE),
        ("11.2", StateKind.COLOUR),
        ("11.3", StateKind.PSEUDO_COLOUR),
        ("11.4", StateKind.BLENDING),
    ):
        state = read_presentation_state(phantoms.storage_instance(ROOT + suffix))
        assert state.kind is kind
        assert state.images
        assert (state.palette is not None) == (suffix in ("11.3", "11.4"))
    with pytest.raises(UnsupportedError, match="two images"):
        state.apply(phantoms.storage_instance(ROOT + "2"))


def test_a_colour_state_shows_colours():
    """An RGB image is turned, its colours are not touched."""
    photograph = phantoms.storage_instance(ROOT + "77.1.4")
    made = phantoms.storage_instance(ROOT + "11.2")
    made.ReferencedSeriesSequence[0].ReferencedImageSequence[
        0
    ].ReferencedSOPInstanceUID = photograph.SOPInstanceUID
    del made.DisplayedAreaSelectionSequence
    made.ImageRotation, made.ImageHorizontalFlip = 180, "N"

    found = read_presentation_state(made).apply(photograph)

    np.testing.assert_array_equal(found, photograph.pixel_array[::-1, ::-1])


def test_mistakes_are_told(image):
    """Another image, a turn that is none, another class, nothing to show."""
    made = write_presentation_state([image])
    with pytest.raises(NotFoundError, match="not for frame"):
        read_presentation_state(made).apply(next(phantoms.thorax_ct(slices=1, rows=8, seed=1)))
    made.ImageRotation, made.ImageHorizontalFlip = 45, "N"
    with pytest.raises(NonConformantError, match="90"):
        read_presentation_state(made)
    with pytest.raises(UnsupportedError, match="presentation state"):
        read_presentation_state(image)
    with pytest.raises(ValueError, match="one image"):
        write_presentation_state([])
    with pytest.raises(ValueError, match="rotation"):
        write_presentation_state([image], rotation_degrees=45)
