"""Text as DICOM encodes it: character sets, padding, values (PS3.5 6.1 and 6.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_CHARACTER_SET_VRS: Final = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT", "UN"))
_CODECS: Final = {
    "": "ascii", "ISO_IR 6": "ascii", "ISO_IR 100": "latin_1", "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3", "ISO_IR 110": "iso8859_4", "ISO_IR 126": "iso8859_7",
    "ISO_IR 127": "iso8859_6", "ISO_IR 138": "iso8859_8", "ISO_IR 144": "iso8859_5",
    "ISO_IR 148": "iso8859_9", "ISO_IR 166": "iso8859_11", "ISO_IR 203": "iso8859_15",
    "ISO_IR 13": "shift_jis", "ISO_IR 192": "utf_8", "GB18030": "gb18030", "GBK": "gbk",
    # Not in the standard, but written.
    "UTF-8": "utf_8",
}  # fmt: skip
"""Character sets (PS3.3 C.12.1.1.2), by Python's names; of ISO 2022 those that may come first."""

_WITHOUT_EXTENSIONS: Final = ("utf_8", "gb18030", "gbk")
_EXTENSIONS: Final = {
    b"\x1b(B": "ascii", b"\x1b(J": "shift_jis", b"\x1b)I": "shift_jis",
    b"\x1b$B": "iso2022_jp_2", b"\x1b$@": "iso2022_jp_2", b"\x1b$(D": "iso2022_jp_2",
    b"\x1b$)C": "euc_kr", b"\x1b$)A": "gb2312",
    b"\x1b-A": "latin_1", b"\x1b-B": "iso8859_2", b"\x1b-C": "iso8859_3", b"\x1b-D": "iso8859_4",
    b"\x1b-F": "iso8859_7", b"\x1b-G": "iso8859_6", b"\x1b-H": "iso8859_8", b"\x1b-L": "iso8859_5",
    b"\x1b-M": "iso8859_9", b"\x1b-T": "iso8859_11", b"\x1b-b": "iso8859_15",
}  # fmt: skip
"""What each escape sequence brings (PS3.3 C.12.1.1.2)."""
_ESCAPES: Final = re.compile(rb"(\x1b(?:\$[()]?.|[()-].)?)", re.DOTALL)


def printable(text: str) -> str:
    """Return text that cannot steer a terminal: what is not printed stands as an escape.

    Those are control signs and escape sequences, signs that turn the direction of writing around,
    line ends, and halves of signs from names that are no Unicode.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def is_plain(character_sets: Sequence[str]) -> bool:
    """Whether seven-bit bytes are ASCII: they are where no escape sequence may change that.

    In ISO_IR 13 a backslash shows as a yen sign; it delimits values all the same, and stays one.
    """
    return not any("2022" in name for name in character_sets)


def decode_text(raw: bytes, vr: str, character_sets: Sequence[str] = ()) -> str:
    """Return the Unicode text of a value field (PS3.5 6.1.2.3).

    Parameters
    ----------
    raw
        The value field, with its padding.
    vr
        Its VR; only some are subject to Specific Character Set.
    character_sets
        The values of Specific Character Set (0008,0005); empty for the default repertoire.

    Returns
    -------
    str
        The whole field, backslashes still in it, trailing padding gone.

        Bytes that a declared character set does not allow become U+FFFD. Bytes outside ASCII that
        no character set declares, or one that nobody knows, break the standard, but are common:
        they are read as UTF-8 where they are valid UTF-8, which other text almost never is, and
        else as Latin 1, which shows every byte.
    """
    if raw.isascii() and (is_plain(character_sets) or vr not in _CHARACTER_SET_VRS):
        return raw.decode("ascii").rstrip("\0 ")
    if vr not in _CHARACTER_SET_VRS or not any(character_sets):
        return _undeclared(raw).rstrip("\0 ")
    return _declared(raw, vr, character_sets).rstrip("\0 ")


def _undeclared(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _declared(raw: bytes, vr: str, character_sets: Sequence[str]) -> str:
    name = character_sets[0].upper().replace("ISO 2022 IR", "ISO_IR")
    codec = _CODECS.get(name, "ascii")
    if codec in _WITHOUT_EXTENSIONS or b"\x1b" not in raw:
        return _one_codec(raw, codec)
    return _extended(raw, codec, b"[\\\\\r\n\f\t^=]" if vr == "PN" else b"[\\\\\r\n\f\t]")


def _one_codec(raw: bytes, codec: str) -> str:
    return _undeclared(raw) if codec == "ascii" else raw.decode(codec, "replace")


def _extended(raw: bytes, initial: str, delimiters: bytes) -> str:
    """Decode text in which escape sequences change the character set (PS3.5 6.1.2.5).

    A delimiter brings the first character set back (6.1.2.5.3), but for the two-byte sets of
    Japan, whose second bytes may look like one: those are left by an escape sequence only.
    """
    first, *rest = _ESCAPES.split(raw)
    found = [_one_codec(first, initial)]
    for escape, part in zip(rest[::2], rest[1::2], strict=True):
        codec = _EXTENSIONS.get(escape)
        if codec is None:
            found.append("\ufffd" + _one_codec(part, initial))
        elif codec.startswith("iso2022"):
            found.append((escape + part).decode(codec, "replace"))
        else:
            end = re.search(delimiters, part)
            at = end.start() if end else len(part)
            found += [_one_codec(part[:at], codec), _one_codec(part[at:], initial)]
    return "".join(found)
