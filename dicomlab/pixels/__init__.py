"""What pixels mean: frames decoded, modality and VOI transformations, rendering."""

from dicomlab.pixels._voi import VoiLutFunction, VoiWindow

__all__ = ["VoiLutFunction", "VoiWindow"]
