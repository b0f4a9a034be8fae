"""Where frames lie is found from offset tables, from items, or by arithmetic."""

import struct

import numpy as np
import pytest

from dicomlab.errors import NonConformantError
from dicomlab.pixels import FrameDescription, index_frames
from dicomlab.safety import MemoryBytes, PixelDataLocation

JPEG = "1.2.840.10008.1.2.4.70"
NATIVE = "1.2.840.10008.1.2.1"
START = b"\xff\xd8\xff"


def item(content: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(content)) + content


END = b"\xfe\xff\xdd\xe0\0\0\0\0"


def frames_of(data: bytes, count: int, *, uid=JPEG, **tables) -> list[bytes]:
    description = FrameDescription(2, 2, number_of_frames=count, transfer_syntax_uid=uid)
    source = MemoryBytes(b"head" + data)
    index = index_frames(source, PixelDataLocation(0x7FE00010, 4, None), description, **tables)
    return [index.read(source, frame) for frame in range(len(index))]


def test_one_fragment_a_frame():
    """Without an offset table, as many fragments as frames are the frames."""
    assert frames_of(item(b"") + item(b"ab") + item(b"cdef") + END, 2) == [b"ab", b"cdef"]


def test_a_single_frame_over_several_fragments():
    """All fragments of a single frame belong to it."""
    assert frames_of(item(b"") + item(b"ab") + item(b"cdef") + END, 1) == [b"abcdef"]


def test_the_basic_offset_table_groups_fragments():
    """Offsets count from the first byte of the first fragment's item (PS3.5 A.4)."""
    table = struct.pack("<2I", 0, 10 + 12)
    data = item(table) + item(b"ab") + item(b"cdef") + item(b"gh") + item(b"ij") + END

    assert frames_of(data, 2) == [b"abcdef", b"ghij"]


def test_a_wrong_offset_table_is_not_believed():
    """Where offsets point into a fragment, the beginnings of the codestreams decide."""
    table = struct.pack("<2I", 0, 13)
    pieces = [item(START + b"a"), item(b"bb"), item(START + b"c"), item(b"dd")]

    assert frames_of(item(table) + b"".join(pieces) + END, 2) == [START + b"abb", START + b"cdd"]


def test_the_extended_offset_table_is_used():
    """Extended offsets and lengths find frames of odd length, without their padding."""
    data = item(b"") + item(b"abc\0") + item(b"de") + END
    tables = {"extended_offsets": (0, 12), "extended_lengths": (3, 2)}

    assert frames_of(data, 2, **tables) == [b"abc", b"de"]


def test_an_extended_offset_table_that_misses_the_items_is_not_believed():
    """Lengths that no item has are ignored; the items themselves are walked."""
    data = item(b"") + item(b"abcd") + item(b"ef") + END
    tables = {"extended_offsets": (0, 11), "extended_lengths": (4, 2)}

    assert frames_of(data, 2, **tables) == [b"abcd", b"ef"]


def test_frames_that_cannot_be_told_apart_are_refused():
    """Three fragments for two frames, and nothing says which belong together."""
    with pytest.raises(NonConformantError) as caught:
        frames_of(item(b"") + item(b"ab") + item(b"cd") + item(b"ef") + END, 2)

    assert caught.value.reason == "frames-cannot-be-told-apart"


@pytest.mark.parametrize(
    "data", [b"", item(b"") + item(b"abcdef")[:-2], item(b"")[:6]], ids=["no item", "cut", "header"]
)
def test_a_file_cut_short_is_refused(data):
    """A fragment that ends beyond the file, or none at all, is a truncated file."""
    with pytest.raises(NonConformantError) as caught:
        frames_of(data, 1)

    assert caught.value.reason in ("truncated", "frames-cannot-be-told-apart")


def test_a_missing_delimiter_is_tolerated():
    """Frames that are whole are read, even if the sequence's end is missing."""
    assert frames_of(item(b"") + item(b"ab"), 1) == [b"ab"]


def test_native_frames_follow_one_another():
    """Frame i begins at i times the frame's size."""
    values = np.arange(12, dtype="<u2").reshape(3, 2, 2)
    description = FrameDescription(2, 2, number_of_frames=3, transfer_syntax_uid=NATIVE)
    source = MemoryBytes(values.tobytes())
    index = index_frames(source, PixelDataLocation(0x7FE00010, 0, 24), description)

    assert [index.read(source, frame) for frame in range(3)] == [v.tobytes() for v in values]
    assert index.span(2) == (16, 8)


def test_native_pixels_cut_short_are_refused():
    """Fewer bytes than the attributes declare."""
    description = FrameDescription(2, 2, number_of_frames=3, transfer_syntax_uid=NATIVE)
    with pytest.raises(NonConformantError) as caught:
        index_frames(MemoryBytes(bytes(23)), PixelDataLocation(0x7FE00010, 0, 24), description)

    assert caught.value.reason == "truncated"


def test_native_pixels_of_undefined_length_are_refused():
    """A transfer syntax that contradicts the element."""
    with pytest.raises(NonConformantError) as caught:
        frames_of(item(b"") + item(b"ab") + END, 1, uid=NATIVE)

    assert caught.value.reason == "transfer-syntax-contradicted"


def test_bytes_of_big_endian_words_are_turned():
    """Explicit VR Big Endian keeps bytes of OW in turned words, across frames of odd size."""
    values = np.arange(10, dtype=np.uint8)
    words = values.view(np.uint16).byteswap().tobytes()
    description = FrameDescription(
        1, 3, 1, 8, 8, 7, number_of_frames=3, transfer_syntax_uid="1.2.840.10008.1.2.2"
    )
    source = MemoryBytes(b"head" + words)

    turned = index_frames(source, PixelDataLocation(0x7FE00010, 4, 10, "OW"), description)
    plain = index_frames(source, PixelDataLocation(0x7FE00010, 4, 10, "OB"), description)

    read = [list(turned.read(source, frame)) for frame in range(3)]
    assert read == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert turned.span(0) is None
    assert plain.read(source, 0) == bytes([1, 0, 3])
