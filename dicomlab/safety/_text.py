"""Text as DICOM encodes it: character sets, padding, values (PS3.5 6.1 and 6.2)."""

from __future__ import annotations

from collections.abc import Sequence

_CHARACTER_SET_VRS = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT", "UN"))


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
        The whole field, backslashes still in it, trailing padding gone. Bytes that the character
        set does not allow become U+FFFD, as no reader may guess another one.
    """
    if not raw:
        return ""
    if vr not in _CHARACTER_SET_VRS or not character_sets:
        # Outside the default repertoire without a character set: Latin 1 shows every byte.
        text = raw.decode("ascii") if raw.isascii() else _undeclared(raw)
    elif raw.isascii() and b"\x1b" not in raw and "13" not in "".join(character_sets):
        text = raw.decode("ascii")
    else:
        text = _decode_declared(raw, vr, character_sets)
    return text.rstrip("\0 ")


def _undeclared(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _decode_declared(raw: bytes, vr: str, character_sets: Sequence[str]) -> str:
    import warnings  # noqa: PLC0415  pydicom is slow to import, and few files need it

    from pydicom.charset import convert_encodings, decode_bytes  # noqa: PLC0415
    from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS  # noqa: PLC0415

    names = ["ISO_IR 192" if name.upper() == "UTF-8" else name for name in character_sets]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            encodings = convert_encodings(names)
        except (LookupError, ValueError):
            return raw.decode("latin-1")
        text: str = decode_bytes(raw, encodings, PN_DELIMS if vr == "PN" else TEXT_VR_DELIMS)
    return text
