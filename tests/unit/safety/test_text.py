"""Names and text in the character sets of the standard's own examples (PS3.5 annexes H to K)."""

import pytest

from dicomlab.safety import decode_text

KANA = b"=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J"
HANGUL = b"\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"
YAMADA = "Yamada^Tarou=山田^太郎=やまだ^たろう"


@pytest.mark.parametrize(
    ("raw", "sets", "text"),
    [
        # H.3.1 and H.3.2: Japanese, Kanji by ISO 2022 IR 87, with and without half-width Katakana.
        (
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            ("", "ISO 2022 IR 87"),
            YAMADA,
        ),
        (
            b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J" + KANA,
            ("ISO 2022 IR 13", "ISO 2022 IR 87"),
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
        ),
        # I.2: Korean.
        (
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=" + HANGUL,
            ("", "ISO 2022 IR 149"),
            "Hong^Gildong=洪^吉洞=홍^길동",
        ),
        # J.1: Unicode.
        (YAMADA.encode(), ("ISO_IR 192",), YAMADA),
        ("Wang^XiaoDong=王^小東".encode(), ("ISO_IR 192",), "Wang^XiaoDong=王^小東"),
        # J.3: GB18030.
        (b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab", ("GB18030",), "Wang^XiaoDong=王^小东"),
        # K.2: simplified Chinese with code extensions.
        (
            b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
            ("", "ISO 2022 IR 58"),
            "Zhang^XiaoDong=张^小东=",
        ),
        # Two single-byte sets in one value, and a delimiter that brings the first back.
        (b"Buc^J\xe9r\xf4me=\x1b-F\xc4\xe9\xef^\xe9", ("ISO 2022 IR 100", "ISO 2022 IR 126"),
         "Buc^Jérôme=Διο^é"),
        # Single-byte sets: Latin 1, Cyrillic, Arabic, Greek, Hebrew.
        (b"Buc^J\xe9r\xf4me", ("ISO_IR 100",), "Buc^Jérôme"),
        ("Люкceмбypг".encode("iso8859_5"), ("ISO_IR 144",), "Люкceмбypг"),  # noqa: RUF001  Cyrillic
        ("قباني^لنزار".encode("iso8859_6"), ("ISO_IR 127",), "قباني^لنزار"),
        ("Διονυσιος".encode("iso8859_7"), ("ISO_IR 126",), "Διονυσιος"),
        ("שרון^דבורה".encode("iso8859_8"), ("ISO_IR 138",), "שרון^דבורה"),
    ],
)  # fmt: skip
def test_the_standards_example_names_are_read(raw, sets, text):
    """Each name of the annexes, from its bytes."""
    assert decode_text(raw, "PN", sets) == text


@pytest.mark.parametrize(
    ("raw", "sets", "text"),
    [
        (b"J\xc3\xb6rg", (), "Jörg"),
        (b"J\xf6rg", (), "Jörg"),
        (b"J\xf6rg", ("ISO_IR 6",), "Jörg"),
        (b"J\xf6rg", ("nonsense",), "Jörg"),
        (b"J\xc3\xb6rg", ("UTF-8",), "Jörg"),
    ],
)
def test_bytes_that_nothing_declares_are_read_as_they_were_meant(raw, sets, text):
    """UTF-8 where they are valid UTF-8, else Latin 1: common, though against the standard."""
    assert decode_text(raw, "PN", sets) == text


def test_bytes_that_a_declared_set_does_not_allow_are_marked():
    """U+FFFD stands where no character does."""
    assert decode_text(b"J\xf6rg", "PN", ("ISO_IR 192",)) == "J\ufffdrg"


def test_padding_goes_and_backslashes_stay():
    """The whole field: who knows its VR splits it."""
    assert decode_text(b"A\\B \0", "LO") == "A\\B"
    assert decode_text(b"", "LO") == ""


def test_code_strings_have_no_character_set():
    """Only text VRs are subject to Specific Character Set (PS3.5 6.1.2.3)."""
    assert decode_text(b"\xe9", "CS", ("ISO_IR 126",)) == "é"
