"""Pictures and films are read back by other programs."""

import io

import av
import numpy as np
import pytest
from PIL import Image

from dicomlab.pixels import FilmFormat, PictureFormat, write_film, write_picture

ROWS, COLUMNS = np.mgrid[0:48, 0:64]
GREY = (ROWS + COLUMNS).astype(np.uint8)
RGB = np.stack((ROWS * 4, COLUMNS * 3, ROWS + COLUMNS), axis=-1).astype(np.uint8)


@pytest.mark.parametrize("picture", [GREY, RGB], ids=["grey", "RGB"])
@pytest.mark.parametrize("form", list(PictureFormat))
def test_pillow_reads_each_form(form, picture):
    """The same picture within what the form may lose."""
    opened = Image.open(io.BytesIO(write_picture(picture, form, quality=95)))

    assert opened.get_format_mimetype() == form
    read = np.asarray(opened.convert("L" if picture.ndim == 2 else "RGB"))
    most = {PictureFormat.PNG: 0, PictureFormat.GIF: 60 if picture.ndim == 3 else 0}.get(form, 24)
    difference = np.abs(read.astype(int) - picture)
    assert difference.max() <= most
    assert difference.mean() <= (20 if form is PictureFormat.GIF else 2)


@pytest.mark.parametrize("form", [PictureFormat.WEBP, PictureFormat.JPEG_2000])
def test_quality_100_loses_nothing(form):
    """For those forms that can."""
    opened = Image.open(io.BytesIO(write_picture(RGB, form, quality=100)))

    assert np.array_equal(np.asarray(opened), RGB)


@pytest.mark.parametrize("form", list(PictureFormat))
def test_a_picture_is_made_smaller(form):
    """The longest side is as asked for, the shape is kept."""
    opened = Image.open(io.BytesIO(write_picture(RGB, form, longest_side=32)))

    assert opened.size == (32, 24)


def film(picture: np.ndarray) -> list[np.ndarray]:
    return [np.roll(picture, 4 * number, axis=1) for number in range(6)]


@pytest.mark.parametrize("picture", [GREY, RGB], ids=["grey", "RGB"])
def test_an_mp4_is_played(picture):
    """VP9 by another build of FFmpeg: all frames, in order, at the rate that was asked for."""
    data = write_film(iter(film(picture)), FilmFormat.MP4, frames_per_second=10, quality=95)

    with av.open(io.BytesIO(data)) as opened:
        stream = opened.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in opened.decode(stream)]
        assert stream.codec_context.name in ("vp9", "libvpx-vp9")
        assert float(stream.average_rate) == pytest.approx(10)
    assert len(frames) == 6
    for read, shown in zip(frames, film(picture), strict=True):
        expected = shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, axis=2)
        assert np.abs(read.astype(int) - expected).mean() < 6


@pytest.mark.parametrize("form", [FilmFormat.GIF, FilmFormat.WEBP])
def test_an_animation_is_played(form):
    """All frames, and how long each is shown."""
    opened = Image.open(io.BytesIO(write_film(film(GREY), form, frames_per_second=10)))

    assert opened.n_frames == 6
    opened.seek(5)
    opened.load()
    assert opened.info["duration"] == 100
    read = np.asarray(opened.convert("L")).astype(int)
    assert np.abs(read - film(GREY)[5]).mean() < 6


def test_a_film_of_nothing_or_of_several_sizes_is_a_mistake():
    """Both are the caller's own."""
    with pytest.raises(ValueError, match="at the least"):
        write_film([])
    with pytest.raises(ValueError, match="the first was"):
        write_film([GREY, GREY[1:]], FilmFormat.GIF)
