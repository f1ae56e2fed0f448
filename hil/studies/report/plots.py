"""The plots of studies, each a function from numbers to SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.reports.plain_text import label
from hil.reports.plots import look
from hil.reports.svg import INK, MUTED, PIXELS, SHADES, WIDTH, canvas, export, style


@dataclass(frozen=True)
class CurveWithInterval:
    """A curve of means with their intervals.

    Attributes:
        x: Places, ascending.
        y: Means.
        intervals: Lower and upper bound at each place; None where there is none.
        label: Its name in the legend.
        shade: Number of its colour.
    """

    x: Sequence[float]
    y: Sequence[float]
    intervals: Sequence[tuple[float, float] | None]
    label: str
    shade: int


def line_plot(
    lines: Sequence[CurveWithInterval],
    x: str,
    y: str,
    percent: bool,
    ticks: Sequence[str] | None = None,
    heading: str = "",
) -> str:
    """Curves of means, with shaded bands for their intervals.

    Args:
        lines: The curves.
        x: What the horizontal axis shows, with its unit.
        y: What the vertical axis shows.
        percent: Whether that is a share, to be shown in percent.
        ticks: Names of the places 0, 1, ... where these are no numbers.
        heading: What the legend tells apart.

    Returns:
        An `<svg>` element.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    with style():
        figure = canvas()
        axes = figure.subplots()
        for line in lines:
            shown = look(line.shade)
            known = [(a, b) for a, b in zip(line.x, line.intervals, strict=True) if b]
            if len(known) > 1:
                low, high = np.array([b for _, b in known]).T
                axes.fill_between(
                    [a for a, _ in known], low, high, color=shown["color"], alpha=0.15, linewidth=0
                )
            axes.plot(line.x, line.y, marker="o", markersize=3, label=label(line.label), **shown)
        axes.set(xlabel=label(x), ylabel=label(y))
        if ticks is not None:
            axes.set_xticks(range(len(ticks)), list(map(label, ticks)))
        else:
            whole = all(float(place).is_integer() for line in lines for place in line.x)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=whole))
        if percent:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
            low, high = axes.get_ylim()  # the margin may reach beyond what a share can be
            axes.set_ylim(max(low, -0.02), min(high, 1.02))
        axes.legend(ncols=2, title=label(heading), title_fontsize=10)
        return export(figure)


def heat(
    values: NDArray[np.float64], x: Sequence[str], y: Sequence[str], names: tuple[str, str]
) -> str:
    """A map of shares, each written in its field in percent; empty where there is none.

    Args:
        values: `(len(y), len(x))`, NaN for none.
        x: Levels from left to right.
        y: Levels from top to bottom.
        names: Of the two factors, x first.

    Returns:
        An `<svg>` element.
    """
    from matplotlib.patches import Rectangle

    with style():
        figure = canvas(width=max(WIDTH, 90 + 52 * len(x)), height=70 + 34 * len(y))
        axes = figure.subplots()
        known = values[np.isfinite(values)]
        low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
        for row, column in np.ndindex(values.shape):
            value = values[row, column]
            if np.isfinite(value):
                strength = float((value - low) / (high - low)) if high > low else 1.0
                corner, tone = (column - 0.5, row - 0.5), 0.8 * strength
                axes.add_patch(Rectangle(corner, 1, 1, color=PIXELS, alpha=tone, linewidth=0))
                text = f"{100 * value:.0f}"
            else:
                text = "none"
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
        return export(figure)


@dataclass(frozen=True)
class Cloud:
    """Points of one kind.

    Attributes:
        x: `(n,)`.
        y: `(n,)`.
        label: Their name in the legend.
        shade: Number of their colour.
        joined: Whether a line goes through them.
    """

    x: Sequence[float]
    y: Sequence[float]
    label: str
    shade: int
    joined: bool = False


def scatter(clouds: Sequence[Cloud], x: str, y: str, percent: bool, heading: str = "") -> str:
    """Points in the plane.

    Args:
        clouds: The points, by kind.
        x: What the horizontal axis shows.
        y: What the vertical axis shows.
        percent: Whether that is a share, to be shown in percent.
        heading: What the legend tells apart.

    Returns:
        An `<svg>` element.
    """
    from matplotlib.ticker import PercentFormatter

    with style():
        figure = canvas(height=270)
        axes = figure.subplots()
        for cloud in clouds:
            colour = look(cloud.shade)["color"]
            if cloud.joined:
                axes.plot(cloud.x, cloud.y, color=colour, linewidth=1.2)
            axes.plot(
                cloud.x,
                cloud.y,
                "o" if cloud.joined else "x",
                color=colour,
                markersize=5 if cloud.joined else 4,
                alpha=1.0 if cloud.joined else 0.6,
                label=label(cloud.label),
            )
        axes.set(xlabel=label(x), ylabel=label(y))
        if percent:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        axes.legend(title=label(heading), title_fontsize=10)
        return export(figure)


def bars(
    labels: Sequence[str], values: Sequence[float], spans: Sequence[tuple[float, float]]
) -> str:
    """Shares of a whole, the largest on top, with the span that each of them had.

    Args:
        labels: What has the share.
        values: Mean shares.
        spans: Smallest and largest share.

    Returns:
        An `<svg>` element.
    """
    with style():
        figure = canvas(height=60 + 24 * len(labels))
        axes = figure.subplots()
        places = np.arange(len(labels))
        axes.barh(places, values, 0.6, color=SHADES[0], alpha=0.6)
        for place, (low, high) in enumerate(spans):
            axes.plot([low, high], [place, place], color=MUTED, linewidth=2)
        axes.set_yticks(places, list(map(label, labels)), color=INK)
        axes.set(ylim=(len(labels) - 0.5, -0.5), xlabel="share of the variance explained")
        axes.grid(False, axis="y")
        return export(figure)
