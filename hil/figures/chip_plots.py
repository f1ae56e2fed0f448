"""Plots of a chip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.figures.plots import Line, draw_cloud, draw_lines
from hil.figures.svg import (
    BLUE,
    INK,
    LINE,
    MUTED,
    ORANGE,
    SHADES,
    Axis,
    Figure,
    Panel,
    format_si,
    shade_pixels,
)

CORNERS = 4000  # of a staircase, at most
PREFIXED = ("s", "V", "A", "Hz")
MOMENTS = {
    "1 ms": 1e-3,
    "1 s": 1.0,
    "1 min": 60.0,
    "1 h": 3600.0,
    "1 day": 86400.0,
    "1 month": 2.63e6,
    "1 year": 3.156e7,
}


def plot_histogram(
    drawn: NDArray[Any],
    nominal: float,
    density: NDArray[Any] | None,
    quantity: str,
    unit: str,
    parts: str,
) -> Figure:
    """Draw how often each value was drawn, below the stated distribution, with the nominal value.

    Args:
        drawn: `(n,)`, finite.
        nominal: The value on an ideal chip.
        density: `(2, k)`, values and the stated density at each; None for none.
        quantity: What was drawn.
        unit: Its unit.
        parts: What it was drawn for, in the plural.
    """
    panel = Panel(_name_axis(quantity, unit), Axis(parts, low=0))
    counts, edges = np.histogram(drawn, 24 if drawn.size < 2000 else 48)
    panel.fill_boxes((edges[:-1], edges[1:]), (0, counts), SHADES[0], 0.45)
    if density is not None:
        expected = density[1] * drawn.size * (edges[1] - edges[0])
        panel.draw_line(density[0], expected, SHADES[1], width=1.6)
    panel.draw_segments((nominal, nominal), (-np.inf, np.inf), INK, dash="4 2")
    return Figure([panel], height=200)


def plot_neuron_map(
    values: NDArray[Any], nominal: float, quantity: str, unit: str, part: str = "neuron"
) -> Figure:
    """Draw one value of each neuron of a layer, row by row; neurons without one are crossed.

    Args:
        values: `(n,)`, nan where a neuron is dead.
        nominal: The value on an ideal chip, which is the middle of the colours.
        quantity: What it is.
        unit: Its unit.
        part: What has a value.
    """
    columns = int(np.ceil(np.sqrt(values.size)))
    rows = int(np.ceil(values.size / columns))
    grid = np.full(rows * columns, np.nan)
    grid[: values.size] = values
    panel = Panel(
        Axis(f"{part}, {columns} to a row", -0.5, columns - 0.5, most=5, is_whole=True),
        Axis("row", rows - 0.5, -0.5, most=5, is_whole=True),
    )
    panel.x.has_grid = panel.y.has_grid = False
    furthest = float(np.nanmax(np.abs(values - nominal), initial=0)) or 1.0
    shares = (grid.reshape(rows, columns) - nominal) / furthest
    panel.draw_image(_shade_both_ways(shares), (-0.5, columns - 0.5), (-0.5, rows - 0.5))
    row, column = np.divmod(np.flatnonzero(np.isnan(values)), columns)
    panel.draw_points(column, row, INK, shape="cross")
    ends = nominal - furthest, nominal + furthest
    scale = Panel(Axis(ticks={}), _name_axis(quantity, unit, *ends))
    scale.y.has_grid = scale.x.has_line = False
    tones = _shade_both_ways(np.linspace(1, -1, 101)[:, None])
    scale.draw_image(tones, (0, 1), ends[::-1])
    return Figure([panel, scale], widths=[6, 1], height=320)


def _shade_both_ways(shares: NDArray[Any]) -> NDArray[np.uint8]:
    """Make pixels of shares from -1, blue, by 0, clear, to 1, orange."""
    above = shade_pixels(shares, ORANGE)
    return np.where((shares > 0)[..., None], above, shade_pixels(-shares, BLUE)).astype(np.uint8)


def plot_transfer(drives: NDArray[Any], rates: NDArray[Any], ideal: NDArray[Any]) -> Figure:
    """Draw the rate over the input, of some neurons and of the ideal one.

    Args:
        drives: `(k,)`, in nominal thresholds per step.
        rates: `(k, n)`, in spikes per step.
        ideal: `(k,)`, likewise.
    """
    limits = 0.0, float(drives[-1])
    panel = Panel(Axis("input, thresholds / step", *limits), Axis("rate, spikes / step", low=0))
    for neuron, curve in enumerate(rates.T):
        name = None if neuron else "each neuron"
        panel.draw_line(drives, curve, SHADES[0], width=0.9, opacity=0.6, label=name)
    panel.draw_line(drives, ideal, INK, width=2.2, label="the ideal neuron")
    return Figure([panel], height=270)


def plot_pulse(
    times: NDArray[Any], traces: NDArray[Any], ideal: NDArray[Any], pulse: tuple[int, int]
) -> Figure:
    """Draw membranes of some neurons while a current is on, and that of the ideal one.

    Args:
        times: `(k,)`, in steps, of the samples of `traces`.
        traces: `(k, n)`, in nominal thresholds.
        ideal: `(T,)`, likewise, at each step from 1.
        pulse: First and last step of the current.
    """
    panel = Panel(Axis("step", 0, len(ideal)), Axis("membrane / threshold"))
    panel.fill_boxes(pulse, (-np.inf, np.inf), LINE, 0.5)
    panel.draw_segments((-np.inf, np.inf), (1, 1), MUTED, dash="4 2")
    for number, trace in enumerate(traces.T):
        panel.draw_line(times, trace, SHADES[number % len(SHADES)], width=1.1)
    panel.draw_line(np.arange(1, len(ideal) + 1), ideal, INK, dash="5 2.5")
    return Figure([panel])


def plot_programmed_weights(
    asked: NDArray[Any], stored: NDArray[Any], realised: NDArray[Any]
) -> Figure:
    """Draw weights as stored and as transmitted over those asked for.

    Args:
        asked: `(n,)`, ascending.
        stored: `(n,)`, the same cells.
        realised: `(n,)`, likewise.
    """
    panel = Panel(Axis("weight asked / full scale"), Axis("weight / full scale"))
    draw_cloud(panel, asked, realised)
    # A staircase needs its corners alone.
    before = np.flatnonzero(np.diff(stored))
    corners = np.unique([0, *before, *(before + 1), asked.size - 1])
    if corners.size > CORNERS:
        corners = np.array([0, asked.size - 1])
    panel.draw_line(asked[corners], stored[corners], SHADES[1], width=1.2)
    return Figure([panel], height=290)


def plot_drift(lines: Sequence[Line]) -> Figure:
    """Draw weights over the time since they were written, on a logarithmic axis.

    Args:
        lines: Medians with quantiles, by what was written; all over the same times in seconds,
            above 0.
    """
    first, last = lines[0].x[0], lines[0].x[-1]
    moments = {t: text for text, t in MOMENTS.items() if 0.99 * first <= t <= 1.01 * last}
    axis = Axis("time since the write", first, last, moments, is_log=True)
    panel = Panel(axis, Axis("weight / full scale"))
    draw_lines(panel, lines)
    return Figure([panel], height=270)


def format_quantity(value: float, unit: str) -> str:
    """Write a value with its unit to three digits, as the axes do."""
    rounded = float(f"{value:.3g}")
    return format_si(rounded, unit) if unit in PREFIXED else f"{rounded:g} {unit}".strip()


def _name_axis(
    quantity: str, unit: str, low: float | None = None, high: float | None = None
) -> Axis:
    """An axis with what it shows, and its unit: at the ticks where it has a prefix."""
    if unit in PREFIXED:
        return Axis(quantity, low, high, most=5, unit=unit)
    return Axis(f"{quantity}, {unit}" if unit else quantity, low, high, most=5)
