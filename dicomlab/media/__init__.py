"""Files where they lie, read in place, and instances written out as files."""

from dicomlab.media._export import Exported, ExportReport, ExportRow, export
from dicomlab.media._folder import FolderSource, open_folder
from dicomlab.media._report import ScanReport

__all__ = [
    "ExportReport",
    "ExportRow",
    "Exported",
    "FolderSource",
    "ScanReport",
    "export",
    "open_folder",
]
