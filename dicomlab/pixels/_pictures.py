"""Pictures and films as files for the web and for documents."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable
from enum import StrEnum
from itertools import chain
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from dicomlab.errors import UnsupportedError
from dicomlab.pixels._video import opencv

Picture = NDArray[np.uint8]
"""Shape (row, column) for grey, (row, column, 3) for RGB."""


class PictureFormat(StrEnum):
    """What a picture can be written as; the values are media types."""

    PNG = "image/png"
    JPEG = "image/jpeg"
    WEBP = "image/webp"
    GIF = "image/gif"
    JPEG_2000 = "image/jp2"


class FilmFormat(StrEnum):
    """What a film can be written as; the values are media types."""

    GIF = "image/gif"
    WEBP = "image/webp"
    MP4 = "video/mp4"


def write_picture(
    picture: Picture,
    form: PictureFormat = PictureFormat.PNG,
    *,
    quality: int = 90,
    longest_side: int | None = None,
) -> bytes:
    """Return a picture as a file.

    Parameters
    ----------
    picture
        As `Presentation.render` returns it.
    form
        PNG, GIF of grey, and WebP and JPEG 2000 at quality 100 lose nothing.
    quality
        From 1 to 100, where the form knows one.
    longest_side
        Make it smaller where its longest side is longer than this many pixels.
    """
    from PIL import Image  # noqa: PLC0415  only pictures need it

    if longest_side is None and form in (PictureFormat.PNG, PictureFormat.JPEG):
        # Much the faster codecs.
        whole = np.ascontiguousarray(picture)
        if form is PictureFormat.PNG:
            return bytes(imagecodecs.png_encode(whole, level=1))
        return bytes(imagecodecs.jpeg8_encode(whole, level=quality))
    image = Image.fromarray(np.ascontiguousarray(picture))
    if longest_side is not None:
        image.thumbnail((longest_side, longest_side), Image.Resampling.BOX)
    if form is PictureFormat.JPEG_2000:
        return _jp2(np.asarray(image), quality)
    options: dict[PictureFormat, dict[str, int | bool]] = {
        PictureFormat.PNG: {"compress_level": 1},
        PictureFormat.JPEG: {"quality": quality},
        PictureFormat.WEBP: {"quality": quality, "lossless": quality == 100},
    }
    buffer = io.BytesIO()
    image.save(buffer, form.name, **options.get(form, {}))
    return buffer.getvalue()


def png(picture: Picture, *, longest_side: int | None = None) -> bytes:
    """Return a picture as PNG, made smaller where its longest side is longer than asked for."""
    return write_picture(picture, PictureFormat.PNG, longest_side=longest_side)


def _jp2(picture: Picture, quality: int) -> bytes:
    """Return a picture as a JP2 file, with loss below quality 100."""
    lossless = quality == 100
    return bytes(
        imagecodecs.jpeg2k_encode(
            np.ascontiguousarray(picture),
            level=0 if lossless else 25 + quality // 4,
            codecformat="jp2",
            reversible=lossless,
            mct=picture.ndim == 3,
            numthreads=1,
        )
    )


def write_film(
    pictures: Iterable[Picture],
    form: FilmFormat = FilmFormat.MP4,
    *,
    frames_per_second: float = 25,
    quality: int = 80,
) -> bytes:
    """Return pictures of one size as a film; they are taken one by one.

    MP4 holds VP9, which browsers play, and which is free to use. It keeps every second sample of
    colour, and an odd last row or column is left out.

    Raises
    ------
    ValueError
        There is no picture, or they differ in size.
    MissingDependencyError
        MP4 needs OpenCV.
    UnsupportedError
        OpenCV is there, and has no encoder for VP9.
    """
    several = iter(pictures)
    first = next(several, None)
    if first is None:
        raise ValueError("a film needs a picture at the least")
    whole = (_same_size(one, first) for one in chain((first,), several))
    if form is FilmFormat.MP4:
        return _mp4(whole, first, frames_per_second, quality)
    return _animation(whole, form, frames_per_second, quality)


def _same_size(picture: Picture, first: Picture) -> Picture:
    if picture.shape != first.shape:
        raise ValueError(f"a picture is {picture.shape}, the first was {first.shape}")
    return picture


def _animation(
    pictures: Iterable[Picture], form: FilmFormat, frames_per_second: float, quality: int
) -> bytes:
    from PIL import Image  # noqa: PLC0415  only pictures need it

    images = (Image.fromarray(np.ascontiguousarray(one)) for one in pictures)
    first = next(images)
    buffer = io.BytesIO()
    options = {"quality": quality} if form is FilmFormat.WEBP else {}
    first.save(
        buffer,
        form.name,
        save_all=True,
        append_images=images,
        duration=max(round(1000 / frames_per_second), 1),
        loop=0,
        **options,
    )
    return buffer.getvalue()


def _mp4(
    pictures: Iterable[Picture], first: Picture, frames_per_second: float, quality: int
) -> bytes:
    cv2 = opencv()
    rows, columns = (side - side % 2 for side in first.shape[:2])
    with tempfile.TemporaryDirectory(prefix="dicomlab-film-") as folder:
        path = Path(folder, "film.mp4")
        film = cv2.VideoWriter(
            str(path),
            cv2.CAP_FFMPEG,
            cv2.VideoWriter_fourcc(*"vp09"),
            frames_per_second,
            (columns, rows),
        )
        if not film.isOpened():
            raise UnsupportedError("This OpenCV writes no VP9: take GIF or WebP.")
        film.set(cv2.VIDEOWRITER_PROP_QUALITY, quality)
        for picture in pictures:
            code = cv2.COLOR_GRAY2BGR if picture.ndim == 2 else cv2.COLOR_RGB2BGR
            cut = np.ascontiguousarray(picture[:rows, :columns])
            film.write(cv2.cvtColor(cut, code))
        film.release()
        return path.read_bytes()
