"""Records and queries to draw from: many scripts, missing values, several values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from hypothesis import strategies as st

from dicomlab.catalog import Record, Value

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "Doe^Jane": ("doe^jane",),
    "DOE^John^Q^^": ("doe^john^q",),
    "Müller^Jürgen": ("muller^jurgen",),
    "MULLER^JURGEN": ("muller^jurgen",),
    "Ångström^Åsa": ("angstrom^asa",),
    "Núñez^José": ("nunez^jose",),
    "Buc^Jérôme": ("buc^jerome",),
    "Øster^Łukasz": ("oster^lukasz",),
    "Doe": ("doe",),
    "Παπαδόπουλος^Γιώργος": ("παπαδοπουλοσ^γιωργοσ",),
    "Люкceмбypг": ("люкceмбypг",),  # noqa: RUF001  Cyrillic is meant
    "قباني^لنزار": ("قباني^لنزار",),
    "שרון^דבורה": ("שרון^דבורה",),
    "Yamada^Tarou=山田^太郎=やまだ^たろう": ("yamada^tarou", "山田^太郎", "やまだ^たろう"),
    "Hong^Gildong=洪^吉洞=홍^길동": ("hong^gildong", "洪^吉洞", "홍^길동"),
    "Wang^XiaoDong=王^小東=": ("wang^xiaodong", "王^小東"),
}
"""Person names with what is left of each component group without case and diacritics.

The Asian ones are the examples of PS3.5 annexes H to K.
"""

Kind: TypeAlias = Literal["value", "wildcard", "range", "list", "empty", "universal"]


@dataclass(frozen=True)
class Asked:
    """One key of a query, with what it means said apart, for an independent filter.

    Attributes
    ----------
    match
        As `dicomlab.catalog.Query` takes it.
    plain
        The value, the pattern, the list, or the two bounds; of names in the form of `NAMES`.
    """

    keyword: str
    kind: Kind
    match: str | float | list[str] | tuple[str | int | None, str | int | None]
    plain: str | float | list[str] | tuple[str | int | None, str | int | None] | None = None


_DAYS = st.dates().map(lambda day: f"{day.year:04d}{day:%m%d}") | st.sampled_from(
    ("20231231", "20240101", "20240115", "20240131", "20240229")
)
_TIMES = st.times().map("{:%H%M%S.%f}".format) | st.sampled_from(
    ("000000.000000", "100000.000000", "113059.999999", "120000.000000")
)
_TEXTS = st.text(alphabet="aAbB 1-.", min_size=1, max_size=5).filter(
    lambda text: text == text.strip()
)
_MODALITIES = ("CT", "MR", "PT", "SEG")
_TEXT_KEYS = ("PatientID", "StudyID", "StudyDescription", "AccessionNumber", "SeriesDescription")
_UIDS = st.integers(1, 30).map("1.2.826.{}".format)


def _maybe(values: st.SearchStrategy[str]) -> st.SearchStrategy[str | None]:
    return st.none() | values


@st.composite
def series_records(draw: st.DrawFn) -> Record:
    """Draw a record of the series level; attributes may be missing, values may repeat."""
    modalities = draw(st.lists(st.sampled_from(_MODALITIES), unique=True, max_size=3))
    record: dict[str, Value] = {key: draw(_maybe(_TEXTS)) for key in _TEXT_KEYS}
    record |= {
        "PatientName": draw(_maybe(st.sampled_from(sorted(NAMES)))),
        "StudyDate": draw(_maybe(_DAYS)),
        "StudyTime": draw(_maybe(_TIMES)),
        "SeriesDate": draw(_maybe(_DAYS)),
        "SeriesTime": draw(_maybe(_TIMES)),
        "SeriesNumber": draw(st.none() | st.integers(-2, 12)),
        "Modality": draw(_maybe(st.sampled_from(_MODALITIES))),
        "ModalitiesInStudy": tuple(modalities) or None,
        "StudyInstanceUID": draw(_UIDS),
        "SeriesInstanceUID": draw(_UIDS),
    }
    return record


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    """Draw one key of a query on the series level, of any kind that its VR allows."""
    keyword = draw(
        st.sampled_from(
            (*_TEXT_KEYS, "PatientName", "StudyDate", "StudyTime", "SeriesDate", "SeriesTime",
             "SeriesNumber", "Modality", "ModalitiesInStudy", "StudyInstanceUID")
        )
    )  # fmt: skip
    general = draw(st.sampled_from(("empty", "universal", *["own"] * 8)))
    if general == "empty":
        return Asked(keyword, "empty", '""')
    if general == "universal":
        return Asked(keyword, "universal", draw(st.sampled_from(("", "*", "**"))))
    return draw(_asked_own(keyword))


def _asked_own(keyword: str) -> st.SearchStrategy[Asked]:
    """Return what the VR of an attribute allows."""
    if keyword == "PatientName":
        return _asked_name()
    if keyword.endswith(("Date", "Time")):
        return _asked_instant(keyword)
    if keyword == "SeriesNumber":
        return _asked_number(keyword)
    if keyword.endswith("UID"):
        return _asked_list(keyword, _UIDS)
    values = _TEXTS if keyword in _TEXT_KEYS else st.sampled_from(_MODALITIES)
    return _asked_text(keyword, values) | _asked_list(keyword, values)


@st.composite
def _pattern(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    """Draw a value with parts of it made into wildcards."""
    text = list(draw(values))
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(text) - 1))
        text[at : at + draw(st.integers(0, 2))] = [draw(st.sampled_from("*?"))]
    return "".join(text)


@st.composite
def _asked_text(draw: st.DrawFn, keyword: str, values: st.SearchStrategy[str]) -> Asked:
    if draw(st.booleans()):
        value = draw(values)
        return Asked(keyword, "value", value, value)
    pattern = draw(_pattern(values).filter(lambda text: text.strip("*")))
    return Asked(keyword, "wildcard", pattern, pattern)


@st.composite
def _asked_list(draw: st.DrawFn, keyword: str, values: st.SearchStrategy[str]) -> Asked:
    some = draw(st.lists(values, max_size=4))
    return Asked(keyword, "list", some, some)


@st.composite
def _asked_name(draw: st.DrawFn) -> Asked:
    """Draw a name or a pattern, of any group, with the case changed."""
    text = draw(st.sampled_from(sorted(NAMES)))
    group = draw(st.sampled_from(list(zip(text.split("="), NAMES[text], strict=False))))
    written, plain = group
    changes: list[Callable[[str], str]] = [str, str.lower, str.upper]
    case = draw(st.sampled_from(changes))
    if draw(st.booleans()):
        return Asked("PatientName", "value", case(written), plain)
    pattern = draw(_pattern(st.just(plain)).filter(lambda text: text.strip("*^?")))
    return Asked("PatientName", "wildcard", case(pattern), pattern)


@st.composite
def _asked_instant(draw: st.DrawFn, keyword: str) -> Asked:
    values = _DAYS if keyword.endswith("Date") else _TIMES
    low, high = sorted((draw(values), draw(values)))
    kind = draw(st.sampled_from(("value", "range", "from", "to")))
    if kind == "value":
        return Asked(keyword, "value", low, low)
    first = None if kind == "to" else low
    last = None if kind == "from" else high
    return Asked(keyword, "range", f"{first or ''}-{last or ''}", (first, last))


@st.composite
def _asked_number(draw: st.DrawFn, keyword: str) -> Asked:
    low, high = sorted((draw(st.integers(-3, 13)), draw(st.integers(-3, 13))))
    if draw(st.booleans()):
        written: list[str | float] = [low, str(low), f"{low:+04d}"]
        return Asked(keyword, "value", draw(st.sampled_from(written)), low)
    return Asked(keyword, "range", (low, high), (low, high))
