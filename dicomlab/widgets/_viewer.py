"""The viewer in a notebook cell."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, cast

import anywidget
import traitlets

from dicomlab.viewing import (
    Preferences,
    Reply,
    RequestDesk,
    SceneState,
    SceneWindow,
    VolumeView,
    bundle_file,
    scene_window,
)
from dicomlab.volume import Volume

__all__ = ["VolumeViewer", "view"]

_ARRANGEMENTS = ("planes", "axial", "coronal", "sagittal")


class VolumeViewer(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget carries no types
    """A volume in axial, coronal and sagittal planes, in the output of a cell.

    The traits follow what the reader does, and the reader's picture follows the traits. Voxels come
    over the notebook's own connection; nothing is fetched from anywhere. Where no kernel runs, on
    GitHub or in an exported page, the middle planes are shown as a picture.

    Attributes
    ----------
    window
        Window Center and Window Width, in the units of the volume.
    voxel
        Where the crosshair stands: slice, row, column.
    arrangement
        ``"planes"`` for all three, or ``"axial"``, ``"coronal"`` or ``"sagittal"``.
    height_px
        Height of the viewer.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    scene = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    height_px = traitlets.Int(520, min=120, max=4000).tag(sync=True)

    window = traitlets.Tuple(
        traitlets.CFloat(), traitlets.CFloat(), default_value=None, allow_none=True
    )
    voxel = traitlets.Tuple(
        traitlets.CInt(), traitlets.CInt(), traitlets.CInt(), default_value=None, allow_none=True
    )
    arrangement = traitlets.Enum(_ARRANGEMENTS, "planes")

    def __init__(
        self,
        volume: Volume | VolumeView,
        *,
        window: Sequence[float] | None = None,
        voxel: Sequence[int] | None = None,
        arrangement: str | None = None,
        height_px: int = 520,
    ) -> None:
        self._view = volume if isinstance(volume, VolumeView) else VolumeView.of(volume)
        self._desk = RequestDesk(self._view, self._reply)
        images = Preferences().current()
        super().__init__(
            _esm=bundle_file("widget-loader.js").read_text("utf-8"),
            scene=cast("dict[str, Any]", self._view.scene(plane_messages=True, images=images)),
            state={
                "window": scene_window(self._view.first_window(images)),
                "voxel": [size // 2 for size in self._shape],
                "layout": arrangement or images.viewing.layout.value,
            },
            height_px=height_px,
        )
        self.on_msg(self._receive)
        if window is not None:
            self.window = tuple(window)
        if voxel is not None:
            self.voxel = tuple(voxel)

    @property
    def volume(self) -> Volume:
        """The volume that is shown."""
        return self._view.volume

    def close(self) -> None:
        """Take the viewer out of the notebook and let go of its threads."""
        self._desk.close()
        super().close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._view.volume!r}>"

    def _repr_mimebundle_(self, **options: object) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = super()._repr_mimebundle_(**options)
        picture = base64.b64encode(self._view.sketch()).decode("ascii")
        return {**data, "image/png": picture}, metadata

    @property
    def _shape(self) -> tuple[int, int, int]:
        return self._view.volume.shape

    @traitlets.validate("window")  # type: ignore[untyped-decorator]  # nor does traitlets
    def _check_window(self, proposal: Mapping[str, Any]) -> tuple[float, float]:
        center, width = proposal["value"]
        if width < 1:
            raise traitlets.TraitError(f"Window Width (0028,1051) is at least 1, not {width}")
        return center, width

    @traitlets.validate("voxel")  # type: ignore[untyped-decorator]
    def _check_voxel(self, proposal: Mapping[str, Any]) -> tuple[int, ...]:
        voxel = proposal["value"]
        if any(not 0 <= at < size for at, size in zip(voxel, self._shape, strict=True)):
            raise traitlets.TraitError(f"The volume has {self._shape} voxels: no {voxel}")
        return tuple(voxel)

    @traitlets.observe("window", "voxel", "arrangement")  # type: ignore[untyped-decorator]
    def _tell_page(self, change: Mapping[str, Any]) -> None:
        said: SceneState = cast("SceneState", dict(self.state))
        if change["name"] == "voxel":
            said["voxel"] = list(change["new"])
        elif change["name"] == "arrangement":
            said["layout"] = change["new"]
        elif change["new"] != _pair(said.get("window")):
            center, width = change["new"]
            # The function stays; what the series called its own window does not fit any more.
            said["window"] = {**said.get("window", {}), "center": center, "width": width}
            said["window"].pop("explanation", None)
        self.state = said

    @traitlets.observe("state")  # type: ignore[untyped-decorator]
    def _hear_page(self, change: Mapping[str, Any]) -> None:
        said = change["new"]
        with self.hold_trait_notifications():
            if (pair := _pair(said.get("window"))) is not None:
                self.window = pair
            if "voxel" in said:
                self.voxel = tuple(said["voxel"])
            if "layout" in said:
                self.arrangement = said["layout"]

    def _receive(self, _widget: object, content: object, _buffers: object) -> None:
        self._desk.receive(content)

    def _reply(self, reply: Reply, data: bytes | None) -> None:
        self.send(reply, [] if data is None else [data])


def view(
    volume: Volume,
    *,
    window: Sequence[float] | None = None,
    voxel: Sequence[int] | None = None,
    arrangement: str | None = None,
    height_px: int = 520,
) -> VolumeViewer:
    """Show a volume in the notebook.

    Parameters
    ----------
    volume
        What is shown.
    window
        Window Center and Window Width to begin with; by default what the configuration prefers,
        and the series' own where it says nothing.
    voxel
        Slice, row and column of the crosshair to begin with; by default the middle.
    arrangement
        ``"planes"`` for all three, or ``"axial"``, ``"coronal"`` or ``"sagittal"``; by default what
        the configuration prefers.
    height_px
        Height of the viewer.
    """
    return VolumeViewer(
        volume, window=window, voxel=voxel, arrangement=arrangement, height_px=height_px
    )


def _pair(window: SceneWindow | None) -> tuple[float, float] | None:
    return None if window is None else (float(window["center"]), float(window["width"]))
