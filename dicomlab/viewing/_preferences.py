"""How a reader likes pictures to be shown first: `images` of the configuration."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal

from dicomlab import config
from dicomlab.pixels import VoiWindow
from dicomlab.viewing._scene import ScenePreferences, SceneWindow
from dicomlab.volume import Volume

if TYPE_CHECKING:
    from dicomlab.config import Images, Watched

__all__ = ["Preferences", "preset_window", "presets", "scene_preferences", "scene_window"]

_SMOOTHING: dict[str, Literal["none", "linear", "cubic"]] = {
    "nearest": "none",
    "linear": "linear",
    "cubic": "cubic",
}


class Preferences:
    """The image preferences as they are now: what is shown next follows a change of the file.

    A file that becomes wrong leaves what it said before in place. Threads may share them.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._watched: Watched | None = None

    def current(self) -> Images:
        """Return what is preferred now.

        Raises
        ------
        RefusedError
            The configuration cannot be used, and could not when it was read first.
        """
        with self._turn:
            if self._watched is None:
                if not config.is_set():
                    return config.Images()
                self._watched = config.Watched()
            return self._watched.current().images


def scene_window(window: VoiWindow) -> SceneWindow:
    """Return a window as scenes have it."""
    made: SceneWindow = {"center": window.center, "width": window.width}
    if window.explanation:
        made["explanation"] = window.explanation
    made["voi_lut_function"] = window.function.value
    return made


def presets(volume: Volume, images: Images) -> list[SceneWindow]:
    """Return the windows that are offered with a volume beside its own."""
    windows = images.viewing.windows
    usual = config.Viewing().windows
    is_hounsfield = volume.modality == "CT" and volume.units in ("HU", "")
    if windows == usual and not is_hounsfield:
        return []
    return [
        {"explanation": _words(name), "center": one.center, "width": one.width}
        for name, one in windows.items()
    ]


def preset_window(volume: Volume, images: Images) -> VoiWindow | None:
    """Return the preset that a volume shall be shown with first, ``None`` where there is none."""
    viewing = images.viewing
    if viewing.initial_window is not config.InitialWindow.PRESET or viewing.preset is None:
        return None
    name = _words(viewing.preset)
    if name not in {one.get("explanation") for one in presets(volume, images)}:
        return None
    window = viewing.windows[viewing.preset]
    return VoiWindow(window.center, window.width, explanation=name)


def scene_preferences(volume: Volume, images: Images) -> ScenePreferences:
    """Return what a scene tells the viewer of the preferences."""
    return {
        "presets": presets(volume, images),
        "smoothing": _SMOOTHING[images.viewing.interpolation.value],
        "frames_per_s": images.general.frames_per_s,
    }


def _words(name: str) -> str:
    """Return a preset's name as people read it: soft-tissue is Soft tissue."""
    return name.replace("-", " ").replace("_", " ").capitalize()
