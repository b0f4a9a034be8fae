"""The dashboard of a study: its series, the viewer, window and level."""

from __future__ import annotations

import html
from typing import Any

import panel as pn

from dicomlab.catalog import Browsable, Query, Record, Series
from dicomlab.errors import DicomlabError, NotFoundError
from dicomlab.panels._viewer import VolumePane
from dicomlab.pixels import DecodeInto, decode_into
from dicomlab.viewing import Preferences, VolumeView, date, person, text
from dicomlab.volume import volumes

__all__ = ["dashboard"]

_STYLE = ":host { font-family: system-ui, sans-serif; box-sizing: border-box; }"
_HEADING = """
h1 { margin: 0; font-size: 1.45rem; letter-spacing: -0.015em; overflow-wrap: anywhere; }
p { margin: 2px 0 0; color: #5a6675; }
"""
_CONTROLS = """
:host { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); }
"""
_HEIGHT_PX = 640


class _StudyDashboard:
    """The parts of one dashboard, and how they follow each other."""

    def __init__(self, source: Browsable, study: Record, decode: DecodeInto) -> None:
        self._source = source
        self._decode = decode
        query = Query(
            "series", StudyInstanceUID=str(study["StudyInstanceUID"]), order_by="SeriesNumber"
        )
        series = [Series(source, record) for record in source.records(query)]
        self._series = {one.uid: one for one in series}
        wide = {"sizing_mode": "stretch_width"}
        self.choice = pn.widgets.Select(
            label="Series",
            options={_label(number, one): one.uid for number, one in enumerate(series, 1)},
            **wide,
        )
        self.part = pn.widgets.Select(label="Volume", visible=False, **wide)
        self.center = pn.widgets.FloatSlider(label="Level", start=-1, end=1, step=1, **wide)
        self.width = pn.widgets.FloatSlider(label="Window", start=1, end=2, step=1, **wide)
        self.place = pn.Column(sizing_mode="stretch_width", min_height=_HEIGHT_PX)
        self._views: list[VolumeView] = []
        self._pane: VolumePane | None = None
        self.choice.param.watch(self._choose_series, "value")
        self.part.param.watch(self._choose_part, "value")
        self.center.param.watch(self._move_window, "value")
        self.width.param.watch(self._move_window, "value")
        self._choose_series()

    def _choose_series(self, _change: Any = None) -> None:
        self._views = []
        chosen = self._series.get(self.choice.value)
        try:
            if chosen is None:
                raise NotFoundError("The study holds no series.")
            found = volumes(self._source.instances(chosen.uid))
            self._views = [VolumeView.of(one.decoded_by(self._decode)) for one in found]
        except DicomlabError as error:
            self._say(str(error))
        titles = {f"{number}. {one.title}": number for number, one in enumerate(self._views, 1)}
        self.part.visible = len(self._views) > 1
        with pn.io.hold():
            self.part.param.update(options=titles, value=1 if self._views else None)
        self._choose_part()

    def _choose_part(self, _change: Any = None) -> None:
        if not self._views:
            return
        view = self._views[(self.part.value or 1) - 1]
        if self._pane is not None:
            self._pane.close()
        pane = self._pane = VolumePane(view, height_px=_HEIGHT_PX)
        low, high = view.value_range
        span = max(high - low, 1.0)
        self.center.param.update(start=low, end=high, step=span / 1000, value=pane.window_center)
        self.width.param.update(start=1, end=span + 1, step=span / 1000, value=pane.window_width)
        pane.param.watch(self._follow_pane, ["window_center", "window_width"])
        self.place[:] = [pane]

    def _move_window(self, _change: Any) -> None:
        if self._pane is not None:
            self._pane.param.update(window_center=self.center.value, window_width=self.width.value)

    def _follow_pane(self, *_changes: Any) -> None:
        if self._pane is not None:
            self.center.value, self.width.value = self._pane.window_center, self._pane.window_width

    def _say(self, words: str) -> None:
        self.place[:] = [pn.pane.Alert(html.escape(words), alert_type="warning")]


def dashboard(
    source: Browsable, study_instance_uid: str, *, decode: DecodeInto = decode_into
) -> pn.viewable.Viewable:
    """Return the dashboard of a study.

    Parameters
    ----------
    source
        Where the study is.
    study_instance_uid
        Which one.
    decode
        What decodes frames: a `dicomlab.pixels.CappedDecoder` where strangers sent them.

    Raises
    ------
    NotFoundError
        The source holds no such study.
    """
    for study in source.records(Query("study", StudyInstanceUID=study_instance_uid)):
        parts = _StudyDashboard(source, study, decode)
        break
    else:
        raise NotFoundError("The archive holds no study of this UID.")
    controls = pn.Column(
        parts.choice,
        parts.part,
        parts.center,
        parts.width,
        sizing_mode="stretch_width",
        stylesheets=[_CONTROLS],
    )
    return pn.Column(
        _heading(study),
        controls,
        parts.place,
        sizing_mode="stretch_width",
        stylesheets=[_STYLE],
        styles={"max-width": "1400px", "margin": "0 auto", "padding": "18px"},
    )


def _heading(study: Record) -> pn.pane.HTML:
    """Return name and description; every text is escaped, because names come from strangers."""
    name = "Study"
    if Preferences().current().general.identifying_texts:
        name = html.escape(person(study.get("PatientName")) or "No name")
    words = [text(study.get("StudyDescription")), date(study.get("StudyDate"))]
    described = html.escape(" · ".join(word for word in words if word))
    return pn.pane.HTML(
        f"<h1>{name}</h1><p>{described}</p>",
        sizing_mode="stretch_width",
        margin=(0, 10, 8, 10),
        stylesheets=[_HEADING],
    )


def _label(number: int, series: Series) -> str:
    said = series.record.get
    words = [str(said(keyword) or "") for keyword in ("Modality", "SeriesDescription")]
    return f"{number}. {' '.join(word for word in words if word) or 'series'}"
