"""The Native DICOM Model in XML (PS3.19 A.1): written from the JSON model, and read as it.

Both models hold the same, element for element, so one is the other's other spelling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from dicomlab.catalog._json import Json, JsonElement, JsonObject
from dicomlab.errors import HostileInputError, NonConformantError, UnsupportedError
from dicomlab.safety import DEFAULT_BOUNDS, Bounds
from dicomlab.standard import keyword_of, tag_text

_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_PARTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_NAMESPACE: Final = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
_CLAUSE: Final = "PS3.19 A.1"
_MOST_GAPS: Final = 0xFFFF
_LEVELS_OF_A_SEQUENCE: Final = 2
_LEVELS_OF_A_VALUE: Final = 6
_LINE_ENDS: Final = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
_NUMBER_VRS: Final = frozenset(("US", "SS", "UL", "SL", "FL", "FD", "UV", "SV"))


def native_xml(document: Mapping[str, JsonElement]) -> str:
    """Return a data set of the DICOM JSON model as a Native DICOM Model document (PS3.19 A.1).

    Private elements carry their creator, and a tag without block number, ``gggg00ee``, where the
    creator tells the block (A.1.6). Make the document with ``dicom_json(…, numbers_as_text=True)``
    to keep Decimal Strings digit by digit.

    Raises
    ------
    UnsupportedError
        A text holds a control character, for which XML 1.0 has no spelling.
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<NativeDicomModel xmlns="{_NAMESPACE}" xml:space="preserve">',
    ]
    _write_data_set(lines, document)
    lines.append("</NativeDicomModel>\n")
    return "\n".join(lines)


def _write_data_set(lines: list[str], document: Mapping[str, JsonElement]) -> None:
    creators = _creators(document)
    for key in sorted(document):
        tag, element = int(key, 16), document[key]
        creator = creators.get(tag >> 8) if tag >> 16 & 1 and tag & 0xFF00 else None
        shown = key
        told = ""
        if creator is not None:
            told = f" privateCreator={quoteattr(_clean(tag, creator))}"
            if _is_alone(creators, tag, creator):
                shown = f"{tag & 0xFFFF00FF:08X}"
        elif (keyword := keyword_of(tag)) is not None:
            told = f' keyword="{keyword}"'
        content = _content(tag, element)
        opening = f'<DicomAttribute tag="{shown}" vr="{element["vr"]}"{told}'
        if content:
            lines += [f"{opening}>", *content, "</DicomAttribute>"]
        else:
            lines.append(f"{opening}/>")


def _creators(document: Mapping[str, JsonElement]) -> dict[int, str]:
    """Return the private creators by group and block, ``0x000910``."""
    found = {}
    for key, element in document.items():
        tag = int(key, 16)
        values = element.get("Value")
        if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF and isinstance(values, list) and values:
            found[tag >> 8 | tag & 0xFF] = str(values[0])
    return found


def _is_alone(creators: Mapping[int, str], tag: int, creator: str) -> bool:
    """Whether no other block of the element's group has the same creator."""
    return (
        sum(other == creator for block, other in creators.items() if block >> 8 == tag >> 16) == 1
    )


def _content(tag: int, element: JsonElement) -> list[str]:
    if "InlineBinary" in element:
        return [f"<InlineBinary>{element['InlineBinary']}</InlineBinary>"]
    if "BulkDataURI" in element:
        return [f"<BulkData uri={quoteattr(str(element['BulkDataURI']))}/>"]
    values = element.get("Value")
    if not isinstance(values, list):
        return []
    lines: list[str] = []
    for number, value in enumerate(values, 1):
        if element["vr"] == "SQ":
            lines.append(f'<Item number="{number}">')
            _write_data_set(lines, cast("JsonObject", value or {}))
            lines.append("</Item>")
        elif isinstance(value, dict):
            lines += _person(tag, number, value)
        elif element["vr"] == "PN":
            lines.append(f'<PersonName number="{number}"/>')
        elif value is None:
            lines.append(f'<Value number="{number}"/>')
        else:
            lines.append(f'<Value number="{number}">{_clean_escaped(tag, value)}</Value>')
    return lines


def _person(tag: int, number: int, value: Mapping[str, Json]) -> list[str]:
    lines = [f'<PersonName number="{number}">']
    for group in _GROUPS:
        text = value.get(group)
        if not text:
            continue
        # A name with more than five components is broken; its rest stays with the last.
        parts = str(text).split("^", len(_PARTS) - 1)
        inside = "".join(
            f"<{name}>{_clean_escaped(tag, part)}</{name}>"
            for name, part in zip(_PARTS, parts, strict=False)
        )
        lines.append(f"<{group}>{inside}</{group}>")
    lines.append("</PersonName>")
    return lines


def _clean(tag: int, text: str) -> str:
    if any(character < " " and character not in _LINE_ENDS for character in text) or any(
        "\ud800" <= character <= "\udfff" or character in "\ufffe\uffff" for character in text
    ):
        raise UnsupportedError(
            f"{keyword_of(tag) or 'A private element'} {tag_text(tag)} holds a control character, "
            "which XML 1.0 cannot say. Take the JSON model, which can."
        )
    return text


def _clean_escaped(tag: int, value: Json) -> str:
    text = repr(value) if isinstance(value, float) else str(value)
    return escape(_clean(tag, text), _LINE_ENDS)


@dataclass(slots=True)
class _Node:
    """One XML element: what the parser met, before it means anything."""

    name: str
    attributes: Mapping[str, str]
    children: list[_Node] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    @property
    def content(self) -> str:
        return "".join(self.text)


def read_native_xml(text: str | bytes, *, bounds: Bounds = DEFAULT_BOUNDS) -> JsonObject:
    """Return the data set of a Native DICOM Model document in the DICOM JSON model (PS3.19 A.1).

    With or without its namespace. Private elements with a creator get the block that the creator
    has in the data set, or the first free one.

    Raises
    ------
    NonConformantError
        It is no XML, or no document of the model.
    HostileInputError
        It has a document type declaration, where entities would be, or breaks a bound.
    """
    root = _parse(text.encode() if isinstance(text, str) else text, bounds)
    if root.name != "NativeDicomModel":
        raise _broken("The root element is not NativeDicomModel")
    return _data_set(root)


def _parse(text: bytes, bounds: Bounds) -> _Node:
    if len(text) > bounds.header_bytes:
        raise _refused("header_bytes", bounds.header_bytes, len(text))
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    top = _Node("", {})
    stack = [top]
    deepest = bounds.depth * _LEVELS_OF_A_SEQUENCE + _LEVELS_OF_A_VALUE
    left = bounds.elements

    def start(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise _refused("elements", bounds.elements, bounds.elements + 1)
        if len(stack) > deepest:
            raise _refused("depth", bounds.depth, bounds.depth + 1)
        node = _Node(name.rpartition(" ")[2], attributes)
        stack[-1].children.append(node)
        stack.append(node)

    def end(_name: str) -> None:
        stack.pop()

    def characters(data: str) -> None:
        stack[-1].text.append(data)

    def doctype(*_: object) -> None:
        raise HostileInputError(
            "The document has a document type declaration: entities are not expanded here "
            "(SECURITY class 15). Send the Native DICOM Model without one.",
            rule="doctype",
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, LookupError, UnicodeError):
        raise _broken("The document is no well-formed XML") from None
    return top.children[0]


def _data_set(node: _Node) -> JsonObject:
    found: JsonObject = {}
    private = []
    for child in node.children:
        if child.name != "DicomAttribute":
            raise _broken(f"A {node.name} holds something else than DicomAttribute")
        tag = _tag(child)
        element = _element(child, tag)
        creator = child.attributes.get("privateCreator")
        if creator is not None and tag >> 16 & 1:
            private.append((tag, creator, element))
        else:
            found[f"{tag:08X}"] = element
    for tag, creator, element in private:
        key = f"{_placed(found, tag, creator):08X}"
        if key in found:
            raise _broken(f"Private element {tag_text(tag)} stands there twice")
        found[key] = element
    return {key: found[key] for key in sorted(found)}


def _placed(found: JsonObject, tag: int, creator: str) -> int:
    """Return the tag of a private element with the block of its creator, made where it has none."""
    creators = {block: text for block, text in _creators(found).items() if block >> 8 == tag >> 16}
    own = tag >> 8 & 0xFF
    if own:
        found.setdefault(f"{tag & 0xFFFF0000 | own:08X}", {"vr": "LO", "Value": [creator]})
        return tag
    for block, text in sorted(creators.items()):
        if text == creator:
            return tag | (block & 0xFF) << 8
    taken = {
        int(key[4:], 16) >> 8 or int(key[4:], 16) for key in found if key[:4] == f"{tag >> 16:04X}"
    }
    free = next((block for block in range(0x10, 0x100) if block not in taken), None)
    if free is None:
        raise _broken("A private group has more creators than blocks")
    found[f"{tag & 0xFFFF0000 | free:08X}"] = {"vr": "LO", "Value": [creator]}
    return tag | free << 8


def _tag(node: _Node) -> int:
    text = node.attributes.get("tag", "")
    try:
        if len(text) == 8:
            return int(text, 16)
    except ValueError:
        pass
    raise _broken("A DicomAttribute has no tag of eight hexadecimal digits")


def _element(node: _Node, tag: int) -> JsonElement:
    vr = node.attributes.get("vr", "")
    element: JsonElement = {"vr": vr}
    values: dict[int, Json] = {}
    for child in node.children:
        if child.name == "InlineBinary":
            element["InlineBinary"] = "".join(child.content.split())
        elif child.name == "BulkData":
            element["BulkDataURI"] = child.attributes.get("uri") or child.attributes.get("uuid", "")
        elif child.name == "Value":
            values[_number(child, tag)] = child.content or None
        elif child.name == "PersonName":
            values[_number(child, tag)] = _name(child)
        elif child.name == "Item":
            values[_number(child, tag)] = cast("Json", _data_set(child))
        else:
            raise _broken(f"{tag_text(tag)} holds something that the model does not have")
    if values:
        if max(values) > len(node.children) + _MOST_GAPS:
            raise _broken(f"The values of {tag_text(tag)} are not numbered from 1 on")
        found = [values.get(number) for number in range(1, max(values) + 1)]
        if vr in _NUMBER_VRS:
            found = [_numeral(value, vr) for value in found]
        element["Value"] = found
    return element


def _numeral(value: Json, vr: str) -> Json:
    """Return the text of a binary number as JSON has it; what is none is told apart later."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity", "infinity": "Infinity",
             "-infinity": "-Infinity"}  # fmt: skip
    if text.lower() in words:
        return words[text.lower()]
    try:
        if vr in ("FL", "FD"):
            return float(text)
        number = int(text)
    except ValueError:
        return value
    return number if abs(number) <= 2**53 else text


def _number(node: _Node, tag: int) -> int:
    text = node.attributes.get("number", "")
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0 and len(text) < 9):
        raise _broken(f"A value of {tag_text(tag)} has no number of 1 or more")
    return int(text)


def _name(node: _Node) -> Json:
    found: dict[str, Json] = {}
    for group in node.children:
        parts = {part.name: part.content for part in group.children}
        text = [parts.get(name) for name in _PARTS]
        while text and text[-1] is None:
            text.pop()
        joined = "^".join(part or "" for part in text)
        if group.name in _GROUPS and joined:
            found[group.name] = joined
    return found or None


def _broken(problem: str) -> NonConformantError:
    return NonConformantError(
        f"{problem} ({_CLAUSE}). Correct the document where it was made.",
        reason="bad-model",
        reference=_CLAUSE,
    )


def _refused(rule: str, limit: int, found: int) -> HostileInputError:
    return HostileInputError(
        f"The document breaks the bound on {rule}: {limit} allowed.",
        rule=rule,
        limit=limit,
        found=found,
    )
