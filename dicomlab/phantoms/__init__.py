"""Objects that no patient ever was, for tests, courses and the demo: NumPy and plain pydicom.

Every maker yields data sets with File Meta Information, one at a time; `write` puts them into
files. The same arguments give the same bytes.
"""

from dicomlab.phantoms._colour import colour
from dicomlab.phantoms._ct import thorax_ct, thorax_lesion
from dicomlab.phantoms._defects import (
    shuffled,
    tilted,
    with_duplicate,
    with_gap,
    with_mixed_orientation,
    with_unlike_sizes,
    without_position,
)
from dicomlab.phantoms._encoding import encode
from dicomlab.phantoms._enhanced import enhanced_ct
from dicomlab.phantoms._files import write, written
from dicomlab.phantoms._instances import uid
from dicomlab.phantoms._mr import head_mr
from dicomlab.phantoms._pet import thorax_pet
from dicomlab.phantoms._storage import storage_classes, storage_instance
from dicomlab.phantoms._thorax import Lesion

__all__ = [
    "Lesion",
    "colour",
    "encode",
    "enhanced_ct",
    "head_mr",
    "shuffled",
    "storage_classes",
    "storage_instance",
    "thorax_ct",
    "thorax_lesion",
    "thorax_pet",
    "tilted",
    "uid",
    "with_duplicate",
    "with_gap",
    "with_mixed_orientation",
    "with_unlike_sizes",
    "without_position",
    "write",
    "written",
]
