"""The corpus: every hostile file, the same each time, and what is to become of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.hostile import containers, data_sets, pixels
from tests.hostile.parts import Hostile

_KINDS: tuple[Callable[[], Iterator[Hostile]], ...] = (
    data_sets.deflated,
    data_sets.nested,
    data_sets.lengths,
    data_sets.file_meta,
    data_sets.preambles,
    data_sets.texts,
    data_sets.values,
    pixels.dimensions,
    pixels.pixel_data,
    pixels.codestreams,
    containers.media_directories,
    containers.zips,
)


def corpus() -> Iterator[Hostile]:
    """Yield every hostile file; its id begins with its kind."""
    for kind in _KINDS:
        for made in kind():
            yield Hostile(f"{made.kind}/{made.id}", made.kind, made.data, made.expects, made.suffix)
