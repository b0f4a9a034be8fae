"""Which form of an answer a client takes: Accept and what it is weighed by (PS3.18 8.7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dicomlab.errors import RequestError

_LONGEST: Final = 8192
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z/-]+"
_PARAMETER: Final = re.compile(rf'\s*;\s*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))')
_KIND: Final = re.compile(rf"\s*({_WORD})")
_SEPARATOR: Final = re.compile(r"\s*(,|$)")


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One range of an Accept header.

    Attributes
    ----------
    kind
        ``"application/dicom"``, ``"multipart/related"``, ``"image/*"``, ``"*/*"``; lower case.
    parameters
        By lower-case name, without the weight.
    weight
        The ``q`` value, 1 where there is none.
    """

    kind: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    weight: float = 1.0

    @property
    def transfer_syntax(self) -> str | None:
        """The transfer syntax that is asked for, ``"*"`` for the stored one, ``None`` for any."""
        return self.parameters.get("transfer-syntax")


@dataclass(frozen=True, slots=True)
class Offer:
    """One form that an answer can have.

    Attributes
    ----------
    media_type
        Of each part.
    is_multipart
        Whether it comes as multipart/related.
    transfer_syntax_uids
        Those that it can have, the usual one first; empty for media that have none.
    is_stored
        Whether ``transfer-syntax=*`` means this form.
    """

    media_type: str
    is_multipart: bool = False
    transfer_syntax_uids: tuple[str, ...] = ()
    is_stored: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """An offer that a client takes, and the transfer syntax that it takes it in."""

    offer: Offer
    transfer_syntax_uid: str | None


def read_accept(values: Iterable[str]) -> list[MediaRange]:
    """Return the ranges of Accept headers or parameters, in their order.

    Raises
    ------
    RequestError
        A value breaks the grammar of RFC 9110 12.5.1.
    """
    text = ",".join(values)
    if len(text) > _LONGEST:
        raise _bad_accept()
    found = []
    position = 0
    while text[position:].strip(" ,\t"):
        kind = _KIND.match(text, position)
        if kind is None:
            raise _bad_accept()
        position = kind.end()
        parameters: dict[str, str] = {}
        while (parameter := _PARAMETER.match(text, position)) is not None:
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            parameters[name.lower()] = value
            position = parameter.end()
        separator = _SEPARATOR.match(text, position)
        if separator is None or kind[1].count("/") != 1:
            raise _bad_accept()
        position = separator.end()
        weight = _weight(parameters.pop("q", "1"))
        found.append(MediaRange(kind[1].lower(), parameters, weight))
    return found


def choose(accepted: Sequence[MediaRange], offers: Sequence[Offer]) -> Chosen:
    """Return the offer that the client likes best; of those it likes alike the first.

    Without any range the first offer is meant.

    Raises
    ------
    RequestError
        406: the client takes none of them.
    """
    if not accepted:
        return _taken(offers[0], None)
    best: tuple[float, int, Chosen] | None = None
    for offer in offers:
        fitting = [
            (_specificity(one), -place, one)
            for place, one in enumerate(accepted)
            if _fits(one, offer)
        ]
        if not fitting:
            continue
        _, place, taken = max(fitting, key=lambda one: one[:2])
        if taken.weight > 0 and (best is None or (taken.weight, place) > best[:2]):
            best = taken.weight, place, _taken(offer, taken.transfer_syntax)
    if best is None:
        told = ", ".join(dict.fromkeys(offer.media_type for offer in offers))
        raise RequestError(
            f"None of the media types in Accept can be given; there are {told} (PS3.18 8.7).",
            status=406,
        )
    return best[2]


def _taken(offer: Offer, wanted: str | None) -> Chosen:
    usual = offer.transfer_syntax_uids[0] if offer.transfer_syntax_uids else None
    return Chosen(offer, usual if wanted in (None, "*") else wanted)


def _fits(one: MediaRange, offer: Offer) -> bool:
    if one.kind == "multipart/related":
        if not offer.is_multipart:
            return False
        wanted = one.parameters.get("type", "*/*").lower()
    else:
        wanted = one.kind
        if offer.is_multipart and wanted != "*/*":
            return False
    main = offer.media_type.partition("/")[0]
    if wanted not in ("*/*", f"{main}/*", offer.media_type):
        return False
    syntax = one.transfer_syntax
    if syntax is None:
        return True
    return offer.is_stored if syntax == "*" else syntax in offer.transfer_syntax_uids


def _specificity(one: MediaRange) -> int:
    kind = one.parameters.get("type", one.kind)
    return (kind != "*/*") + (not kind.endswith("/*")) + ("transfer-syntax" in one.parameters)


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        raise _bad_accept() from None
    if not 0 <= weight <= 1:
        raise _bad_accept()
    return weight


def _bad_accept() -> RequestError:
    return RequestError("Accept is no list of media ranges (RFC 9110 12.5.1).", status=400)
