"""Studies that are kept for a time only: which have expired, by which rule, and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from sqlalchemy import Row, func, select

from dicomlab import config
from dicomlab.archive._database import Database
from dicomlab.archive._deletion import DeleteReport
from dicomlab.archive._schema import TABLES, content
from dicomlab.archive._select import find, join_upwards
from dicomlab.archive._tombstones import groups
from dicomlab.catalog import Query
from dicomlab.errors import NotFoundError, RefusedError
from dicomlab.standard import Level

_AT_ONCE = 500
_SHOWN = 20


@dataclass(frozen=True)
class Rule:
    """What is to become of studies after a time.

    Attributes
    ----------
    name
        What people call it.
    query
        The studies that it is about.
    arrived_days, study_days
        Age at which they expire, since their last instance arrived and since Study Date
        (0008,0020); where both are given, both must be reached.
    keep
        They never expire, whatever other rules say.

    Raises
    ------
    ValueError
        The query is not one for studies, a rule that keeps has an age, or another has none.
    """

    name: str
    query: Query
    arrived_days: int | None = None
    study_days: int | None = None
    keep: bool = False

    def __post_init__(self) -> None:
        ages = [age for age in (self.arrived_days, self.study_days) if age is not None]
        if self.query.level is not Level.STUDY:
            raise ValueError(f"The rule {self.name} asks for something else than studies")
        if self.keep == bool(ages) or any(age < 1 for age in ages):
            raise ValueError(
                f"The rule {self.name} needs an age of one day or more, or keep and no age"
            )

    @classmethod
    def of(
        cls,
        name: str,
        matches: Mapping[str, str],
        *,
        arrived_days: int | None = None,
        study_days: int | None = None,
        keep: bool = False,
    ) -> Self:
        """Make a rule for the studies that match, as `Query.of` takes it."""
        return cls(name, Query.of(Level.STUDY, matches), arrived_days, study_days, keep)

    def is_over(self, arrived: dt.datetime, study_date: dt.date | None, now: dt.datetime) -> bool:
        """Return whether a study of this rule is old enough; one without a date never is by it."""
        if self.arrived_days is not None and now - arrived < dt.timedelta(self.arrived_days):
            return False
        if self.study_days is None:
            return True
        return study_date is not None and (now.date() - study_date).days >= self.study_days


def configured_rules() -> list[Rule]:
    """Return the rules of the configuration's tables ``retention``.

    Raises
    ------
    RefusedError
        One of them asks for what is no query of studies.
    """
    rules = []
    for name, said in config.load().retention.items() if config.is_set() else ():
        matches = dict(one.split("=", 1) for one in said.match)
        ages = {"arrived_days": said.arrived_days, "study_days": said.study_days}
        try:
            rules.append(Rule.of(name, matches, keep=said.keep, **ages))
        except (NotFoundError, ValueError) as error:
            raise RefusedError(
                f"The configuration cannot be used. Change retention.{name}.match: {error}",
                rule="configuration",
            ) from error
    return rules


@dataclass(frozen=True, slots=True)
class ExpiredRow:
    """A study that has expired, and why.

    Attributes
    ----------
    rule
        Name of the first rule by which it has.
    arrived
        When its last instance came, UTC.
    study_date
        Its Study Date (0008,0020), ``None`` where it has none that is one.
    instances, bytes
        How many, and what their files take: all contents.
    kept_by
        Name of the rule that protects it; ``None`` where none does.
    newest
        Number of the last content that came.
    """

    study_instance_uid: str
    rule: str
    arrived: dt.datetime
    study_date: dt.date | None
    instances: int
    bytes: int
    kept_by: str | None
    newest: int


@dataclass
class RetentionReport:
    """Which studies have expired, and what was done about them.

    Attributes
    ----------
    rules
        Names of the rules that were asked.
    rows
        Studies that have expired and that no rule keeps.
    kept
        Studies that have expired by one rule and are kept by another.
    deletion
        What was deleted; ``None`` where nothing was to be: it was only asked.
    """

    rules: list[str]
    rows: list[ExpiredRow] = field(default_factory=list)
    kept: list[ExpiredRow] = field(default_factory=list)
    deletion: DeleteReport | None = None

    @property
    def bytes(self) -> int:
        """What the files of the expired studies take."""
        return sum(row.bytes for row in self.rows)

    def to_dict(self) -> dict[str, object]:
        """Return the report for machines."""
        return {
            "rules": self.rules,
            "bytes": self.bytes,
            "expired": [_as_dict(row) for row in self.rows],
            "kept": [_as_dict(row) for row in self.kept],
            "deletion": None if self.deletion is None else self.deletion.to_dict(),
        }

    def __str__(self) -> str:
        if not self.rules:
            return "There is no rule: none has expired. Write one as [retention.NAME]."
        head = f"{len(self.rows):,} studies have expired ({self.bytes:,} bytes)"
        lines = [f"{head}; {len(self.kept):,} others are kept by a rule."]
        for rule in self.rules:
            rows = [row for row in self.rows if row.rule == rule]
            lines += ["", f"{rule} ({len(rows)})"] if rows else []
            lines += [f"  {_shown(row)}" for row in rows[:_SHOWN]]
            if len(rows) > _SHOWN:
                lines.append(f"  and {len(rows) - _SHOWN} more")
        if self.deletion is not None:
            lines += ["", str(self.deletion).partition("\n")[0]]
        return "\n".join(lines)


def _as_dict(row: ExpiredRow) -> dict[str, object]:
    return {
        "study_instance_uid": row.study_instance_uid,
        "rule": row.rule,
        "arrived": row.arrived.isoformat(),
        "study_date": None if row.study_date is None else row.study_date.isoformat(),
        "instances": row.instances,
        "bytes": row.bytes,
        "kept_by": row.kept_by,
    }


def _shown(row: ExpiredRow) -> str:
    date = "none" if row.study_date is None else row.study_date.isoformat()
    held = f"{row.instances:,} instances, {row.bytes:,} bytes"
    return f"{row.study_instance_uid}  arrived {row.arrived.date()}, Study Date {date}, {held}"


def find_expired(database: Database, rules: Sequence[Rule], now: dt.datetime) -> RetentionReport:
    """Return the studies that have expired at a time; see `dicomlab.archive.Archive.expired`."""
    report = RetentionReport([rule.name for rule in rules])
    keepers: dict[str, str] = {}
    for rule in rules:
        if rule.keep:
            for uid, _ in _studies(database, rule.query):
                keepers.setdefault(uid, rule.name)
    found: set[str] = set()
    for rule in rules:
        if rule.keep:
            continue
        dates = {uid: date for uid, date in _studies(database, rule.query) if uid not in found}
        for row in _held(database, list(dates)):
            uid, date = row.StudyInstanceUID, dates[row.StudyInstanceUID]
            arrived = dt.datetime.fromisoformat(row.arrived)
            if rule.is_over(arrived, date, now):
                found.add(uid)
                expired = ExpiredRow(
                    uid, rule.name, arrived, date, row.instances, int(row.bytes),
                    keepers.get(uid), row.newest,
                )  # fmt: skip
                (report.kept if uid in keepers else report.rows).append(expired)
    return report


def _studies(database: Database, query: Query) -> Iterator[tuple[str, dt.date | None]]:
    for record in find(database, query):
        yield str(record["StudyInstanceUID"]), _date(record.get("StudyDate"))


def _date(value: object) -> dt.date | None:
    try:
        return dt.datetime.strptime(str(value), "%Y%m%d").date()  # noqa: DTZ007  a day has no zone
    except ValueError:
        return None


def _held(database: Database, uids: Sequence[str]) -> Iterable[Row[*tuple[object, ...]]]:
    """Yield what is stored of studies, in the order of their rows."""
    study, image = TABLES[Level.STUDY].entity, TABLES[Level.IMAGE].entity
    statement = (
        select(
            study.c.StudyInstanceUID,
            func.max(content.c.received).label("arrived"),
            func.max(content.c.id).label("newest"),
            func.count(image.c.id.distinct()).label("instances"),
            func.sum(content.c.size).label("bytes"),
        )
        .select_from(join_upwards(Level.IMAGE, Level.STUDY.depth))
        .join(content, content.c.sop_instance_uid == image.c.SOPInstanceUID)
        .group_by(study.c.id, study.c.StudyInstanceUID)
        .order_by(study.c.id)
    )
    for some in groups(uids, _AT_ONCE):
        with database.reading() as connection:
            rows = connection.execute(statement.where(study.c.StudyInstanceUID.in_(some))).all()
        yield from rows
