"""Objects that no patient ever was, for tests, courses and the demo: NumPy and plain pydicom."""

from dicomlab.phantoms._ct import thorax_ct, thorax_lesion
from dicomlab.phantoms._encoding import encode
from dicomlab.phantoms._files import write
from dicomlab.phantoms._instances import uid
from dicomlab.phantoms._pet import thorax_pet
from dicomlab.phantoms._thorax import Lesion

__all__ = ["Lesion", "encode", "thorax_ct", "thorax_lesion", "thorax_pet", "uid", "write"]
