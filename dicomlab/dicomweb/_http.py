"""A request and its answer, as any framework has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from dicomlab.errors import RequestError

Body: TypeAlias = bytes | Iterable[bytes]


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked.

    Attributes
    ----------
    method
        In capitals.
    path
        Below the root of the services, without a slash at the start: ``"studies/1.2/series"``.
    parameters
        Of the query string, decoded, in their order.
    headers
        By lower-case name; what came several times is joined by commas.
    base_url
        Where the root of the services is, as the client knows it, without a slash at the end.
    """

    method: str
    path: str
    parameters: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    base_url: str = ""

    def values(self, name: str) -> list[str]:
        """Return the values of a parameter, its comma-separated lists taken apart."""
        return [
            part.strip()
            for key, value in self.parameters
            if key.lower() == name
            for part in value.split(",")
            if part.strip()
        ]

    def count(self, name: str) -> int | None:
        """Return a parameter that is a whole number from 0, ``None`` where it is not given.

        Raises
        ------
        RequestError
            It is something else, or given twice.
        """
        values = self.values(name)
        if not values:
            return None
        if len(values) > 1 or not values[0].isascii() or not values[0].isdigit():
            raise RequestError(f"{name} must be one whole number from 0.", status=400)
        return min(int(values[0][:18]), 2**53)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered.

    Attributes
    ----------
    body
        Bytes, or blocks of them one after the other.
    """

    status: int
    body: Body = b""
    headers: Mapping[str, str] = field(default_factory=dict)
