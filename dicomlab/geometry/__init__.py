"""Where pixels lie: LPS millimetres, affines, slice order and regular grids. NumPy alone."""

from dicomlab.geometry._grid import Grid

__all__ = ["Grid"]
