"""Hostile media directories and zips."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO

from tests.hostile.parts import Hostile, element, file, image, item, meta, padded

_DIRECTORY = b"1.2.840.10008.1.3.10"


def media_directories() -> Iterator[Hostile]:
    """DICOMDIRs whose records loop, lead outside, or lie beyond the file (PS3.10 8)."""
    names = {
        "up": "..\\..\\SECRET", "absolute": "\\etc\\passwd", "slash": "../../etc/passwd",
        "drive": "C:\\WINDOWS", "nul": "A\0B", "deep": "\\".join("D" * 400), "empty": "",
        "itself": "DICOMDIR", "device": "\\dev\\zero", "url": "file:///etc/passwd",
    }  # fmt: skip
    for name, text in names.items():
        yield _directory(f"file-{name}", [_record(0, 0, text)])
    for name, following, lower in (
        ("loop", 400, 0), ("own-child", 0, 400), ("beyond", 0x7FFFFFFF, 0), ("odd", 3, 5),
        ("end", 0xFFFFFFFF, 0xFFFFFFFF),
    ):  # fmt: skip
        yield _directory(f"record-{name}", [_record(following, lower, "IMG")] * 2)
    yield _directory("many-records", [_record(0, 0, "IMG")] * 5000)
    yield _directory("no-records", [])


def _record(following: int, lower: int, name: str) -> bytes:
    return item(
        element(0x00041400, "UL", struct.pack("<I", following))
        + element(0x00041420, "UL", struct.pack("<I", lower))
        + element(0x00041430, "CS", b"IMAGE ")
        + element(0x00041500, "CS", padded(name.encode(), b" "))
    )


def _directory(name: str, records: list[bytes]) -> Hostile:
    head = meta(sop_class=_DIRECTORY)
    body = element(0x00041220, "SQ", b"".join(records))
    return Hostile(name, "media-directory", head + body, "refused: media-directory")


def zips() -> Iterator[Hostile]:
    """Zips whose names lead outside, whose sizes lie, or that grow."""
    sound = file(image(1))
    names = {
        "up": "../../escaped.dcm", "absolute": "/tmp/escaped.dcm", "drive": "C:\\escaped.dcm",
        "backslash": "..\\..\\escaped.dcm", "device": "CON", "long": "a/" * 2000 + "x",
        "line": "a\nb.dcm", "right-to-left": "\u202emcd.exe", "dots": "..", "space": " ",
        "html": "<img src=x onerror=alert(1)>.dcm",
    }  # fmt: skip
    for name, member in names.items():
        yield _zip(f"name-{name}", {member: sound}, "accepted")
    link = zipfile.ZipInfo("link.dcm")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    yield _zip("link", {link: b"/etc/passwd"}, "refused: not-dicom")
    same = _zipped({"a.dcm": sound, "b.dcm": sound}).replace(b"b.dcm", b"a.dcm")
    yield Hostile("duplicate-names", "zip", same, "accepted; accepted", ".zip")
    yield _zip("bomb", {"a.dcm": bytes(48 << 20)}, "refused: archive-ratio")
    yield _zip("bomb-of-dicom", {"a.dcm": sound + bytes(48 << 20)}, "refused: archive-ratio")
    yield _zip("nested", {"inner.zip": _zipped({"a.dcm": sound})}, "refused: not-dicom")
    made = _zipped({"a.dcm": sound})
    central, end = made.index(b"PK\1\2"), made.index(b"PK\5\6")
    for name, place, form, numbers, expects in (
        ("size-small", central + 24, "<I", (10,), "refused: damaged-zip"),
        ("size-large", central + 24, "<I", (len(sound) + 999,), "accepted"),
        ("size-4g", central + 24, "<I", (0xFFFFFFF0,), "refused: archive-ratio"),
        ("compressed-small", central + 20, "<I", (5,), "refused: damaged-zip"),
        ("compressed-large", central + 20, "<I", (0x7FFFFFFF,), "accepted"),
        ("crc", central + 16, "<I", (1,), "refused: damaged-zip"),
        ("method", central + 10, "<H", (97,), "refused: zip-compression"),
        ("encrypted", central + 8, "<H", (1,), "refused: encrypted"),
        ("offset", central + 42, "<I", (7,), "refused: damaged-zip"),
        ("offset-beyond", central + 42, "<I", (0x7FFFFFFF,), "refused: damaged-zip"),
        ("directory-beyond", end + 16, "<I", (0x7FFFFFFF,), "refused: damaged-zip"),
        ("directory-long", end + 12, "<I", (0x7FFFFFFF,), "refused: damaged-zip"),
        ("many-declared", end + 8, "<HH", (65535, 65535), "accepted"),
        ("local-name", 26, "<H", (65535,), "refused: damaged-zip"),
        ("local-signature", 0, "<I", (0x04034B51,), "refused: not-dicom"),
    ):
        changed = bytearray(made)
        struct.pack_into(form, changed, place, *numbers)
        yield Hostile(name, "zip", bytes(changed), expects, ".zip")
    for part in (4, 22, len(made) // 2, len(made) - 5):
        yield Hostile(f"cut-{part}", "zip", made[:part], "refused: damaged-zip", ".zip")
    yield Hostile("overlapping", "zip", _overlapping(sound, 3), "accepted; " * 2 + "accepted",
                  ".zip")  # fmt: skip
    yield Hostile("overlapping-bomb", "zip", _overlapping(sound.ljust(1 << 20, b"\0"), 200),
                  "refused: archive-ratio", ".zip")  # fmt: skip


def _zipped(members: dict[str | zipfile.ZipInfo, bytes] | dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(info, data)
    return buffer.getvalue()


def _zip(name: str, members: dict[str | zipfile.ZipInfo, bytes], expects: str) -> Hostile:
    return Hostile(name, "zip", _zipped(members), expects, ".zip")


def _overlapping(data: bytes, count: int) -> bytes:
    """Return a zip whose directory names one member many times (as in quine-like bombs)."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = deflater.compress(data) + deflater.flush()
    numbers = (zlib.crc32(data), len(packed), len(data))
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 33, *numbers, 1, 0) + b"a" + packed
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 8, 0, 33, *numbers, 1, 0, 0, 0, 0,
                        0, 0) + b"a"  # fmt: skip
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(entry) * count, len(local), 0)
    return local + entry * count + end
