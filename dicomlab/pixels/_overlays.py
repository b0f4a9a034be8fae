"""Overlay planes, in elements of their own or in unused bits of the pixels (PS3.3 C.9.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dicomlab.pixels._decode import decode_frame
from dicomlab.pixels._description import FrameDescription
from dicomlab.pixels._frames import FrameIndex
from dicomlab.safety import Attributes, ByteSource, Header

_GROUPS = range(0x6000, 0x6020, 2)
_ROWS, _COLUMNS, _FRAMES, _DESCRIPTION, _TYPE = 0x10, 0x11, 0x15, 0x22, 0x40
_ORIGIN, _FRAME_ORIGIN, _BITS_ALLOCATED, _BIT_POSITION = 0x50, 0x51, 0x100, 0x102
_LABEL, _DATA = 0x1500, 0x3000
_MOST_PIXELS = 65535 * 65535


@dataclass(frozen=True, slots=True)
class Overlay:
    """One overlay group.

    Attributes
    ----------
    group
        0x6000 to 0x601E.
    rows, columns
        Of the overlay, which may be another size than the image.
    origin
        Row and column of the image, counted from 1, under the overlay's first point.
    kind
        ``"G"`` for graphics, ``"R"`` for a region of interest (60xx,0040).
    label, description
        (60xx,1500) and (60xx,0022).
    frames, first_frame
        How many frames have a plane of their own, and the first of them, counted from 0.
    bit_position
        Bit of the stored pixels that holds the overlay where `data` is ``None``.
    data
        Overlay Data (60xx,3000): single bits, the lowest first.
    """

    group: int
    rows: int
    columns: int
    origin: tuple[int, int] = (1, 1)
    kind: str = "G"
    label: str = ""
    description: str = ""
    frames: int = 1
    first_frame: int = 0
    bit_position: int = 0
    data: bytes | None = None

    def plane(
        self, frame: int = 0, containers: NDArray[np.generic] | None = None
    ) -> NDArray[np.bool_] | None:
        """Return the overlay of a frame, counted from 0, shape (row, column).

        Parameters
        ----------
        containers
            The frame with all bits that are allocated, needed where the overlay stands in them.

        Returns
        -------
        numpy.ndarray or None
            ``None`` for a frame without overlay, or where its bits are not all there.
        """
        if self.data is None:
            if containers is None or containers.shape != (self.rows, self.columns):
                return None
            bit = containers.dtype.type(1 << self.bit_position)
            found: NDArray[np.bool_] = np.bitwise_and(containers, bit) != 0
            return found
        number = frame - self.first_frame if self.frames > 1 else 0
        size = self.rows * self.columns
        if not 0 <= number < self.frames or len(self.data) * 8 < (number + 1) * size:
            return None
        first = number * size
        octets = np.frombuffer(self.data, np.uint8)[first // 8 : -(-(first + size) // 8)]
        bits = np.unpackbits(octets, bitorder="little")[first % 8 : first % 8 + size]
        return bits.reshape(self.rows, self.columns).astype(bool)

    def draw(self, plane: NDArray[np.bool_], picture: NDArray[np.uint8]) -> None:
        """Draw a plane on a picture at full brightness, where its origin says."""
        row, column = self.origin[0] - 1, self.origin[1] - 1
        part = plane[max(-row, 0) :, max(-column, 0) :]
        place = picture[max(row, 0) :, max(column, 0) :]
        rows, columns = min(part.shape[0], place.shape[0]), min(part.shape[1], place.shape[1])
        place[:rows, :columns][part[:rows, :columns]] = 255


def overlays(attributes: Attributes) -> tuple[Overlay, ...]:
    """Return the overlays of an instance; groups that lack a size are left out.

    Only a header keeps the repeating groups: of attributes from elsewhere the answer is empty.
    """
    return tuple(_overlays(attributes)) if isinstance(attributes, Header) else ()


def _overlays(header: Header) -> Iterator[Overlay]:
    for group in _GROUPS:
        base = group << 16
        rows, columns = _number(header, base | _ROWS, 0), _number(header, base | _COLUMNS, 0)
        if not (rows and columns):
            continue
        data = header.raw(base | _DATA)
        if data is not None and not header.is_little_endian:
            is_words = header.elements[base | _DATA][0] == "OW"
            data = np.frombuffer(data, "u2").byteswap().tobytes() if is_words else data
        position = _number(header, base | _BIT_POSITION, 0)
        if not data and not position:
            continue
        origin = header.binary(base | _ORIGIN)
        frames = header.text_of(base | _FRAMES).strip()
        yield Overlay(
            group,
            rows,
            columns,
            origin=(int(origin[0]), int(origin[1])) if len(origin) == 2 else (1, 1),
            kind=header.text_of(base | _TYPE).strip() or "G",
            label=header.text_of(base | _LABEL).strip(),
            description=header.text_of(base | _DESCRIPTION).strip(),
            frames=int(frames) if frames.isdigit() and int(frames) else 1,
            first_frame=max(_number(header, base | _FRAME_ORIGIN, 1) - 1, 0),
            bit_position=position,
            data=data or None,
        )


def _number(header: Header, tag: int, default: int) -> int:
    values = header.binary(tag)
    return int(values[0]) if values else default


def container_description(description: FrameDescription) -> FrameDescription:
    """Return a description under which a frame keeps all bits that are allocated."""
    allocated = description.bits_allocated
    return replace(description, bits_stored=allocated, high_bit=allocated - 1, is_signed=False)


def extracted_overlays(
    header: Header, description: FrameDescription, index: FrameIndex, source: ByteSource
) -> dict[int, tuple[str, bytes]]:
    """Return the elements that hold what stood in unused bits of the pixels, usually none.

    A coding of the stored bits alone would lose those overlays: they get data of their own
    (PS3.3 C.9.2, PS3.5 8.1.2).
    """
    embedded = [one for one in overlays(header) if one.data is None]
    spare = description.bits_allocated > description.bits_stored
    if not embedded or not spare or description.samples_per_pixel != 1 or description.is_float:
        return {}
    whole = container_description(description)
    bits: dict[int, list[NDArray[np.bool_]]] = {one.group: [] for one in embedded}
    for number in range(len(index)):
        values = decode_frame(index.read(source, number), whole)
        for one in embedded:
            plane = one.plane(number, values)
            if plane is not None:
                bits[one.group].append(plane.reshape(-1))
    changes: dict[int, tuple[str, bytes]] = {}
    for group, planes in bits.items():
        if len(planes) != len(index):
            continue
        base = group << 16
        packed = np.packbits(np.concatenate(planes), bitorder="little").tobytes()
        changes[base | _DATA] = ("OW", packed + b"\0" * (len(packed) % 2))
        changes[base | _BITS_ALLOCATED] = ("US", struct.pack("<H", 1))
        changes[base | _BIT_POSITION] = ("US", struct.pack("<H", 0))
        if len(index) > 1:
            changes[base | _FRAMES] = ("IS", str(len(index)).encode())
            changes[base | _FRAME_ORIGIN] = ("US", struct.pack("<H", 1))
    return changes
