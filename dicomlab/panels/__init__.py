"""Dashboards: the viewer as a Panel component, and the dashboard of a study."""

from dicomlab.panels._dashboard import dashboard
from dicomlab.panels._serving import add_dashboards
from dicomlab.panels._viewer import VolumePane, viewer

__all__ = ["VolumePane", "add_dashboards", "dashboard", "viewer"]
