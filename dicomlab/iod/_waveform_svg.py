"""Waveforms as SVG: one strip a channel, on ECG paper."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

_MM_PER_SECOND, _MM_PER_MILLIVOLT = 25.0, 10.0
_STRIP_MM, _MARGIN_MM = 22.0, 4.0
_MOST_POINTS = 4000
_MILLIVOLTS = {"mV": 1.0, "uV": 1e-3, "V": 1e3}
_MOST_MM = 2500.0


def picture(
    values: NDArray[np.float64], frequency_hz: float, channels: Sequence[tuple[str, str]]
) -> str:
    """Return the channels as one SVG document; lengths are millimetres.

    Parameters
    ----------
    values
        Shape (sample, channel).
    channels
        Label and units of each.
    """
    seconds = len(values) / frequency_hz
    speed = min(_MM_PER_SECOND, _MOST_MM / max(seconds, 1e-9))
    width = seconds * speed + 2 * _MARGIN_MM
    height = len(channels) * _STRIP_MM + 2 * _MARGIN_MM
    strips = "".join(
        _strip(values[:, number], speed / frequency_hz, number, label, units)
        for number, (label, units) in enumerate(channels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.2f} {height:.2f}" '
        f'width="{width:.2f}mm" height="{height:.2f}mm" role="img" '
        'aria-label="Waveforms">'
        '<defs><pattern id="paper" width="5" height="5" patternUnits="userSpaceOnUse">'
        '<path d="M0 0H5M0 0V5" stroke="#e8b4b4" stroke-width=".25"/></pattern></defs>'
        '<rect width="100%" height="100%" fill="#fff"/>'
        f'<rect width="100%" height="100%" fill="url(#paper)"/>{strips}</svg>'
    )


def _strip(
    values: NDArray[np.float64], mm_per_sample: float, number: int, label: str, units: str
) -> str:
    middle = _MARGIN_MM + (number + 0.5) * _STRIP_MM
    scale = _MILLIVOLTS.get(units)
    finite = values[np.isfinite(values)]
    zero = 0.0
    if scale is not None:
        mm_per_unit = scale * _MM_PER_MILLIVOLT
    else:
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        zero = (low + high) / 2
        mm_per_unit = (_STRIP_MM - 4) / (high - low) if high > low else 1.0
    places, shown = _thinned(values)
    x = _MARGIN_MM + places * mm_per_sample
    y = middle - (shown - zero) * mm_per_unit
    text = escape(f"{label} [{units}]" if units else label)
    return (
        f'<text x="{_MARGIN_MM}" y="{middle - _STRIP_MM / 2 + 4:.2f}" font-size="3.5" '
        f'font-family="sans-serif">{text}</text>'
        f'<path d="{_path(x, y)}" fill="none" stroke="#111" stroke-width=".3"/>'
    )


def _thinned(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return places and values; of very many samples the least and greatest of each run."""
    places = np.arange(len(values), dtype=np.float64)
    if len(values) <= _MOST_POINTS:
        return places, values
    run = -(-len(values) * 2 // _MOST_POINTS)
    whole = len(values) // run * run
    runs = values[:whole].reshape(-1, run)
    with np.errstate(invalid="ignore"):
        ends = np.stack((runs.min(axis=1), runs.max(axis=1)), axis=1).ravel()
    return np.repeat(places[:whole:run], 2), ends


def _path(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Return a path that leaves gaps where there is no number."""
    parts = []
    is_down = False
    for across, along in zip(x.tolist(), y.tolist(), strict=True):
        if not np.isfinite(along):
            is_down = False
            continue
        parts.append(f"{'L' if is_down else 'M'}{across:.2f} {along:.2f}")
        is_down = True
    return "".join(parts)
