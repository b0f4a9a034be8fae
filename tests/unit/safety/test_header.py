"""A header is read within bounds, whatever the bytes; these are written by hand (PS3.5 7)."""

import pickle
import struct
import sys
import tracemalloc
import zlib

import pytest

from dicomlab import phantoms
from dicomlab.errors import HostileInputError, NonConformantError
from dicomlab.safety import UNDEFINED, Bounds, FileBytes, Layouts, MemoryBytes, read_header

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
DEFLATED, BIG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
LONG = ("OB", "OW", "OF", "SQ", "UT", "UN", "OD", "OL", "UC", "UR", "OV", "SV", "UV")
ITEM = b"\xfe\xff\x00\xe0"
ITEM_END = b"\xfe\xff\x0d\xe0" + bytes(4)
SEQUENCE_END = b"\xfe\xff\xdd\xe0" + bytes(4)


def explicit(tag, vr, value=b"", *, length=None, order="<"):
    """Return an element with explicit VR."""
    size = len(value) if length is None else length
    head = struct.pack(order + "HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    form = "HI" if vr in LONG else "H"
    return head + struct.pack(order + form, *([0, size] if vr in LONG else [size])) + value


def implicit(tag, value=b"", *, length=None):
    """Return an element with implicit VR."""
    size = len(value) if length is None else length
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, size) + value


def even(text):
    return text.encode() + b"\0" * (len(text) % 2)


def meta(uid, write=explicit):
    if write is explicit:
        return explicit(0x00020010, "UI", even(uid))
    return implicit(0x00020010, even(uid))


def part10(data_set, uid=EXPLICIT):
    return bytes(128) + b"DICM" + meta(uid) + data_set


SOP = explicit(0x00080018, "UI", even("1.2.3"))
NAME = explicit(0x00100010, "PN", b"Doe^Jane")
PIXELS = explicit(0x7FE00010, "OW", bytes(8))


def reason(data, **bounds):
    with pytest.raises(NonConformantError) as caught:
        read_header(data, bounds=Bounds(**bounds))
    return caught.value.reason


@pytest.mark.parametrize("data", [b"", b"\0", b"<html><body>", b"GIF89a" + bytes(300), bytes(5000)])
def test_what_is_not_dicom_is_refused_as_such(data):
    """Nothing, one byte, a page, a picture, zeros."""
    assert reason(data) == "not-dicom"


def test_a_meta_header_alone_is_not_dicom():
    """Without a data set there is nothing to keep."""
    assert reason(part10(b"")) == "not-dicom"


def test_values_are_read_by_keyword():
    """Text, numbers, absent ones; the pixel data is located, not read."""
    header = read_header(part10(SOP + NAME + explicit(0x00280010, "US", b"\0\2") + PIXELS))

    assert header.string("PatientName") == "Doe^Jane"
    assert header.integer("Rows") == 512
    assert header.string("StudyID") is None
    assert "StudyID" not in header
    assert header.transfer_syntax_uid == EXPLICIT
    assert (header.pixel_data.tag, header.pixel_data.vr) == (0x7FE00010, "OW")
    assert header.pixel_data.length == 8
    assert "PixelData" not in header


def test_a_header_is_read_without_its_pixels():
    """Of a large file only the beginning is asked for."""
    asked = []

    class Counting(MemoryBytes):
        def read_at(self, offset, size):
            asked.append((offset, size))
            return super().read_at(offset, size)

    read_header(Counting(part10(SOP + explicit(0x7FE00010, "OW", bytes(1_000_000)))))

    assert sum(size for _offset, size in asked) < 10_000


@pytest.mark.parametrize(
    ("data", "findings", "uid"),
    [
        (b"DICM" + meta(EXPLICIT) + SOP, ("no-preamble",), EXPLICIT),
        (meta(EXPLICIT) + SOP, ("no-preamble",), EXPLICIT),
        (SOP, ("no-preamble", "no-meta"), EXPLICIT),
        (implicit(0x00080018, b"1.2\0"), ("no-preamble", "no-meta"), IMPLICIT),
        (
            implicit(0x00080000, bytes(4)) + implicit(0x00080018, b"1.2\0"),
            ("no-preamble", "no-meta"),
            IMPLICIT,
        ),
        (
            meta(IMPLICIT, implicit) + implicit(0x00080018, b"1.2\0"),
            ("no-preamble", "implicit-meta"),
            IMPLICIT,
        ),
        (explicit(0x00080018, "UI", b"1.2\0", order=">"), ("no-preamble", "no-meta"), BIG),
        (part10(SOP, ""), ("no-transfer-syntax",), EXPLICIT),
        (part10(SOP, IMPLICIT), ("transfer-syntax-contradicted",), IMPLICIT),
        (part10(SOP + bytes(4)), ("trailing-bytes",), EXPLICIT),
        (
            part10(SOP + explicit(0x7FE00010, "OW", bytes(4), length=8)),
            ("truncated-pixels",),
            EXPLICIT,
        ),
    ],
)
def test_what_is_tolerated_is_noted(data, findings, uid):
    """Missing preamble or meta information, wrong transfer syntax, cut-off pixels."""
    header = read_header(data)

    assert header.findings == findings
    assert header.transfer_syntax_uid == uid
    assert header.string("SOPInstanceUID").startswith("1.2")


def test_four_letters_by_chance_are_no_prefix():
    """A data set without preamble may have DICM at byte 128, within a value."""
    padding = explicit(0x00080008, "CS", b"X" * (128 - 16))
    data = padding + explicit(0x00081010, "SH", b"DICMA1") + SOP
    assert data[128:132] == b"DICM"

    header = read_header(data)

    assert header.findings == ("no-preamble", "no-meta")
    assert header.string("StationName") == "DICMA1"


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_header_that_is_cut_off_is_truncated(cut):
    """Within an element's header or value, at whatever byte."""
    assert reason(part10(SOP + NAME)[:-cut]) == "truncated"
    assert reason(part10(SOP + NAME[:cut] + b"\1")[: len(part10(SOP)) + cut]) == "truncated"


def test_a_cut_within_a_long_header_is_truncated_too():
    """Also beyond the first read, and within a sequence."""
    sequence = explicit(0x00081115, "SQ", ITEM + b"\xff" * 4 + SOP, length=UNDEFINED)

    assert reason(part10(SOP + explicit(0x00204000, "UT", b"x" * 50_000)[:-1])) == "truncated"
    assert reason(part10(SOP + sequence)) == "truncated"


def test_a_length_beyond_the_file_is_truncated_and_names_the_attribute():
    """4 GB declared in 200 bytes are not read, and not allocated."""
    data = part10(SOP + explicit(0x00104000, "UN", b"abc", length=0xFFFFFFF0))

    with pytest.raises(NonConformantError, match=r"PatientComments \(0010,4000\).*4294967280"):
        read_header(data)


def test_the_message_holds_no_value():
    """Only keyword, tag and lengths: a value may be a patient's."""
    with pytest.raises(NonConformantError) as caught:
        read_header(part10(SOP + NAME[:-1]))

    assert "Doe" not in str(caught.value)


def test_sequences_of_both_lengths_are_read_alike():
    """Defined and undefined lengths, of sequence and item, all four ways."""
    inner = explicit(0x00080100, "SH", b"A ")
    for item in (
        ITEM + struct.pack("<I", len(inner)) + inner,
        ITEM + b"\xff" * 4 + inner + ITEM_END,
    ):
        for sequence in (
            explicit(0x00081032, "SQ", item * 2),
            explicit(0x00081032, "SQ", item * 2 + SEQUENCE_END, length=UNDEFINED),
        ):
            header = read_header(part10(SOP + sequence + NAME))

            items = header.items("ProcedureCodeSequence")
            assert [one.string("CodeValue") for one in items] == ["A", "A"]
            assert header.string("PatientName") == "Doe^Jane"


def test_a_sequence_of_unknown_vr_is_implicit_inside():
    """PS3.5 6.2.2: also in an explicit data set, with or without a length."""
    item = ITEM + struct.pack("<I", 10) + implicit(0x00080100, b"A ")
    for sequence in (
        explicit(0x00081032, "UN", item + SEQUENCE_END, length=UNDEFINED),
        explicit(0x00081032, "UN", item),
    ):
        header = read_header(part10(SOP + sequence + NAME))

        assert header.items("ProcedureCodeSequence")[0].string("CodeValue") == "A"


def test_a_known_attribute_of_unknown_vr_has_the_dictionarys():
    """PS3.5 6.2.2: a relay that did not know the attribute wrote UN."""
    header = read_header(part10(SOP + explicit(0x00100010, "UN", b"Doe^Jane")))

    assert header.string("PatientName") == "Doe^Jane"


def test_items_inherit_the_character_set():
    """PS3.5 7.5.3: and may have one of their own."""
    latin = explicit(0x00080005, "CS", b"ISO_IR 100")
    greek = explicit(0x00080005, "CS", b"ISO_IR 126")
    name = explicit(0x00100010, "PN", b"\xc1\xe1")
    items = b"".join(
        ITEM + struct.pack("<I", len(content)) + content for content in (name, greek + name)
    )
    header = read_header(part10(latin + SOP + explicit(0x00101002, "SQ", items)))

    names = [one.string("PatientName") for one in header.items("OtherPatientIDsSequence")]
    assert names == ["\u00c1\u00e1", "\u0391\u03b1"]


def test_signed_pixels_make_us_or_ss_signed():
    """In implicit VR, Pixel Representation decides what PixelPaddingValue is (PS3.5 A.1)."""
    padding = implicit(0x00280120, struct.pack("<h", -2000))
    for signed, expected in ((0, 63536.0), (1, -2000.0)):
        data = implicit(0x00080018, b"1.2\0") + implicit(0x00280103, struct.pack("<H", signed))

        assert read_header(part10(data + padding, IMPLICIT)).number("PixelPaddingValue") == expected


def test_big_endian_is_read():
    """Retired, but kept in archives."""
    data = explicit(0x00080018, "UI", b"1.2\0", order=">") + explicit(
        0x00280010, "US", b"\2\0", order=">"
    )

    header = read_header(part10(data, BIG))

    assert header.integer("Rows") == 512
    assert not header.is_little_endian


@pytest.mark.parametrize("code", [b"  ", b"??", b"xs", b"\0\0"])
def test_a_vr_that_is_none_has_a_short_header(code):
    """Writers put two spaces where they knew no VR; the dictionary's is taken."""
    odd = b"\x28\x00\x20\x01" + code + b"\x02\x00\x07\x00"

    header = read_header(part10(SOP + odd + explicit(0x00281050, "DS", b"40")))

    assert header.number("PixelPaddingValue") == 7
    assert header.number("WindowCenter") == 40


def test_a_vr_of_a_later_edition_has_a_long_header():
    """PS3.5 7.1.2 promises that new VRs have 32-bit lengths."""
    new = b"\x09\x00\x10\x10" + b"QX\0\0" + struct.pack("<I", 4) + b"abcd"

    header = read_header(part10(SOP + new + NAME))

    assert header.string("PatientName") == "Doe^Jane"
    assert header.elements[0x00091010][0] == "UN"


def test_an_implicit_element_among_explicit_ones_is_read():
    """Some writers copy private elements as they came."""
    header = read_header(part10(SOP + implicit(0x00100020, b"\x01\x02") + NAME))

    assert header.string("PatientName") == "Doe^Jane"


def test_of_two_alike_the_later_counts():
    """As in pydicom, which reads the pixels of the same file."""
    again = explicit(0x00100010, "PN", b"Doe^John")

    assert read_header(part10(SOP + NAME + again)).string("PatientName") == "Doe^John"


def nested(depth, *, defined):
    """Return a sequence in a sequence, and so on."""
    content = explicit(0x00080100, "SH", b"A ")
    for _ in range(depth):
        if defined:
            item = ITEM + struct.pack("<I", len(content)) + content
            content = explicit(0x00081032, "SQ", item)
        else:
            item = ITEM + b"\xff" * 4 + content + ITEM_END
            content = explicit(0x00081032, "SQ", item + SEQUENCE_END, length=UNDEFINED)
    return content


def depth_of(header):
    """Return how deep the sequences of a header go."""
    depth = 0
    while items := header.items("ProcedureCodeSequence"):
        header, depth = items[0], depth + 1
    return depth


@pytest.mark.parametrize("defined", [False, True])
def test_sequences_may_be_nested_to_the_bound(defined):
    """A hundred are read; more are refused before Python's stack is touched."""
    assert depth_of(read_header(part10(SOP + nested(100, defined=defined)))) == 100
    for depth in (101, 5000):
        with pytest.raises(HostileInputError) as caught:
            depth_of(read_header(part10(SOP + nested(depth, defined=defined))))
        assert caught.value.rule == "depth"


def test_deep_nesting_needs_little_of_pythons_stack():
    """A caller deep in its own calls can read the deepest header that may be."""
    data = part10(SOP + nested(100, defined=False))
    frame, used = sys._getframe(), 0
    while frame:
        frame, used = frame.f_back, used + 1
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(used + 60)
    try:
        header = read_header(data)
        assert depth_of(header) == 100
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize("uid", [EXPLICIT, IMPLICIT])
def test_elements_are_counted(uid):
    """In the data set and within sequences without length."""
    one = explicit(0x00080100, "SH") if uid == EXPLICIT else implicit(0x00080100)
    first = SOP if uid == EXPLICIT else implicit(0x00080018, b"1.2\0")
    data = part10(first + one * 50, uid)

    assert read_header(data, bounds=Bounds(elements=60))
    with pytest.raises(HostileInputError) as caught:
        read_header(data, bounds=Bounds(elements=40))
    assert caught.value.rule == "elements"
    inside = explicit(
        0x00081032, "SQ", ITEM + b"\xff" * 4 + SOP * 50 + ITEM_END + SEQUENCE_END, length=UNDEFINED
    )
    with pytest.raises(HostileInputError, match="elements"):
        read_header(part10(SOP + inside), bounds=Bounds(elements=40))


def test_a_header_may_not_be_longer_than_the_bound():
    """Memory for what is no pixel data is bounded."""
    data = part10(SOP + explicit(0x00204000, "UT", b"x" * 100_000))

    with pytest.raises(HostileInputError) as caught:
        read_header(data, bounds=Bounds(header_bytes=20_000))
    assert caught.value.rule == "header_bytes"


@pytest.mark.parametrize(
    "bad",
    [
        ITEM + struct.pack("<I", 100),
        explicit(0x00080100, "SH", b"A "),
        ITEM + b"\xff" * 4 + ITEM + bytes(4),
        ITEM + b"\xff" * 4 + SEQUENCE_END,
    ],
)
def test_a_damaged_sequence_is_refused(bad):
    """Items that are too long, absent, in each other, or without their end."""
    sequence = explicit(0x00081032, "SQ", bad + SEQUENCE_END, length=UNDEFINED)

    assert reason(part10(SOP + sequence)) in ("damaged-sequence", "truncated")
    defined = read_header(part10(SOP + explicit(0x00081032, "SQ", bad)))
    with pytest.raises(NonConformantError):
        defined.items("ProcedureCodeSequence")


def deflated(data_set, *, level=9):
    press = zlib.compressobj(level, zlib.DEFLATED, -15)
    return part10(press.compress(data_set) + press.flush(), DEFLATED)


def test_a_deflated_data_set_is_inflated():
    """The location of the pixels counts from the inflated bytes."""
    header = read_header(deflated(SOP + NAME + explicit(0x7FE00010, "OW", b"abcdefgh")))

    location = header.pixel_data
    assert header.string("PatientName") == "Doe^Jane"
    assert header.buffer[location.offset :][: location.length] == b"abcdefgh"


def test_a_deflate_bomb_is_refused_within_its_bound_of_memory():
    """A thousandfold growth stops at the bound, not at the end of memory."""
    bomb = deflated(SOP + explicit(0x7FE00010, "OW", bytes(64 << 20)))
    bounds = Bounds(inflation_ratio=10, inflation_slack_bytes=1 << 20)

    tracemalloc.start()
    try:
        with pytest.raises(HostileInputError) as caught:
            read_header(bomb, bounds=bounds)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.rule == "inflated_bytes"
    assert peak < 8 << 20


def test_a_damaged_deflated_data_set_is_refused():
    """What is no deflate stream, and what is cut off."""
    assert reason(part10(b"\xff" * 50, DEFLATED)) == "damaged-deflate"
    assert reason(deflated(SOP + NAME, level=0)[:-12]) == "truncated"


def test_fragments_within_an_item_are_no_sequence():
    """An icon may be compressed: its fragments are skipped, and not read as items (A.4)."""
    fragments = ITEM + bytes(4) + ITEM + struct.pack("<I", 4) + b"\xff\xd8\xff\xd9" + SEQUENCE_END
    icon = SOP + explicit(0x7FE00010, "OB", fragments, length=UNDEFINED)
    item = ITEM + b"\xff" * 4 + icon + ITEM_END
    data = SOP + explicit(0x00880200, "SQ", item + SEQUENCE_END, length=UNDEFINED) + PIXELS

    header = read_header(part10(data))

    (inner,) = header.items("IconImageSequence")
    assert inner.elements[0x7FE00010][0] == "OB"
    assert not inner.is_sequence(0x7FE00010)
    assert inner.raw(0x7FE00010) is None
    assert header.pixel_data.length == 8


def test_numbers_that_are_none_name_the_attribute():
    """The error says which; the value stays out of the message."""
    header = read_header(part10(SOP + explicit(0x00101030, "DS", b"70kg")))

    with pytest.raises(NonConformantError, match=r"PatientWeight \(0010,1030\)") as caught:
        header.number("PatientWeight")
    assert caught.value.reason == "not-a-number"
    assert "70" not in str(caught.value)


@pytest.mark.parametrize("text", [b"1.5 ", b"inf ", b"nan "])
def test_an_integer_is_whole(text):
    """Infinity and fractions are no counts."""
    header = read_header(part10(SOP + explicit(0x00280008, "DS", text)))

    with pytest.raises(NonConformantError, match="whole number"):
        header.integer("NumberOfFrames")


def test_a_file_is_closed_after_its_with_statement(tmp_path):
    """A file and its bytes read alike."""
    path = tmp_path / "one.dcm"
    path.write_bytes(part10(SOP))

    with FileBytes(path) as source:
        header = read_header(source)

    assert header.string("SOPInstanceUID") == "1.2.3"
    assert source.path == path
    with pytest.raises(OSError, match="descriptor"):
        source.read_at(0, 1)


def test_a_header_travels_to_other_processes():
    """Volumes take their headers along to Dask workers."""
    sequence = explicit(
        0x00081032, "SQ", ITEM + struct.pack("<I", 10) + explicit(0x00080100, "SH", b"A ")
    )

    again = pickle.loads(pickle.dumps(read_header(part10(SOP + sequence))))

    assert again.items("ProcedureCodeSequence")[0].string("CodeValue") == "A"
    assert again.transfer_syntax_uid == EXPLICIT


def test_headers_of_a_series_share_their_tables(tmp_path):
    """Headers that are laid out alike keep one element table, and say the same as before."""
    headers = []
    for path in phantoms.write(phantoms.thorax_ct(slices=12, rows=16), tmp_path / "ct"):
        with FileBytes(path) as file:
            headers.append(read_header(file))
    before = [header.numbers("ImagePositionPatient") for header in headers]

    known: Layouts = {}
    for header in headers:
        header.share_layout(known)

    assert len(known) == len({id(header.elements) for header in headers}) < len(headers)
    assert [header.numbers("ImagePositionPatient") for header in headers] == before
