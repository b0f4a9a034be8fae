"""Hostile images: attributes that are nonsense, frames that are not where or what they say."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TypeAlias

import imagecodecs
import numpy as np

from tests.hostile.parts import (
    CANARY,
    EXPLICIT,
    HTJ2K,
    ITEM_END,
    JPEG,
    JPEG_2000,
    JPEG_LOSSLESS,
    JPEG_LS,
    RLE,
    SEQUENCE_END,
    UNDEFINED,
    Hostile,
    element,
    file,
    fragments,
    image,
    item,
    padded,
    us,
)

_Wrong: TypeAlias = dict[str, tuple[dict[int, bytes | None], str]]
_MISSING = "undecodable: missing-pixel-attribute"
_APART = "undecodable: frames-cannot-be-told-apart"
_NUMBER = "undecodable: not-a-number"
_BAD = "undecodable: bad-pixel-attribute"
_CONTRADICTION = "undecodable: codestream-contradicts-header"
_DAMAGED = "undecodable: damaged-frame"
_CUT = "undecodable: truncated"


def dimensions() -> Iterator[Hostile]:
    """Rows, columns, bits, samples and frames that no image has."""
    wrong = _wrong_sizes() | _wrong_numbers()
    for number, (name, (changes, expects)) in enumerate(wrong.items()):
        yield Hostile(name, "dimensions", file(image(number, changes)), expects)
    for name, rows, columns, samples in (("one", 1, 1, 3), ("odd", 3, 3, 3), ("grey", 4, 4, 1),
                                         ("four", 2, 2, 4)):  # fmt: skip
        odd = image(1, rows=rows, columns=columns, samples=samples, colours=b"YBR_FULL_422")
        yield Hostile(f"subsampled-{name}", "dimensions", file(odd), _BAD)
    named = image(4, colours=CANARY)
    yield Hostile("photometric-name", "dimensions", file(named), "accepted")
    no_pixels = image(2, {0x7FE00010: element(0x7FE00010, "OB")})
    yield Hostile("no-pixels", "dimensions", file(no_pixels), _CUT)


def _wrong_sizes() -> _Wrong:
    wrong: _Wrong = {}
    for tag, name in ((0x00280010, "rows"), (0x00280011, "columns")):
        wrong |= {
            f"{name}-0": ({tag: us(tag, 0)}, _BAD),
            f"{name}-65535": ({tag: us(tag, 65535)}, _CUT),
            f"{name}-long": ({tag: element(tag, "UL", b"\xff\xff\xff\xff")}, _BAD),
            f"{name}-very-long": ({tag: element(tag, "UV", b"\xff" * 8)}, _BAD),
            f"{name}-negative": ({tag: element(tag, "SS", b"\xff\xff")}, _BAD),
            f"{name}-text": ({tag: element(tag, "IS", b"1e")}, _NUMBER),
            f"{name}-infinite": ({tag: element(tag, "DS", b"1e999 ")}, _NUMBER),
            f"{name}-nan": (
                {tag: element(tag, "FD", struct.pack("<d", float("nan")))},
                _NUMBER,
            ),
            f"{name}-half": ({tag: element(tag, "US", b"\1")}, _MISSING),
            f"{name}-empty": ({tag: us(tag)}, _MISSING),
            f"{name}-none": ({tag: None}, _MISSING),
            f"{name}-many": ({tag: us(tag, *[9] * 30000)}, _CUT),
            f"{name}-sequence": (
                {tag: element(tag, "SQ", item(b""))}, _NUMBER
            ),
        }  # fmt: skip
    both: dict[int, bytes | None] = {
        0x00280010: us(0x00280010, 65535), 0x00280011: us(0x00280011, 65535)
    }  # fmt: skip
    wrong["largest"] = (dict(both), _CUT)
    deep = ((0x00280100, 16), (0x00280101, 16), (0x00280102, 15))
    wrong["largest-16"] = (both | {tag: us(tag, value) for tag, value in deep},
                           "undecodable: image_bytes")  # fmt: skip
    return wrong


def _wrong_numbers() -> _Wrong:
    wrong: _Wrong = {}
    for bits in (0, 2, 7, 12, 24, 65535):
        expects = _BAD if bits in (0, 65535, 2, 7) else "undecodable: unsupported"
        wrong[f"allocated-{bits}"] = ({0x00280100: us(0x00280100, bits)}, expects)
    for bits in (1, 16, 32, 64):
        expects = _BAD if bits == 1 else _CUT
        wrong[f"allocated-{bits}"] = ({0x00280100: us(0x00280100, bits)}, expects)
    for bits in (0, 9, 255, 65535):
        wrong[f"stored-{bits}"] = ({0x00280101: us(0x00280101, bits)}, _BAD)
    for bit in (0, 6, 8, 65535):
        wrong[f"high-{bit}"] = ({0x00280102: us(0x00280102, bit)}, _BAD)
    for samples in (2, 5, 255, 65535):
        wrong[f"samples-{samples}"] = ({0x00280002: us(0x00280002, samples)}, _BAD)
    for samples in (3, 4):
        wrong[f"samples-{samples}"] = ({0x00280002: us(0x00280002, samples)}, _CUT)
    wrong["samples-0"] = ({0x00280002: us(0x00280002, 0)}, _BAD)
    wrong["signed-65535"] = ({0x00280103: us(0x00280103, 65535)}, "accepted")
    wrong["planar-9"] = ({0x00280006: us(0x00280006, 9)}, "accepted")
    for frames in (b"0", b"-1", b"2", b"999999", b"1000001", b"2147483648", b"9" * 300, b"1e999",
                   b"1.5", b"x"):  # fmt: skip
        expects = {b"0": _BAD, b"-1": _BAD, b"2": _CUT, b"999999": _CUT}.get(
            frames, "undecodable: frames"
        )
        if frames in (b"1e999", b"1.5", b"x"):
            expects = _NUMBER
        wrong[f"frames-{frames[:10].decode()}"] = (
            {0x00280008: element(0x00280008, "IS", padded(frames, b" "))}, expects
        )  # fmt: skip
    return wrong


def pixel_data() -> Iterator[Hostile]:
    """Pixel data and its offset tables."""
    for length in (1, 15, 17, 1000):
        made = element(0x7FE00010, "OB", bytes(length))
        expects = _CUT if length < 16 else "accepted"
        yield Hostile(f"native-{length}", "pixel-data", file(image(1, pixels=made)), expects)
    for length in (17, 0x7FFFFFFF, 0xFFFFFFFE):
        made = element(0x7FE00010, "OB", bytes(16), length=length)
        yield Hostile(
            f"native-lies-{length:x}", "pixel-data", file(image(2, pixels=made)),
            "refused: truncated",
        )  # fmt: skip
    made = element(0x7FE00010, "OB", bytes(16), length=UNDEFINED)
    yield Hostile("native-undefined", "pixel-data", file(image(3, pixels=made)),
                  "refused: damaged-pixel-data")  # fmt: skip
    frame = _rle(bytes(range(16)))
    three = {0x00280008: element(0x00280008, "IS", b"3 ")}
    size = len(frame) + 8
    tables = {
        "none": (), "right": (0, size, 2 * size), "beyond": (0, size, 10**6),
        "backwards": (2 * size, size, 0), "same": (0, 0, 0), "inside": (0, 7, 9),
        "negative": (0xFFFFFFF8, size, 2 * size), "short": (0,), "long": tuple(range(9000)),
    }  # fmt: skip
    for name, offsets in tables.items():
        table = struct.pack(f"<{len(offsets)}I", *offsets)
        whole = image(4, three, pixels=fragments(frame, frame, frame, table=table))
        yield Hostile(f"table-{name}", "pixel-data", file(whole, RLE), "accepted")
        if name in ("beyond", "backwards", "same", "inside", "negative", "short", "none"):
            half = frame[: len(frame) // 2], frame[len(frame) // 2 :]
            split = image(5, three, pixels=fragments(*half * 3, table=table))
            yield Hostile(f"table-{name}-split", "pixel-data", file(split, RLE),
                          "undecodable: frames-cannot-be-told-apart")  # fmt: skip
    extended = {
        "beyond": ((0, 10**15, 0), (size,) * 3), "huge": ((2**64 - 1,) * 3, (2**64 - 1,) * 3),
        "lengths": ((0, size, 2 * size), (10**15,) * 3), "same": ((0, 0, 0), (len(frame),) * 3),
        "zero": ((0, size, 2 * size), (0, 0, 0)), "short": ((0,), (len(frame),)),
    }  # fmt: skip
    for name, (begins, sizes) in extended.items():
        changes = three | {
            0x7FE00001: element(0x7FE00001, "OV", struct.pack(f"<{len(begins)}Q", *begins)),
            0x7FE00002: element(0x7FE00002, "OV", struct.pack(f"<{len(sizes)}Q", *sizes)),
        }
        whole = image(6, changes, pixels=fragments(frame, frame, frame))
        yield Hostile(f"extended-{name}", "pixel-data", file(whole, RLE), "accepted")
    raw = {
        "no-table": SEQUENCE_END, "nothing": b"", "table-alone": item(b""),
        "no-item": item(b"") + b"abcdefgh", "item-end": item(b"") + ITEM_END,
        "item-beyond": item(b"") + item(b"abcd", length=0x7FFFFFFF),
        "item-undefined": item(b"") + item(b"abcd", length=UNDEFINED),
        "table-beyond": item(b"abcd", length=0x7FFFFFF0),
        "half-an-item": item(b"") + item(frame) + b"\xfe\xff\0",
        "empty-items": item(b"") * 5000 + SEQUENCE_END,
        "delimiter-inside": item(b"") + item(frame[:66] + SEQUENCE_END * 3) + SEQUENCE_END,
        "no-end": item(b"") + item(frame),
    }  # fmt: skip
    expected = {
        "no-table": _CUT, "nothing": _CUT, "table-alone": _APART,
        "no-item": "refused: damaged-pixel-data", "item-end": "refused: damaged-pixel-data",
        "empty-items": _DAMAGED, "delimiter-inside": "accepted", "no-end": "accepted",
    }  # fmt: skip
    for number, (name, content) in enumerate(raw.items(), 10):
        pixels = element(0x7FE00010, "OB", content, length=UNDEFINED)
        yield Hostile(f"fragments-{name}", "pixel-data", file(image(number, pixels=pixels), RLE),
                      expected.get(name, "refused: truncated"))  # fmt: skip
    many = {0x00280008: element(0x00280008, "IS", b"999999")}
    yield Hostile("frames-without-fragments", "pixel-data",
                  file(image(29, many, pixels=fragments(frame)), RLE), _CUT)  # fmt: skip
    yield Hostile("rle-as-native", "pixel-data",
                  file(image(30, pixels=fragments(frame)), EXPLICIT),
                  "undecodable: transfer-syntax-contradicted")  # fmt: skip


def _rle(plane: bytes) -> bytes:
    """One literal run (PS3.5 G.3)."""
    return struct.pack("<16I", 1, 64, *[0] * 14) + bytes((len(plane) - 1,)) + plane


def codestreams() -> Iterator[Hostile]:
    """Compressed frames that contradict the attributes, break off, or want too much."""
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    whole = {
        JPEG: bytes(imagecodecs.jpeg8_encode(grey)),
        JPEG_LOSSLESS: bytes(imagecodecs.jpeg8_encode(grey, lossless=True, predictor=1)),
        JPEG_LS: bytes(imagecodecs.jpegls_encode(grey, level=0)),
        JPEG_2000: bytes(imagecodecs.jpeg2k_encode(grey, level=0, codecformat="j2k")),
        RLE: struct.pack("<16I", 1, 64, *[0] * 14)
        + b"".join(b"\x7f" + grey.tobytes()[at : at + 128] for at in (0, 128)),
    }
    names = {JPEG: "jpeg", JPEG_LOSSLESS: "lossless", JPEG_LS: "jpegls", JPEG_2000: "j2k",
             RLE: "rle"}  # fmt: skip
    for uid, frame in whole.items():
        name = names[uid]
        yield _compressed(f"{name}-sound", frame, uid, "accepted")
        for part in sorted({0, 1, 2, 4, 20, 60, len(frame) // 2, len(frame) - 3}):
            yield _compressed(f"{name}-cut-{part}", frame[:part], uid, _DAMAGED)
        for rows, columns in ((15, 16), (17, 16), (16, 15), (16, 17), (65535, 65535), (1, 1)):
            expects = _CONTRADICTION
            if rows == 65535:
                expects = "undecodable: frame_ratio"
            elif uid == RLE:  # more pixels than rows and columns ask for are let go
                expects = _DAMAGED if rows * columns > 256 else "accepted"
            yield _compressed(
                f"{name}-{rows}x{columns}", frame, uid, expects, rows=rows, columns=columns
            )
        yield _compressed(f"{name}-colour", frame, uid,
                          _DAMAGED if uid == RLE else _CONTRADICTION, samples=3)  # fmt: skip
        yield _compressed(f"{name}-noise", bytes(range(256)) * 4, uid, _DAMAGED)
        yield _compressed(f"{name}-as-htj2k", frame, HTJ2K,
                          "accepted" if uid == JPEG_2000 else _DAMAGED)  # fmt: skip
    yield from _jpeg_2000_tricks(whole[JPEG_2000])
    yield from _jpeg_tricks(whole[JPEG], whole[JPEG_LS])
    yield from _rle_tricks()


def _compressed(name: str, frame: bytes, uid: str, expects: str, *, rows: int = 16,
                columns: int = 16, samples: int = 1) -> Hostile:  # fmt: skip
    # Few pixels come from the builder: the attributes alone are large.
    changes = {0x00280010: us(0x00280010, rows), 0x00280011: us(0x00280011, columns),
               0x00280002: us(0x00280002, samples)}  # fmt: skip
    made = image(1, changes, pixels=fragments(frame))
    return Hostile(name, "codestream", file(made, uid), expects)


def _jpeg_2000_tricks(frame: bytes) -> Iterator[Hostile]:
    """The SIZ segment (ISO/IEC 15444-1 A.5.1) says other things than the attributes."""
    at = frame.index(b"\xff\x51") + 2

    def with_siz(place: int, form: str, *numbers: int) -> bytes:
        changed = bytearray(frame)
        struct.pack_into(form, changed, at + place, *numbers)
        return bytes(changed)

    most = 65535
    huge = with_siz(4, ">II", most, most)
    yield _compressed("j2k-huge", huge, JPEG_2000, _CONTRADICTION)
    yield _compressed("j2k-huge-agreed", huge, JPEG_2000, "undecodable: frame_ratio",
                      rows=most, columns=most)  # fmt: skip
    single = with_siz(20, ">II", 1, 1)
    yield _compressed("j2k-tiles-of-one", single, JPEG_2000, _DAMAGED)
    tiles = bytearray(huge)
    struct.pack_into(">II", tiles, at + 20, 1, 1)
    yield _compressed("j2k-tile-bomb", bytes(tiles), JPEG_2000, "undecodable: frame_ratio",
                      rows=most, columns=most)  # fmt: skip
    large = bytearray(with_siz(4, ">II", 7000, 7000))
    struct.pack_into(">II", large, at + 20, 1, 1)
    yield _compressed("j2k-many-tiles", bytes(large), JPEG_2000, _DAMAGED,
                      rows=7000, columns=7000)  # fmt: skip
    for name, changed, expects in (
        ("tile-zero", with_siz(20, ">II", 0, 0), _DAMAGED),
        ("tile-huge", with_siz(20, ">II", 0xFFFFFFFF, 0xFFFFFFFF), "accepted"),
        ("tile-offset", with_siz(28, ">II", 9, 9), _DAMAGED),
        ("offset-beyond", with_siz(12, ">II", 99, 99), _DAMAGED),
        ("offset-wraps", with_siz(4, ">IIII", 15, 15, 0xFFFFFFFF, 0xFFFFFFFF), _DAMAGED),
        ("no-components", with_siz(36, ">H", 0), _CONTRADICTION),
        ("many-components", with_siz(36, ">H", 16384), _CONTRADICTION),
        ("deep", with_siz(38, ">B", 37), _CONTRADICTION),
        ("deeper", with_siz(38, ">B", 0x7F), _CONTRADICTION),
        ("subsampled", with_siz(39, ">BB", 2, 2), _DAMAGED),
        ("subsampled-255", with_siz(39, ">BB", 255, 255), _DAMAGED),
        ("subsampled-0", with_siz(39, ">BB", 0, 0), _DAMAGED),
        ("segment-long", with_siz(0, ">H", 65535), _DAMAGED),
        ("segment-short", with_siz(0, ">H", 0), _DAMAGED),
    ):
        yield _compressed(f"j2k-{name}", changed, JPEG_2000, expects)


def _jpeg_tricks(frame: bytes, lossless: bytes) -> Iterator[Hostile]:
    """The frame header (ISO/IEC 10918-1 B.2.2) lies, comes twice or not at all."""
    at = frame.index(b"\xff\xc0")
    header = frame[at : at + 2 + struct.unpack_from(">H", frame, at + 2)[0]]
    larger = header[:5] + struct.pack(">HH", 60000, 60000) + header[9:]
    huge = frame[:at] + larger + frame[at + len(header) :]
    for name, changed, expects in (
        ("second-header", frame[: at + len(header)] + larger + frame[at + len(header) :], _DAMAGED),
        ("no-header", frame[:at] + frame[at + len(header) :], _DAMAGED),
        ("12-bits", frame.replace(header[:5], header[:4] + b"\x0c"), _CONTRADICTION),
        ("no-end", frame[:-2], _DAMAGED),
        ("arithmetic", frame.replace(b"\xff\xc0", b"\xff\xc9"), _DAMAGED),
        ("hierarchical", frame.replace(b"\xff\xc0", b"\xff\xc5"), _DAMAGED),
        ("no-tables", _without(frame, 0xDB), _DAMAGED),
        ("no-codes", _without(frame, 0xC4), "accepted"),
        ("endless-markers", b"\xff\xd8" + b"\xff" * 60000, _DAMAGED),
        ("no-lengths", b"\xff\xd8" + b"\xff\xe0\0\0" * 9000, _DAMAGED),
        ("before", b"\0" * 100 + frame, _DAMAGED),
        ("twice", frame + frame, "accepted"),
    ):
        yield _compressed(f"jpeg-{name}", changed, JPEG, expects)
    yield _compressed("jpeg-huge-agreed", huge, JPEG, "undecodable: frame_ratio",
                      rows=60000, columns=60000)  # fmt: skip
    place = lossless.index(b"\xff\xf7")
    for name, form, offset, numbers, expects in (
        ("precision-0", ">B", 4, (0,), _DAMAGED), ("precision-16", ">B", 4, (16,), _CONTRADICTION),
        ("rows-0", ">H", 5, (0,), _CONTRADICTION), ("huge", ">HH", 5, (65535, 65535),
                                                    _CONTRADICTION),
    ):  # fmt: skip
        changed = bytearray(lossless)
        struct.pack_into(form, changed, place + offset, *numbers)
        yield _compressed(f"jpegls-{name}", bytes(changed), JPEG_LS, expects)
    changed = bytearray(lossless)
    struct.pack_into(">HH", changed, place + 5, 65535, 65535)
    yield _compressed("jpegls-huge-agreed", bytes(changed), JPEG_LS, "undecodable: frame_ratio",
                      rows=65535, columns=65535)  # fmt: skip


def _without(frame: bytes, marker: int) -> bytes:
    """Return a JPEG without the segments of one marker."""
    made, position = frame[:2], 2
    while frame[position + 1] != 0xDA:
        size = 2 + struct.unpack_from(">H", frame, position + 2)[0]
        if frame[position + 1] != marker:
            made += frame[position : position + size]
        position += size
    return made + frame[position:]


def _rle_tricks() -> Iterator[Hostile]:
    """The RLE header (PS3.5 G.5) and its segments."""
    run = b"\x81\0" * 2
    for name, header, body in (
        ("no-segments", (0, 64), run),
        ("many-segments", (15, *range(64, 79)), run),
        ("segments-huge", (0xFFFFFFFF, 64), run),
        ("offset-beyond", (1, 10**6), run),
        ("offset-huge", (1, 0xFFFFFFFF), run),
        ("offset-in-header", (1, 0), run),
        ("too-few", (1, 64), b"\x81\0"),
        ("literal-beyond", (1, 64), b"\x7fab"),
        ("run-without-value", (1, 64), b"\x82\0\x82"),
        ("no-operation", (1, 64), b"\x80" * 4000),
        ("empty", (1, 64), b""),
    ):
        frame = struct.pack("<16I", *header, *[0] * (16 - len(header))) + body
        yield _compressed(f"rle-{name}", frame, RLE, _DAMAGED)
    halves = struct.pack("<16I", 2, 64, 66, *[0] * 13) + b"\xfe\1" + b"\xff\2"
    unlike = image(2, rows=1, columns=3, bits=16, pixels=fragments(halves))
    yield Hostile("rle-unlike-segments", "codestream", file(unlike, RLE), _DAMAGED)
    for name, second in (("huge", 0xFFFF025E), ("beyond", 10**6), ("zero", 0), ("before", 63)):
        offsets = struct.pack("<16I", 2, 64, second, *[0] * 13) + b"\xfd\1" + b"\xfd\2"
        wrong = image(3, rows=2, columns=2, bits=16, pixels=fragments(offsets))
        yield Hostile(f"rle-second-{name}", "codestream", file(wrong, RLE), _DAMAGED)
    bomb = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 500_000
    yield _compressed("rle-too-much", bomb, RLE, "accepted")
    yield _compressed("rle-huge-agreed", bomb[:200], RLE, "undecodable: frame_ratio",
                      rows=65535, columns=65535)  # fmt: skip
