"""Files where they lie: folders, single files and zips, read in place, nothing imported."""

from dicomlab.media._folder import FolderSource, open_folder
from dicomlab.media._report import ScanReport

__all__ = ["FolderSource", "ScanReport", "open_folder"]
