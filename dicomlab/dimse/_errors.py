"""What goes wrong on an association, and how it is told."""

from __future__ import annotations

from dicomlab.errors import AssociationError


class ProtocolError(AssociationError):
    """The other side sent what the protocol does not allow (PS3.8 9, PS3.7 6.3)."""
