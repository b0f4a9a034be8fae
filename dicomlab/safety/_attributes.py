"""The attributes of a data set, whatever keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Attributes(Protocol):
    """Read access to one data set, wherever it is kept; `Header` is one.

    Attributes are named by keyword; an absent and an empty one are alike.
    """

    def __contains__(self, keyword: str) -> bool: ...

    def strings(self, keyword: str) -> tuple[str, ...]:
        """Return the values of a text attribute."""

    def string(self, keyword: str) -> str | None:
        """Return the first value of a text attribute."""

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Return the values of a numeric attribute."""

    def number(self, keyword: str) -> float | None:
        """Return the first value of a numeric attribute."""

    def integer(self, keyword: str) -> int | None:
        """Return the first value of an integer attribute."""

    def items(self, keyword: str) -> Sequence[Attributes]:
        """Return the items of a sequence."""
