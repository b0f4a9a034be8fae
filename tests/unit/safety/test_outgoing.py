"""What is handed on carries no program, page or PDF in its preamble."""

from __future__ import annotations

import pytest

from dicomlab.safety import MemoryBytes, Outgoing
from tests.hostile.corpus import corpus
from tests.hostile.parts import Hostile
from tests.small import part10

POLYGLOTS = [made for made in corpus() if made.kind == "polyglot"]


@pytest.mark.parametrize("made", POLYGLOTS, ids=lambda made: made.id)
def test_only_tiff_and_zeros_go_out_in_a_preamble(made: Hostile) -> None:
    """Everything behind it stays, byte for byte, however it is read."""
    out = Outgoing(MemoryBytes(made.data))

    data = out.read_at(0, out.size)

    is_tiff = made.data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    has_prefix = made.data[128:132] == b"DICM"
    assert out.size == len(data) == len(made.data)
    assert data[128:] == made.data[128:]
    assert data[:128] == (made.data[:128] if is_tiff or not has_prefix else bytes(128))
    for offset, size in ((0, 1), (1, 126), (127, 2), (100, 40), (128, 4), (130, 10**6)):
        assert out.read_at(offset, size) == data[offset : offset + size]


def test_a_data_set_without_preamble_is_left_alone() -> None:
    """Even where the four letters stand at the place of the prefix by chance."""
    whole = part10()
    bare = bytearray(whole[whole.index(b"\x08\0\x16\0UI") :])
    bare[128:132] = b"DICM"

    assert Outgoing(MemoryBytes(bytes(bare))).read_at(0, len(bare)) == bytes(bare)
