"""Transfer syntaxes: how a data set and its pixels are encoded (PS3.5 annex A, PS3.6 annex A)."""

from __future__ import annotations

from dataclasses import dataclass

from dicomlab.standard._uids import UIDS


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """One transfer syntax and what follows from it (PS3.5 annex A).

    Attributes
    ----------
    is_explicit_vr, is_little_endian, is_deflated
        How the data set is encoded.
    is_encapsulated
        Pixel data lies in fragments.
    is_lossy
        Its compression cannot be undone bit for bit (may, for those that allow both).
    is_video
        Its fragments are one stream, in which a frame leans on others.
    """

    uid: str
    name: str
    is_explicit_vr: bool = True
    is_little_endian: bool = True
    is_deflated: bool = False
    is_encapsulated: bool = True
    is_lossy: bool = False
    is_video: bool = False


_NATIVE = {
    "1.2.840.10008.1.2": (False, True, False),
    "1.2.840.10008.1.2.1": (True, True, False),
    "1.2.840.10008.1.2.1.99": (True, True, True),
    "1.2.840.10008.1.2.2": (True, False, False),
}
_LOSSLESS = frozenset(
    "1.2.840.10008.1.2." + suffix
    for suffix in (
        "1.98", "4.57", "4.70", "4.80", "4.90", "4.92", "4.110", "4.201", "4.202", "5", "8.1",
    )
)  # fmt: skip

_VIDEO = "1.2.840.10008.1.2.4.10"
"""How the UIDs of MPEG-2, H.264 and HEVC begin: 4.100 to 4.108."""

_NEWER = {
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
}
"""Registered after the edition that the table of UIDs is made from (PS3.6 2025)."""


def _build() -> dict[str, TransferSyntax]:
    table = {}
    for uid, (name, kind, _retired) in UIDS.items():
        if kind != "Transfer Syntax":
            continue
        if uid in _NATIVE:
            explicit, little, deflated = _NATIVE[uid]
            table[uid] = TransferSyntax(
                uid, name, explicit, little, deflated, is_encapsulated=False
            )
        else:
            table[uid] = TransferSyntax(
                uid, name, is_lossy=uid not in _LOSSLESS, is_video=uid.startswith(_VIDEO)
            )
    for uid, name in _NEWER.items():
        table.setdefault(uid, TransferSyntax(uid, name, is_lossy=uid not in _LOSSLESS))
    return table


TRANSFER_SYNTAXES: dict[str, TransferSyntax] = _build()


def transfer_syntax(uid: str) -> TransferSyntax:
    """Return a transfer syntax; a private one counts as encapsulated Explicit VR Little Endian.

    PS3.5 10 gives a private syntax no rule; Explicit VR Little Endian with fragments is what all
    known ones use, and nothing but its pixels depends on the guess.
    """
    return TRANSFER_SYNTAXES.get(uid) or TransferSyntax(uid, uid, is_lossy=True)
