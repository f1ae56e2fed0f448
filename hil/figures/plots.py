"""Plots of runs and studies, each a function from numbers to an `<svg>` element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hil.figures import BAND, INK, LINE, MUTED, PIXELS, SHADES, WIDTH, Drawing, look_of
from hil.plain_text import label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

LOWEST = -1.5  # membrane shown, in thresholds; what lies lower would flatten all the rest
CURVES = 8  # channels of a signal that are drawn as curves; of more, a map
MARKED = 40  # points of a line up to which each has a mark


@dataclass(frozen=True)
class Line:
    """A curve, of means with their intervals or of single values.

    Attributes:
        x: Places, ascending.
        y: Values.
        label: Its name in the legend; None for none.
        shade: Number of its colour; lines of equal number look equal.
        intervals: Lower and upper bound at each place, None where there is none; empty for none.
    """

    x: Sequence[float]
    y: Sequence[float]
    label: str | None = None
    shade: int = 0
    intervals: Sequence[tuple[float, float] | None] = ()


@dataclass(frozen=True)
class ShareInterval:
    """A share with its confidence interval, as one row of a figure.

    Attributes:
        label: What it is a share of.
        value: In [0, 1].
        interval: Lower and upper bound.
        shade: Number of its colour.
        summary: Whether it sums up others, and is drawn so.
    """

    label: str
    value: float
    interval: tuple[float, float]
    shade: int = 0
    summary: bool = False


@dataclass(frozen=True)
class Cloud:
    """Points of one kind.

    Attributes:
        x: `(n,)`.
        y: `(n,)`.
        label: Their name in the legend.
        shade: Number of their colour.
        has_line: Whether a line goes through them.
    """

    x: Sequence[float]
    y: Sequence[float]
    label: str
    shade: int
    has_line: bool = False


def plot_lines(
    lines: Sequence[Line],
    x: str,
    y: str,
    percent: bool = False,
    ticks: Sequence[str] | None = None,
    heading: str = "",
) -> str:
    """Draw curves, with shaded bands for their intervals.

    Args:
        lines: The curves.
        x: What the horizontal axis shows, with its unit.
        y: What the vertical axis shows.
        percent: Whether that is a share, to be shown in percent.
        ticks: Names of the places 0, 1, ... where these are no numbers.
        heading: What the legend tells apart.
    """
    from matplotlib.ticker import MaxNLocator

    with Drawing() as drawing:
        axes = drawing.axes
        for line in lines:
            look, bands = look_of(line.shade), zip(line.x, line.intervals, strict=False)
            banded = [(place, bounds) for place, bounds in bands if bounds]
            if len(banded) > 1:
                low, high = np.array([bounds for _, bounds in banded]).T
                places = [place for place, _ in banded]
                axes.fill_between(places, low, high, color=look["color"], alpha=0.15, linewidth=0)
            axes.plot(
                line.x,
                line.y,
                marker="o" if len(line.x) <= MARKED else None,
                markersize=3,
                label=None if line.label is None else label(line.label),
                **look,
            )
        axes.set(xlabel=label(x), ylabel=label(y))
        if ticks is not None:
            axes.set_xticks(range(len(ticks)), list(map(label, ticks)))
        else:
            whole = all(float(place).is_integer() for line in lines for place in line.x)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=whole, min_n_ticks=1))
        if percent:
            _show_percent(axes.yaxis)
            low, high = axes.get_ylim()  # the margin may reach beyond what a share can be
            axes.set_ylim(max(low, -0.02), min(high, 1.02))
        if any(line.label is not None for line in lines):
            axes.legend(ncols=2, title=label(heading), title_fontsize=10)
    return drawing.svg


def plot_intervals(rows: Sequence[ShareInterval], quantity: str = "test accuracy") -> str:
    """Draw shares with their intervals, one row each from the top; summaries as diamonds.

    Args:
        rows: The shares.
        quantity: What they are shares of.
    """
    with Drawing(1.5 * WIDTH, 50 + 21 * len(rows)) as drawing:
        axes = drawing.axes
        for place, row in enumerate(rows):
            colour = look_of(row.shade)["color"]
            axes.hlines(place, *row.interval, color=colour, linewidth=3 if row.summary else 1.2)
            marker, size = ("D", 7) if row.summary else ("o", 4.5)
            axes.plot(row.value, place, marker, color=colour, markersize=size)
        axes.set(xlabel=label(quantity))
        _name_rows(axes, [row.label for row in rows])
        _show_percent(axes.xaxis)
    return drawing.svg


def plot_heat_map(
    values: NDArray[np.float64], x: Sequence[str], y: Sequence[str], names: tuple[str, str]
) -> str:
    """Draw a map of shares, each written in its field in percent; empty where there is none.

    Args:
        values: `(len(y), len(x))`, NaN for none.
        x: Levels from left to right.
        y: Levels from top to bottom.
        names: Of the two factors, x first.
    """
    from matplotlib.patches import Rectangle

    with Drawing(max(WIDTH, 90 + 52 * len(x)), 70 + 34 * len(y)) as drawing:
        axes = drawing.axes
        finite = values[np.isfinite(values)]
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
        for row, column in np.ndindex(values.shape):
            value, text = values[row, column], "none"
            if np.isfinite(value):
                strength = float((value - low) / (high - low)) if high > low else 1.0
                corner, tone = (column - 0.5, row - 0.5), 0.8 * strength
                axes.add_patch(Rectangle(corner, 1, 1, color=PIXELS, alpha=tone, linewidth=0))
                text = f"{100 * value:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=INK, fontsize=10)
        axes.set(
            xlim=(-0.5, len(x) - 0.5),
            ylim=(len(y) - 0.5, -0.5),
            xlabel=label(names[0]),
            ylabel=label(names[1]),
        )
        axes.set_xticks(range(len(x)), list(map(label, x)))
        axes.set_yticks(range(len(y)), list(map(label, y)))
        axes.grid(False)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return drawing.svg


def plot_scatter(clouds: Sequence[Cloud], x: str, y: str, percent: bool, heading: str = "") -> str:
    """Draw points in the plane.

    Args:
        clouds: The points, by kind.
        x: What the horizontal axis shows.
        y: What the vertical axis shows.
        percent: Whether that is a share, to be shown in percent.
        heading: What the legend tells apart.
    """
    with Drawing(height=270) as drawing:
        axes = drawing.axes
        for cloud in clouds:
            colour = look_of(cloud.shade)["color"]
            if cloud.has_line:
                axes.plot(cloud.x, cloud.y, color=colour, linewidth=1.2)
            marker, size, alpha = ("o", 5, 1.0) if cloud.has_line else ("x", 4, 0.6)
            look = {"color": colour, "markersize": size, "alpha": alpha}
            axes.plot(cloud.x, cloud.y, marker, label=label(cloud.label), **look)
        axes.set(xlabel=label(x), ylabel=label(y))
        if percent:
            _show_percent(axes.yaxis)
        axes.legend(title=label(heading), title_fontsize=10)
    return drawing.svg


def plot_bars(
    labels: Sequence[str], values: Sequence[float], spans: Sequence[tuple[float, float]]
) -> str:
    """Draw shares of a whole, the largest on top, with the span that each of them had.

    Args:
        labels: What has the share.
        values: Mean shares.
        spans: Smallest and largest share.
    """
    with Drawing(height=60 + 24 * len(labels)) as drawing:
        axes = drawing.axes
        axes.barh(np.arange(len(labels)), values, 0.6, color=SHADES[0], alpha=0.6)
        for place, span in enumerate(spans):
            axes.plot(span, [place, place], color=MUTED, linewidth=2)
        axes.set(xlabel="share of the variance explained")
        _name_rows(axes, labels)
    return drawing.svg


def plot_sample(
    features: NDArray[Any],
    image_shape: tuple[int, ...] | None,
    label: int,
    counts: NDArray[Any],
    raster: NDArray[Any] | None,
) -> str:
    """Draw one sample, and the output spikes that it caused.

    Args:
        features: `(n_features,)` in [0, 1], or a signal `(T', n_channels)`.
        image_shape: `(height, width)` or `(height, width, channels)` where the features are an
            image.
        label: The right class, marked by a band.
        counts: `(C,)` output spikes.
        raster: `(T, C)` output spikes in time, where the device shows them.
    """
    from matplotlib.ticker import MaxNLocator

    with Drawing(height=190) as drawing:
        widths = [1.0, 1.5, 0.8] if raster is not None else [1.0, 2.3]
        sample, *answers = drawing.figure.subplots(1, len(widths), width_ratios=widths)
        _plot_input(sample, features, image_shape)
        for axes in answers:
            axes.axhspan(label - 0.5, label + 0.5, color=BAND, linewidth=0)
            axes.set_ylim(len(counts) - 0.5, -0.5)
            axes.grid(False)
            axes.spines["left"].set_visible(False)
            axes.yaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
        answers[0].set_ylabel("class")
        if raster is not None:
            time, neuron = np.nonzero(raster)
            _plot_strokes(answers[0], time + 1, neuron)
            answers[0].set(xlabel="step", xlim=(0.5, len(raster) + 0.5))
            answers[1].set_yticklabels([])
        first = SHADES[0] if counts.any() else MUTED
        colours = np.where(counts == counts.max(), first, MUTED).tolist()
        answers[-1].barh(np.arange(len(counts)), counts, 0.7, color=colours)
        answers[-1].set(xlabel="spikes", xlim=(0, max(1, counts.max())))
        answers[-1].xaxis.set_major_locator(MaxNLocator(nbins=2, integer=True))
    return drawing.svg


def plot_membranes(traces: NDArray[Any], every: int) -> str:
    """Draw membranes in time, one row a neuron, with the threshold at 1, cut off below `LOWEST`.

    Args:
        traces: `(T', k)` in thresholds.
        every: Steps between two samples.
    """
    from matplotlib.ticker import MaxNLocator

    neurons = traces.shape[1]
    with Drawing(height=50 + 54 * neurons) as drawing:
        figure = drawing.figure
        rows = figure.subplots(neurons, 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        time = every * np.arange(1, len(traces) + 1)
        for axes, trace in zip(rows, traces.T, strict=True):
            axes.axhline(1, color=SHADES[1], linewidth=1, linestyle=(0, (4, 2)))
            axes.plot(time, trace, color=SHADES[0], linewidth=1.4)
            above = trace >= 1
            axes.plot(time[above], trace[above], "o", color=SHADES[1], markersize=3)
            axes.grid(False)
            axes.spines["bottom"].set_color(LINE)
            axes.tick_params(bottom=False)
            axes.set_yticks([0, 1])
        rows[0].set_ylim(max(LOWEST, min(0, traces.min())) - 0.1, max(1, traces.max()) + 0.2)
        rows[-1].set_xlabel("step")
        rows[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.supylabel("membrane / threshold", fontsize=11, color=MUTED)
    return drawing.svg


def plot_weights(asked: NDArray[Any], stored: NDArray[Any]) -> str:
    """Draw weights that a device stored over those it was asked for, and their distribution.

    Args:
        asked: `(n,)`.
        stored: `(n,)`, the same cells.
    """
    with Drawing(height=260) as drawing:
        cloud, spread = drawing.figure.subplots(1, 2, width_ratios=[3, 1], sharey=True)
        ends = [min(asked.min(), stored.min()), max(asked.max(), stored.max())]
        cloud.plot(ends, ends, color=MUTED, linewidth=1)
        cloud.plot(
            asked, stored, "o", color=PIXELS, alpha=0.35, markersize=2, mew=0, rasterized=True
        )
        cloud.set(xlabel="asked", ylabel="stored")
        levels, cells = np.unique(stored, return_counts=True)
        if len(levels) > 256:
            cells, edges = np.histogram(stored, 80)
            levels = (edges[1:] + edges[:-1]) / 2
        spread.hlines(levels, 0, 100 * cells / stored.size, color=SHADES[0], linewidth=1)
        spread.set(xlabel="% of cells", xlim=(0, None))
        spread.grid(False)
    return drawing.svg


def _show_percent(axis: Axis) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=None))


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Give each row of a figure its name, from the top."""
    axes.set_yticks(range(len(names)), list(map(label, names)), color=INK)
    axes.set(ylim=(len(names) - 0.5, -0.5))
    axes.grid(False, axis="y")


def _plot_input(axes: Axes, features: NDArray[Any], image_shape: tuple[int, ...] | None) -> None:
    """Draw a sample: an image, the curves of a signal or, of many channels, its map, or bars."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgba
    from matplotlib.ticker import MaxNLocator

    ink = LinearSegmentedColormap.from_list("ink", [to_rgba(PIXELS, 0), to_rgba(PIXELS)])
    axes.grid(False)
    if image_shape is not None:
        image = features.reshape(image_shape)
        if image.ndim == 3:  # red, green and blue where it has them, else the mean channel
            image = image[..., :3] if image.shape[2] in (3, 4) else image.mean(axis=2)
        axes.imshow(image, cmap=ink, vmin=0, vmax=1, interpolation="none")
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(visible=True, color=LINE)
        return
    if features.ndim == 1:
        axes.bar(np.arange(len(features)), features, color=SHADES[0])
        axes.set(xlabel="feature", ylim=(0, 1))
    elif features.shape[1] <= CURVES:
        for channel, curve in enumerate(features.T):
            axes.plot(np.arange(1, len(curve) + 1), curve, linewidth=1.2, **look_of(channel))
        axes.set(xlabel="step of the signal", ylim=(0, max(1, features.max())))
    else:
        steps, channels = features.shape
        extent = (0.5, steps + 0.5, channels - 0.5, -0.5)
        axes.imshow(
            features.T, cmap=ink, vmin=0, aspect="auto", interpolation="none", extent=extent
        )
        axes.set(xlabel="step of the signal", ylabel="channel")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))


def _plot_strokes(axes: Axes, x: NDArray[Any], rows: NDArray[Any]) -> None:
    """Draw short upright strokes, as one path: thousands of spikes stay small."""
    gap = np.full(len(x), np.nan)
    axes.plot(
        np.stack([x, x, gap], axis=1).ravel(),
        np.stack([rows - 0.38, rows + 0.38, gap], axis=1).ravel(),
        color=INK,
        linewidth=1.2,
        solid_capstyle="butt",
    )
