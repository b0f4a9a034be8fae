"""Frames of video streams are what another build of FFmpeg makes of them."""

import io
import struct

import av
import numpy as np
import pytest

from dicomlab.errors import NonConformantError
from dicomlab.pixels import FrameDescription, decode_frame, index_frames, video_frames
from dicomlab.safety import MemoryBytes, PixelDataLocation

ROWS, COLUMNS, FRAMES = 64, 96, 12
STREAMS = {
    "4.100": ("mpeg2video", "mpeg2video"),
    "4.101": ("mpeg2video", "mpegts"),
    "4.102": ("libx264", "mp4"),
    "4.103": ("libx264", "h264"),
    "4.107": ("libx265", "hevc"),
}


def film(codec: str, container: str) -> bytes:
    buffer = io.BytesIO()
    rows, columns = np.mgrid[0:ROWS, 0:COLUMNS]
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = COLUMNS, ROWS, "yuv420p"
        if codec == "libx265":
            stream.options = {"x265-params": "log-level=none"}
        for number in range(FRAMES):
            colours = ((columns * 2 + number * 8) % 256, rows * 3, (rows + columns) // 2)
            picture = np.stack(colours, axis=-1).astype(np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        output.mux(stream.encode())
    return buffer.getvalue()


def description(suffix: str, **changes) -> FrameDescription:
    options = {
        "samples_per_pixel": 3,
        "bits_allocated": 8,
        "bits_stored": 8,
        "high_bit": 7,
        "photometric_interpretation": "YBR_PARTIAL_420",
        "number_of_frames": FRAMES,
        "transfer_syntax_uid": "1.2.840.10008.1.2." + suffix,
    }
    return FrameDescription(ROWS, COLUMNS, **options | changes)


@pytest.mark.parametrize("suffix", list(STREAMS))
def test_each_frame_is_decoded(suffix):
    """MPEG-2, H.264 and HEVC, bare and in a container."""
    stream = film(*STREAMS[suffix])
    with av.open(io.BytesIO(stream)) as opened:
        expected = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]

    whole = list(video_frames(stream, description(suffix)))
    eighth = decode_frame(stream, description(suffix), number=7)

    assert len(whole) == len(expected) == FRAMES
    for ours, theirs in zip(whole, expected, strict=True):
        assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert eighth.tolist() == whole[7].tolist()


def test_a_stream_in_fragments_is_read_piece_by_piece():
    """Fragments of a video are no frames (PS3.5 8.2.5): they are read as one file."""
    stream = film("mpeg2video", "mpeg2video")
    cut = len(stream) // 2 // 2 * 2
    items = b"".join(
        b"\xfe\xff\x00\xe0" + struct.pack("<I", len(piece)) + piece
        for piece in (b"", stream[:cut], stream[cut:])
    )
    source = MemoryBytes(items)
    told = description("4.100.1")

    index = index_frames(source, PixelDataLocation(0x7FE00010, 0, None), told)

    assert len(index) == FRAMES
    assert index.read(source, 3) == stream
    assert index.span(0) is None
    pictures = list(video_frames(index.stream(source), told, start=10))
    assert [one.shape for one in pictures] == [(ROWS, COLUMNS, 3)] * 2


def test_garbage_is_no_video():
    """The decoder's own refusal becomes ours."""
    with pytest.raises(NonConformantError) as caught:
        decode_frame(bytes(500), description("4.102"))

    assert caught.value.reason == "damaged-frame"


def test_a_video_of_another_size_is_refused():
    """The attributes say 64 rows fewer."""
    told = description("4.102")
    wrong = FrameDescription(128, COLUMNS, 3, 8, 8, 7, transfer_syntax_uid=told.transfer_syntax_uid)

    with pytest.raises(NonConformantError) as caught:
        decode_frame(film("libx264", "mp4"), wrong)

    assert caught.value.reason == "codestream-contradicts-header"


def test_a_video_that_ends_early_names_the_frame():
    """Twenty frames are declared and twelve are there; those are still usable."""
    told = description("4.102", number_of_frames=20)
    stream = film("libx264", "mp4")

    assert decode_frame(stream, told, number=11).shape == (ROWS, COLUMNS, 3)
    with pytest.raises(NonConformantError, match="ends after 12 frames"):
        decode_frame(stream, told, number=15)
