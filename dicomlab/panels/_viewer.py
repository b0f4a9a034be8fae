"""The viewer as a Panel component."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, cast

import param
from panel.custom import AnyWidgetComponent

from dicomlab.catalog import Series
from dicomlab.viewing import (
    Preferences,
    Reply,
    RequestDesk,
    SceneState,
    VolumeView,
    bundle_file,
    scene_window,
)
from dicomlab.volume import Volume
from dicomlab.volume import volume as only_volume

__all__ = ["VolumePane", "viewer"]


class VolumePane(AnyWidgetComponent):  # type: ignore[misc]  # panel carries no types
    """A volume in axial, coronal and sagittal planes, as a part of a Panel application.

    Voxels come over the application's own websocket, so it needs no routes of a server.
    """

    # The loader of the notebook expects a notebook's model; this gives it one.
    _esm: ClassVar[str] = Path(__file__).with_name("channel.js").read_text("utf-8")

    loader = param.String(doc="Text of the module that fetches and starts the viewer.")
    scene = param.Dict(doc="What is shown (scene.schema.json).")
    state = param.Dict(
        default={}, doc="How it is shown; follows the reader, and leads the picture."
    )
    height_px = param.Integer(default=560, bounds=(120, 4000), doc="Height of the viewer.")
    window_center = param.Number(
        default=0, doc="Window Center (0028,1050), in the units of the volume."
    )
    window_width = param.Number(default=1, bounds=(1, None), doc="Window Width (0028,1051).")

    def __init__(self, volume: Volume | VolumeView, **params: object) -> None:
        view = volume if isinstance(volume, VolumeView) else VolumeView.of(volume)
        self._desk = RequestDesk(view, self._reply)
        images = Preferences().current()
        shown = view.first_window(images)
        params.setdefault("sizing_mode", "stretch_width")
        super().__init__(
            loader=bundle_file("widget-loader.js").read_text("utf-8"),
            scene=view.scene(plane_messages=True, images=images),
            **{
                "window_center": shown.center,
                "window_width": shown.width,
                "state": {"window": scene_window(shown)},
                **params,
            },
        )
        self.min_height = self.height_px
        self.param.watch(self._hear_page, "state")
        self.param.watch(self._tell_page, ["window_center", "window_width"])

    def close(self) -> None:
        """Answer nothing more and let go of threads."""
        self._desk.close()

    def _hear_page(self, change: Any) -> None:
        window = change.new.get("window")
        if window:
            self.param.update(
                window_center=float(window["center"]), window_width=float(window["width"])
            )

    def _tell_page(self, *_changes: Any) -> None:
        said = cast("SceneState", dict(self.state))
        known = said.get("window")
        if known is None or (known["center"], known["width"]) != (
            self.window_center,
            self.window_width,
        ):
            window = {**(known or {}), "center": self.window_center, "width": self.window_width}
            window.pop("explanation", None)
            self.state = {**said, "window": window}

    def _handle_msg(self, data: object) -> None:
        self._desk.receive(data)

    def _reply(self, reply: Reply, data: bytes | None) -> None:
        self._send_msg({"content": reply, "buffers": [] if data is None else [data]})


def viewer(shown: Volume | Series, **params: object) -> VolumePane:
    """Return a Panel component that shows a volume, or the one volume of a series.

    Parameters
    ----------
    shown
        What is shown.
    **params
        Of the component: `window_center`, `window_width`, `height_px`, and Panel's own layout.
    """
    if isinstance(shown, Series):
        shown = only_volume(shown.source.instances(shown.uid))
    return VolumePane(shown, **params)
