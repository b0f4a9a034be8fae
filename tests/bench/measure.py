"""What a benchmark module gives back, and how two sides are measured beside each other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Result:
    """One figure: ours, the peer's, and how many times better ours is.

    Attributes
    ----------
    ours, peer
        Medians over the repetitions, in `unit`; ``None`` where that side could not run.
    ratio
        Median of the ratios of each repetition: above 1 is better, whatever the unit.
    goal
        What the ratio shall be, ``None`` where there is none.
    missing
        Why a side could not run, empty where both did.
    """

    name: str
    unit: str
    ours: float | None
    peer: float | None
    ratio: float | None
    goal: float | None = None
    peer_name: str = ""
    missing: str = ""


def seconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def beside(
    name: str,
    ours: Callable[[], float],
    peer: Callable[[], float],
    *,
    repeat: int,
    unit: str,
    peer_name: str,
    goal: float | None = None,
    more_is_better: bool = False,
) -> Result:
    """Measure both sides in turn, the first to go changing with each repetition.

    Each side does its work and returns its figure; one round of each is run before, uncounted.
    """
    ours()
    peer()
    pairs = []
    for number in range(repeat):
        if number % 2:
            theirs = peer()
            pairs.append((ours(), theirs))
        else:
            mine = ours()
            pairs.append((mine, peer()))
    ratios = [mine / theirs if more_is_better else theirs / mine for mine, theirs in pairs]
    return Result(
        name,
        unit,
        median(mine for mine, _ in pairs),
        median(theirs for _, theirs in pairs),
        median(ratios),
        goal,
        peer_name,
    )


def missing(name: str, unit: str, peer_name: str, why: str, *, goal: float | None = None) -> Result:
    """Return what stands in for a figure whose peer is not here."""
    return Result(name, unit, None, None, None, goal, peer_name, why)
