"""How dicomlab names itself in files and associations (PS3.7 D.3.3.2)."""

from __future__ import annotations

from typing import Final

IMPLEMENTATION_CLASS_UID: Final = "2.25.234055564558347124814196828706471570826"
"""Implementation Class UID, under the root for UUIDs (PS3.5 B.2); the same in every version."""

IMPLEMENTATION_VERSION_NAME: Final = "DICOMLAB_0"
"""Implementation Version Name: changes with the major version."""
