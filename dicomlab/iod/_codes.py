"""Coded concepts (PS3.3 8.8), as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydicom import Dataset
from pydicom.sr.coding import Code as PydicomCode

from dicomlab.safety import Attributes


@dataclass(frozen=True, slots=True)
class Code:
    """One coded concept: a value of a coding scheme, and its meaning for people (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str

    @classmethod
    def from_attributes(cls, attributes: Attributes, sequence: str) -> Code | None:
        """Return the first item of a code sequence, ``None`` where it is absent or empty."""
        items = attributes.items(sequence)
        return cls.from_item(items[0]) if items else None

    @classmethod
    def from_item(cls, item: Attributes) -> Code:
        """Return the code that an item of a code sequence holds."""
        value = next(
            (
                text
                for keyword in ("CodeValue", "LongCodeValue", "URNCodeValue")
                if (text := item.string(keyword))
            ),
            "",
        )
        return cls(
            value, item.string("CodingSchemeDesignator") or "", item.string("CodeMeaning") or ""
        )

    def item(self) -> Dataset:
        """Return the item of a code sequence."""
        made = Dataset()
        keyword = "CodeValue" if len(self.value) <= 16 else "LongCodeValue"
        setattr(made, keyword, self.value)
        made.CodingSchemeDesignator = self.scheme
        made.CodeMeaning = self.meaning
        return made

    @property
    def as_pydicom(self) -> PydicomCode:
        """The same for pydicom and highdicom."""
        return PydicomCode(self.value, self.scheme, self.meaning)

    def __str__(self) -> str:
        return self.meaning or self.value


TISSUE: Final = Code("85756007", "SCT", "Tissue")
ANATOMICAL_STRUCTURE: Final = Code("91723000", "SCT", "Anatomical Structure")
NO_UNITS: Final = Code("1", "UCUM", "no units")
