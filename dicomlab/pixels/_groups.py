"""The functional groups of enhanced multi-frame objects (PS3.3 C.7.6.16)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicomlab.safety import Attributes


@dataclass(frozen=True, slots=True)
class FunctionalGroups:
    """The macros of each frame, shared or of its own.

    Attributes
    ----------
    shared
        The item of Shared Functional Groups Sequence (5200,9229), ``None`` where there is none.
    per_frame
        The items of Per-Frame Functional Groups Sequence (5200,9230), one a frame.
    """

    shared: Attributes | None
    per_frame: tuple[Attributes, ...]

    @classmethod
    def from_attributes(cls, attributes: Attributes) -> FunctionalGroups | None:
        """Return the functional groups of an object, ``None`` where it has none."""
        shared = tuple(attributes.items("SharedFunctionalGroupsSequence"))
        per_frame = tuple(attributes.items("PerFrameFunctionalGroupsSequence"))
        if not shared and not per_frame:
            return None
        return cls(shared[0] if shared else None, per_frame)

    def macro(self, frame: int, sequence: str) -> Attributes | None:
        """Return the first item of a macro's sequence for a frame, counted from 0."""
        items = self.items(frame, sequence)
        return items[0] if items else None

    def items(self, frame: int, sequence: str) -> Sequence[Attributes]:
        """Return the items of a macro's sequence for a frame, counted from 0."""
        places = [self.per_frame[frame]] if frame < len(self.per_frame) else []
        if self.shared is not None:
            places.append(self.shared)
        for place in places:
            items = place.items(sequence)
            if items:
                return items
        return ()
