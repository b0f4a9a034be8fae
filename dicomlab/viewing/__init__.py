"""The built viewer, the schema of what it shows, and the types that come of it."""

from dicomlab.viewing._bundle import SCHEMA_FOLDER, STATIC_FOLDER, bundle_file
from dicomlab.viewing._scene import Scene, ScenePan, SceneState, SceneVolume, SceneWindow

__all__ = [
    "SCHEMA_FOLDER",
    "STATIC_FOLDER",
    "Scene",
    "ScenePan",
    "SceneState",
    "SceneVolume",
    "SceneWindow",
    "bundle_file",
]
