"""A data set on its way from an association into a store."""

from __future__ import annotations

from dicomlab.catalog import Arriving, Stored
from dicomlab.dimse._command import CommandSet
from dicomlab.dimse._identifier import file_prefix
from dicomlab.dimse._negotiation import Accepted


class Taking:
    """Gives the bytes of a data set to who stores them, behind File Meta Information of our own.

    Attributes
    ----------
    size
        Bytes of the data set so far.
    """

    def __init__(self, arriving: Arriving, context: Accepted, command: CommandSet) -> None:
        self.arriving = arriving
        self.size = 0
        self._class = command.text("AffectedSOPClassUID")
        self._instance = command.text("AffectedSOPInstanceUID")
        self._prefix = file_prefix(context.transfer_syntax, self._class, self._instance)

    def write(self, data: memoryview) -> None:
        """Take some more."""
        if self._prefix:
            self.arriving.write(self._prefix)
            self._prefix = b""
        self.arriving.write(data)
        self.size += len(data)

    def finish(self) -> Stored:
        """Store it as what its command says that it is."""
        return self.arriving.finish(sop_class_uid=self._class, sop_instance_uid=self._instance)
