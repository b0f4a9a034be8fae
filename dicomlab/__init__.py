"""dicomlab: query, archive, open, de-identify and share DICOM studies from Jupyter.

``import dicomlab as dl`` is all a notebook needs; every name below is resolved when it is first
used, so that the import itself costs next to nothing.
"""

from __future__ import annotations

__all__: list[str] = []
