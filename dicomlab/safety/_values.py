"""First values, from all of them: shared by everything that keeps attributes."""

from __future__ import annotations

from abc import ABC, abstractmethod

from dicomlab.errors import NonConformantError
from dicomlab.standard import tag_of, tag_text


def not_a_number(keyword: str, why: str) -> NonConformantError:
    """Return the error for a value that must be a number and is none."""
    tag = tag_of(keyword)
    return NonConformantError(
        f"{keyword} {tag_text(tag)} {why} (PS3.5 6.2). "
        "Correct the attribute at its source, or leave the instance out.",
        reason="not-a-number",
        tag=tag,
        reference="PS3.5 6.2",
    )


class FirstValues(ABC):
    """Gives single values to what has `strings` and `numbers`; see `Attributes`."""

    __slots__ = ()

    @abstractmethod
    def strings(self, keyword: str) -> tuple[str, ...]:
        """Return the values of a text attribute, ``()`` where it is absent or empty."""

    @abstractmethod
    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Return the values of a numeric attribute, ``()`` where it is absent or empty.

        Raises
        ------
        NonConformantError
            A Decimal or Integer String is no number (PS3.5 6.2).
        """

    def string(self, keyword: str) -> str | None:
        """Return the first value of a text attribute, ``None`` where it is absent or empty."""
        values = self.strings(keyword)
        return values[0] or None if values else None

    def number(self, keyword: str) -> float | None:
        """Return the first value of a numeric attribute, ``None`` where it is absent or empty."""
        values = self.numbers(keyword)
        return values[0] if values else None

    def integer(self, keyword: str) -> int | None:
        """Return the first value of an integer attribute, ``None`` where it is absent or empty.

        Raises
        ------
        NonConformantError
            The value is not whole.
        """
        value = self.number(keyword)
        if value is None:
            return None
        if not value.is_integer():
            raise not_a_number(keyword, "must be a whole number")
        return int(value)
