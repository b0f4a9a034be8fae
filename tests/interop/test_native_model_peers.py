"""The native models of real files come back whole, and are what DCMTK's dcm2xml writes."""

import base64
import json
import warnings

import numpy as np
import pydicom
import pytest

from dicomlab import phantoms
from dicomlab.catalog import (
    dataset_from_json,
    dicom_json,
    native_xml,
    part10,
    read_dicom_json,
    read_native_xml,
)
from dicomlab.errors import DicomlabError, UnsupportedError
from dicomlab.safety import FileBytes, check_instance, read_header

ALL = 1 << 30
WIDTH = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}


def exact(path):
    with FileBytes(path) as source:
        header = read_header(source)
        check_instance(header, source)
    return dicom_json(header, inline_bytes=ALL, numbers_as_text=True)


def flat(document, path=""):
    """Return every value by the path of its element; of pixel data nothing."""
    found = {}
    for key, element in document.items():
        if key >= "7FE00000":
            continue
        if int(key[:4], 16) & 1 and key[4:6] != "00" and f"{key[:4]}00{key[4:6]}" not in document:
            # Without its creator the block means nothing: DCMTK leaves it out of the tag.
            key = f"{key[:4]}00{key[6:]}"  # noqa: PLW2901
        if element["vr"] == "SQ":
            items = element.get("Value", [])
            found[path + key] = ("SQ", len(items))
            for number, item in enumerate(items):
                found |= flat(item or {}, f"{path}{key}/{number}/")
        elif "InlineBinary" in element:
            value = base64.b64decode(element["InlineBinary"])
            # The reader rule: files have values of odd length, written ones have not (PS3.5 7.1.1).
            found[path + key] = (element["vr"], value + b"\0" * (len(value) % 2))
        else:
            values = [settled(element["vr"], one) for one in element.get("Value", [])]
            while values and values[-1] in (None, ""):
                values.pop()
            found[path + key] = (element["vr"], values)
    return found


def settled(vr, value):
    """Return a value without what may be written in two ways."""
    if isinstance(value, dict):
        # Trailing delimiters mean nothing (PS3.5 6.2.1): DCMTK drops them.
        groups = {name: text.rstrip("^ ") for name, text in value.items()}
        return {name: text for name, text in groups.items() if text} or None
    if vr == "FL" and isinstance(value, int | float):
        return float(np.float32(value))  # DCMTK prints nine digits: enough for the 32 bits of it.
    if isinstance(value, float):
        # DCMTK 3.6.7 gets the last digits of large doubles wrong, see test_dicom_json_peers.
        return float(f"{value:.12e}")
    return value.strip(" \0") if isinstance(value, str) else value


def swapped(values):
    """Return big endian words as little endian, or what is none as it is."""
    return {
        path: (
            vr,
            b"".join(value[at : at + WIDTH[vr]][::-1] for at in range(0, len(value), WIDTH[vr]))
            if isinstance(value, bytes) and vr in WIDTH
            else value,
        )
        for path, (vr, value) in values.items()
    }


def by_dcm2xml(peers, path):
    """Return dcm2xml's native document in our model, ``None`` where it writes none."""
    done = peers.run("dcm2xml", "--native-format", "+Eb", "+U8", path, check=False)
    if done.returncode:
        return None
    # DCMTK says of a file without character set that it is Unicode now; PS3.19 asks for neither.
    # PS3.19 A.1.5: InlineBinary is little endian; DCMTK 3.6.7 writes words big endian.
    return swapped(flat(read_native_xml(done.stdout)))


def unlike(mine, theirs):
    return {
        path: (mine.get(path), theirs.get(path))
        for path in sorted(mine.keys() | theirs.keys())
        if path != "00080005" and mine.get(path) != theirs.get(path)
    }


@pytest.mark.smoke
def test_phantoms_have_the_xml_that_dcmtk_writes(peers, tmp_path):
    """CT, PET, MR and multi-frame: every element, every depth."""
    for name, instances in (
        ("ct", phantoms.thorax_ct(slices=1, rows=16)),
        ("pet", phantoms.thorax_pet(slices=1, rows=16)),
        ("mr", phantoms.head_mr(slices=1, rows=16)),
        ("enhanced", phantoms.enhanced_ct(slices=3, rows=16)),
    ):
        (path,) = phantoms.write(instances, tmp_path / name)
        mine = read_native_xml(native_xml(exact(path)))

        assert unlike(flat(mine), by_dcm2xml(peers, path)) == {}, name


def small_files(real_data, step):
    paths = [p for p in sorted(real_data.rglob("*")) if p.is_file() and p.stat().st_size < 400_000]
    return paths[::step]


def test_real_files_have_the_xml_that_dcmtk_writes(peers, real_data):
    """A sample through all sources and makers."""
    compared, found = 0, {}
    for path in small_files(real_data, 12):
        try:
            document = exact(path)
            mine = flat(read_native_xml(native_xml(document)))
        except DicomlabError:
            continue
        theirs = by_dcm2xml(peers, path)
        if theirs is None:
            continue
        compared += 1
        if differences := unlike(mine, theirs):
            found[str(path.relative_to(real_data))] = differences

    assert found == {}
    assert compared > 50


def test_real_files_come_back_from_both_models(real_data):
    """Header to JSON text or XML, to bytes, to header: every element of every file the same."""
    compared = 0
    for path in small_files(real_data, 5):
        try:
            document = exact(path)
        except DicomlabError:
            continue
        document = {key: value for key, value in document.items() if key < "7FE00000"}
        if "00080018" not in document:
            continue
        (text,) = read_dicom_json(json.dumps(document))
        assert again(text, document) == flat(document)
        compared += 1
        try:
            xml = native_xml(document)
        except UnsupportedError:
            continue
        assert again(read_native_xml(xml), document) == flat(document)

    assert compared > 150


def again(document, wanted):
    """Return a document that went through bytes, without the character set where none was."""
    back = dicom_json(read_header(part10(document)), inline_bytes=ALL, numbers_as_text=True)
    if "00080005" not in wanted:
        back.pop("00080005", None)
    return flat(back)


def test_dcmtks_json_gives_the_data_set(peers, tmp_path):
    """What dcm2json writes is read as the instance that it was written from."""
    (path,) = phantoms.write(phantoms.enhanced_ct(slices=3, rows=16), tmp_path)

    (document,) = read_dicom_json(peers.run("dcm2json", path).stdout)

    assert dataset_from_json(document) == pydicom.dcmread(path)


def test_pydicom_reads_our_json(tmp_path):
    """The same by the other reader."""
    (path,) = phantoms.write(phantoms.enhanced_ct(slices=3, rows=16), tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = pydicom.Dataset.from_json(exact(path), bulk_data_uri_handler=lambda *_: b"")
        expected = pydicom.dcmread(path)
    del read[0x7FE00010], expected[0x7FE00010]

    assert read == expected
