"""DICOMweb (PS3.18): the logic of a server, without a web framework."""

from dicomlab.dicomweb._http import Answer, Request
from dicomlab.dicomweb._root import DicomWebRoot

__all__ = ["Answer", "DicomWebRoot", "Request"]
