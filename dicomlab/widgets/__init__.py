"""Notebook faces: the viewer in a cell."""

from dicomlab.widgets._viewer import VolumeViewer, view

__all__ = ["VolumeViewer", "view"]
