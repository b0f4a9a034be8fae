"""The built viewer, the schema of what it shows, and the services that feed it."""

from dicomlab.viewing._bundle import SCHEMA_FOLDER, STATIC_FOLDER, bundle_file
from dicomlab.viewing._preferences import Preferences, scene_window
from dicomlab.viewing._requests import Reply, RequestDesk, answer
from dicomlab.viewing._scene import (
    Scene,
    ScenePan,
    ScenePreferences,
    SceneState,
    SceneVolume,
    SceneWindow,
)
from dicomlab.viewing._service import Preparation, Stage, ViewService, volume_id
from dicomlab.viewing._text import date, other_writing, person, several, text
from dicomlab.viewing._views import (
    Axis,
    ByteRange,
    Plane,
    VolumeView,
    volume_digest,
)

__all__ = [
    "SCHEMA_FOLDER",
    "STATIC_FOLDER",
    "Axis",
    "ByteRange",
    "Plane",
    "Preferences",
    "Preparation",
    "Reply",
    "RequestDesk",
    "Scene",
    "ScenePan",
    "ScenePreferences",
    "SceneState",
    "SceneVolume",
    "SceneWindow",
    "Stage",
    "ViewService",
    "VolumeView",
    "answer",
    "bundle_file",
    "date",
    "other_writing",
    "person",
    "scene_window",
    "several",
    "text",
    "volume_digest",
    "volume_id",
]
