"""A query in the standard's terms (PS3.4 C.2.2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from dicomlab.standard import Level

Match: TypeAlias = str | int | float | Sequence[str | int | float] | Mapping[str, "Match"] | None


@dataclass(frozen=True, init=False)
class Query:
    """What is asked of a source: a level, and what the attributes must match.

    Attributes
    ----------
    level
        What one answer stands for.
    matches
        Keyword to what it must match.
    """

    level: Level
    matches: Mapping[str, Match]

    def __init__(self, level: str | Level = Level.STUDY, **matches: Match) -> None:
        object.__setattr__(self, "level", Level(level))
        object.__setattr__(self, "matches", dict(matches))
