"""An instance in another transfer syntax, frame by frame (PS3.5 annex A)."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from dicomlab.errors import UnsupportedError
from dicomlab.pixels._decode import (
    decode_frame,
    decoded_photometric_interpretation,
    read_codestream,
)
from dicomlab.pixels._description import FrameDescription
from dicomlab.pixels._encode import Loss, encode_frame, encoded_description
from dicomlab.pixels._frames import index_frames
from dicomlab.pixels._history import (
    derivation,
    derived_uid,
    described,
    lossy_history,
    method_of,
)
from dicomlab.pixels._overlays import extracted_overlays
from dicomlab.pixels._pixel_data import (
    Output,
    copy_native,
    end_of_fragments,
    in_order,
    output_of,
    write_fragments,
    write_native,
)
from dicomlab.pixels._rewrite import Changes, DataSetWriter, file_meta
from dicomlab.pixels._syntaxes import PASSES_AS
from dicomlab.safety import (
    DEFAULT_BOUNDS,
    Bounds,
    ByteSource,
    Header,
    MemoryBytes,
    read_header,
    read_rest,
)
from dicomlab.standard import transfer_syntax

EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
_LONGEST: Final = 0xFFFFFFFE
_BLOCK: Final = 1 << 20
_OFFSET_TABLES: Final = (0x7FE00001, 0x7FE00002, 0x7FE00003)
_TRAILING_PADDING: Final = 0xFFFCFFFC
_FLOAT_VRS: Final = {0x7FE00008: "OF", 0x7FE00009: "OD"}

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Transcoded:
    """What became of an instance.

    Attributes
    ----------
    sop_instance_uid
        A new one where something was lost, else that of the source.
    transfer_syntax_uid
        That of the result: Explicit VR Little Endian for what has no pixel data to compress.
    frames
        How many there are, 0 without pixel data.
    """

    sop_instance_uid: str
    transfer_syntax_uid: str
    frames: int


def transcode(
    source: ByteSource,
    target: BinaryIO,
    transfer_syntax_uid: str,
    *,
    loss: Loss | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    extended_offsets: bool | None = None,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> Transcoded:
    """Write an instance in another transfer syntax, holding a few frames at a time.

    Without `loss` every stored value is kept, and so is the SOP Instance UID. Pixels that were
    compressed with loss before keep that history; where the attributes are silent of it, the
    codestream speaks. With `loss` the result is a derived instance with a UID of its own, the
    history and a reference to its source (PS3.3 C.7.6.1.1.3 to 5 and C.7.6.1.4).

    Parameters
    ----------
    source
        A Part 10 file.
    target
        A file to write to; offsets are filled in afterwards, so it must be able to seek.
    loss
        How much may be lost.
    workers
        Threads that decode and encode; by default one for each processor.
    progress
        Called with the frames that are done, and how many there are.
    extended_offsets
        Whether offsets go into the Extended Offset Table (7FE0,0001); by default where they may be
        too large for the Basic one.

    Raises
    ------
    UnsupportedError
        The transfer syntax cannot hold these pixels, or the frames cannot be decoded.
    NonConformantError
        The instance or one of its frames is damaged; a note names the frame.
    """
    header = read_header(source, bounds=bounds)
    uid = header.string("SOPInstanceUID") or ""
    if header.transfer_syntax_uid == transfer_syntax_uid and loss is None:
        blocks = range(0, source.size, _BLOCK)
        target.writelines(source.read_at(offset, _BLOCK) for offset in blocks)
        count = 0 if header.pixel_data is None else header.integer("NumberOfFrames") or 1
        return Transcoded(uid, transfer_syntax_uid, count)
    if header.pixel_data is None:
        if transfer_syntax(transfer_syntax_uid).is_encapsulated:
            transfer_syntax_uid = EXPLICIT_VR_LITTLE_ENDIAN
        _write_plain(header, target, transfer_syntax_uid)
        return Transcoded(uid, transfer_syntax_uid, 0)
    job = _Job(source, header, transfer_syntax_uid, loss, bounds)
    job.write(target, workers or os.cpu_count() or 1, progress, extended=extended_offsets)
    return Transcoded(job.uid, transfer_syntax_uid, len(job.index))


def _write_plain(header: Header, target: BinaryIO, transfer_syntax_uid: str) -> None:
    """Write an instance without pixel data."""
    syntax = transfer_syntax(transfer_syntax_uid)
    uid = header.string("SOPInstanceUID") or ""
    target.write(file_meta(header, transfer_syntax_uid, uid))
    data_set = DataSetWriter(syntax, header.transfer_syntax_uid).data_set(header, {})
    with output_of(target, syntax) as output:
        output.write(data_set)


class _Job:
    """What is to be done with the pixels of one instance."""

    def __init__(
        self,
        source: ByteSource,
        header: Header,
        transfer_syntax_uid: str,
        loss: Loss | None,
        bounds: Bounds,
    ) -> None:
        assert header.pixel_data is not None
        self.header, self.location, self.bounds, self.loss = header, header.pixel_data, bounds, loss
        self.syntax = transfer_syntax(transfer_syntax_uid)
        self.old = transfer_syntax(header.transfer_syntax_uid)
        if self.old.is_video or self.syntax.is_video:
            video = self.old if self.old.is_video else self.syntax
            raise UnsupportedError(
                f"{video.name} is not transcoded: its frames are one video stream.",
                transfer_syntax_uid=video.uid,
            )
        self.old_uid = self.uid = header.string("SOPInstanceUID") or ""
        if loss is not None:
            self.uid = derived_uid(self.old_uid, self.syntax.uid, loss)
        self.source = MemoryBytes(header.buffer) if self.old.is_deflated else source
        self.found = FrameDescription.from_attributes(header, self.old.uid, bounds=bounds)
        self.index = index_frames(
            self.source,
            self.location,
            self.found,
            extended_offsets=header.numbers("ExtendedOffsetTable"),
            extended_lengths=header.numbers("ExtendedOffsetTableLengths"),
        )
        self.writer = DataSetWriter(self.syntax, self.old.uid)
        first = self.index.read(self.source, 0)
        stream = read_codestream(first, self.old.uid)
        self.was_lossy = stream is not None and stream.is_lossy
        self.both_native = not (self.syntax.is_encapsulated or self.old.is_encapsulated)
        self.passes = PASSES_AS.get((self.old.uid, self.syntax.uid)) if loss is None else None
        self.overlays: Changes = {}
        if loss is None and (self.both_native or self.passes is not None):
            self.target = replace(self.found, transfer_syntax_uid=self.syntax.uid)
        else:
            self.target = encoded_description(self._decoded(first), self.syntax.uid, loss=loss)
            self.overlays = extracted_overlays(header, self.found, self.index, self.source)

    def _decoded(self, first: bytes) -> FrameDescription:
        return replace(
            self.found,
            photometric_interpretation=decoded_photometric_interpretation(first, self.found),
            planar_configuration=0,
            high_bit=self.found.bits_stored - 1,
            transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        )

    def write(
        self, target: BinaryIO, workers: int, progress: Progress | None, *, extended: bool | None
    ) -> None:
        """Write the whole instance."""
        target.write(file_meta(self.header, self.syntax.uid, self.uid))
        place = target.tell()
        compressed = 0
        with output_of(target, self.syntax) as output:
            output.write(self._head())
            if not self.syntax.is_encapsulated:
                self._write_native(output, workers, progress)
            else:
                count = len(self.index)
                if extended is None:
                    extended = self._size * 1.5 + 64 * count > _LONGEST
                frames = self._frames(workers, progress)
                compressed = write_fragments(target, self.writer, frames, count, extended=extended)
            output.write(self._tail())
        if self.loss is not None:
            end = target.tell()
            target.seek(place)
            target.write(self._head(compressed))
            target.seek(end)

    @property
    def _size(self) -> int:
        """Bytes of the pixels where they are not compressed."""
        bits = self.target.bits_allocated * math.prod(self.target.shape)
        return -(-bits * len(self.index) // 8)

    def _head(self, compressed: int = 0) -> bytes:
        """Return the data set up to the pixels; its length does not depend on theirs."""
        changes = dict(dict.fromkeys(_OFFSET_TABLES)) | {**self.overlays}
        changes |= described(self.target, self.header)
        if self.loss is not None:
            changes |= derivation(self.header, self.old_uid, self.uid)
            ratio = self._size / max(compressed, 1)
            changes |= lossy_history(self.header, method_of(self.syntax), ratio)
        elif self.was_lossy and self.header.string("LossyImageCompression") != "01":
            ratio = self._size / max(int(self.index.lengths.sum()), 1)
            changes |= lossy_history(self.header, method_of(self.old), ratio)
        return self.writer.data_set(self.header, changes)

    def _tail(self) -> bytes:
        """Return what follows the pixels, but for padding (PS3.10 7.2)."""
        if self.location.length is not None:
            end = self.location.offset + self.location.length
        else:
            end = end_of_fragments(self.source, self.index)
        rest = self.source.read_at(end, self.bounds.header_bytes)
        if not rest.strip(b"\0"):
            return b""
        return self.writer.data_set(read_rest(rest, self.header), {_TRAILING_PADDING: None})

    def _frames(self, workers: int, progress: Progress | None) -> Iterator[bytes]:
        """Yield the frames in their new coding, in order."""
        coded = in_order(self.index, self.source, self._recoded, workers)
        for done, frame in enumerate(coded, 1):
            yield frame
            if progress is not None:
                progress(done, len(self.index))

    def _recoded(self, encoded: bytes) -> bytes:
        if self.passes is not None:
            return self.passes(encoded)
        values = decode_frame(encoded, self.found, bounds=self.bounds)
        return encode_frame(values, self.target, loss=self.loss)

    def _write_native(self, output: Output, workers: int, progress: Progress | None) -> None:
        count = len(self.index)
        size = -(-self.found.frame_bits * count // 8) if self.both_native else self._size
        if size > _LONGEST:
            raise UnsupportedError(
                f"{size} bytes of pixels are too many for native Pixel Data (7FE0,0010), which "
                f"holds {_LONGEST}. Choose a compressed transfer syntax.",
                transfer_syntax_uid=self.syntax.uid,
            )
        is_words = self.target.bits_allocated > 8 or not self.syntax.is_explicit_vr
        vr = _FLOAT_VRS.get(self.location.tag, "OW" if is_words else "OB")
        output.write(self.writer.head(self.location.tag, vr, size + size % 2))
        if not self.both_native:
            bits = math.prod(self.target.shape) * self.target.bits_allocated
            write_native(self._frames(workers, progress), bits, size, output)
            return
        units = {"OW": 2, "OF": 4, "OD": 8}
        is_turned = self.old.is_little_endian != self.syntax.is_little_endian
        # Where words are turned depends on the VR on the big endian side: bytes of OB stay.
        swapped = units.get(vr if self.old.is_little_endian else self.location.vr, 1)
        swapped = swapped if is_turned else 1
        copy_native(self.source, self.location.offset, size, output, swapped=swapped)
        if progress is not None:
            progress(count, count)
