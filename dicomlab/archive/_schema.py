"""The tables of the index.

Each entity keeps its record as JSON, to be answered as it is, and beside it one column for each
query key that holds the *normal form* of its first value (`dicomlab.catalog.normal_form`): what
criteria compare with. Attributes that may have several values, person names with their component
groups and codes within sequences have one row for each form in the level's table of values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

from dicomlab.catalog import NUMBER_VRS
from dicomlab.standard import LEVEL_KEYS, Level, attribute

SCHEMA_VERSION: Final = 4

_LONGEST_INDEXED = 600


class Form(TypeDecorator[str]):
    """Text that is compared by code point, as SQLite does.

    PostgreSQL has no NUL in text: it becomes U+0001, which no data set may have either. What is
    indexed there must be short: beyond 600 characters, where the standard allows 64 to 324, only
    the beginning is compared.
    """

    impl = Text
    cache_ok = True

    def __init__(self, *, indexed: bool = False) -> None:
        super().__init__()
        self.indexed = indexed

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        """Return the column's type."""
        return dialect.type_descriptor(Text(collation="C") if _is_postgresql(dialect) else Text())

    def bind_processor(self, dialect: Dialect) -> Callable[[str | None], str | None] | None:
        """Return what makes a value as the database takes it: for SQLite it is that already."""
        return super().bind_processor(dialect) if _is_postgresql(dialect) else None

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002  SQLAlchemy's signature
        """Return a value as PostgreSQL takes it."""
        if value is None:
            return value
        return value[: _LONGEST_INDEXED if self.indexed else None].replace("\0", "\1")


def _is_postgresql(dialect: Dialect) -> bool:
    return dialect.name == "postgresql"


metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")
INDEXED: Final = frozenset((
    "PatientID", "PatientBirthDate",
    "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyDescription",
    "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "SeriesDate",
    "SeriesTime", "BodyPartExamined", "FrameOfReferenceUID", "ProtocolName", "StationName",
    "PerformedProcedureStepStartDate", "PerformedProcedureStepID",
    "SOPClassUID", "AcquisitionDateTime",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Key:
    """A query key that has a column.

    Attributes
    ----------
    is_number
        Its normal form is a number.
    has_several
        All its forms are in the table of values, not only the first in its column.
    """

    keyword: str
    vr: str
    is_number: bool
    has_several: bool

    @classmethod
    def of(cls, keyword: str) -> Key:
        """Return the key of a keyword."""
        row = attribute(keyword)
        return cls(keyword, row.vr, row.vr in NUMBER_VRS, row.vr == "PN" or row.vm != "1")


@dataclass(frozen=True)
class LevelTables:
    """The tables of one level.

    Attributes
    ----------
    entity
        One row a patient, study, series or instance.
    values
        One row for each form of an attribute that may have several: ``owner``, ``keyword``, and
        ``form`` or ``number``. Within sequences the keyword is a path with dots.
    columns
        Query keys that have a column in `entity`, by keyword.
    sequences
        Query keys that are sequences: their values have paths.
    """

    level: Level
    entity: Table
    values: Table
    columns: Mapping[str, Key]
    sequences: frozenset[str]


def _level(level: Level, *own: Column[int] | Column[str], unique: tuple[str, ...]) -> LevelTables:
    table = level.lower()
    keys = {key: Key.of(key) for key in LEVEL_KEYS[level] if attribute(key).vr != "SQ"}
    entity = Table(
        table,
        metadata,
        Column("id", _Id, primary_key=True, autoincrement=False),
        *own,
        Column("record", Text, nullable=False),
        *(
            Column(name, Float if key.is_number else Form(indexed=name in {*INDEXED, *unique}))
            for name, key in keys.items()
        ),
        UniqueConstraint(*unique),
    )
    for key in keys:
        if key in INDEXED and (key,) != unique:
            Index(f"{table}_{key}", entity.c[key])
    values = Table(
        f"{table}_value",
        metadata,
        Column("owner", _Id, ForeignKey(entity.c.id, ondelete="CASCADE"), primary_key=True),
        Column("keyword", Form, primary_key=True),
        Column("place", Integer, primary_key=True),
        Column("form", Form(indexed=True)),
        Column("number", Float),
        sqlite_with_rowid=False,
    )
    Index(f"{table}_value_form", values.c.keyword, values.c.form, values.c.owner)
    Index(f"{table}_value_number", values.c.keyword, values.c.number, values.c.owner)
    sequences = frozenset(LEVEL_KEYS[level]) - keys.keys()
    return LevelTables(level, entity, values, keys, sequences)


def _parent(name: str) -> Column[int]:
    return Column(name, _Id, ForeignKey(f"{name.removesuffix('_id')}.id"), nullable=False)


_patient = _level(Level.PATIENT, Column("identity", Form, nullable=False), unique=("identity",))
_study = _level(Level.STUDY, _parent("patient_id"), unique=("StudyInstanceUID",))
_series = _level(Level.SERIES, _parent("study_id"), unique=("SeriesInstanceUID", "study_id"))
_image = _level(
    Level.IMAGE,
    _parent("series_id"),
    Column("content_id", _Id, ForeignKey("content.id"), nullable=False, unique=True),
    unique=("SOPInstanceUID",),
)
# With the date: a name with dates meets many patients and few of their studies.
Index("study_patient_id_StudyDate", _study.entity.c.patient_id, _study.entity.c.StudyDate)
Index("series_study_id", _series.entity.c.study_id)
Index("image_series_id", _image.entity.c.series_id)

TABLES: Final[dict[Level, LevelTables]] = {
    tables.level: tables for tables in (_patient, _study, _series, _image)
}

content = Table(
    "content",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("sha256", Form, nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("sop_instance_uid", Form(indexed=True), nullable=False, index=True),
    Column("received", Text, nullable=False),
    Column("header", LargeBinary, nullable=False),
)
"""One row a file of the store; an instance points to the one that is current."""

Index("content_size", content.c.size)  # a quota sums them

deleted = Table(
    "deleted",
    metadata,
    Column("sha256", Form, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("deleted", Text, nullable=False),
)
"""Contents that were deleted and have not come again: their files are not to be indexed."""

last_id = Table(
    "last_id",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", BigInteger, nullable=False),
)
"""The greatest id that a table had when rows were last taken out of it: none is given twice."""

odd = Table("odd", metadata, Column("keyword", Text, primary_key=True))
"""Keys of one value that some data set gave several, or nonsense where a number belongs: for these
the table of values is looked at too."""

about = Table(
    "about",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts about the archive itself, such as the version of its schema."""
