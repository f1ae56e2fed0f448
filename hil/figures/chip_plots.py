"""Plots of a chip, each a function from arrays to an `<svg>` element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hil.figures import INK, LINE, MUTED, PIXELS, SHADES, Drawing
from hil.plain_text import label

if TYPE_CHECKING:
    from matplotlib.axis import Axis

# The other end of a scale that goes both ways; reads on light and dark, as `PIXELS` does.
ABOVE = "#d97b29"
POINTS = 4000
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


@dataclass(frozen=True)
class QuantileBand:
    """Quantiles of a group of weights over time.

    Attributes:
        label: Its name in the legend.
        low: `(k,)`, the lower quantile.
        middle: `(k,)`, median.
        high: `(k,)`, the upper quantile.
    """

    label: str
    low: NDArray[Any]
    middle: NDArray[Any]
    high: NDArray[Any]


def plot_histogram(
    drawn: NDArray[Any],
    nominal: float,
    density: NDArray[Any] | None,
    quantity: str,
    unit: str,
    parts: str,
) -> str:
    """Draw how often each value was drawn, below the stated distribution, with the nominal value.

    Args:
        drawn: `(n,)`, finite.
        nominal: The value on an ideal chip.
        density: `(2, k)`, values and the stated density at each; None for none.
        quantity: What was drawn.
        unit: Its unit.
        parts: What it was drawn for, in the plural.
    """
    with Drawing(height=200) as drawing:
        axes = drawing.axes
        counts, edges = np.histogram(drawn, 24 if drawn.size < 2000 else 48)
        axes.stairs(counts, edges, fill=True, color=SHADES[0], alpha=0.45)
        if density is not None:
            expected = density[1] * drawn.size * (edges[1] - edges[0])
            axes.plot(density[0], expected, color=SHADES[1], linewidth=1.6)
        axes.axvline(nominal, color=INK, linewidth=1, linestyle=(0, (4, 2)))
        axes.set(ylim=(0, None), ylabel=parts)
        _name_axis(axes.xaxis, quantity, unit)
    return drawing.svg


def plot_neuron_map(values: NDArray[Any], nominal: float, quantity: str, unit: str) -> str:
    """Draw one value of each neuron of a layer, row by row; neurons without one are crossed.

    Args:
        values: `(n,)`, nan where a neuron is dead.
        nominal: The value on an ideal chip, which is the middle of the colours.
        quantity: What it is.
        unit: Its unit.
    """
    from matplotlib.colors import CenteredNorm, LinearSegmentedColormap, to_rgba
    from matplotlib.ticker import MaxNLocator

    with Drawing(height=320) as drawing:
        figure = drawing.figure
        axes, scale = figure.subplots(1, 2, width_ratios=[25, 1])
        columns = int(np.ceil(np.sqrt(values.size)))
        grid = np.full(columns * int(np.ceil(values.size / columns)), np.nan)
        grid[: values.size] = values
        both = [to_rgba(PIXELS), to_rgba(PIXELS, 0), to_rgba(ABOVE, 0), to_rgba(ABOVE)]
        colours = LinearSegmentedColormap.from_list(
            "both", list(zip((0.0, 0.5, 0.5, 1.0), both, strict=True))
        )
        image = axes.imshow(
            grid.reshape(-1, columns),
            cmap=colours,
            norm=CenteredNorm(nominal),
            aspect="auto",
            interpolation="none",
        )
        row, column = np.divmod(np.flatnonzero(np.isnan(values)), columns)
        axes.plot(column, row, "x", color=INK, markersize=4, markeredgewidth=1)
        axes.grid(False)
        axes.set(xlabel=f"neuron, {columns} to a row", ylabel="row")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        for spine in axes.spines.values():
            spine.set(visible=True, color=LINE)
        bar = figure.colorbar(image, cax=scale)
        bar.outline.set_visible(False)
        _name_axis(bar.ax.yaxis, quantity, unit)
    return drawing.svg


def plot_transfer(drives: NDArray[Any], rates: NDArray[Any], ideal: NDArray[Any]) -> str:
    """Draw the rate over the input, of some neurons and of the ideal one.

    Args:
        drives: `(k,)`, in nominal thresholds per step.
        rates: `(k, n)`, in spikes per step.
        ideal: `(k,)`, likewise.
    """
    with Drawing(height=270) as drawing:
        axes = drawing.axes
        lines = axes.plot(drives, rates, color=SHADES[0], linewidth=0.9, alpha=0.6)
        lines[0].set_label("each neuron")
        axes.plot(drives, ideal, color=INK, linewidth=2.2, label="the ideal neuron")
        axes.set(
            xlabel="input, thresholds / step",
            ylabel="rate, spikes / step",
            xlim=(0, drives[-1]),
            ylim=(0, None),
        )
        axes.legend(loc="upper left")
    return drawing.svg


def plot_pulse(
    times: NDArray[Any], traces: NDArray[Any], ideal: NDArray[Any], pulse: tuple[int, int]
) -> str:
    """Draw membranes of some neurons while a current is on, and that of the ideal one.

    Args:
        times: `(k,)`, in steps, of the samples of `traces`.
        traces: `(k, n)`, in nominal thresholds.
        ideal: `(T,)`, likewise, at each step from 1.
        pulse: First and last step of the current.
    """
    with Drawing() as drawing:
        axes = drawing.axes
        axes.axvspan(*pulse, color=LINE, alpha=0.5, linewidth=0)
        axes.axhline(1, color=MUTED, linewidth=1, linestyle=(0, (4, 2)))
        for number, trace in enumerate(traces.T):
            axes.plot(times, trace, color=SHADES[number % len(SHADES)], linewidth=1.1)
        steps = np.arange(1, len(ideal) + 1)
        axes.plot(steps, ideal, color=INK, linewidth=1.8, linestyle=(0, (3, 1.5)))
        axes.set(xlabel="step", ylabel="membrane / threshold", xlim=(0, len(ideal)))
    return drawing.svg


def plot_programmed_weights(
    asked: NDArray[Any], stored: NDArray[Any], realised: NDArray[Any]
) -> str:
    """Draw weights as stored and as transmitted over those asked for.

    Args:
        asked: `(n,)`, ascending.
        stored: `(n,)`, the same cells.
        realised: `(n,)`, likewise.
    """
    with Drawing(height=290) as drawing:
        axes = drawing.axes
        some = slice(None, None, max(1, asked.size // POINTS))
        axes.plot(
            asked[some],
            realised[some],
            "o",
            color=PIXELS,
            alpha=0.4,
            markersize=2,
            markeredgewidth=0,
            rasterized=True,
        )
        # A staircase needs its corners alone.
        corners = np.flatnonzero(np.diff(stored))
        kept = np.unique([0, *corners, *(corners + 1), asked.size - 1])
        if kept.size > POINTS:
            kept = np.array([0, asked.size - 1])
        axes.plot(asked[kept], stored[kept], color=SHADES[1], linewidth=1.2)
        axes.set(xlabel="weight asked / full scale", ylabel="weight / full scale")
    return drawing.svg


def plot_drift(ages: NDArray[Any], bands: Sequence[QuantileBand]) -> str:
    """Draw weights over the time since they were written, on a logarithmic axis.

    Args:
        ages: `(k,)`, in seconds, above 0.
        bands: Weights by what was written.
    """
    from matplotlib.ticker import NullLocator

    with Drawing(height=270) as drawing:
        axes = drawing.axes
        for number, band in enumerate(bands):
            colour = SHADES[number % len(SHADES)]
            axes.fill_between(ages, band.low, band.high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(ages, band.middle, color=colour, label=band.label)
        axes.set(xscale="log", xlim=(ages[0], ages[-1]), ylabel="weight / full scale")
        shown = {n: t for n, t in MOMENTS.items() if 0.99 * ages[0] <= t <= 1.01 * ages[-1]}
        axes.set_xticks(list(shown.values()), list(shown))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("time since the write")
        axes.legend(ncols=len(bands), loc="lower left", bbox_to_anchor=(0, 1))
    return drawing.svg


def format_quantity(value: float, unit: str) -> str:
    """Write a value with its unit to three digits, as the axes do."""
    from matplotlib.ticker import EngFormatter

    rounded = float(f"{value:.3g}")
    if unit in PREFIXED:
        return str(EngFormatter(unit)(rounded))
    return f"{rounded:g} {unit}".strip()


def _name_axis(axis: Axis, quantity: str, unit: str) -> None:
    """Name what an axis shows, with its unit, prefixed where that reads better."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=5))
    if unit in PREFIXED:
        axis.set_major_formatter(EngFormatter(unit))
        unit = ""
    axis.set_label_text(label(f"{quantity}, {unit}" if unit else quantity))
