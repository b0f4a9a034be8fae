"""Values become brightness by the standard's formulas."""

import numpy as np
import pytest

from dicomlab.pixels import (
    FrameDescription,
    LookupTable,
    Palette,
    Presentation,
    VoiLutFunction,
    VoiWindow,
)
from dicomlab.pixels import png as write_png


def test_linear_is_exact_at_its_ends():
    """PS3.3 C.11.2.1.2.1: c = 2048, w = 4096 maps 0 to the least and 4095 to the greatest."""
    window = VoiWindow(2048, 4096)

    assert window.apply(np.array([-5, 0, 4095, 9000])).tolist() == [0, 0, 1, 1]
    middle = window.apply(np.array([1000]))[0]
    assert middle == pytest.approx((1000 - 2047.5) / 4095 + 0.5)


def test_a_window_of_width_one_is_a_step():
    """c = 100, w = 1: up to 99.5 the least, above it the greatest."""
    assert VoiWindow(100, 1).apply(np.array([99, 100])).tolist() == [0, 1]


def test_linear_exact_has_its_ends_half_a_width_away():
    """PS3.3 C.11.2.1.3.2."""
    window = VoiWindow(40, 400, VoiLutFunction.LINEAR_EXACT)

    assert window.apply(np.array([-160, 40, 140, 240])).tolist() == [0, 0.5, 0.75, 1]


def test_sigmoid_passes_through_its_centre():
    """PS3.3 C.11.2.1.3.1: 1 / (1 + exp(-4 (x - c) / w))."""
    window = VoiWindow(10, 20, VoiLutFunction.SIGMOID)

    assert window.apply(np.array([10, 15, -10_000_000])) == pytest.approx(
        [0.5, 1 / (1 + np.exp(-1)), 0]
    )


def grey(**changes) -> Presentation:
    options = {"bits_allocated": 8, "bits_stored": 8, "high_bit": 7} | changes.pop("options", {})
    return Presentation(FrameDescription(1, 3, **options), **changes)


def test_monochrome1_is_shown_inverted():
    """The least value is the brightest (PS3.3 C.7.6.3.1.2)."""
    window = (VoiWindow(128, 256),)
    plain = grey(windows=window).render(bytes([0, 100, 255]))
    inverted = grey(windows=window, options={"photometric_interpretation": "MONOCHROME1"}).render(
        bytes([0, 100, 255])
    )

    assert plain.tolist() == [[0, 100, 255]]
    assert inverted.tolist() == [[255, 155, 0]]


def test_without_a_window_the_range_is_shown_and_padding_is_not_counted():
    """Padding would darken everything else."""
    picture = grey(pixel_padding_value=255).render(bytes([10, 20, 255]))

    assert picture.tolist() == [[0, 255, 255]]


def test_rescale_goes_before_the_window():
    """Stored 50 is modality 0 with slope 2 and intercept -100."""
    window = VoiWindow(0, 200, VoiLutFunction.LINEAR_EXACT)
    picture = grey(rescale_slope=2, rescale_intercept=-100, windows=(window,))

    assert picture.render(bytes([0, 50, 100])).tolist() == [[0, 128, 255]]


def test_a_voi_table_maps_values():
    """Values below the first entry and above the last keep to them."""
    table = LookupTable(10, np.array([0, 1000, 4095], np.uint16), 12)
    picture = grey(voi_lut=table).render(bytes([5, 11, 99]))

    assert picture.tolist() == [[0, round(1000 / 4095 * 255), 255]]


def test_palette_colours_are_looked_up():
    """Each value has a red, a green and a blue entry."""
    tables = (
        LookupTable(0, np.array(entries, np.uint16) * 257, 16)
        for entries in ([1, 2, 3], [4, 5, 6], [7, 8, 9])
    )
    picture = grey(
        palette=Palette(*tables), options={"photometric_interpretation": "PALETTE COLOR"}
    )

    assert picture.render(bytes([0, 2, 1])).tolist() == [[[1, 4, 7], [3, 6, 9], [2, 5, 8]]]


def test_ybr_full_becomes_rgb():
    """Pure red in YBR_FULL: Y = 76, Cb = 85, Cr = 255 (PS3.3 C.7.6.3.1.2), rounded."""
    picture = grey(options={"samples_per_pixel": 3, "photometric_interpretation": "YBR_FULL"})

    red = picture.render(bytes([76, 85, 255, 255, 128, 128, 0, 128, 128]))

    assert np.abs(red.astype(int) - [[[255, 0, 0], [255, 255, 255], [0, 0, 0]]]).max() <= 2


def test_png_is_read_back_by_pillow(tmp_path):
    """A picture without loss, and a thumbnail no longer than asked for."""
    import io

    from PIL import Image

    picture = np.random.default_rng(0).integers(0, 255, (40, 60), dtype=np.uint8)
    whole = Image.open(io.BytesIO(write_png(picture)))
    small = Image.open(io.BytesIO(write_png(picture, longest_side=30)))

    assert np.asarray(whole).tolist() == picture.tolist()
    assert small.size == (30, 20)
