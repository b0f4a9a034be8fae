"""Multipart bodies, however they are cut into pieces, and however they are broken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomlab.dicomweb._multipart import Part, multipart
from dicomlab.dicomweb._parts import PartBounds, media_type, read_parts
from dicomlab.errors import HostileInputError, NonConformantError

FORM = 'multipart/related; type="a/b"; boundary=x'


def contents(blocks, form=FORM, **options):
    return [
        (part.content_type, b"".join(part.blocks())) for part in read_parts(blocks, form, **options)
    ]


@given(
    st.lists(st.binary(max_size=200) | st.just(b"\r\n--") | st.just(b"\r\n--x"), max_size=5),
    st.integers(1, 50),
)
def test_what_we_write_is_read_however_it_is_cut(written, step):
    """Also a content that looks like a boundary: ours is a random one."""
    answer = multipart([Part("a/b", one) for one in written], "a/b")
    body = b"".join(answer.body)
    blocks = [body[at : at + step] for at in range(0, len(body), step)]

    found = contents(blocks, answer.headers["Content-Type"])

    assert found == [("a/b", one) for one in written]


def test_a_body_as_others_write_it():
    """A preamble, spaces behind the boundary, headers in any case, an empty part, an epilogue."""
    body = (
        b"to be ignored\r\n--x  \r\ncontent-TYPE: a/b\r\nOther: 1\r\n\r\none\r\n--x\r\n\r\n\r\n"
        b"--x\r\nContent-Type: c/d\r\n\r\n-x--\r\n--x--\r\nepilogue"
    )

    for step in range(1, len(body)):
        blocks = [body[at : at + step] for at in range(0, len(body), step)]
        assert contents(blocks) == [
            ("a/b", b"one"),
            ("application/octet-stream", b""),
            ("c/d", b"-x--"),
        ]


def test_a_part_that_nobody_reads_is_passed_over():
    answer = multipart([Part("a/b", b"1" * 100), Part("c/d", b"2")], "a/b")

    assert [
        one.content_type for one in read_parts(answer.body, answer.headers["Content-Type"])
    ] == [
        "a/b",
        "c/d",
    ]


@pytest.mark.parametrize(
    ("body", "form", "reason"),
    [
        (b"", FORM, "truncated"),
        (b"--x\r\n\r\nabc", FORM, "truncated"),
        (b"--x\r\nContent-Type: a/b", FORM, "truncated"),
        (b"--x\r\n\r\nabc\r\n--x", FORM, "truncated"),
        (b"--xy\r\n\r\nabc\r\n--xy--", FORM, "no-multipart"),
        (b"--x\r\nno colon\r\n\r\n\r\n--x--", FORM, "no-multipart"),
        (b"--x--", "multipart/form-data; boundary=x", "no-multipart"),
        (b"--x--", "multipart/related", "no-multipart"),
        (b"--x--", f"multipart/related; boundary={'x' * 71}", "no-multipart"),
    ],
)
def test_a_broken_body_is_refused(body, form, reason):
    with pytest.raises(NonConformantError) as caught:
        contents([body], form)
    assert caught.value.reason == reason


def test_bounds_hold():
    many = b"".join(b"--x\r\n\r\n\r\n" for _ in range(50)) + b"--x--"
    with pytest.raises(HostileInputError, match="more than 10 parts"):
        contents([many], bounds=PartBounds(parts=10))
    endless = (b"A: " + b"a" * 1000 + b"\r\n" for _ in range(10**9))
    with pytest.raises(HostileInputError, match="head of a part"):
        contents(iter([b"--x\r\n", *(next(endless) for _ in range(40))]))
    with pytest.raises(HostileInputError, match="longer than 10"):
        next(iter(read_parts([b"--x\r\n\r\n" + b"1" * 99 + b"\r\n--x--"], FORM))).read(10)


def test_media_types_are_taken_apart():
    assert media_type('Image/JLS; transfer-syntax="1.2"; Q=1') == (
        "image/jls",
        {"transfer-syntax": "1.2", "q": "1"},
    )
