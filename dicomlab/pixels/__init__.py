"""What pixels mean: frames decoded, modality and VOI transformations, rendering."""

from dicomlab.pixels._capped import DECODING, CappedDecoder
from dicomlab.pixels._colour import icc_profile, to_srgb
from dicomlab.pixels._decode import (
    DecodeInto,
    can_decode,
    decode_frame,
    decode_into,
    decoded_photometric_interpretation,
    read_codestream,
    unpack_bits,
)
from dicomlab.pixels._description import FrameDescription
from dicomlab.pixels._encode import (
    Loss,
    can_encode,
    can_encode_losslessly,
    encode_frame,
    encoded_description,
)
from dicomlab.pixels._frames import FrameIndex, index_frames
from dicomlab.pixels._groups import FunctionalGroups
from dicomlab.pixels._history import derived_uid
from dicomlab.pixels._overlays import Overlay, overlays
from dicomlab.pixels._palette import Palette, read_palette
from dicomlab.pixels._pictures import (
    FilmFormat,
    PictureFormat,
    png,
    write_film,
    write_picture,
)
from dicomlab.pixels._real_world import RealWorldMap, real_world_maps
from dicomlab.pixels._render import Presentation, render_frame
from dicomlab.pixels._transcode import EXPLICIT_VR_LITTLE_ENDIAN, Transcoded, transcode
from dicomlab.pixels._video import video_frames
from dicomlab.pixels._voi import (
    LookupTable,
    VoiLutFunction,
    VoiWindow,
    lookup_table,
    voi_windows,
)

__all__ = [
    "DECODING",
    "EXPLICIT_VR_LITTLE_ENDIAN",
    "CappedDecoder",
    "DecodeInto",
    "FilmFormat",
    "FrameDescription",
    "FrameIndex",
    "FunctionalGroups",
    "LookupTable",
    "Loss",
    "Overlay",
    "Palette",
    "PictureFormat",
    "Presentation",
    "RealWorldMap",
    "Transcoded",
    "VoiLutFunction",
    "VoiWindow",
    "can_decode",
    "can_encode",
    "can_encode_losslessly",
    "decode_frame",
    "decode_into",
    "decoded_photometric_interpretation",
    "derived_uid",
    "encode_frame",
    "encoded_description",
    "icc_profile",
    "index_frames",
    "lookup_table",
    "overlays",
    "png",
    "read_codestream",
    "read_palette",
    "real_world_maps",
    "render_frame",
    "to_srgb",
    "transcode",
    "unpack_bits",
    "video_frames",
    "voi_windows",
    "write_film",
    "write_picture",
]
