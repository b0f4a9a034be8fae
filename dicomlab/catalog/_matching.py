"""Whether values meet a criterion: the reference that every index must agree with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dicomlab.catalog._criteria import (
    AnyOf,
    Criterion,
    Empty,
    Equals,
    Items,
    NameGroups,
    Range,
    Universal,
    Wildcard,
    wildcard_expression,
)
from dicomlab.catalog._normal import name_forms, normal_form
from dicomlab.catalog._source import Scalar, Value
from dicomlab.standard import attribute


def values_of(value: Value) -> tuple[Scalar, ...]:
    """Return what a record holds for an attribute, one by one and without empty values."""
    if isinstance(value, str):
        return () if _is_empty(value) else (value,)
    if isinstance(value, int | float):
        return (value,)
    return tuple(one for one in value or () if not isinstance(one, Mapping) and not _is_empty(one))


def _is_empty(value: Scalar) -> bool:
    return isinstance(value, str) and not value.strip(" \0")


def meets(keyword: str, criterion: Criterion, value: Value) -> bool:
    """Return whether a record's value matches; one of several values is enough (C.2.2.2)."""
    if isinstance(criterion, Universal):
        return True
    if isinstance(criterion, Items):
        return any(
            all(meets(inner, one, item.get(inner)) for inner, one in criterion.criteria.items())
            for item in _items(value)
        )
    values = values_of(value)
    if isinstance(criterion, Empty):
        return not values and not _items(value)
    if not values:
        return isinstance(criterion, AnyOf) and Empty() in criterion.criteria
    vr = attribute(keyword).vr
    if vr == "PN":
        return any(_name_meets(criterion, name_forms(str(one))) for one in values)
    return any(_form_meets(criterion, normal_form(vr, one)) for one in values)


def _items(value: Value) -> Sequence[Mapping[str, Value]]:
    if not isinstance(value, tuple):
        return ()
    return tuple(one for one in value if isinstance(one, Mapping))


def _name_meets(criterion: Criterion, groups: tuple[str, ...]) -> bool:
    """Match a person name: any component group, or each in its place where the request has several.

    PS3.4 C.2.2.2.1.2 leaves this to the system; all three ways to write a name lead to the person.
    """
    if isinstance(criterion, NameGroups):
        padded = (*groups, "", "", "")
        return all(
            isinstance(one, Universal) or _form_meets(one, form)
            for one, form in zip(criterion.groups, padded, strict=False)
        )
    if isinstance(criterion, AnyOf):
        return any(_name_meets(one, groups) for one in criterion.criteria)
    return any(_form_meets(criterion, form) for form in groups if form)


def _form_meets(criterion: Criterion, form: str | float) -> bool:
    """Match one normal form."""
    if isinstance(criterion, Equals):
        return form == criterion.key
    if isinstance(criterion, AnyOf):
        return form in criterion.keys or any(
            _form_meets(one, form) for one in criterion.criteria if not isinstance(one, Equals)
        )
    if isinstance(criterion, Wildcard):
        return wildcard_expression(criterion.pattern).fullmatch(str(form)) is not None
    if isinstance(criterion, Range):
        return _within(criterion, form)
    return False


def _within(bounds: Range, form: str | float) -> bool:
    if isinstance(form, str):
        if form.startswith("!"):
            return False
        low, high = (None if one is None else str(one) for one in (bounds.low, bounds.high))
        return (low is None or low <= form) and (high is None or form <= high)
    if isinstance(bounds.low, str) or isinstance(bounds.high, str):
        return False
    return (bounds.low is None or bounds.low <= form) and (
        bounds.high is None or form <= bounds.high
    )
