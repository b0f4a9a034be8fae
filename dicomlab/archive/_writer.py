"""What goes into the index: a group of instances in one transaction."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    Connection,
    Table,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy import Row as SqlRow

from dicomlab.archive._database import write_texts
from dicomlab.archive._forms import Indexed, index
from dicomlab.archive._report import Outcome
from dicomlab.archive._schema import TABLES, LevelTables, content, odd
from dicomlab.archive._select import PARENT, read_record, write_record
from dicomlab.archive._tombstones import highest_id, lift
from dicomlab.catalog import OWN_KEYS, Record, Value, patient_key, values_of
from dicomlab.standard import LEVEL_KEYS, Level

_LONGEST_IDENTITY = 600
_KEYS: Final = {level: frozenset(keys) for level, keys in OWN_KEYS.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """One instance, ready for the index.

    Attributes
    ----------
    sha256, size
        Of its bytes as they were received.
    record
        What it says about itself on all levels, as `dicomlab.catalog.instance_record` gives it.
    header
        Its DICOM JSON, compressed.
    received
        When it came, in ISO 8601; ``None`` for now.
    findings
        What was tolerated in it, for the report; see `dicomlab.safety.Header`.
    number
        The id of its content, where it has had one; ``None`` for the next.
    """

    sha256: str
    size: int
    record: Record
    header: bytes
    received: str | None = None
    findings: tuple[str, ...] = ()
    number: int | None = None

    @property
    def sop_instance_uid(self) -> str:
        """Its SOP Instance UID."""
        return str(self.record["SOPInstanceUID"])


@dataclass(slots=True)
class Row:
    """A patient, study or series while a group is being written.

    Attributes
    ----------
    before
        The record as the index has it, ``None`` for a new row.
    identity
        What tells a patient from others.
    """

    id: int
    parent: Row | None
    record: dict[str, Value]
    before: Record | None = None
    identity: str = ""

    def learn(self, level: Level, record: Record) -> None:
        """Fill in what had no value. What has one stays: the first instance is believed."""
        missing = _KEYS[level] - self.record.keys()
        new = {key for key in missing if record.get(key) is not None}
        if new:
            self.record |= {key: record[key] for key in OWN_KEYS[level] if key in new}

    def count(self, keyword: str) -> None:
        """Count one more."""
        counted = self.record.get(keyword)
        self.record[keyword] = (counted if isinstance(counted, int) else 0) + 1

    def gather(self, keyword: str, values: Value) -> None:
        """Add to a set of values."""
        texts = {str(one) for one in (*values_of(self.record.get(keyword)), *values_of(values))}
        if texts:
            self.record[keyword] = tuple(sorted(texts))


def known_contents(connection: Connection, sha256s: Iterable[str]) -> dict[str, str]:
    """Return which contents the index knows, with the SOP Instance UID of each."""
    statement = select(content.c.sha256, content.c.sop_instance_uid)
    rows = connection.execute(statement.where(content.c.sha256.in_(list(sha256s))))
    return {row.sha256: row.sop_instance_uid for row in rows}


def add(connection: Connection, entries: Sequence[Entry]) -> list[Outcome]:
    """Add instances whose files are in the store; return what became of each.

    Several contents of one SOP Instance UID are all kept; the first is the one that queries see.
    """
    return Group(connection).add(entries)


class Group:
    """What one transaction writes."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._next_ids: dict[str, int] = {}
        self._patients: dict[str, Row] = {}
        self._studies: dict[str, Row] = {}
        self._series: dict[tuple[int, str], Row] = {}

    def add(self, entries: Sequence[Entry]) -> list[Outcome]:
        known = set(known_contents(self.connection, (entry.sha256 for entry in entries)))
        current = self._current([entry.sop_instance_uid for entry in entries])
        self._load([entry.record for entry in entries])
        received = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        outcomes = []
        contents: list[dict[str, object]] = []
        images: list[tuple[Row, int, Record]] = []
        for entry in entries:
            uid = entry.sop_instance_uid
            if entry.sha256 in known:
                outcomes.append(Outcome.ALREADY_THERE)
                continue
            known.add(entry.sha256)
            content_id = self.new_id(content) if entry.number is None else entry.number
            contents.append({
                "id": content_id, "sha256": entry.sha256, "size": entry.size,
                "sop_instance_uid": uid, "received": entry.received or received,
                "header": entry.header,
            })  # fmt: skip
            if uid in current:
                outcomes.append(Outcome.OTHER_CONTENT)
            else:
                current.add(uid)
                images.append((self._place(entry.record), content_id, entry.record))
                outcomes.append(Outcome.NEW)
        _insert(self.connection, content, contents)
        lift(self.connection, [entry.sha256 for entry in entries])
        self.write_rows(Level.PATIENT, self._patients.values())
        self.write_rows(Level.STUDY, self._studies.values())
        self.write_rows(Level.SERIES, self._series.values())
        self._write_images(images)
        return outcomes

    def _current(self, uids: list[str]) -> set[str]:
        column = TABLES[Level.IMAGE].entity.c.SOPInstanceUID
        return set(self.connection.scalars(select(column).where(column.in_(uids))))

    def _load(self, records: Sequence[Record]) -> None:
        """Load what the index has of the patients, studies and series of these instances."""
        patient, study, series = (
            TABLES[level].entity for level in (Level.PATIENT, Level.STUDY, Level.SERIES)
        )
        studies = self.connection.execute(
            select(study.c.id, study.c.record, study.c.StudyInstanceUID, study.c.patient_id)
            .where(study.c.StudyInstanceUID.in_({row["StudyInstanceUID"] for row in records}))
        ).all()  # fmt: skip
        patients = self.connection.execute(
            select(patient.c.id, patient.c.record, patient.c.identity)
            .where(or_(
                patient.c.identity.in_(set(map(identity_of, records))),
                patient.c.id.in_({row.patient_id for row in studies}),
            ))
        ).all()  # fmt: skip
        self._patients = {row.identity: loaded(row, None, row.identity) for row in patients}
        by_id = {row.id: row for row in self._patients.values()}
        self._studies = {
            row.StudyInstanceUID: loaded(row, by_id[row.patient_id]) for row in studies
        }
        by_id = {row.id: row for row in self._studies.values()}
        series_uids = {row["SeriesInstanceUID"] for row in records}
        self._series = {
            (row.study_id, row.SeriesInstanceUID): loaded(row, by_id[row.study_id])
            for row in self.connection.execute(
                select(series.c.id, series.c.record, series.c.SeriesInstanceUID, series.c.study_id)
                .where(series.c.study_id.in_(by_id))
                .where(series.c.SeriesInstanceUID.in_(series_uids))
            )
        }  # fmt: skip

    def new_id(self, table: Table) -> int:
        """Return an id that no row has or had: nobody else writes while this transaction lasts.

        Who reads in chunks must not find another row in the place of one that is gone meanwhile.
        """
        following = self._next_ids.get(table.name)
        if following is None:
            following = highest_id(self.connection, table) + 1
        self._next_ids[table.name] = following + 1
        return following

    def _place(self, record: Record) -> Row:
        """Return the series that an instance belongs to, and count it there and above.

        A study stays with the patient that its first instance named: a study has one patient.
        """
        study_uid, series_uid = str(record["StudyInstanceUID"]), str(record["SeriesInstanceUID"])
        study = self._studies.get(study_uid)
        identity = identity_of(record)
        patient = self._patients.get(identity) if study is None else study.parent
        if patient is None:
            patient = Row(self.new_id(TABLES[Level.PATIENT].entity), None, {}, identity=identity)
            self._patients[identity] = patient
        if study is None:
            study = Row(self.new_id(TABLES[Level.STUDY].entity), patient, {})
            self._studies[study_uid] = study
            patient.count("NumberOfPatientRelatedStudies")
        series = self._series.get((study.id, series_uid))
        if series is None:
            series = Row(self.new_id(TABLES[Level.SERIES].entity), study, {})
            self._series[study.id, series_uid] = series
            patient.count("NumberOfPatientRelatedSeries")
            study.count("NumberOfStudyRelatedSeries")
        if identity == patient.identity:  # else it contradicts its study about the patient
            patient.learn(Level.PATIENT, record)
        study.learn(Level.STUDY, record)
        series.learn(Level.SERIES, record)
        patient.count("NumberOfPatientRelatedInstances")
        study.count("NumberOfStudyRelatedInstances")
        series.count("NumberOfSeriesRelatedInstances")
        study.gather("ModalitiesInStudy", series.record.get("Modality"))
        study.gather("SOPClassesInStudy", record.get("SOPClassUID"))
        return series

    def write_rows(self, level: Level, rows: Iterable[Row]) -> None:
        """Write what is new or has changed of patients, studies or series."""
        tables = TABLES[level]
        changed = [(row, index(tables, row.record)) for row in rows if row.record != row.before]
        new = [_columns(tables, row, made) for row, made in changed if row.before is None]
        old = [_columns(tables, row, made) for row, made in changed if row.before is not None]
        _insert(self.connection, tables.entity, new)
        if old:
            names = [name for name in old[0] if name != "id"]
            self.connection.execute(
                update(tables.entity)
                .where(tables.entity.c.id == bindparam("row"))
                .values({name: bindparam(name) for name in names}),
                [{"row": row.pop("id"), **row} for row in old],
            )
        self._write_forms(tables, changed)

    def _write_forms(self, tables: LevelTables, rows: Sequence[tuple[Row, Indexed]]) -> None:
        """Write the tables of values and texts, of the rows for which they change."""
        forms: list[dict[str, object]] = []
        texts: list[dict[str, object]] = []
        stale = []
        for row, made in rows:
            if row.before is not None:
                before = index(tables, row.before)
                if (made.forms, made.text) == (before.forms, before.text):
                    continue
                stale.append(row.id)
            self._note_odd(made.odd)
            forms += [{"owner": row.id, **one._asdict()} for one in made.forms]
            texts.append({"rowid": row.id, "text": made.text})
        if stale:
            values = tables.values
            self.connection.execute(delete(values).where(values.c.owner.in_(stale)))
        _insert(self.connection, tables.values, forms)
        write_texts(self.connection, tables.level, texts, stale)

    def _write_images(self, images: Sequence[tuple[Row, int, Record]]) -> None:
        tables = TABLES[Level.IMAGE]
        rows = []
        written = []
        for series, content_id, said in images:
            record = {key: said.get(key) for key in LEVEL_KEYS[Level.IMAGE]}
            row = Row(self.new_id(tables.entity), series, record)
            made = index(tables, record)
            rows.append({**_columns(tables, row, made), "content_id": content_id})
            written.append((row, made))
        _insert(self.connection, tables.entity, rows)
        self._write_forms(tables, written)

    def _note_odd(self, keywords: set[str]) -> None:
        if keywords:
            known = set(self.connection.scalars(select(odd.c.keyword)))
            _insert(self.connection, odd, [{"keyword": key} for key in keywords - known])


def _insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def identity_of(record: Record) -> str:
    """Return what tells a patient from others, as its row has it."""
    identity = json.dumps(patient_key(record), ensure_ascii=False)
    if len(identity) <= _LONGEST_IDENTITY:
        return identity
    # PostgreSQL indexes no long text.
    return identity[:_LONGEST_IDENTITY] + hashlib.sha256(identity.encode()).hexdigest()


def loaded(row: SqlRow[*tuple[object, ...]], parent: Row | None, identity: str = "") -> Row:
    """Return a row of the index, to be written again where it changes."""
    return Row(row.id, parent, read_record(row.record), read_record(row.record), identity)


def _columns(tables: LevelTables, row: Row, made: Indexed) -> dict[str, object]:
    """Return a row of an entity's table."""
    columns: dict[str, object] = {
        "id": row.id,
        "record": write_record(row.record),
        **made.columns,
    }
    if tables.level is Level.PATIENT:
        columns["identity"] = row.identity
    elif row.parent is not None:
        columns[PARENT[tables.level]] = row.parent.id
    return columns
