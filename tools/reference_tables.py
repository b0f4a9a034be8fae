"""Write `docs/reference/pixels.md` from what the code knows: `python tools/reference_tables.py`."""

from __future__ import annotations

from pathlib import Path

from dicomlab.errors import UnsupportedError
from dicomlab.pixels import (
    FrameDescription,
    Loss,
    can_decode,
    can_encode,
    can_encode_losslessly,
    encoded_description,
)
from dicomlab.standard import TRANSFER_SYNTAXES
from dicomlab.standard._uids import UIDS

TARGET = Path(__file__).parents[1] / "docs" / "reference" / "pixels.md"
KINDS = {
    "8": FrameDescription(8, 8, 1, 8, 8, 7),
    "12": FrameDescription(8, 8, 1, 16, 12, 11),
    "16 signed": FrameDescription(8, 8, 1, 16, 16, 15, is_signed=True),
    "32": FrameDescription(8, 8, 1, 32, 32, 31),
    "1": FrameDescription(8, 8, 1, 1, 1, 0),
    "RGB": FrameDescription(8, 8, 3, 8, 8, 7, photometric_interpretation="RGB"),
    "YBR": FrameDescription(8, 8, 3, 8, 8, 7, photometric_interpretation="YBR_FULL"),
    "palette": FrameDescription(8, 8, 1, 8, 8, 7, photometric_interpretation="PALETTE COLOR"),
    "float": FrameDescription(8, 8, 1, 32, 32, 31, is_float=True),
}


def fits(uid: str, loss: Loss | None) -> list[str]:
    """Return the kinds of pixels that a transfer syntax is written with."""
    found = []
    for name, description in KINDS.items():
        try:
            encoded_description(description, uid, loss=loss)
        except UnsupportedError:
            continue
        found.append(name)
    return found


def syntaxes() -> list[str]:
    """Return the rows of the transfer syntaxes."""
    rows = []
    for uid, syntax in TRANSFER_SYNTAXES.items():
        if not (can_decode(uid) or can_encode(uid)):
            continue
        read = "with OpenCV" if syntax.is_video else "yes"
        lossless = ", ".join(fits(uid, None)) if can_encode_losslessly(uid) else ""
        lossy = ", ".join(fits(uid, Loss()))
        rows.append(f"| {syntax.name} | {uid} | {read} | {lossless or '–'} | {lossy or '–'} |")
    return rows


def unread() -> list[str]:
    """Return the names of registered transfer syntaxes whose frames are not decoded."""
    return [syntax.name for uid, syntax in TRANSFER_SYNTAXES.items() if not can_decode(uid)]


def classes() -> list[str]:
    """Return the rows of the storage classes."""
    return [
        f"| {name} | {uid} |{' retired' if retired else ''} |"
        for uid, (name, kind, retired) in UIDS.items()
        if kind == "SOP Class" and uid.startswith("1.2.840.10008.5.1.4.1.1.") and "Storage" in name
    ]


def page() -> str:
    """Return the whole page."""
    return "\n".join(
        [
            "# Transfer syntaxes and storage classes",
            "",
            "Written by `tools/reference_tables.py` from the code; a test compares the two.",
            "",
            "## Transfer syntaxes",
            "",
            "Read: frames become arrays. Written: kinds of pixels that `transcode` and",
            "`dicomlab export --transfer-syntax` put into it, by bits or by colour.",
            "",
            "| transfer syntax | UID | read | written without loss | written with loss |",
            "|---|---|---|---|---|",
            *syntaxes(),
            "",
            f"Kept and passed on as they are, frames not decoded: {'; '.join(unread())}.",
            "",
            "## Storage classes",
            "",
            "Instances of all these are imported, kept, found and exported, and so are those of",
            "private classes. Pixels, where there are any, are decoded whatever the class.",
            "",
            "| storage class | UID | |",
            "|---|---|---|",
            *classes(),
            "",
        ]
    )


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(page())
