"""Every hostile file ends in an answer or a typed refusal, within its time and memory."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dicomlab.errors import HostileInputError
from dicomlab.safety import MemoryBytes, check_instance, read_header
from tests.hostile.corpus import corpus
from tests.hostile.parts import Hostile, file, image

CORPUS = {made.id: made for made in corpus()}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return what became of each file, tried in a process of its own with warnings as errors."""
    done = subprocess.run(
        (sys.executable, "-W", "error", "-m", "tests.hostile.trial",
         str(tmp_path_factory.mktemp("hostile"))),
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"{lines[-1:]} {done.stderr[-2000:]}"
    answers: dict[str, dict[str, Any]] = {}
    for line in lines:
        answers.setdefault(line["id"], {}).update(line)
    return answers


def files(*, zips: bool) -> list[Hostile]:
    return [made for made in CORPUS.values() if (made.suffix == ".zip") is zips]


def test_the_corpus_covers_every_class() -> None:
    """More than 300 different files, of each class of tricks that a file can play."""
    kinds = Counter(made.kind for made in CORPUS.values())

    assert len({made.data for made in CORPUS.values()}) > 500
    assert set(kinds) == {
        "deflate", "nesting", "length", "meta", "polyglot", "text", "markup", "value",
        "dimensions", "pixel-data", "codestream", "media-directory", "zip",
    }  # fmt: skip
    assert min(kinds.values()) >= 10


def test_the_corpus_is_the_same_each_time() -> None:
    """None hides another of its id, so that a find can be told by it."""
    assert list(corpus()) == list(CORPUS.values())


@pytest.mark.parametrize("made", files(zips=False), ids=lambda made: made.id)
def test_a_file_is_answered_as_the_corpus_says(
    made: Hostile, found: dict[str, dict[str, Any]]
) -> None:
    """Header, JSON, first frame and volume, and the archive agrees on what it takes."""
    answer = found[made.id]

    assert "broke" not in answer, answer["broke"]
    assert answer["outcome"] == made.expects
    taken = made.expects if made.expects.startswith("refused") else "accepted"
    assert answer["imported"] == [taken]


@pytest.mark.parametrize("made", files(zips=True), ids=lambda made: made.id)
def test_a_zip_is_answered_as_the_corpus_says(
    made: Hostile, found: dict[str, dict[str, Any]]
) -> None:
    """Each member is taken or refused, or the zip as a whole."""
    assert "; ".join(found[made.id]["imported"]) == made.expects


_NOT_KEPT = {"not-dicom", "media-directory"}
"""Reasons for which the quarantine keeps nothing: no DICOM, or a list of it."""
_UNREADABLE = {"encrypted", "zip-compression", "damaged-zip"}
"""Reasons for which a member of a zip has no bytes that could be kept; the zip itself has."""


@pytest.mark.parametrize(
    "made", [one for one in CORPUS.values() if "refused" in one.expects], ids=lambda made: made.id
)
def test_what_is_refused_is_in_quarantine(made: Hostile, found: dict[str, dict[str, Any]]) -> None:
    """By its own bytes, or those of the member; and it can be looked at within bounds."""
    reasons = [one.removeprefix("refused: ") for one in made.expects.split("; ")]
    reasons = [one for one in reasons if one not in {"accepted", "not-dicom"}]
    kept = found[made.id].get("kept", [])

    assert len(kept) == len(reasons)
    for reason, one in zip(reasons, kept, strict=True):
        if made.suffix == ".dcm" and reason not in _NOT_KEPT:
            assert one == hashlib.sha256(made.data).hexdigest()
        if reason not in _NOT_KEPT | _UNREADABLE:
            assert len(one) == 64, one
        if len(one) == 64:
            assert "broke" not in found[one], found[one]["broke"]
            assert found[one]["listed"]


def test_what_the_tricks_are_played_on_is_sound() -> None:
    """The image without a trick is accepted, and nothing is to be said of it."""
    data = file(image(1))

    header = read_header(data)
    check_instance(header, MemoryBytes(data))

    assert header.findings == ()


def test_a_program_in_the_preamble_is_refused_and_its_header_is_still_read() -> None:
    """A researcher may look at it; no archive or folder takes it (CVE-2019-11687)."""
    made = CORPUS["polyglot/exe"]

    header = read_header(made.data)

    assert header.findings == ("executable-preamble",)
    with pytest.raises(HostileInputError, match="fill them with zeros"):
        check_instance(header, MemoryBytes(made.data))
    zeroed = bytes(128) + made.data[128:]
    check_instance(read_header(zeroed), MemoryBytes(zeroed))


@pytest.mark.parametrize(
    ("name", "findings"),
    [
        ("zeros", ()),
        ("tiff-little", ()),
        ("tiff-big", ()),
        ("bigtiff", ()),
        ("letters", ("foreign-preamble",)),
        ("gzip", ("foreign-preamble",)),
    ],
)
def test_a_preamble_that_is_neither_zeros_nor_tiff_is_reported(
    name: str, findings: tuple[str, ...]
) -> None:
    """It is accepted, its bytes as received; the finding says what it holds."""
    assert read_header(CORPUS[f"polyglot/{name}"].data).findings == findings
