"""DICOMweb (PS3.18): a client, and the logic of a server without a web framework."""

from dicomlab.dicomweb._http import Answer, Request
from dicomlab.dicomweb._remote import is_web, web_source
from dicomlab.dicomweb._root import DicomWebRoot
from dicomlab.dicomweb._source import DicomWebSource

__all__ = ["Answer", "DicomWebRoot", "DicomWebSource", "Request", "is_web", "web_source"]
