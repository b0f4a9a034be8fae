"""Files changed at random, the same for one seed: run as a program, tried until the budget ends.

Each file is written before it is tried, so that one that ends the process is there to look at.
"""

from __future__ import annotations

import hashlib
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from dicomlab import phantoms
from tests.hostile.corpus import corpus
from tests.hostile.parts import ITEM_END, SEQUENCE_END, UNDEFINED
from tests.hostile.trial import limited, outcome, tell

_LARGEST = 1 << 16
_WEIGHT = 40
"""Sound files are tried as often, all together, as hostile ones."""
_BYTES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
_NUMBERS = (0, 1, 7, 8, 255, 65535, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, UNDEFINED)
_WAYS = (0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7)
_TOKENS = (
    ITEM_END, SEQUENCE_END, b"\xfe\xff\x00\xe0", b"SQ\0\0", b"UN\0\0",
    b"\xe0\x7f\x10\x00", b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x08\x00IS\x02\x00", b"\\", b"^=",
    b"\x1b$B", b"\xff\xd8", b"\xff\xd9", b"\xff\xc0", b"\xff\x51", b"\xff\x90", b"1e999",
)  # fmt: skip
_SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2",
             "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90",
             "1.2.840.10008.1.2.5")  # fmt: skip


def seeds(folder: Path) -> list[bytes]:
    """Return what is changed: the small files of the corpus, and phantoms in each syntax."""
    found = [made.data for made in corpus() if len(made.data) <= _LARGEST]
    small = {"slices": 1, "rows": 32}
    for number, syntax in enumerate(_SYNTAXES):
        made = [phantoms.encode(one, syntax) for one in phantoms.thorax_ct(**small)]
        paths = phantoms.write(made, folder / f"phantom-{number}")
        found += [path.read_bytes() for path in paths] * _WEIGHT
    return found


def changed(original: bytes, others: list[bytes], chance: Random) -> bytes:
    """Return a file with a few changes; most leave the beginning as it is."""
    data = bytearray(original)
    for _ in range(chance.randint(1, 4)):
        first = 132 if len(data) > 140 and chance.random() < 0.9 else 0
        at = chance.randrange(first, len(data)) if len(data) > first else 0
        way = chance.choice(_WAYS)
        if way == 0:
            data[at : at + 1] = bytes((chance.choice(_BYTES),))
        elif way == 1:
            data[at : at + 1] = bytes((chance.randrange(256),))
        elif way == 2:
            form = chance.choice(("<H", "<I", ">H", ">I"))
            limit = (1 << 8 * struct.calcsize(form)) - 1
            number = struct.pack(form, min(chance.choice(_NUMBERS), limit))
            data[at : at + len(number)] = number
        elif way == 3:
            token = chance.choice(_TOKENS)
            data[at : at + len(token)] = token
        elif way == 4:
            del data[at : at + chance.randint(1, 16)]
        elif way == 5:
            data[at:at] = data[at : at + chance.randint(1, 64)] * chance.randint(1, 4)
        elif way == 6:
            other = chance.choice(others)
            start = chance.randrange(len(other) + 1)
            data[at : at + chance.randrange(64)] = other[start : start + chance.randint(1, 200)]
        elif chance.random() < 0.3:
            del data[at:]
    return bytes(data[:_LARGEST])


def tries(originals: list[bytes], seed: int) -> Iterator[bytes]:
    """Yield changed files without end: in rounds, so that each file is changed as often."""
    chance = Random(seed)
    order = list(originals)
    while True:
        chance.shuffle(order)
        for original in order:
            yield changed(original, originals, chance)


def main(folder: Path, seed: int, seconds: float, count: int) -> None:
    """Try changed files until the time or the count is spent; keep and tell of each find."""
    path = folder / "tried.dcm"
    end = time.monotonic() + seconds
    tried = refused = 0
    originals = seeds(folder)
    for data in tries(originals, seed):
        if tried >= count or time.monotonic() >= end:
            break
        tried += 1
        path.write_bytes(data)
        try:
            with limited():
                refused += outcome(path).startswith("refused")
        except Exception as error:
            name = f"{hashlib.sha256(data).hexdigest()[:16]}.dcm"
            (folder / name).write_bytes(data)
            tell(find=name, broke=f"{type(error).__name__}: {error}"[:300])
    rounds = tried // len(originals)
    tell(seed=seed, files=len(set(originals)), rounds=rounds, tried=tried, refused=refused)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
