"""Queries as SQL: which rows, in which order, and the records that they hold."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import cast

from sqlalchemy import ColumnElement, Connection, FromClause, UnaryExpression, func, select

from dicomlab.archive._criteria import Ids, Selection, select_by, select_by_period
from dicomlab.archive._database import Database
from dicomlab.archive._schema import TABLES, content, odd
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


class Answer(dict[str, Value]):
    """A record, and the row of the index that it was made from."""

    def __init__(self, row: int, record: Record) -> None:
        super().__init__(record)
        self.row = row


def find(database: Database, query: Query) -> Iterator[Answer]:
    """Yield the records that answer a query, as `Query.matches` and `Query.arrange` say."""
    with database.reading() as connection:
        selected = _Selected(query, frozenset(connection.scalars(select(odd.c.keyword))))
        ids = selected.ids(connection)
    answers = _answers(database, query, ids)
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


class _Selected:
    """One query in terms of the tables."""

    def __init__(self, query: Query, odd_keys: frozenset[str]) -> None:
        self.query = query
        self.entity = TABLES[query.level].entity
        found = [select_by(keyword, one, odd_keys) for keyword, one in query.criteria.items()]
        self.selections = [one for one in found if one is not None]
        self.selections += [select_by_period(one) for one in query.combined]
        self.order = [(key.lstrip("-"), key.startswith("-")) for key in query.order_by]
        self.is_sorted = all(
            key in TABLES[level_of(key)].columns and key not in odd_keys for key, _ in self.order
        )
        self.is_cut = self.is_sorted and all(one.is_exact for one in self.selections)

    def ids(self, connection: Connection) -> list[int]:
        """Return the rows that match, or may match, in the order of the answer."""
        driver = self._driver(connection)
        left = [one for one in self.selections if one is not driver or not one.is_driver_exact]
        where = [one.where for one in left]
        if driver is not None:
            where.append(self._below(driver))
        statement = select(self.entity.c.id).select_from(self._joined(left)).where(*where)
        statement = statement.order_by(*self._ordering(), self.entity.c.id)
        if self.is_cut:
            statement = statement.limit(self.query.limit).offset(self.query.offset)
        return list(connection.scalars(statement))

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
        makes looking longer: it is taken to hold for one row in ten.
        """
        wanted = None if self.query.limit is None else self.query.limit + self.query.offset
        best, smallest = None, 1.0
        for one in self.selections:
            if one.driver is None:
                continue
            rows = connection.scalar(select(func.max(one.owner.entity.c.id))) or 1
            few = _MANY
            if self.is_cut and wanted is not None:
                few = math.isqrt(wanted * rows * 10 ** (len(self.selections) - 1)) + 1
            few = min(few, int(smallest * rows))
            listed = one.driver.limit(few + 1).subquery()
            count = connection.scalar(select(func.count()).select_from(listed)) or 0
            if count <= few:
                best, smallest = one, count / rows
        return best

    def _below(self, selection: Selection) -> ColumnElement[bool]:
        """Say that a row belongs to one of those that an index found."""
        ids: Ids | None = selection.driver
        assert ids is not None
        for level in list(Level)[selection.owner.level.depth + 1 : self.query.level.depth + 1]:
            entity = TABLES[level].entity
            ids = select(entity.c.id).where(entity.c[PARENT[level]].in_(ids))
        return self.entity.c.id.in_(ids)


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


def _answers(database: Database, query: Query, ids: Sequence[int]) -> Iterator[Answer]:
    """Yield the records of rows, in chunks, so that nothing is held open between them."""
    levels = list(Level)[: query.level.depth + 1]
    entities = [TABLES[level].entity for level in levels]
    statement = select(entities[-1].c.id, *(entity.c.record for entity in entities))
    statement = statement.select_from(join_upwards(query.level, 0))
    keywords = query.keywords
    more = [key for key in keywords if key not in _KEPT]
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        with database.reading() as connection:
            rows = connection.execute(statement.where(entities[-1].c.id.in_(some)))
            texts = {row[0]: tuple(row)[1:] for row in rows}
            headers = headers_of(connection, some) if more else {}
        parts = {text: read_record(text) for own in texts.values() for text in own}
        for row in some:
            if row not in texts:  # deleted meanwhile
                continue
            record: dict[str, Value] = {}
            for text in texts[row]:
                record.update(parts[text])
            if more:
                attributes = JsonAttributes(headers[row])
                record.update({key: value_of(attributes, key) for key in more})
            yield Answer(row, {keyword: record.get(keyword) for keyword in keywords})


def headers_of(connection: Connection, images: Sequence[int]) -> dict[int, JsonObject]:
    """Return the DICOM JSON of instances, by their rows."""
    image = TABLES[Level.IMAGE].entity
    rows = connection.execute(
        select(image.c.id, content.c.header)
        .join(content, content.c.id == image.c.content_id)
        .where(image.c.id.in_(images))
    )
    return {row: unpack_header(packed) for row, packed in rows}


def unpack_header(packed: bytes) -> JsonObject:
    """Return a header from what the index keeps of it."""
    unpacked: JsonObject = json.loads(zlib.decompress(packed))
    return unpacked


def pack_header(header: JsonObject) -> bytes:
    """Return a header as the index keeps it: under a quarter of its text, for 0.1 ms."""
    return zlib.compress(json.dumps(header, separators=(",", ":")).encode(), 1)


def read_record(text: str) -> dict[str, Value]:
    """Return a record from its JSON."""
    read: dict[str, Json] = json.loads(text)
    record = cast("dict[str, Value]", read)
    if "[" in text:
        for keyword, value in read.items():
            if isinstance(value, list):
                record[keyword] = _value(value)
    return record


def write_record(record: Record) -> str:
    """Return a record as JSON, without what has no value."""
    kept = {keyword: value for keyword, value in record.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def _value(value: Json) -> Value:
    if isinstance(value, list):
        return tuple(_item(one) for one in value)
    return cast("Value", value)


def _item(value: Json) -> Scalar | Mapping[str, Value]:
    if isinstance(value, dict):
        return {key: _value(inner) for key, inner in value.items()}
    return cast("Scalar", value)
