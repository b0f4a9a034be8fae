"""Criteria as SQL.

What comes out is either exact, or holds at least everything that matches; `Selection.is_exact`
says which, and `dicomlab.catalog.Query.matches` decides about the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnClause,
    ColumnElement,
    Dialect,
    Select,
    Text,
    TypeDecorator,
    and_,
    exists,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import TypeEngine

from dicomlab.archive._database import TEXT_LEVELS
from dicomlab.archive._forms import TEXT_VRS
from dicomlab.archive._schema import INDEXED, TABLES, LevelTables
from dicomlab.catalog import (
    NUMBER_VRS,
    AnyOf,
    CombinedRange,
    Criterion,
    Empty,
    Equals,
    Items,
    NameGroups,
    Range,
    Universal,
    Wildcard,
)
from dicomlab.standard import attribute, level_of

Ids: TypeAlias = Select[int]
_Condition: TypeAlias = ColumnElement[bool]
_Form: TypeAlias = ColumnElement[str | float]
_T = TypeVar("_T")

_TRIGRAM: Final = 3
_MOST_PARAMETERS: Final = 20_000
_LAST_CHARACTER: Final = "\U0010ffff"


@dataclass(frozen=True)
class Selection:
    """One criterion as SQL.

    Attributes
    ----------
    owner
        Tables of the level that owns the attribute; `where` speaks of its entity.
    where
        What a row of the owner must meet.
    driver
        The ids of all rows of the owner that may meet it, found through an index; ``None`` where
        no index helps.
    is_exact
        Whether `where` says all of the criterion.
    is_driver_exact
        Whether the driver gives the same rows as `where`.
    is_text
        The driver looks through the trigrams of text: it finds rows one by one, in their order,
        and counting them costs as much as listing them.
    """

    owner: LevelTables
    where: _Condition
    driver: Ids | None = None
    is_exact: bool = True
    is_driver_exact: bool = False
    is_text: bool = False


def select_by(keyword: str, criterion: Criterion, odd: frozenset[str]) -> Selection | None:
    """Return a criterion as SQL, ``None`` where everything matches.

    Parameters
    ----------
    keyword
        The attribute.
    criterion
        What it must match.
    odd
        Keys of one value that have several somewhere in the archive.
    """
    owner = TABLES[level_of(keyword)]
    if isinstance(criterion, Universal):
        return None
    if keyword in owner.sequences:
        return _select_by_items(owner, keyword, criterion)
    if keyword not in owner.columns:
        return Selection(owner, true(), is_exact=False)
    parts = criterion.criteria if isinstance(criterion, AnyOf) else (criterion,)
    key = owner.columns[keyword]
    has_rows = key.has_several or keyword in odd
    where: list[_Condition] = []
    drivers: list[Ids] = []
    if not key.has_several:
        own = _meets(criterion, owner.entity.c[keyword], is_number=key.is_number)
        where.append(own)
        drivers.append(select(owner.entity.c.id).where(own))
    if has_rows:
        where.append(_has_value(owner, keyword, criterion))
        drivers.append(_owners(owner, keyword, criterion))
    has_index = keyword in INDEXED or key.has_several
    driver = _text_driver(owner, keyword, criterion)
    is_text = driver is not None
    if not is_text and has_index and _is_anchored(parts):
        driver = drivers[0] if len(drivers) == 1 else _union(drivers)
    if Empty() in parts:
        where.append(_has_none(owner, keyword))
        driver = None
    return Selection(owner, or_(*where), driver, _is_exact(criterion), not is_text, is_text)


def select_by_period(period: CombinedRange) -> Selection:
    """Return a date and time that bound one period together as SQL."""
    owner = TABLES[level_of(period.date_keyword)]
    date, time = owner.entity.c[period.date_keyword], owner.entity.c[period.time_keyword]
    instant = date + func.coalesce(time, "000000.000000")
    days = [date >= ("0" if period.low is None else period.low[:8])]
    if period.high is not None:
        days.append(date <= period.high[:8])
    where = [*days, func.coalesce(time, "0") >= "0"]
    if period.low is not None:
        where.append(instant >= period.low)
    if period.high is not None:
        where.append(instant <= period.high)
    driver = select(owner.entity.c.id).where(*days) if period.date_keyword in INDEXED else None
    return Selection(owner, and_(*where), driver)


def _meets(  # noqa: PLR0911  one return for each kind of criterion
    criterion: Criterion, form: _Form, *, is_number: bool
) -> _Condition:
    """Return what one normal form must be; at least that, for what SQL cannot say."""
    match criterion:
        case Equals(key=key):
            return false() if is_number and isinstance(key, str) else form == key
        case Wildcard(pattern=pattern):
            return _meets_wildcard(pattern, form)
        case Range(low=low, high=high):
            bounds = [form <= high] if high is not None else []
            if low is None and not is_number:
                low = "0"  # nonsense begins with "!", which is less
            bounds.append(form.is_not(None) if low is None else form >= low)
            return and_(*bounds)
        case AnyOf(criteria=criteria, keys=keys):
            if len(keys) > _MOST_PARAMETERS:
                return true()
            same_kind = [key for key in keys if not (is_number and isinstance(key, str))]
            others = [
                _meets(one, form, is_number=is_number)
                for one in criteria
                if not isinstance(one, Equals | Empty)
            ]
            return or_(form.in_(same_kind), *others)
        case NameGroups(groups=groups):
            asked = [group for group in groups if not isinstance(group, Universal)]
            return _meets(asked[0], form, is_number=False) if asked else true()
        case Empty():
            return false()
        case Universal() | Items():
            return true()


def _meets_wildcard(pattern: str, form: _Form) -> _Condition:
    prefix = _prefix(pattern)
    bounds = [form >= prefix] if prefix else []
    after = _after(prefix)
    if after is not None:
        bounds.append(form < after)
    if pattern == prefix + "*" and bounds:
        return and_(*bounds)
    return and_(*bounds, _MatchesWildcard(form, _as_glob(pattern), _as_like(pattern)))


def _prefix(pattern: str) -> str:
    return re.split(r"[*?]", pattern, maxsplit=1)[0]


def _after(prefix: str) -> str | None:
    """Return the first text that sorts after all that begin with the prefix."""
    stem = prefix.rstrip(_LAST_CHARACTER)
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    # Surrogates are no characters: the next one stands behind them.
    return stem[:-1] + chr(0xE000 if 0xD800 <= following <= 0xDFFF else following)


def _is_anchored(parts: tuple[Criterion, ...]) -> bool:
    """Whether an index on the forms finds what matches without looking at all of them."""
    return all(
        bool(_prefix(one.pattern))
        if isinstance(one, Wildcard)
        else _is_anchored(one.groups[:1])
        if isinstance(one, NameGroups)
        else not isinstance(one, Universal)
        for one in parts
    )


def _is_exact(criterion: Criterion) -> bool:
    match criterion:
        case AnyOf(criteria=criteria, keys=keys):
            return len(keys) <= _MOST_PARAMETERS and all(map(_is_exact, criteria))
        case NameGroups():
            return False
        case _:
            return True


def _has_value(owner: LevelTables, path: str, criterion: Criterion) -> _Condition:
    """Say that the owner's row has a form that meets the criterion."""
    # By its owner, which has few values: an index on the form would list all of that form.
    meets = _value_meets(owner, path, criterion, wrap=Unindexed)
    return exists().where(owner.values.c.owner == owner.entity.c.id, meets)


def _owners(owner: LevelTables, path: str, criterion: Criterion) -> Ids:
    return select(owner.values.c.owner).where(_value_meets(owner, path, criterion))


def _value_meets(
    owner: LevelTables,
    path: str,
    criterion: Criterion,
    *,
    wrap: Callable[[_Form], _Form] = lambda form: form,
) -> _Condition:
    number = attribute(path.rpartition(".")[2]).vr in NUMBER_VRS
    form = wrap(owner.values.c.number if number else owner.values.c.form)
    return and_(owner.values.c.keyword == path, _meets(criterion, form, is_number=number))


def _has_none(owner: LevelTables, keyword: str) -> _Condition:
    some = exists().where(
        owner.values.c.owner == owner.entity.c.id, owner.values.c.keyword == keyword
    )
    if keyword in owner.sequences:
        return ~some
    # A number that is nonsense has no column value, but a row.
    return and_(owner.entity.c[keyword].is_(None), ~some)


def _union(drivers: list[Ids]) -> Ids:
    together = drivers[0].union_all(*drivers[1:]).subquery()
    return select(together.c[0])


def _text_driver(owner: LevelTables, keyword: str, criterion: Criterion) -> Ids | None:
    """Find a wildcard that begins with ``*`` through the trigrams of all text of the level."""
    if (
        not isinstance(criterion, Wildcard)
        or owner.level not in TEXT_LEVELS
        or attribute(keyword).vr not in TEXT_VRS
        or len(_prefix(criterion.pattern)) >= _TRIGRAM
    ):
        return None
    longest = max(re.split(r"[*?]", criterion.pattern), key=len)
    if len(longest) < _TRIGRAM or "\0" in longest:
        return None
    name = f"{owner.level.lower()}_text"
    # Side by side and the last, in any order: `where` is asked too, and a phrase costs thrice that.
    starts = [*range(0, len(longest) - _TRIGRAM, _TRIGRAM), len(longest) - _TRIGRAM]
    parts = [longest[at : at + _TRIGRAM].replace('"', '""') for at in starts]
    trigrams = " AND ".join(f'"{part}"' for part in parts)
    rowid: ColumnClause[int] = literal_column(f"{name}.rowid")
    holds = _Holds(literal_column(name), literal(trigrams), literal(f"%{_as_like(longest)}%"))
    return select(rowid.label("row")).select_from(table(name)).where(holds)


def _select_by_items(owner: LevelTables, keyword: str, criterion: Criterion) -> Selection:
    if isinstance(criterion, Empty):
        return Selection(owner, _has_none(owner, keyword))
    assert isinstance(criterion, Items)
    asked, is_exact = _inner(keyword, criterion)
    if not asked:
        # The row of the sequence itself stands for each of its items.
        asked = [(keyword, Equals("", ""))]
    where = [_has_value(owner, path, one) for path, one in asked]
    # Two paths may be met in two different items, which is no match.
    is_exact = is_exact and len(asked) == 1
    return Selection(owner, and_(*where), _owners(owner, *asked[0]), is_exact, len(asked) == 1)


def _inner(path: str, items: Items) -> tuple[list[tuple[str, Criterion]], bool]:
    """Return what is asked of values within a sequence, by path, and whether that is all."""
    asked: list[tuple[str, Criterion]] = []
    is_all = True
    for keyword, criterion in items.criteria.items():
        inner = f"{path}.{keyword}"
        if isinstance(criterion, Universal):
            continue
        if isinstance(criterion, Items):
            asked += _inner(inner, criterion)[0]
            is_all = False
        elif isinstance(criterion, Empty) or (
            isinstance(criterion, AnyOf) and Empty() in criterion.criteria
        ):
            is_all = False
        else:
            asked.append((inner, criterion))
            is_all = is_all and _is_exact(criterion)
    return asked, is_all


class Unindexed(FunctionElement[_T]):
    """A column that the planner shall not look up in an index."""

    inherit_cache = True

    def __init__(self, form: ColumnElement[_T]) -> None:
        super().__init__(form)
        self.type = form.type


@compiles(Unindexed, "sqlite")
def _compile_plus(element: Unindexed[object], compiler: SQLCompiler, **options: object) -> str:
    return f"+{compiler.process(element.clauses, **options)}"


@compiles(Unindexed)
def _compile_plain(element: Unindexed[object], compiler: SQLCompiler, **options: object) -> str:
    return compiler.process(element.clauses, **options)


class _Rows(TypeDecorator[Sequence[int]]):
    """Numbers of rows as one parameter: JSON for SQLite, an array for PostgreSQL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str] | TypeEngine[Sequence[int]]:
        """Return the parameter's type: PostgreSQL would read a text anew for each row."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(ARRAY(BigInteger))

    def process_bind_param(
        self, value: Sequence[int] | None, dialect: Dialect
    ) -> str | list[int] | None:
        """Return the rows as the database takes them."""
        rows = list(value or ())
        return f"[{','.join(map(str, rows))}]" if dialect.name == "sqlite" else rows


class AmongRows(FunctionElement[bool]):
    """A column of row numbers that has one of these: an IN of many parameters costs a millisecond.

    It has no type, as `_Holds` has none.
    """

    inherit_cache = True

    def __init__(self, column: ColumnElement[int], rows: Sequence[int]) -> None:
        super().__init__(column, literal(rows, _Rows()))


@compiles(AmongRows, "sqlite")
def _compile_among_json(element: AmongRows, compiler: SQLCompiler, **options: object) -> str:
    column, rows = (compiler.process(one, **options) for one in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({rows}))"  # noqa: S608  both are SQL already


@compiles(AmongRows)
def _compile_among_array(element: AmongRows, compiler: SQLCompiler, **options: object) -> str:
    column, rows = (compiler.process(one, **options) for one in element.clauses)
    return f"{column} = ANY({rows})"


class _MatchesWildcard(FunctionElement[bool]):
    """A form, its pattern for GLOB and the same for LIKE: each database takes the one it has."""

    inherit_cache = True
    type = Boolean()


@compiles(_MatchesWildcard, "sqlite")
def _compile_glob(element: _MatchesWildcard, compiler: SQLCompiler, **options: object) -> str:
    form, glob, _like = element.clauses
    return f"{compiler.process(form, **options)} GLOB {compiler.process(glob, **options)}"


@compiles(_MatchesWildcard)
def _compile_like(element: _MatchesWildcard, compiler: SQLCompiler, **options: object) -> str:
    form, _glob, like = element.clauses
    pattern = compiler.process(like, **options)
    return f"{compiler.process(form, **options)} LIKE {pattern} ESCAPE '\\'"


class _Holds(FunctionElement[bool]):
    """A table of texts, trigrams for MATCH and what they belong to for LIKE.

    It has no type: of a Boolean one SQLAlchemy makes ``… = 1``, which is no MATCH for SQLite.
    """

    inherit_cache = True


@compiles(_Holds, "sqlite")
def _compile_match(element: _Holds, compiler: SQLCompiler, **options: object) -> str:
    name, trigrams, _like = element.clauses
    return f"{compiler.process(name, **options)} MATCH {compiler.process(trigrams, **options)}"


@compiles(_Holds)
def _compile_holds(element: _Holds, compiler: SQLCompiler, **options: object) -> str:
    name, _trigrams, like = element.clauses
    pattern = compiler.process(like, **options)
    return f"{compiler.process(name, **options)}.text LIKE {pattern} ESCAPE '\\'"


def _as_glob(pattern: str) -> str:
    return pattern.replace("[", "[[]")


def _as_like(pattern: str) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", pattern).replace("\0", "\1")
    return escaped.replace("*", "%").replace("?", "_")
