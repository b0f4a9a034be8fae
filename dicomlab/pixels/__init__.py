"""What pixels mean: frames decoded, modality and VOI transformations, rendering."""

from dicomlab.pixels._decode import (
    can_decode,
    decode_frame,
    decode_into,
    decoded_photometric_interpretation,
    unpack_bits,
)
from dicomlab.pixels._description import FrameDescription
from dicomlab.pixels._frames import FrameIndex, index_frames
from dicomlab.pixels._groups import FunctionalGroups
from dicomlab.pixels._render import Presentation, png
from dicomlab.pixels._video import video_frames
from dicomlab.pixels._voi import (
    LookupTable,
    VoiLutFunction,
    VoiWindow,
    lookup_table,
    voi_windows,
)

__all__ = [
    "FrameDescription",
    "FrameIndex",
    "FunctionalGroups",
    "LookupTable",
    "Presentation",
    "VoiLutFunction",
    "VoiWindow",
    "can_decode",
    "decode_frame",
    "decode_into",
    "decoded_photometric_interpretation",
    "index_frames",
    "lookup_table",
    "png",
    "unpack_bits",
    "video_frames",
    "voi_windows",
]
