"""The built viewer, the schema of what it shows, and the services that feed it."""

from dicomlab.viewing._bundle import SCHEMA_FOLDER, STATIC_FOLDER, bundle_file
from dicomlab.viewing._requests import Reply, RequestDesk, answer
from dicomlab.viewing._scene import Scene, ScenePan, SceneState, SceneVolume, SceneWindow
from dicomlab.viewing._views import (
    AXES,
    ByteRange,
    Plane,
    VolumeView,
    scene_window,
    volume_digest,
)

__all__ = [
    "AXES",
    "SCHEMA_FOLDER",
    "STATIC_FOLDER",
    "ByteRange",
    "Plane",
    "Reply",
    "RequestDesk",
    "Scene",
    "ScenePan",
    "SceneState",
    "SceneVolume",
    "SceneWindow",
    "VolumeView",
    "answer",
    "bundle_file",
    "scene_window",
    "volume_digest",
]
