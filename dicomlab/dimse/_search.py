"""A query put to a peer: its records, and how far they are whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from dicomlab.catalog import (
    AnyOf,
    Equals,
    Query,
    Record,
    Value,
    normal_form,
    value_of,
    values_of,
)
from dicomlab.dimse._ask import CAPPED, ask
from dicomlab.dimse._association import Association
from dicomlab.dimse._identifier import encode
from dicomlab.dimse._levels import Above, is_local, keys_at, matches_at, path_to
from dicomlab.dimse._negotiation import Accepted
from dicomlab.dimse._split import looks_capped, split
from dicomlab.errors import IncompleteError, NonConformantError, RefusedError
from dicomlab.safety import Header
from dicomlab.standard import UNIQUE_KEY, Level, attribute

_COUNTED_BELOW: Final = {
    Level.SERIES: "NumberOfStudyRelatedSeries",
    Level.IMAGE: "NumberOfSeriesRelatedInstances",
}

_SETS: Final = frozenset(("ModalitiesInStudy", "SOPClassesInStudy"))
"""Several values also where there is one, as every source answers them."""


@dataclass
class Certificate:
    """What a peer was asked, and whether its answer is whole.

    Attributes
    ----------
    requests, answers
        C-FIND requests that were sent, and the answers to them, repeated ones too.
    capped
        Requests whose answer the peer cut; each was asked again in parts.
    findings
        Codes: ``"capped"`` a cut answer could not be asked for in parts; ``"count-differs"`` a peer
        counts more than it answers; ``"unreadable-answer"`` an answer was left out;
        ``"undated-unproved"`` parts were made by Study Date, so that studies without one, beyond
        those that were answered, cannot be ruled out.
    unmatched, ambiguous
        Values of a list that matched nothing, or more than one entity, by keyword.
    """

    peer: str
    level: str
    requests: int = 0
    answers: int = 0
    capped: int = 0
    findings: list[str] = field(default_factory=list)
    unmatched: dict[str, list[str]] = field(default_factory=dict)
    ambiguous: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether nothing says that something is missing."""
        return not self.findings

    def note(self, finding: str) -> None:
        """Add a finding, once."""
        if finding not in self.findings:
            self.findings.append(finding)

    def to_dict(self) -> dict[str, object]:
        """Return it for JSON."""
        return {**asdict(self), "is_complete": self.is_complete}


class Search:
    """One query on one association.

    Parameters
    ----------
    certificate
        What is filled in on the way.
    """

    def __init__(
        self,
        association: Association,
        context: Accepted,
        query: Query,
        certificate: Certificate,
        *,
        patient_root: bool,
    ) -> None:
        self._association = association
        self._context = context
        self._query = query
        self._certificate = certificate
        self._path = path_to(query.level, patient_root=patient_root)
        self._seen: set[tuple[Value, ...]] = set()
        self._local = {key for key, one in query.criteria.items() if is_local(key, one)}

    def records(self) -> Iterator[Record]:
        """Yield what matches, each once; nested below what leads to it."""
        if any(isinstance(one, AnyOf) and not one.criteria
               for one in self._query.criteria.values()):  # fmt: skip
            return
        for record in self._below(self._path, Above({}, {})):
            if self._query.matches(record, keywords=self._local):
                yield {key: record.get(key) for key in self._query.keywords}

    def _below(self, path: tuple[Level, ...], above: Above) -> Iterator[Record]:
        level = path[0]
        found = self._at(level, above)
        if len(path) == 1:
            yield from found
            return
        # The association answers one request at a time: all parents first, then their children.
        for record in list(found):
            yield from self._below(path[1:], above.child(level, record))

    def _at(self, level: Level, above: Above) -> Iterator[Record]:
        """Yield the entities of a level below another one."""
        owned = keys_at(self._query, level, is_first=level is self._path[0])
        identity = (*above.uids, UNIQUE_KEY[level])
        fixed = {**above.uids, "QueryRetrieveLevel": str(level)}
        count = 0
        for keys in matches_at(self._query, owned):
            for header in self._whole(level, {**keys, **fixed}):
                record = {**above.record, **_record(header, owned)}
                if level is Level.PATIENT:
                    identity = (*above.uids, "PatientID", "IssuerOfPatientID", "PatientName")
                uid = tuple({**above.uids, **record}.get(key) for key in identity)
                if uid not in self._seen:
                    self._seen.add(uid)
                    count += 1
                    yield record
        self._check_count(level, above, count)

    def _whole(self, level: Level, keys: Mapping[str, Value]) -> Iterator[Header]:
        """Yield the answers to an identifier; where they were cut, those to its parts."""
        dates: list[str] = []
        times: list[str] = []
        answers = 0
        self._certificate.requests += 1
        asking = ask(self._association, self._context, encode(keys, self._context.transfer_syntax))
        while True:
            try:
                header = next(asking)
            except StopIteration as end:
                status: int = end.value
                break
            except (NonConformantError, RefusedError):
                self._certificate.note("unreadable-answer")
                asking.close()
                raise
            answers += 1
            self._certificate.answers += 1
            dates.append(header.string("StudyDate") or "")
            times.append(header.string("StudyTime") or "")
            yield header
        is_cut = status in CAPPED
        if not is_cut and not looks_capped(answers):
            return
        parts = split(keys, dates, times) if level is Level.STUDY else None
        if parts is not None:
            self._certificate.capped += is_cut
            before = len(self._seen)
            for part in parts:
                yield from self._whole(level, part)
            if is_cut or len(self._seen) > before:
                self._certificate.note("undated-unproved")
        elif is_cut:
            self._certificate.note("capped")
            raise IncompleteError(
                f"The peer cuts its answer after {answers} at the {level.lower()} level, and the "
                "query cannot be asked in smaller parts. Ask for less (dates, names, one patient), "
                "or have the peer's limit raised; what it answered is whole with partial=True.",
                report=self._certificate,
            )

    def _check_count(self, level: Level, above: Above, count: int) -> None:
        """Note where a peer counts more than it answers, if all were asked for."""
        said = above.record.get(_COUNTED_BELOW.get(level, ""))
        asks_all = not any(key in self._query.criteria for key in keys_at(
            self._query, level, is_first=False))  # fmt: skip
        if asks_all and isinstance(said, int) and said > count:
            self._certificate.note("count-differs")


def _record(header: Header, keywords: Iterable[str]) -> dict[str, Value]:
    record = {keyword: value_of(header, keyword) for keyword in keywords}
    for keyword in _SETS & record.keys():
        record[keyword] = values_of(record[keyword]) or None
    return record


def tally(query: Query, certificate: Certificate, records: Iterator[Record]) -> Iterator[Record]:
    """Yield records, and note which values of a list matched nothing, or several.

    Those are the lists of single values, as a column of a table gives them.
    """
    listed = {
        keyword: {one.key: _Listed(one.text) for one in criterion.criteria
                  if isinstance(one, Equals)}
        for keyword, criterion in query.criteria.items()
        if isinstance(criterion, AnyOf)
    }  # fmt: skip
    for record in records:
        for keyword, counted in listed.items():
            vr = attribute(keyword).vr
            for value in values_of(record.get(keyword)):
                if not isinstance(value, Mapping) and (form := normal_form(vr, value)) in counted:
                    counted[form].matched += 1
        yield record
    for keyword, counted in listed.items():
        for one in counted.values():
            if one.matched == 0:
                certificate.unmatched.setdefault(keyword, []).append(one.text)
            elif one.matched > 1:
                certificate.ambiguous.setdefault(keyword, []).append(one.text)


@dataclass(slots=True)
class _Listed:
    """A value of a list, and how many entities matched it."""

    text: str
    matched: int = 0
