"""Palettes, overlays, padding, profiles and real-world values, as the standard describes them."""

import io

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut

from dicomlab.errors import NonConformantError
from dicomlab.phantoms import enhanced_ct, thorax_ct
from dicomlab.pixels import (
    FrameDescription,
    LookupTable,
    Overlay,
    Palette,
    Presentation,
    VoiWindow,
    overlays,
    read_palette,
    real_world_maps,
    render_frame,
    to_srgb,
)
from dicomlab.safety import Header, read_header

EXPLICIT = "1.2.840.10008.1.2.1"
WINDOW = VoiWindow(0, 2000)


def header_of(dataset: Dataset) -> Header:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return read_header(buffer.getvalue())


def ct(**attributes) -> Dataset:
    return next(iter(thorax_ct(slices=2, rows=24, **attributes)))


def with_overlay(dataset: Dataset, bits: np.ndarray, **elements) -> Dataset:
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    values = {
        0x10: ("US", bits.shape[-2]), 0x11: ("US", bits.shape[-1]), 0x40: ("CS", "G"),
        0x50: ("SS", elements.pop("origin", [1, 1])), 0x100: ("US", 1), 0x102: ("US", 0),
        0x1500: ("LO", "marks"), 0x3000: ("OW", packed + b"\0" * (len(packed) % 2)),
        **elements.pop("more", {}),
    }  # fmt: skip
    for element, (vr, value) in values.items():
        dataset.add_new(0x60020000 | element, vr, value)
    return dataset


def test_an_overlay_is_what_pydicom_reads():
    """Bits in a group of their own, the lowest first."""
    bits = np.random.default_rng(0).integers(0, 2, (24, 24), dtype=np.uint8)
    dataset = with_overlay(ct(), bits)

    (found,) = overlays(header_of(dataset))

    assert (found.group, found.label, found.kind) == (0x6002, "marks", "G")
    assert np.array_equal(found.plane(), dataset.overlay_array(0x6002).astype(bool))


def test_each_frame_has_its_own_plane():
    """Frames before the origin and after the last have none (PS3.3 C.9.2.1)."""
    bits = np.random.default_rng(1).integers(0, 2, (2, 5, 7), dtype=np.uint8)
    dataset = with_overlay(ct(), bits, more={0x15: ("IS", 2), 0x51: ("US", 3)})

    (found,) = overlays(header_of(dataset))

    assert found.plane(1) is None
    assert np.array_equal(found.plane(2), bits[0].astype(bool))
    assert np.array_equal(found.plane(3), bits[1].astype(bool))
    assert found.plane(4) is None


def test_an_overlay_is_drawn_where_its_origin_says():
    """Beyond the picture it is cut off."""
    dataset = with_overlay(ct(), np.ones((3, 3), np.uint8), origin=[0, 23])
    shown = Presentation.from_attributes(header_of(dataset), EXPLICIT)

    plain = shown.render(dataset.PixelData, window=WINDOW)
    drawn = shown.render(dataset.PixelData, window=WINDOW, with_overlays=True)

    expected = plain.copy()
    expected[0:2, 22:24] = 255
    assert np.array_equal(drawn, expected)


def test_an_overlay_in_unused_bits_is_drawn():
    """Bit 15 of the containers, as old modalities did."""
    dataset = ct()
    values = np.clip(dataset.pixel_array, 0, 4095).astype(np.uint16)
    marks = np.indices(values.shape).sum(axis=0) % 5 == 0
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
    dataset.PixelData = (values | marks.astype(np.uint16) << 15).tobytes()
    for element, vr, value in ((0x10, "US", 24), (0x11, "US", 24), (0x50, "SS", [1, 1]),
                               (0x100, "US", 16), (0x102, "US", 15)):  # fmt: skip
        dataset.add_new(0x60000000 | element, vr, value)
    shown = Presentation.from_attributes(header_of(dataset), EXPLICIT)

    plain = shown.render(dataset.PixelData, window=WINDOW)
    drawn = shown.render(dataset.PixelData, window=WINDOW, with_overlays=True)

    assert np.array_equal(drawn, np.where(marks, 255, plain))


def test_an_overlay_that_is_cut_short_is_not_drawn():
    """Half of its bits are there."""
    overlay = Overlay(0x6000, 8, 8, data=b"\xff" * 4)

    assert overlay.plane() is None


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("shape", ["IDENTITY", "INVERSE"])
def test_the_presentation_lut_shape_decides(photometric, shape):
    """INVERSE turns brightness round, whatever the photometric interpretation says."""
    dataset = ct(PhotometricInterpretation=photometric, PresentationLUTShape=shape)
    plain = ct(PhotometricInterpretation="MONOCHROME2")
    expected = render_frame(plain.PixelData, header_of(plain), EXPLICIT, window=WINDOW)

    picture = render_frame(dataset.PixelData, header_of(dataset), EXPLICIT, window=WINDOW)

    difference = picture.astype(int) - (255 - expected if shape == "INVERSE" else expected)
    assert np.abs(difference).max() <= 1  # halves round to either side


def test_a_range_of_padding_is_left_out_of_the_window():
    """Pixel Padding Range Limit may stand on either side (PS3.3 C.7.5.1.1.2)."""
    dataset = ct()
    for keyword in ("WindowCenter", "WindowWidth"):
        delattr(dataset, keyword)
    dataset.RescaleIntercept, dataset.RescaleSlope = 0, 1
    dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 16, 15
    dataset.PixelData = np.repeat(np.int16([-2000, -1990, 0, 100]), 24 * 6).tobytes()
    dataset.PixelPaddingValue, dataset.PixelPaddingRangeLimit = -1980, -2000

    shown = Presentation.from_attributes(header_of(dataset), EXPLICIT)
    picture = shown.render(dataset.PixelData)

    assert sorted(set(picture.ravel().tolist())) == [0, 255]
    assert picture.ravel()[-24 * 6 - 1] == 0
    assert shown.is_padding(np.int16([-2000, -1980, -1979])).tolist() == [True, True, False]


def test_many_pixels_and_few_give_the_same_grey():
    """Values are looked up in a table where there are fewer of them than pixels."""
    dataset = ct()
    shown = Presentation.from_attributes(header_of(dataset), EXPLICIT)
    stored = dataset.pixel_array

    whole = shown.picture(np.repeat(stored, 50, axis=1), window=WINDOW)
    single = [shown.picture(stored[row : row + 1, :1], window=WINDOW) for row in range(24)]

    assert whole[:, 0].tolist() == [one[0, 0] for one in single]


def palette_dataset(bits: int, segments: list[int]) -> Dataset:
    dataset = ct()
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelRepresentation = 0
    stored = np.arange(24 * 24) % 256
    dataset.PixelData = stored.astype(np.uint8).tobytes()
    raw = np.array(segments, "<u1" if bits == 8 else "<u2").tobytes()
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, bits])
        dataset[f"{colour}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(dataset, f"Segmented{colour}PaletteColorLookupTableData", raw)
    return dataset


SEGMENTS = [
    [0, 1, 0, 1, 127, 254, 0, 2, 254, 10, 1, 126, 255],
    [0, 2, 7, 9, 1, 62, 200, 2, 2, 0, 0, 1, 128, 3],
]


@pytest.mark.parametrize("segments", SEGMENTS, ids=["linear", "indirect"])
def test_segmented_palettes_are_what_pydicom_makes_of_them(segments):
    """Discrete, linear and indirect segments (PS3.3 C.7.9.2)."""
    dataset = palette_dataset(16, segments)

    palette = read_palette(header_of(dataset))

    expected = apply_color_lut(dataset.pixel_array, dataset)
    ours = np.stack([table.apply(dataset.pixel_array) for table in _tables(palette)], axis=-1)
    assert np.abs(ours.astype(int) - expected).max() <= 1  # pydicom cuts, we round


def test_segments_of_bytes_are_packed_in_words():
    """The same segments with entries of 8 bits: 0, a line to 254, 10 twice, a line to 255."""
    dataset = palette_dataset(8, [0, 1, 0, 1, 127, 254, 0, 2, 10, 10, 1, 126, 255, 0])

    picture = render_frame(dataset.PixelData, header_of(dataset), EXPLICIT)

    line, second = np.arange(128) * 2, 10 + np.arange(1, 127) * 245 / 126
    expected = np.concatenate((line, [10, 10], np.rint(second)))
    assert np.array_equal(picture.reshape(-1, 3)[:256, 1], expected)


def _tables(palette):
    return palette.red, palette.green, palette.blue


@pytest.mark.parametrize("segments", [[3, 1, 1, 1], [2, 9, 2, 0], [1, 5, 9, 0], [0, 5, 1, 2]])
def test_segments_that_lead_nowhere_are_a_typed_error(segments):
    """An unknown kind, one that points at itself, a line without a start, and too few entries."""
    dataset = palette_dataset(16, segments)

    with pytest.raises(NonConformantError) as caught:
        render_frame(dataset.PixelData, header_of(dataset), EXPLICIT)

    assert caught.value.reason == "bad-palette"


def test_a_profile_is_applied_as_littlecms_does():
    """Adobe RGB shown on a screen of sRGB."""
    picture = np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    profile = bytes(imagecodecs.cms_profile("adobergb"))

    shown = to_srgb(picture, profile)

    screen = bytes(imagecodecs.cms_profile("srgb"))
    spaces = {"colorspace": "rgb", "outcolorspace": "rgb"}
    expected = imagecodecs.cms_transform(picture, profile, screen, **spaces)
    assert np.abs(shown.astype(int) - expected).max() <= 2
    assert np.abs(shown.astype(int) - picture).max() > 5


def test_a_profile_that_is_none_is_a_typed_error():
    """Garbage in ICC Profile."""
    with pytest.raises(NonConformantError) as caught:
        to_srgb(np.zeros((2, 2, 3), np.uint8), b"no profile")

    assert caught.value.reason == "bad-icc-profile"


def real_world_item(**attributes) -> Dataset:
    item = Dataset()
    unit = Dataset()
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "mm2/s", "UCUM", "mm2/s"
    item.MeasurementUnitsCodeSequence = [unit]
    for keyword, value in attributes.items():
        item.add_new(pydicom.datadict.tag_for_keyword(keyword), *value)
    return item


def test_real_world_values_by_line_and_by_table():
    """What is outside the mapped values is not a number (PS3.3 C.7.6.16.2.11)."""
    line = real_world_item(
        RealWorldValueFirstValueMapped=("SS", -10), RealWorldValueLastValueMapped=("SS", 20),
        RealWorldValueSlope=("FD", 0.5), RealWorldValueIntercept=("FD", 1.0),
    )  # fmt: skip
    table = real_world_item(
        RealWorldValueFirstValueMapped=("SS", 3), RealWorldValueLastValueMapped=("SS", 5),
        RealWorldValueLUTData=("FD", [10.0, 20.0, 40.0]),
    )  # fmt: skip
    dataset = ct()
    dataset.RealWorldValueMappingSequence = [line, table]

    by_line, by_table = real_world_maps(header_of(dataset))

    stored = np.int16([-11, -10, 4, 20, 21])
    assert np.array_equal(by_line.apply(stored), [np.nan, -4, 3, 11, np.nan], equal_nan=True)
    assert np.array_equal(
        by_table.apply(stored), [np.nan, np.nan, 20, np.nan, np.nan], equal_nan=True
    )
    assert by_line.units == "mm2/s"


def test_each_frame_has_its_own_window_and_rescale():
    """The functional groups of an enhanced object are heeded frame by frame."""
    dataset = next(iter(enhanced_ct(slices=3, rows=24)))
    for number, item in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        values, voi = Dataset(), Dataset()
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 1 + number, 0, "HU"
        voi.WindowCenter, voi.WindowWidth = 100 * (1 + number), 400 * (1 + number)
        item.PixelValueTransformationSequence, item.FrameVOILUTSequence = [values], [voi]
        for shared in dataset.SharedFunctionalGroupsSequence:
            shared.pop("PixelValueTransformationSequence", None)
            shared.pop("FrameVOILUTSequence", None)
    dataset.PixelRepresentation = 1
    dataset.BitsStored, dataset.HighBit = 16, 15
    plane = np.arange(-288, 288, dtype=np.int16).tobytes()
    header = header_of(dataset)

    pictures = [render_frame(plane, header, EXPLICIT, frame=number) for number in range(3)]

    for number, picture in enumerate(pictures):
        window = VoiWindow(100 * (1 + number), 400 * (1 + number))
        expected = window.apply(np.arange(-288, 288) * (1 + number)) * 255
        assert np.abs(picture.ravel() - expected).max() <= 0.51


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_rescale_that_is_no_number_is_a_typed_error(keyword, value):
    """A Decimal String cannot hold one, and some write it."""
    dataset = ct()
    dataset[keyword] = pydicom.dataelem.RawDataElement(
        pydicom.tag.Tag(keyword), "DS", len(value), value.encode(), 0, False, True
    )

    with pytest.raises(NonConformantError) as caught:
        render_frame(dataset.PixelData, header_of(dataset), EXPLICIT)

    assert caught.value.reason in ("bad-rescale", "not-a-number")


def test_float_pixels_that_are_no_number_are_black():
    """NaN stands for nothing; the others are shown over their own range."""
    told = FrameDescription(1, 4, 1, 32, 32, 31, is_float=True)
    values = np.array([[1, np.nan, 3, 2]], np.float32)

    picture = Presentation(told).render(values.tobytes())

    assert picture.tolist() == [[0, 0, 255, 128]]


def test_values_beyond_a_palette_take_the_colour_at_its_end():
    """An index out of range is no error (PS3.3 C.7.6.3.1.5)."""
    table = LookupTable(10, np.uint16([1, 2, 3]) * 257, 16)

    colours = Palette(table, table, table).apply(np.int16([-5, 10, 12, 300]))

    assert colours[:, 0].tolist() == [1, 1, 3, 3]
