"""Hostile data sets: inflation, nesting, lengths, meta information, text, values."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from tests.hostile.parts import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    ITEM_END,
    RLE,
    ROOT,
    SEQUENCE_END,
    UNDEFINED,
    Hostile,
    element,
    file,
    image,
    implicit,
    item,
    joined,
    meta,
    padded,
    us,
)

_MIB = 1 << 20
_CONTENT = 0x0040A730


def deflated() -> Iterator[Hostile]:
    """Data sets that grow when inflated, or that do not inflate."""
    for name, fill, mib in (("zeros", b"\0", 24), ("spaces", b" ", 32), ("letters", b"A", 96)):
        large = image(1, {0x00204000: element(0x00204000, "UT", fill * (mib * _MIB))})
        yield _deflated(name, joined(large), "refused: inflated_bytes")
    whole = _raw(joined(image(1)))
    for part in (0, 1, 2, 10, 60, 90, 120):
        reason = "not-dicom" if part < 11 else "truncated"
        yield Hostile(f"cut-{part}", "deflate", meta(DEFLATED) + whole[:part], f"refused: {reason}")
    yield Hostile("noise", "deflate", meta(DEFLATED) + b"\xff" * 64, "refused: damaged-deflate")
    yield Hostile(
        "zlib-header", "deflate", meta(DEFLATED) + zlib.compress(joined(image(2))),
        "refused: damaged-deflate",
    )  # fmt: skip
    yield Hostile(
        "not-deflated", "deflate", meta(DEFLATED) + joined(image(3)), "refused: damaged-deflate"
    )
    yield Hostile("trailing", "deflate", meta(DEFLATED) + _raw(joined(image(4))) + b"MZ" * 50,
                  "accepted")  # fmt: skip
    twice = _raw(_raw(joined(image(5))))
    yield Hostile("twice", "deflate", meta(DEFLATED) + twice, "refused: truncated")
    many = image(6) | {0x00410010: element(0x00410011, "LO") * 1_100_000}
    many.pop(0x7FE00010)
    yield _deflated("many-elements", joined(dict(sorted(many.items()))), "refused: elements")


def _raw(data: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


def _deflated(name: str, data: bytes, expects: str) -> Hostile:
    return Hostile(name, "deflate", meta(DEFLATED) + _raw(data), expects)


def nested() -> Iterator[Hostile]:
    """Sequences in sequences, of defined and undefined length, in each encoding."""
    for number, depth in enumerate((2, 50, 99, 100, 101, 102, 150, 240, 1000, 5000)):
        fits = "accepted" if depth <= 100 else "refused: depth"
        for name, made in (
            ("defined", _nested(depth)),
            ("undefined", _nested_undefined(depth)),
            ("unknown", _nested_unknown(depth)),
        ):
            elements = image(number, {_CONTENT: made})
            yield Hostile(f"{name}-{depth}", "nesting", file(elements), fits)
    for depth in (101, 10_000):
        opened = element(_CONTENT, "SQ", length=UNDEFINED) + item(b"", length=UNDEFINED)
        yield Hostile(
            f"never-closed-{depth}", "nesting", file(image(1, {_CONTENT: opened * depth})),
            "refused: depth",
        )  # fmt: skip
    inner = implicit(_CONTENT, length=UNDEFINED) + item(b"", length=UNDEFINED)
    bare = b"".join(
        implicit(tag, value) for tag, value in ((0x00080016, b"1.2\0"), (0x00080018, b"1.2.3\0"))
    )
    yield Hostile("implicit", "nesting", meta(IMPLICIT) + bare + inner * 500, "refused: depth")


def _nested(depth: int) -> bytes:
    made = b""
    for _ in range(depth):
        made = element(_CONTENT, "SQ", item(made))
    return made


def _nested_undefined(depth: int) -> bytes:
    begin = element(_CONTENT, "SQ", length=UNDEFINED) + item(b"", length=UNDEFINED)
    return begin * depth + (ITEM_END + SEQUENCE_END) * depth


def _nested_unknown(depth: int) -> bytes:
    begin = implicit(_CONTENT, length=UNDEFINED) + item(b"", length=UNDEFINED)
    made = begin * (depth - 1) + (ITEM_END + SEQUENCE_END) * (depth - 1)
    first = element(_CONTENT, "UN", length=UNDEFINED) + item(b"", length=UNDEFINED)
    return first + made + ITEM_END + SEQUENCE_END


def lengths() -> Iterator[Hostile]:
    """Lengths, delimiters and tags that are not where they should be."""
    for number, length in enumerate((17, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE)):
        for vr in ("UT", "OB", "UN", "SQ"):
            lying = element(0x00204000, vr, b"x" * 8, length=length)
            elements = image(number, {0x00204000: lying, 0x7FE00010: None})
            for tag in [tag for tag in elements if tag > 0x00204000]:
                del elements[tag]
            yield Hostile(f"beyond-{vr}-{length:x}", "length", file(elements), "refused: truncated")
    for vr in ("UT", "OB", "OW", "UN", "SQ", "UC", "OV"):
        lying = element(0x00204000, vr, b"x" * 8, length=UNDEFINED)
        yield Hostile(
            f"undefined-{vr}", "length", file(image(1, {0x00204000: lying})),
            "refused: damaged-sequence",
        )  # fmt: skip
    content = us(0x0040A132, 1)
    tricks = {
        "no-item-end": (item(content, length=UNDEFINED) + SEQUENCE_END, UNDEFINED,
                        "damaged-sequence"),
        "no-sequence-end": (item(content), UNDEFINED, "damaged-sequence"),
        "item-end-first": (ITEM_END + SEQUENCE_END, UNDEFINED, "damaged-sequence"),
        "item-too-long": (item(content, length=999), None, "truncated"),
        "item-beyond-file": (item(content, length=0x7FFFFFFF), UNDEFINED, "truncated"),
        "no-item": (content, None, "damaged-sequence"),
        "item-of-one": (item(b"\0", length=1), None, ""),
        "half-an-item": (item(content)[:6], None, ""),
    }  # fmt: skip
    for name, (value, length, reason) in tricks.items():
        made = element(_CONTENT, "SQ", value, length=length)
        yield Hostile(
            name, "length", file(image(1, {_CONTENT: made})),
            f"refused: {reason}" if reason else "accepted",
        )  # fmt: skip
    outside = {
        "item": item(b"abcd"), "item-end": ITEM_END, "sequence-end": SEQUENCE_END,
        "undefined-item": item(b"", length=UNDEFINED),
    }  # fmt: skip
    for name, made in outside.items():
        yield Hostile(
            f"{name}-outside", "length", file(image(1, {0x00204000: made})), "refused: truncated"
        )
    same = element(0x00080018, "UI", padded(f"{ROOT}.9.9".encode()))
    odd = {
        "duplicate-uid": (0x00080019, same, "accepted"),
        "duplicate-rows": (0x00280012, us(0x00280010, 65535), "undecodable: truncated"),
        "descending": (0x00400001, element(0x00080070, "LO", b"late"), "accepted"),
        "meta-inside": (0x00081000, element(0x00020010, "UI", padded(RLE.encode())), "accepted"),
        "odd-length": (0x00204000, element(0x00204000, "LT", b"odd"), "accepted"),
        "group-length-lies": (0x00280000, element(0x00280000, "UL", b"\xff" * 4), "accepted"),
        "command-inside": (0x00081000, element(0x00000100, "US", b"\1\0"), "accepted"),
        "tag-of-ones": (0x7FE10000, element(0xFFFFFFFF, "UN", b"\0" * 4), "accepted"),
        "empty-vr": (0x00204000, struct.pack("<HH", 0x20, 0x4000) + bytes(4), "accepted"),
        "unknown-vr": (0x00204000, element(0x00204000, "ZZ", b"ab"), "accepted"),
        "lower-vr": (0x00204000, element(0x00204000, "lo", b"ab"), "accepted"),
    }
    for number, (name, (place, made, expects)) in enumerate(odd.items(), 10):
        yield Hostile(name, "length", file(image(number, {place: made})), expects)
    whole = file(image(40))
    for part in (0, 1, 127, 128, 131, 132, 133, 140, 200, 300, 340, 400, 500, len(whole) - 17,
                 len(whole) - 1):  # fmt: skip
        reason = "not-dicom" if part < 140 else "truncated"
        yield Hostile(f"cut-{part}", "length", whole[:part], f"refused: {reason}")
    items = element(_CONTENT, "SQ", item(b"") * 1_000_001)
    yield Hostile("many-items", "length", file(image(41, {_CONTENT: items})), "refused: elements")
    yield Hostile("many-values", "length", file(image(42, {
        0x00080008: element(0x00080008, "UC", b"\\" * 100_000)})), "accepted")  # fmt: skip


def file_meta() -> Iterator[Hostile]:
    """File Meta Information that is missing, wrong or lies."""
    body = joined(image(1))
    for length in (0, 1, 12, 0x7FFFFFFF, UNDEFINED):
        yield Hostile(f"length-{length:x}", "meta", meta(length=length) + body, "accepted")
    for vr in ("ZZ", "??", "\0\0", "  ", "ob"):
        strange = element(0x00020100, vr, b"\xff" * 8)
        yield Hostile(f"vr-{vr.encode().hex()}", "meta", meta(more=strange) + body, "accepted")
    for vr in ("UN", "OB", "SQ", "UT"):
        for length in (0x7FFFFFFF, UNDEFINED):
            strange = element(0x00020102, vr, b"", length=length)
            yield Hostile(
                f"beyond-{vr}-{length:x}", "meta", meta(more=strange) + body, "refused: truncated"
            )
    yield Hostile("none", "meta", body, "accepted")
    yield Hostile("prefix-only", "meta", bytes(128) + b"DICM", "refused: not-dicom")
    yield Hostile("meta-only", "meta", meta(), "refused: not-dicom")
    yield Hostile("prefix-twice", "meta", bytes(128) + b"DICMDICM" + body, "refused: not-dicom")
    yield Hostile("two-metas", "meta", meta() + meta()[132:] + body, "accepted")
    yield Hostile("endless-meta", "meta",
                  meta(more=element(0x00020100, "UI") * 1_000_001) + body,
                  "refused: elements")  # fmt: skip
    for name, syntax in {
        "unknown": "1.2.3.4.5", "private": "1.3.6.1.4.1.5962.300", "empty": "", "text": "EXPLICIT",
        "path": "../../etc/passwd", "long": "1." * 200, "nul": "1.2\x00840", "spaces": " " * 20,
        "many": f"{EXPLICIT}\\{IMPLICIT}", "html": "<script>alert(1)</script>",
    }.items():  # fmt: skip
        expects = "undecodable: transfer-syntax-contradicted"
        if name in ("empty", "spaces"):
            expects = "accepted"
        yield Hostile(f"syntax-{name}", "meta", meta(syntax) + body, expects)
    bare = {tag: implicit(tag, value[8:]) for tag, value in image(2).items() if tag < 0x7FE00010}
    bare[0x7FE00010] = implicit(0x7FE00010, bytes(range(16)))
    yield Hostile("implicit-as-explicit", "meta", meta(EXPLICIT) + joined(bare), "accepted")
    yield Hostile("implicit-as-big", "meta", meta(BIG) + joined(bare), "accepted")
    yield Hostile("explicit-as-implicit", "meta", meta(IMPLICIT) + body, "accepted")
    yield Hostile("explicit-as-big", "meta", meta(BIG) + body, "accepted")
    yield Hostile("native-as-rle", "meta", meta(RLE) + body,
                  "undecodable: transfer-syntax-contradicted")  # fmt: skip
    switched = meta(EXPLICIT) + body[:60] + joined(bare)
    yield Hostile("switched-midway", "meta", switched, "refused: truncated")


def preambles() -> Iterator[Hostile]:
    """What else a file may be: the 128 bytes belong to nobody (CVE-2019-11687)."""
    body = file(image(1))
    starts = {
        "zeros": (b"", "accepted"),
        "tiff-little": (b"II*\0\x08\0\0\0", "accepted"),
        "tiff-big": (b"MM\0*\0\0\0\x08", "accepted"),
        "bigtiff": (b"II+\0\x08\0\0\0", "accepted"),
        "letters": (b"any text of a maker", "accepted"),
        "nitf": (b"NITF02.10", "accepted"),
        "exe": (b"MZ\x90\0\3\0\0\0", "refused: executable-preamble"),
        "elf": (b"\x7fELF\2\1\1\0", "refused: executable-preamble"),
        "macho": (b"\xcf\xfa\xed\xfe", "refused: executable-preamble"),
        "macho-big": (b"\xfe\xed\xfa\xce", "refused: executable-preamble"),
        "java": (b"\xca\xfe\xba\xbe\0\0\0\x34", "refused: executable-preamble"),
        "wasm": (b"\0asm\1\0\0\0", "refused: executable-preamble"),
        "shell": (b"#!/bin/sh\nid\n", "refused: executable-preamble"),
        "zip": (b"PK\3\4\x14\0", "refused: executable-preamble"),
        "html": (b"<html><script>alert(1)</script>", "refused: executable-preamble"),
        "html-upper": (b" \r\n<!DOCTYPE HTML>", "refused: executable-preamble"),
        "svg": (b"<svg onload=alert(1)>", "refused: executable-preamble"),
        "xml": (b"<?xml version='1.0'?>", "refused: executable-preamble"),
        "php": (b"<?php system('id');", "refused: executable-preamble"),
        "bom-html": (b"\xef\xbb\xbf<html>", "refused: executable-preamble"),
        "pdf": (b"%PDF-1.7\n", "refused: executable-preamble"),
        "pdf-later": (b"junk %PDF-1.4\n", "refused: executable-preamble"),
        "gif": (b"GIF89a/*<script>*/", "accepted"),
        "rtf": (b"{\\rtf1", "accepted"),
        "gzip": (b"\x1f\x8b\x08\0", "accepted"),
    }
    for name, (start, expects) in starts.items():
        yield Hostile(name, "polyglot", start.ljust(128, b"\0") + body[128:], expects)
    pages = {"zip": b"PK\5\6" + bytes(18), "html": b"<script>", "zeros": bytes(64), "one": b"\1"}
    for name, rest in pages.items():
        expects = "accepted" if name in ("zeros", "zip") else "refused: truncated"
        without = image(2, {0x7FE00010: None})
        yield Hostile(f"trailing-{name}", "polyglot", file(without) + rest, expects)


def texts() -> Iterator[Hostile]:
    """Text that lies about its characters, or means something to another program."""
    sets = {
        "latin": b"ISO_IR 100", "utf8": b"ISO_IR 192", "gb": b"GB18030", "none": b"",
        "unknown": b"ISO_IR 999", "html": b"<script>", "path": b"../../../x", "code": b"rot13",
        "bomb": b"idna\\" * 5000, "2022": b"\\ISO 2022 IR 87", "kr": b"\\ISO 2022 IR 149",
    }  # fmt: skip
    raw = {
        "invalid": b"\xff\xfe\xc3\x28\xa0\xa1", "escape": b"\x1b$B", "nul": b"a\0b\0c",
        "control": bytes(range(32)),
    }  # fmt: skip
    for name, declared in sets.items():
        for kind, value in raw.items():
            elements = image(1, {
                0x00080005: element(0x00080005, "CS", padded(declared, b" ")),
                0x00081030: element(0x00081030, "LO", padded(value, b" ")),
            })  # fmt: skip
            yield Hostile(f"{name}-{kind}", "text", file(elements), "accepted")
    dangers = {
        "html": b"<script>alert(1)</script>", "image": b"<img src=x onerror=alert(1)>",
        "attribute": b'" onmouseover=alert(1) x="', "svg": b"<svg/onload=alert(1)>",
        "template": b"{{7*7}}${7*7}<%= 7 %>", "formula": b"=cmd|' /C calc'!A0",
        "sql": b"'; DROP TABLE instances; --", "lines": b"a\r\nBcc: x@example.org\r\n\r\nx",
        "right-to-left": "\u202egnp.exe".encode(), "shell": b"$(touch x);`id`|x",
        "path": b"../../../../etc/passwd", "format": b"%s%n%x{0.__class__}", "carets": b"^" * 200,
        "equals": b"=" * 200, "surrogate": b"\xed\xa0\x80", "markdown": b"[x](javascript:alert(1))",
    }  # fmt: skip
    for name, value in dangers.items():
        text = padded(value, b" ")
        elements = image(2, {
            0x00080005: element(0x00080005, "CS", b"ISO_IR 192"),
            0x00081030: element(0x00081030, "LO", text),
            0x00100010: element(0x00100010, "PN", text),
            0x0008103E: element(0x0008103E, "LO", text),
            0x0040A160: element(0x0040A160, "UT", text),
        })  # fmt: skip
        yield Hostile(name, "markup", file(elements), "accepted")
    long = element(0x00100010, "PN", b"A" * 65534)
    yield Hostile("name-64k", "text", file(image(3, {0x00100010: long})), "accepted")


def values() -> Iterator[Hostile]:
    """Numbers, dates and UIDs that are none."""
    numbers = (b"1e999", b"-1e999", b"NaN", b"inf", b"1e-999", b"0x10", b"1_0", b"1,5", b"--1",
               b"12345678901234567", b"9" * 5000, b"1e300", b"-1e10",
               "\u0661".encode(), b"")  # fmt: skip
    for value in numbers:
        name = value[:17].hex()
        text = padded(value, b" ")
        place = b"\\".join((value, b"0", b"0"))
        elements = image(1, {
            0x00101030: element(0x00101030, "DS", text),
            0x00200013: element(0x00200013, "IS", text),
            0x00200032: element(0x00200032, "DS", padded(place, b" ")),
            0x00200037: element(0x00200037, "DS", b"1\\0\\0\\0\\1\\0 "),
            0x00280030: element(0x00280030, "DS", padded(b"\\".join((value, value)), b" ")),
            0x00281052: element(0x00281052, "DS", text),
            0x00281053: element(0x00281053, "DS", text),
        })  # fmt: skip
        yield Hostile(f"number-{name or 'empty'}", "value", file(elements), "accepted")
    for value in (b"20230229", b"99999999", b"00000000", b"2023-02-01", b"2023", b"x" * 64):
        elements = image(2, {
            0x00080020: element(0x00080020, "DA", padded(value, b" ")),
            0x00080030: element(0x00080030, "TM", padded(value, b" ")),
            0x0008002A: element(0x0008002A, "DT", padded(value, b" ")),
        })  # fmt: skip
        yield Hostile(f"date-{value[:10].hex()}", "value", file(elements), "accepted")
    uids = {
        "empty": (b"", "missing-uid"), "spaces": (b"  ", "missing-uid"),
        "path": (b"../../x", "invalid-uid"), "absolute": (b"/etc/passwd", "invalid-uid"),
        "nul": (b"1.2\0.3", "invalid-uid"), "long": (b"1." * 40, "invalid-uid"),
        "device": (b"CON", "invalid-uid"), "two": (b"1.2\\1.3", "invalid-uid"),
        "unicode": ("\u0661.\u0662".encode(), "invalid-uid"), "line": (b"1.2\n", "invalid-uid"),
        "dots": (b"../..", "invalid-uid"), "html": (b"<b>1</b>", "invalid-uid"),
    }  # fmt: skip
    for tag, keyword in ((0x00080018, "instance"), (0x0020000E, "series")):
        for name, (value, reason) in uids.items():
            elements = image(3, {tag: element(tag, "UI", padded(value))})
            yield Hostile(f"uid-{keyword}-{name}", "value", file(elements), f"refused: {reason}")
    for vr in ("FD", "FL"):
        code = "d" if vr == "FD" else "f"
        for name, number in (("nan", float("nan")), ("infinite", float("inf"))):
            wrong = element(0x00189087, vr, struct.pack(f"<{code}", number))
            yield Hostile(f"{name}-{vr}", "value", file(image(4, {0x00189087: wrong})), "accepted")
    for length in (1, 3, 5, 7):
        short = element(0x00189087, "FD", b"\1" * length)
        yield Hostile(f"half-{length}", "value", file(image(5, {0x00189087: short})), "accepted")
