"""The DICOM JSON of a header is what DCMTK's dcm2json writes, and pydicom's to_json_dict.

Where they differ, the rule that forgives it says who is right and why.
"""

import json
import math
import warnings

import numpy as np
import pydicom
import pytest

from dicomlab import phantoms
from dicomlab.catalog import dicom_json
from dicomlab.errors import DicomlabError
from dicomlab.safety import FileBytes, check_instance, read_header

ALL = 1 << 30


def flat(document, path=""):
    """Return every value of a document by the path of its element, pixel data left out."""
    found = {}
    for key, element in document.items():
        if key >= "7FE00000":
            continue
        if element["vr"] == "SQ":
            items = element.get("Value", [])
            found[path + key] = ("SQ", len(items))
            for number, item in enumerate(items):
                found |= flat(item or {}, f"{path}{key}/{number}/")
        elif "InlineBinary" in element:
            found[path + key] = (element["vr"], element["InlineBinary"])
        else:
            values = [settled(element["vr"], value) for value in element.get("Value", [])]
            found[path + key] = (element["vr"], [] if set(map(str, values)) == {"None"} else values)
    return found


def settled(vr, value):
    """Return a value without what may be written in two ways."""
    if vr == "PN":
        # Trailing delimiters mean nothing (PS3.5 6.2.1): DCMTK drops them.
        groups = {name: text.rstrip("^ ") for name, text in (value or {}).items()}
        return {name: text for name, text in groups.items() if text} or None
    if isinstance(value, str):
        # DCMTK 3.6.7 keeps a NUL that pads text, and then cannot make a number of it.
        value = value.rstrip("\0 ")
    if vr in ("DS", "IS") and value not in (None, ""):
        try:
            return float(value)
        except ValueError:
            return value
    if vr == "FL" and isinstance(value, int | float):
        # DCMTK 3.6.7 prints nine digits: enough for the 32 bits of it.
        return float(np.float32(value))
    if vr == "FD" and isinstance(value, int | float) and value and math.isfinite(value):
        # DCMTK 3.6.7 gets the last digits of large doubles wrong: 7.23e75 is 7.229999999999997e75.
        return float(f"{value:.12e}")
    return None if value == "" else value


def ours(path):
    with FileBytes(path) as source:
        header = read_header(source)
        check_instance(header, source)
    return flat(dicom_json(header, inline_bytes=ALL))


def unlike(mine, theirs):
    return {
        path: (mine.get(path), theirs.get(path))
        for path in sorted(mine.keys() | theirs.keys())
        if mine.get(path) != theirs.get(path)
    }


def by_dcmtk(peers, path):
    """Return dcm2json's document, ``None`` where it writes none."""
    done = peers.run("dcm2json", path, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace")
        # What 3.6.7 does not do: compressed pixels, undeclared bytes, some character sets.
        assert any(
            words in said
            for words in ("not supported", "no SpecificCharacterSet", "Cannot select source")
        ), said
        return None
    document = json.loads(done.stdout)
    # F.2: the document is Unicode, and Specific Character Set says so.
    assert document.get("00080005", {}).get("Value", ["ISO_IR 192"]) == ["ISO_IR 192"]
    return flat(document)


@pytest.mark.smoke
def test_phantoms_have_the_json_that_dcmtk_writes(peers, tmp_path):
    """CT, PET, MR and multi-frame: every element, every depth."""
    for name, instances in (
        ("ct", phantoms.thorax_ct(slices=1, rows=16)),
        ("pet", phantoms.thorax_pet(slices=1, rows=16)),
        ("mr", phantoms.head_mr(slices=1, rows=16)),
        ("enhanced", phantoms.enhanced_ct(slices=3, rows=16)),
    ):
        (path,) = phantoms.write(instances, tmp_path / name)

        assert unlike(ours(path), by_dcmtk(peers, path)) == {}, name


def test_real_files_have_the_json_that_dcmtk_writes(peers, real_data):
    """A sample through all sources and makers."""
    paths = [p for p in sorted(real_data.rglob("*")) if p.is_file() and p.stat().st_size < 400_000]
    compared, found = 0, {}
    for path in paths[::12]:
        try:
            mine = ours(path)
        except DicomlabError:
            continue
        theirs = by_dcmtk(peers, path)
        if theirs is None:
            continue
        compared += 1
        if differences := unlike(mine, theirs):
            found[str(path.relative_to(real_data))] = differences

    assert found == {}
    assert compared > 50


def test_phantoms_have_the_json_that_pydicom_writes(tmp_path):
    """The same by the other reader; an empty sequence has no Value here (PS3.18 F.2.5)."""
    (path,) = phantoms.write(phantoms.enhanced_ct(slices=3, rows=16), tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        document = pydicom.dcmread(path, stop_before_pixels=True).to_json_dict()

    assert unlike(ours(path), flat(document)) == {}
