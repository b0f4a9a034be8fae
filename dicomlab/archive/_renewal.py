"""What patients, studies and series say once some of their instances are gone.

It is what they would say had those instances never come: values that only they gave are gone too,
counts and sets are those of what is left, and a study belongs to the patient whom its first
instance names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, exists, func, select, update

from dicomlab.archive._database import write_texts
from dicomlab.archive._schema import TABLES, content
from dicomlab.archive._select import PARENT, join_upwards, read_record, unpack_header
from dicomlab.archive._writer import Group, Row, identity_of, loaded
from dicomlab.catalog import OWN_KEYS, JsonAttributes, Record, instance_record
from dicomlab.standard import Level

_PATIENT, _STUDY, _SERIES, _IMAGE = (TABLES[level].entity for level in Level)
_PAGE = 100
_COUNTS = {
    (Level.PATIENT, Level.STUDY): "NumberOfPatientRelatedStudies",
    (Level.PATIENT, Level.SERIES): "NumberOfPatientRelatedSeries",
    (Level.PATIENT, Level.IMAGE): "NumberOfPatientRelatedInstances",
    (Level.STUDY, Level.SERIES): "NumberOfStudyRelatedSeries",
    (Level.STUDY, Level.IMAGE): "NumberOfStudyRelatedInstances",
    (Level.SERIES, Level.IMAGE): "NumberOfSeriesRelatedInstances",
}


@dataclass(frozen=True)
class Touched:
    """Rows, by level and id, below which instances were taken out of the index."""

    rows: dict[Level, set[int]]


def renew(connection: Connection, touched: Touched) -> None:
    """Remove rows that have nothing below them any more, and write the others again."""
    _Renewal(connection).renew(touched)


class _Renewal(Group):
    """The writing of one transaction."""

    def renew(self, touched: Touched) -> None:
        series, studies, patients = (
            touched.rows[level] for level in (Level.SERIES, Level.STUDY, Level.PATIENT)
        )
        series = self._remove_empty(Level.SERIES, series)
        studies = self._remove_empty(Level.STUDY, studies)
        moved_to = self._move(studies)
        patients = self._remove_empty(Level.PATIENT, patients)
        self._write_again(Level.SERIES, series)
        self._write_again(Level.STUDY, studies)
        self._write_again(Level.PATIENT, patients | moved_to, unknown=moved_to)

    def _remove_empty(self, level: Level, ids: Collection[int]) -> set[int]:
        """Remove those that have nothing below them; return the others."""
        below = list(Level)[level.depth + 1]
        tables, inner = TABLES[level], TABLES[below].entity
        entity = tables.entity
        empty = ~exists().where(inner.c[PARENT[below]] == entity.c.id)
        gone = set(self.connection.scalars(select(entity.c.id).where(entity.c.id.in_(ids), empty)))
        if gone:
            self.connection.execute(delete(entity).where(entity.c.id.in_(gone)))
            write_texts(self.connection, level, [], sorted(gone))
        return set(ids) - gone

    def _move(self, studies: Collection[int]) -> set[int]:
        """Give each study to the patient whom its first instance names; return those who got one.

        That is another one than before only where instances of a study contradict each other.
        """
        moved_to: dict[str, int] = {}
        for study in sorted(studies):
            owner = self.connection.execute(
                select(_PATIENT.c.identity)
                .join(_STUDY, _STUDY.c.patient_id == _PATIENT.c.id)
                .where(_STUDY.c.id == study)
            ).scalar_one()
            identity = identity_of(next(self._records(_STUDY.c.id == study)))
            if identity == owner:
                continue
            known = select(_PATIENT.c.id).where(_PATIENT.c.identity == identity)
            patient = moved_to.get(identity) or self.connection.scalar(known)
            if patient is None:
                patient = self.new_id(_PATIENT)
                self.write_rows(Level.PATIENT, [Row(patient, None, {}, identity=identity)])
            moved_to[identity] = patient
            self.connection.execute(
                update(_STUDY).where(_STUDY.c.id == study).values(patient_id=patient)
            )
        return set(moved_to.values())

    def _write_again(
        self, level: Level, ids: Collection[int], *, unknown: Collection[int] = ()
    ) -> None:
        """Write rows as what is below them says, in the order of arrival.

        Without those that are unknown, no row can gain a value: all that it had are found, or all
        instances were looked at.
        """
        entity = TABLES[level].entity
        rows = []
        for number in sorted(ids):
            stored = self.connection.execute(select(entity).where(entity.c.id == number)).one()
            is_patient = level is Level.PATIENT
            row = loaded(stored, self._parent(level, stored), stored.identity if is_patient else "")
            before = dict(row.record)
            row.record.clear()
            wanted = {key for key in OWN_KEYS[level] if number in unknown or key in before}
            for record in self._records(entity.c.id == number):
                if not is_patient or identity_of(record) == row.identity:
                    row.learn(level, record)
                if wanted <= row.record.keys():
                    break
            self._count(level, row)
            rows.append(row)
        self.write_rows(level, rows)

    @staticmethod
    def _parent(level: Level, stored: object) -> Row | None:
        if level is Level.PATIENT:
            return None
        return Row(getattr(stored, PARENT[level]), None, {})

    def _count(self, level: Level, row: Row) -> None:
        entity = TABLES[level].entity
        for (above, below), keyword in _COUNTS.items():
            if above is level:
                counted = select(func.count()).select_from(join_upwards(below, level.depth))
                row.record[keyword] = self.connection.scalar(counted.where(entity.c.id == row.id))
        if level is Level.STUDY:
            texts = select(_SERIES.c.record).where(_SERIES.c.study_id == row.id)
            for text in self.connection.scalars(texts):
                row.gather("ModalitiesInStudy", read_record(text).get("Modality"))
            texts = select(_IMAGE.c.record).join(_SERIES).where(_SERIES.c.study_id == row.id)
            for text in self.connection.scalars(texts):
                row.gather("SOPClassesInStudy", read_record(text).get("SOPClassUID"))

    def _records(self, where: ColumnElement[bool]) -> Iterator[Record]:
        """Yield what instances say about themselves, in the order in which they came."""
        statement = (
            select(_IMAGE.c.id, content.c.header)
            .select_from(join_upwards(Level.IMAGE, Level.PATIENT.depth))
            .join(content, content.c.id == _IMAGE.c.content_id)
            .where(where)
            .order_by(_IMAGE.c.id)
        )
        last, page = 0, 1  # the first alone nearly always says all
        while True:
            rows = self.connection.execute(statement.where(_IMAGE.c.id > last).limit(page)).all()
            for _, packed in rows:
                yield instance_record(JsonAttributes(unpack_header(packed)))
            if len(rows) < page:
                return
            last, page = rows[-1].id, _PAGE
