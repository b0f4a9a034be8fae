"""Names in every character set of the requirements: stored, found and shown as the same Unicode.

The proof of rows S-224 to S-238 as far as archive, pages and C-FIND go. The rows are marked when
QIDO has its part in it, and de-identified output encodes the names again.
"""

# ruff: noqa: RUF001  letters of other alphabets are what these tests are about

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import httpx
import pydicom
import pytest
from pydicom.config import disable_value_validation
from pynetdicom import AE

import dicomlab as dl
from dicomlab.catalog import Query
from dicomlab.dimse import Node, Service
from dicomlab.server import serve
from tests.small import part10, uid

KANJI = (
    b"\x1b$B;3ED\x1b(%c^\x1b$BB@O:\x1b(%c=\x1b$B$d$^$@\x1b(%c^\x1b$B$?$m$&\x1b(%c"
)  # fmt: skip
KOREAN = (
    b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"
)


@dataclass(frozen=True)
class Sample:
    """A name and a description as some sender encodes them, and what a reader must see.

    Attributes
    ----------
    folded
        The same name as somebody may type it: other case, no accents, other width.
    """

    declared: Sequence[str]
    name: str
    name_bytes: bytes
    description: str
    description_bytes: bytes
    folded: str


def encoded(text: str, encoding: str) -> bytes:
    """Return a text encoded by iconv, which shares nothing with our decoder."""
    command = ["iconv", "-f", "UTF-8", "-t", encoding]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    return done.stdout


def one_set(declared: str, encoding: str, name: str, description: str, folded: str) -> Sample:
    """Return a sample without code extensions, encoded by iconv."""
    return Sample(
        (declared,), name, encoded(name, encoding), description, encoded(description, encoding),
        folded,
    )  # fmt: skip


def japanese(declared: Sequence[str], name: str, name_bytes: bytes, folded: str) -> Sample:
    """Return a sample whose description has the delimiters of DICOM as second bytes of Kanji.

    In ISO-2022-JP the second bytes of its four letters are those of ``=``, ``^``, a backslash and
    ``=`` again (PS3.5 6.1.2.3: none of them delimits anything there).
    """
    description = "そまボソ"
    found = encoded(description, "ISO-2022-JP")
    assert found[3:11][1::2] == b"=^\\="
    return Sample(declared, name, name_bytes, description, found, folded)


def samples() -> dict[str, Sample]:
    """Return a sample for each row; those of several bytes are PS3.5's own examples."""
    return {
        "S-224": one_set("ISO_IR 100", "ISO-8859-1", "Buc^Jérôme", "Rückgrat, façon", "BUC^JEROME"),
        "S-225": one_set(
            "ISO_IR 101", "ISO-8859-2", "Wałęsa^Łukasz", "Křížová kost", "walesa^lukasz"
        ),
        "S-226": one_set(
            "ISO_IR 109", "ISO-8859-3", "Ĉapek^Ġorġ", "Ħaġar, eĥo ŝanĝo", "capek^gorg"
        ),
        "S-227": one_set(
            "ISO_IR 110", "ISO-8859-4", "Bērziņš^Jānis", "Kuņģis, ąžuolas", "berzins^janis"
        ),
        "S-228": one_set(
            "UTF-8", "UTF-8", "Wang^XiaoDong=王^小東", "Łódź 第一", "wang^xiaodong=王^小東"
        ),
        # PS3.5 J.1.
        "S-229": one_set(
            "ISO_IR 192", "UTF-8", "Wang^XiaoDong=王^小東", "Łódź 第一", "wang^xiaodong=王^小東"
        ),
        "S-230": one_set("ISO_IR 127", "ISO-8859-6", "قباني^لنزار", "صدر", "قباني^لنزار"),
        "S-231": one_set(
            "ISO_IR 144", "ISO-8859-5", "Люксембург^Фёдор", "Грудная клетка", "ЛЮКСЕМБУРГ^ФЕДОР"
        ),
        "S-232": one_set("ISO_IR 126", "ISO-8859-7", "Διονύσιος^Άννα", "Θώρακας", "διονυσιοσ^αννα"),
        "S-233": one_set("ISO_IR 138", "ISO-8859-8", "שרון^דבורה", "חזה", "שרון^דבורה"),
        # PS3.5 J.3. The last letter of the description ends in the byte of a backslash.
        "S-234": Sample(
            ("GB18030",),
            "Wang^XiaoDong=王^小东",
            b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab",
            "第一乗",
            encoded("第一乗", "GB18030"),
            "WANG^XIAODONG",
        ),
        # PS3.5 I.2.
        "S-235": Sample(
            ("", "ISO 2022 IR 149"),
            "Hong^Gildong=洪^吉洞=홍^길동",
            KOREAN,
            "흉부",
            b"\x1b$)C" + encoded("흉부", "EUC-KR"),
            "hong^gildong",
        ),
        # PS3.5 H.3.2.
        "S-236": japanese(
            ("ISO 2022 IR 13", "ISO 2022 IR 87"),
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
            b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=" + KANJI % ((b"J",) * 4),
            "ヤマダ^タロウ",
        ),
        "S-237": Sample(
            ("ISO_IR 13",),
            "ﾔﾏﾀﾞ^ﾀﾛｳ",
            b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3",
            "ｷｮｳﾌﾞ CT",
            b"\xb7\xae\xb3\xcc\xde CT",
            "ヤマダ^タロウ",
        ),
        # PS3.5 H.3.1.
        "S-238": japanese(
            ("", "ISO 2022 IR 87"),
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            b"Yamada^Tarou=" + KANJI % ((b"B",) * 4),
            "yamada^TAROU",
        ),
    }


ROWS = [f"S-{number}" for number in range(224, 239)]


def file_of(number: int, sample: Sample) -> bytes:
    """Return a file that holds the sample's own bytes; pydicom encodes none of them."""
    name, description = (
        raw + b" " * (len(raw) % 2) for raw in (sample.name_bytes, sample.description_bytes)
    )
    with disable_value_validation():
        data = part10(
            number,
            SpecificCharacterSet=list(sample.declared),
            PatientName="X" * len(name),
            StudyDescription="Y" * len(description),
        )
    for placeholder, raw in ((b"X" * len(name), name), (b"Y" * len(description), description)):
        assert data.count(placeholder) == 1
        data = data.replace(placeholder, raw)
    return data


@dataclass(frozen=True)
class Held:
    """The samples in an archive, and its pages."""

    archive: dl.Archive
    pages: httpx.Client
    samples: dict[str, Sample]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """Import one study for each row, and serve them."""
    folder = tmp_path_factory.mktemp("characters")
    made = samples()
    (folder / "in").mkdir()
    for number, sample in enumerate(made.values(), 1):
        (folder / "in" / f"{number}").write_bytes(file_of(number, sample))
    with dl.open_archive(folder / "archive") as archive:
        assert archive.import_(folder / "in").is_complete
        with (
            serve(archive.source, folder=folder / "volumes") as server,
            httpx.Client(base_url=server.address) as client,
        ):
            yield Held(archive, client, made)


@pytest.fixture(params=ROWS)
def study(request: pytest.FixtureRequest, held: Held) -> tuple[str, Sample]:
    """Give the Study Instance UID of a row's sample, and the sample."""
    return uid(ROWS.index(request.param) + 1), held.samples[request.param]


def test_a_name_is_found_by_its_unicode_and_as_it_is_typed(
    held: Held, study: tuple[str, Sample]
) -> None:
    """Whole, by its first letters, in any component group, and without case and accents."""
    uid_, sample = study
    groups = sample.name.split("=")

    asked = [sample.name, sample.folded, *groups, *(f"{one[:2]}*" for one in groups)]
    found = [held.archive.find(PatientName=one)["StudyInstanceUID"].tolist() for one in asked]
    described = held.archive.find(StudyDescription=sample.description)["StudyInstanceUID"].tolist()

    assert [uid_ in uids for uids in found] == [True] * len(asked)
    assert uid_ in described
    # Nothing matches by accident: only studies whose name has one of these groups.
    alike = {
        uid(number)
        for number, other in enumerate(held.samples.values(), 1)
        if set(other.name.split("=")) & set(groups)
    }
    assert set(found[0]) <= alike


def test_a_name_is_the_same_unicode_everywhere(held: Held, study: tuple[str, Sample]) -> None:
    """In the DataFrame, the DICOM JSON model and the HTML of handles, tables and pages."""
    uid_, sample = study

    (row,) = held.archive.find(StudyInstanceUID=uid_).to_dict("records")
    (series,) = held.archive.find("series", StudyInstanceUID=uid_).to_dict("records")
    header = held.archive.source.header(f"{uid_}.1.1")
    handle = held.archive.study(uid_)._repr_html_()
    table = held.archive._repr_html_()
    page = held.pages.get(f"/studies/{uid_}")
    (answer,) = (
        one for one in held.pages.get("/api/studies").json() if one["StudyInstanceUID"] == uid_
    )

    groups = ("Alphabetic", "Ideographic", "Phonetic")
    assert (row["PatientName"], row["StudyDescription"]) == (sample.name, sample.description)
    assert series["PatientName"] == sample.name
    assert header["00100010"]["Value"] == [dict(zip(groups, sample.name.split("="), strict=False))]
    assert header["00081030"]["Value"] == [sample.description]
    assert header["00080005"]["Value"] == ["ISO_IR 192"]
    assert f"{sample.name} · " in unescape(handle)
    assert sample.description in unescape(handle)
    assert sample.name in unescape(table)
    assert answer["PatientName"] == sample.name
    shown = unescape(page.text)
    assert page.encoding == "utf-8"
    assert sample.description in shown
    for group in sample.name.split("="):
        assert group.replace("^", ", ") in shown


@pytest.fixture(scope="module")
def node(held: Held) -> Iterator[Node]:
    """Serve the archive on the DICOM network."""
    with Node(Service(held.archive.source)) as running:
        yield running


def test_a_name_is_found_over_the_network(
    held: Held, node: Node, study: tuple[str, Sample]
) -> None:
    """C-FIND: asked for in our set, answered as the same Unicode, at each level."""
    uid_, sample = study
    peer = dl.connect(node.address)

    for asked in (sample.name, sample.folded):
        rows = peer.find(PatientName=asked, StudyInstanceUID=uid_).to_dict("records")
        assert [one["PatientName"] for one in rows] == [sample.name]
        assert rows[0]["StudyDescription"] == sample.description
    described = peer.find(StudyDescription=sample.description)["StudyInstanceUID"].tolist()
    (image,) = peer.find("image", StudyInstanceUID=uid_, include=["PatientName"]).to_dict("records")

    assert uid_ in described
    assert image["PatientName"] == sample.name


def test_an_answer_is_in_a_set_that_its_reader_declares(
    node: Node, study: tuple[str, Sample]
) -> None:
    """The set of the question where that can hold the name, else Unicode; pydicom reads it."""
    uid_, sample = study
    asked = pydicom.Dataset()
    one = sample.declared[0] if len(sample.declared) == 1 else ""
    asked.SpecificCharacterSet = one if one.startswith("ISO_IR") else "ISO_IR 192"
    asked.QueryRetrieveLevel = "STUDY"
    asked.StudyInstanceUID = uid_
    asked.PatientName = asked.StudyDescription = ""
    entity = AE()
    entity.add_requested_context("1.2.840.10008.5.1.4.1.2.2.1")
    association = entity.associate("127.0.0.1", node.port, ae_title=node.aet)

    (answer,) = (
        identifier
        for status, identifier in association.send_c_find(asked, "1.2.840.10008.5.1.4.1.2.2.1")
        if status.Status in (0xFF00, 0xFF01)
    )
    association.release()

    assert str(answer.PatientName) == sample.name
    assert answer.StudyDescription == sample.description


def test_what_comes_back_is_what_was_sent(
    held: Held, study: tuple[str, Sample], tmp_path: Path
) -> None:
    """The archive reads text, but never writes a file's text anew."""
    uid_, sample = study

    data = b"".join(
        source.read_at(0, source.size)
        for _uid, source in held.archive.source.retrieve(Query("study", StudyInstanceUID=uid_))
    )

    assert sample.name_bytes in data
    assert sample.description_bytes in data
