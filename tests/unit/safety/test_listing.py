"""A file that is not trusted can be looked at: its elements as far as they go, and its bytes."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.uid import ImplicitVRLittleEndian

from dicomlab.safety import Bounds, HexDump, Listing, list_elements, printable
from tests.hostile.corpus import corpus
from tests.hostile.parts import DEFLATED, EXPLICIT, element, file, image, item, joined, meta
from tests.small import data_set, part10


def nested() -> Dataset:
    """Return a data set with sequences in sequences."""
    made = data_set()
    codes = []
    for number in range(2):
        code = Dataset()
        code.CodeValue = f"C{number}"
        inner = Dataset()
        inner.PatientID = "inner"
        code.ReferencedStudySequence = [inner, Dataset()]
        codes.append(code)
    made.ProcedureCodeSequence = codes
    return made


def walked(data: Dataset, depth: int = 0) -> list[tuple[int, int]]:
    """Return depth and tag of each element and item, as pydicom has them."""
    found = []
    for one in data:
        found.append((depth, int(one.tag)))
        if one.VR == "SQ":
            for inner in one.value:
                found += [(depth, 0xFFFEE000), *walked(inner, depth + 1)]
    return found


def listed(listing: Listing) -> list[tuple[int, int]]:
    """Return depth and tag of what is listed behind the meta information."""
    return [(one.depth, one.tag) for one in listing.elements if one.tag >> 16 != 2]


@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
@pytest.mark.parametrize("is_undefined", [False, True])
def test_every_element_is_listed_as_pydicom_has_it(syntax: str, *, is_undefined: bool) -> None:
    """Sequences of both kinds of lengths, items among them, up to the pixel data."""
    made = nested()
    if syntax == "implicit":
        made.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        made["PixelData"].VR = "OW"
    made["ProcedureCodeSequence"].is_undefined_length = is_undefined
    for one in made.ProcedureCodeSequence:
        one.is_undefined_length_sequence_item = is_undefined
    buffer = BytesIO()
    dcmwrite(buffer, made, enforce_file_format=True)

    found = list_elements(buffer.getvalue())

    assert listed(found) == walked(made)
    assert found.reason == "pixel-data"
    assert found.stop == len(buffer.getvalue()) - 16
    by_keyword = {one.keyword: one for one in found.elements if one.depth == 0}
    assert by_keyword["PatientName"].value == "Doe^Number1"
    assert by_keyword["Rows"].value == "4"
    assert (by_keyword["ProcedureCodeSequence"].length is None) is is_undefined


def test_what_breaks_off_is_shown_up_to_there() -> None:
    """The elements before the end are there, and where it stopped and why."""
    whole = part10()
    at = whole.index(b"Doe^Number1")

    found = list_elements(whole[: at + 3])

    assert found.reason == "truncated"
    assert found.elements[-1].keyword == "PatientName"
    assert found.elements[-1].value == "Doe"
    assert "12 bytes where 3 are left" in found.message
    assert found.stop == at - 8


def test_damage_in_a_sequence_ends_the_listing() -> None:
    """What stands where an item must be is named by its tag."""
    data = file(image(1, {0x00081032: element(0x00081032, "SQ", element(0x00080060, "CS", b"CT"))}))

    found = list_elements(data)

    assert found.reason == "damaged-sequence"
    assert "(0008,0060)" in found.message
    assert found.elements[-1].keyword == "ProcedureCodeSequence"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"A\x1b[2JB\x07", "A\\x1b[2JB\\x07"),
        ("abc\u202efed".encode(), "abc\\u202efed"),
        ("\u2066\u2069\u2028".encode(), "\\u2066\\u2069\\u2028"),
        (b"a\r\nb\0c", "a\\r\\nb\\x00c"),
    ],
)
def test_values_steer_no_terminal(raw: bytes, shown: str) -> None:
    """Escape sequences, signs that turn the text around and line ends stand as escapes."""
    name = element(0x00100010, "PN", raw + b" " * (len(raw) % 2))
    sets = element(0x00080005, "CS", b"ISO_IR 192")

    found = list_elements(file(image(1, {0x00080005: sets, 0x00100010: name})))

    values = {one.keyword: one.value for one in found.elements}
    assert values["PatientName"] == shown
    assert str(found).replace("\n", "").isprintable()


def test_markup_in_a_value_is_text_in_a_notebook() -> None:
    """A page shows it and does not run it."""
    data = file(image(1, {0x00100010: element(0x00100010, "PN", b"<script>alert(1)</script> ")}))

    found = list_elements(data)

    assert "<script>" not in found._repr_html_()
    assert "&lt;script&gt;" in found._repr_html_()
    assert "<b>" not in HexDump(0, b"<b>")._repr_html_()


def test_listing_keeps_its_bounds() -> None:
    """Depth, number and inflation: each ends the listing with its own reason."""
    deep = b""
    for _ in range(8):
        deep = element(0x00081032, "SQ", item(deep))
    bomb = zlib.compressobj(wbits=-15)
    letters = element(0x00100010, "PN", b"x" * 100)
    zeros = element(0x00420011, "OB", bytes(1 << 20))
    packed = bomb.compress(joined(image(1, {0x7FE00010: None})) + letters + zeros) + bomb.flush()
    few = Bounds(inflated_bytes=1000)

    assert list_elements(meta(EXPLICIT) + deep, bounds=Bounds(depth=5)).reason == "depth"
    assert len(list_elements(part10(), limit=7).elements) == 7
    assert list_elements(part10(), limit=7).reason == "elements"
    assert list_elements(meta(DEFLATED) + packed, bounds=few).reason == "inflated_bytes"
    assert list_elements(meta(DEFLATED) + packed).reason == "end"


def test_values_are_cut_and_numbers_are_counted() -> None:
    """A long value shows its beginning, and a sign of several bytes is never cut in half."""
    long = element(0x00104000, "LT", "ä".encode() * 300)
    numbers = element(0x00189810, "FD", struct.pack("<9d", *range(9)))
    sets = element(0x00080005, "CS", b"ISO_IR 192")
    changes: dict[int, Any] = {0x00080005: sets, 0x00104000: long, 0x00189810: numbers}

    values = {one.tag: one.value for one in list_elements(file(image(1, changes))).elements}

    assert values[0x00104000] == "ä" * 64 + "…"
    assert values[0x00189810] == "0\\1\\2\\3\\4\\5\\6\\7…"


def test_no_hostile_file_makes_the_listing_fail() -> None:
    """Every file of the corpus is listed within its limit, as text that steers nothing."""
    for made in corpus():
        found = list_elements(made.data, limit=500)

        assert len(found.elements) <= 500
        assert found.reason
        assert found.message.endswith(".")
        assert str(found).replace("\n", "").isprintable(), made.id


def test_bytes_are_shown_as_hexdump_does() -> None:
    """Sixteen a line, the offset before them and the signs of ASCII behind."""
    assert str(HexDump(0x10, b"MZ\x90\0DICM<tag>\x1b[2J~")).splitlines() == [
        "00000010  4d 5a 90 00 44 49 43 4d  3c 74 61 67 3e 1b 5b 32  |MZ..DICM<tag>.[2|",
        "00000020  4a 7e                                             |J~|",
    ]
    assert HexDump(3, b"ab").to_dict() == {"offset": 3, "length": 2, "hex": "6162"}


def test_printable_text_stays_as_it_is() -> None:
    """Letters of any writing are no danger."""
    for text in ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Buc^Jérôme", "قباني^لنزار", "a b"):
        assert printable(text) == text
    assert printable("\udc80") == "\\udc80"
