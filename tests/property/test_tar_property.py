"""Tars of any members are read as they were written, and damaged ones never end in a traceback."""

from __future__ import annotations

import io
import tarfile
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dicomlab.safety import (
    Bounds,
    Candidate,
    Drain,
    Refusal,
    TarCandidate,
    UnreadableError,
    find_candidates,
)

NAMES = st.text(
    st.characters(exclude_characters="\0/", exclude_categories=("Cs",)), min_size=1, max_size=90
)
FORMS = st.sampled_from((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
WAYS = st.sampled_from(("w", "w:gz", "w:bz2", "w:xz"))
MEMBERS = st.lists(st.tuples(NAMES, st.binary(max_size=2000)), min_size=1, max_size=6)


def tar_of(members: list[tuple[str, bytes]], form: int, way: str) -> bytes:
    """Return a tar that Python's own module writes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=way, format=form) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def read(data: bytes) -> list[tuple[str, bytes | str]]:
    """Return name and contents of each member, or the reason why it has none."""
    found: list[tuple[str, bytes | str]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "in.tar").resolve()
        path.write_bytes(data)
        for one in find_candidates([path], Bounds()):
            assert not isinstance(one, Drain)
            if isinstance(one, Refusal):
                found.append((one.path, one.reason))
                continue
            # Where the first header is damaged it is no tar, but some file.
            assert one.path.startswith(f"{path}!/" if isinstance(one, TarCandidate) else f"{path}")
            found.append((one.path.partition("!/")[2], contents(one)))
    return found


def contents(candidate: Candidate) -> bytes | str:
    """Return what comes out of a candidate."""
    try:
        stream = candidate.open()
        data = b""
        while more := stream.read(1 << 16):
            data += more
        stream.close()
    except UnreadableError as error:
        return error.reason
    return data


@given(members=MEMBERS, form=FORMS, way=WAYS)
@settings(max_examples=60, deadline=None)
def test_what_another_writer_put_in_comes_out(
    members: list[tuple[str, bytes]], form: int, way: str
) -> None:
    """Names and contents, in order, whatever the form and the compression."""
    assert read(tar_of(members, form, way)) == members


@given(
    members=MEMBERS,
    form=FORMS,
    way=WAYS,
    changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 1 << 16),
)
@settings(max_examples=120, deadline=None)
def test_damage_is_told_and_never_raised(
    members: list[tuple[str, bytes]],
    form: int,
    way: str,
    changes: list[tuple[int, int]],
    cut: int,
) -> None:
    """Changed bytes and cuts: each answer is contents of bounded size or a reason."""
    data = bytearray(tar_of(members, form, way))
    for at, value in changes:
        data[at % len(data)] = value
    damaged = bytes(data[: len(data) - cut % len(data)])

    for _name, found in read(damaged):
        assert isinstance(found, str) or len(found) <= max(100 * len(damaged), 1 << 24)
