"""Queries as SQL: which rows, in which order, and the records that they hold."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Final, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    UnaryExpression,
    func,
    literal,
    literal_column,
    select,
)

from dicomlab.archive._criteria import (
    AmongRows,
    Ids,
    Selection,
    Unindexed,
    select_by,
    select_by_period,
)
from dicomlab.archive._database import Database
from dicomlab.archive._schema import INDEXED, TABLES, content, odd
from dicomlab.catalog import (
    Json,
    JsonAttributes,
    JsonObject,
    Query,
    Record,
    Scalar,
    Value,
    value_of,
)
from dicomlab.standard import LEVEL_KEYS, Level, level_of

_CHUNK = 500
_KEPT = frozenset(key for keys in LEVEL_KEYS.values() for key in keys)
_MANY = 50_000
"""More rows than this are not listed to start from, even where all that match are asked for."""

PARENT: dict[Level, str] = {
    Level.STUDY: "patient_id",
    Level.SERIES: "study_id",
    Level.IMAGE: "series_id",
}
_FACTS: Final = select(odd.c.keyword, literal_column("0")).union_all(
    *(
        select(literal(level.value), func.coalesce(func.max(tables.entity.c.id), 0))
        for level, tables in TABLES.items()
    )
)


class Answer(dict[str, Value]):
    """A record, and the row of the index that it was made from."""

    __slots__ = ("row",)

    def __init__(self, row: int, record: Record) -> None:
        super().__init__(record)
        self.row = row


def find(database: Database, query: Query) -> Iterator[Answer]:
    """Yield the records that answer a query, as `Query.matches` and `Query.arrange` say."""
    reader = _Reader(query)
    with database.reading() as connection:
        selected = _Selected(query, _facts(connection))
        ids = selected.ids(connection)
        first = reader.read(connection, ids[:_CHUNK])
    answers = chain(first, _following(database, reader, ids))
    if selected.is_cut:
        yield from answers
        return
    matching = (answer for answer in answers if query.matches(answer))
    if selected.is_sorted:
        end = None if query.limit is None else query.offset + query.limit
        yield from islice(matching, query.offset, end)
    else:
        for answer in query.arrange(matching):
            assert isinstance(answer, Answer)
            yield answer


def _following(database: Database, reader: _Reader, ids: Sequence[int]) -> Iterator[Answer]:
    """Yield what follows the first chunk, so that nothing is held open between chunks."""
    for start in range(_CHUNK, len(ids), _CHUNK):
        with database.reading() as connection:
            answers = reader.read(connection, ids[start : start + _CHUNK])
        yield from answers


def _facts(connection: Connection) -> dict[str, int]:
    """Return how many rows each level has, about, and the keywords in `odd`."""
    return dict(connection.execute(_FACTS).all())


class _Selected:
    """One query in terms of the tables, with what `_facts` says about them."""

    def __init__(self, query: Query, facts: Mapping[str, int]) -> None:
        odd_keys = frozenset(facts)
        self.query = query
        self.rows_of = facts
        self.entity = TABLES[query.level].entity
        found = [select_by(keyword, one, odd_keys) for keyword, one in query.criteria.items()]
        self.selections = [one for one in found if one is not None]
        self.selections += [select_by_period(one) for one in query.combined]
        self.order = [(key.lstrip("-"), key.startswith("-")) for key in query.order_by]
        self.is_sorted = all(
            key in TABLES[level_of(key)].columns and key not in odd_keys for key, _ in self.order
        )
        self.is_cut = self.is_sorted and all(one.is_exact for one in self.selections)
        first = self.order[0][0] if self.is_sorted and self.order else ""
        self.has_order_index = first in INDEXED and level_of(first) is query.level

    def ids(self, connection: Connection) -> Sequence[int]:
        """Return the rows that match, or may match, in the order of the answer."""
        driver = self._driver(connection)
        left = [one for one in self.selections if one is not driver or not one.is_driver_exact]
        where = [one.where for one in left]
        rows, order = self._joined(left), [*self._ordering(), self.entity.c.id]
        if driver is not None and self._is_met_in_order(driver):
            assert driver.driver is not None
            met = driver.driver.subquery()
            rows = rows.join(met, Unindexed(met.c[0]) == self.entity.c.id)
            order = [met.c[0]]
        elif driver is not None:
            where.append(self._below(driver))
        statement = select(self.entity.c.id).select_from(rows).where(*where).order_by(*order)
        if self.is_cut:
            statement = statement.limit(self.query.limit).offset(self.query.offset)
        return connection.scalars(statement).all()

    def _joined(self, selections: Sequence[Selection]) -> FromClause:
        """Return the level's table, joined with those above as far as they are asked."""
        asked = [one.owner.level for one in selections]
        asked += [level_of(key) for key, _ in self.order]
        top = min((level.depth for level in asked), default=self.query.level.depth)
        return join_upwards(self.query.level, top)

    def _ordering(self) -> Iterator[UnaryExpression[str]]:
        for key, is_descending in self.order if self.is_sorted else ():
            column = TABLES[level_of(key)].entity.c[key]
            yield (column.desc() if is_descending else column.asc()).nulls_last()

    def _driver(self, connection: Connection) -> Selection | None:
        """Return the criterion that the smallest part of the rows meets, if small enough to list.

        Else rows are looked at in their order until the limit is reached. Where `n` of `all` rows
        meet a criterion, listing them costs `n`, and looking for `limit` of them about
        ``limit * all / n``: both are alike at the root of ``limit * all``. Each further criterion
        makes looking longer: it is taken to hold for one row in ten. Trigrams of the level's own
        text give rows in their order: where nothing better is found, those are looked at alone.
        """
        wanted = None if self.query.limit is None else self.query.limit + self.query.offset
        best, smallest = None, 1.0
        for one in self.selections:
            if one.driver is None:
                continue
            rows = self.rows_of[one.owner.level] or 1
            few = _MANY
            if self.is_cut and wanted is not None and (self.has_order_index or not self.order):
                few = math.isqrt(wanted * rows * 10 ** (len(self.selections) - 1)) + 1
                few = wanted if self._is_met_in_order(one) else few
            few = min(few, int(smallest * rows))
            listed = one.driver.limit(few + 1).subquery()
            count = connection.scalar(select(func.count()).select_from(listed)) or 0
            if count <= few:
                best, smallest = one, count / rows
        in_order = filter(self._is_met_in_order, self.selections)
        return next(in_order, None) if best is None else best

    def _is_met_in_order(self, selection: Selection) -> bool:
        """Whether an index gives the rows one by one in the order of the answer."""
        is_own = selection.owner.level is self.query.level
        return selection.is_text and selection.driver is not None and is_own and not self.order

    def _below(self, selection: Selection) -> ColumnElement[bool]:
        """Say that a row belongs to one of those that an index found."""
        ids: Ids | None = selection.driver
        assert ids is not None
        key = self.entity.c.id
        levels = list(Level)[selection.owner.level.depth + 1 : self.query.level.depth + 1]
        for level in levels:
            entity = TABLES[level].entity
            key = entity.c[PARENT[level]]
            if level is not self.query.level:
                ids = select(entity.c.id).where(key.in_(ids))
        return key.in_(ids)


def join_upwards(level: Level, top: int) -> FromClause:
    """Return the table of a level, joined with those above it up to a depth."""
    joined: FromClause = TABLES[level].entity
    for depth in range(level.depth, top, -1):
        below, above = list(Level)[depth], list(Level)[depth - 1]
        joined = joined.join(
            TABLES[above].entity,
            TABLES[below].entity.c[PARENT[below]] == TABLES[above].entity.c.id,
        )
    return joined


class _Reader:
    """Reads the answers to one query by their rows."""

    def __init__(self, query: Query) -> None:
        entities = [TABLES[level].entity for level in list(Level)[: query.level.depth + 1]]
        self._id = entities[-1].c.id
        self._records = select(self._id, *(entity.c.record for entity in entities)).select_from(
            join_upwards(query.level, 0)
        )
        self._empty: dict[str, Value] = dict.fromkeys(query.keywords)
        self._more = [key for key in self._empty if key not in _KEPT]

    def read(self, connection: Connection, ids: Sequence[int]) -> list[Answer]:
        """Return the answers in the order of the rows, without those deleted meanwhile."""
        rows = connection.execute(self._records.where(AmongRows(self._id, ids))).all()
        texts = list({text for _, *own in rows for text in own})
        parts = dict(zip(texts, read_records(texts), strict=True))
        found = {row: own for row, *own in rows}
        headers = headers_of(connection, ids) if self._more else {}
        answers = []
        for row in ids:
            if row not in found:
                continue
            answer = Answer(row, self._empty)
            for text in found[row]:
                answer.update(parts[text])
            if self._more:
                attributes = JsonAttributes(headers[row])
                answer.update({key: value_of(attributes, key) for key in self._more})
            answers.append(answer)
        return answers


def headers_of(connection: Connection, images: Sequence[int]) -> dict[int, JsonObject]:
    """Return the DICOM JSON of instances, by their rows."""
    image = TABLES[Level.IMAGE].entity
    rows = connection.execute(
        select(image.c.id, content.c.header)
        .join(content, content.c.id == image.c.content_id)
        .where(AmongRows(image.c.id, images))
    )
    return {row: unpack_header(packed) for row, packed in rows}


def unpack_header(packed: bytes) -> JsonObject:
    """Return a header from what the index keeps of it."""
    unpacked: JsonObject = json.loads(unpack_document(packed))
    return unpacked


def unpack_document(packed: bytes) -> bytes:
    """Return the text of a header from what the index keeps of it."""
    return zlib.decompress(packed)


def pack_header(text: str) -> bytes:
    """Return a header's JSON as the index keeps it: under a quarter of its text, for 0.1 ms."""
    return zlib.compress(text.encode(), 1)


def read_records(texts: Sequence[str]) -> list[dict[str, Value]]:
    """Return records from their JSON, all in one reading: it costs half of one by one."""
    read: list[dict[str, Json]] = json.loads(f"[{','.join(texts)}]")
    for text, record in zip(texts, read, strict=True):
        if "[" in text:
            for keyword, value in record.items():
                if isinstance(value, list):
                    cast("dict[str, Value]", record)[keyword] = _value(value)
    return cast("list[dict[str, Value]]", read)


def read_record(text: str) -> dict[str, Value]:
    """Return a record from its JSON."""
    return read_records([text])[0]


def write_record(record: Record) -> str:
    """Return a record as JSON, without what has no value."""
    kept = {keyword: value for keyword, value in record.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def _value(value: Json) -> Value:
    if not isinstance(value, list):
        return cast("Value", value)
    if value and isinstance(value[0], dict):
        return tuple(map(_item, value))
    return cast("tuple[Scalar, ...]", tuple(value))


def _item(value: Json) -> Scalar | Mapping[str, Value]:
    if isinstance(value, dict):
        return {key: _value(inner) for key, inner in value.items()}
    return cast("Scalar", value)
