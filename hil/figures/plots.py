"""Plots of runs and studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hil.figures.svg import (
    BAND,
    HEIGHT,
    INK,
    LINE,
    MUTED,
    ORANGE,
    SHADES,
    WIDTH,
    Axis,
    Figure,
    Panel,
    look_of,
    shade_pixels,
)

LOWEST = -1.5  # membrane shown, in thresholds; what lies lower would flatten all the rest
CURVES = 8  # channels of a signal that are drawn as curves; of more, a map
MARKED = 40  # points of a line below which each has a mark
FIELDS = 90  # of a cloud of points along each axis, as an image
NAMED, LONGEST = 12, 12  # classes that an axis names, and characters of a name
DIRECT = 4  # curves of a plot above which each has its name at its end, no legend and no band
SQUEEZED, FEW_ERRORS = 0.85, 0.8  # of the range of shares, and the share, that half are above
LEAST_SPAN = 0.05  # of shares from the clear to the full colour of a map
STROKE = 0.38  # half the length of the stroke of a spike, in rows


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
        points: Those others, each a faint dot.
    """

    label: str
    value: float
    interval: tuple[float, float]
    shade: int = 0
    summary: bool = False
    points: Sequence[float] = ()


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
    log: bool = False,
) -> Figure:
    """Draw curves, with shaded bands for their intervals; of many, one interval each, side by side.

    Args:
        lines: The curves.
        x: What the horizontal axis shows, with its unit.
        y: What the vertical axis shows.
        percent: Whether that is a share, to be shown in percent.
        ticks: Names of the places 0, 1, ... where these are no numbers.
        heading: What the legend tells apart.
        log: Whether the horizontal axis is logarithmic.
    """
    is_whole = not log and all(float(place).is_integer() for line in lines for place in line.x)
    names = None if ticks is None else _number_names(ticks)
    low = min(place for line in lines for place in line.x) / 1.2 if log else None
    across = Axis(x, low, is_whole=is_whole, is_log=log, ticks=names)
    values = [value for line in lines for value in line.y]
    panel = Panel(across, _make_share_axis(y, values) if percent else Axis(y), heading)
    named = sum(line.label is not None for line in lines)
    panel.has_legend = named <= DIRECT
    draw_lines(panel, lines)
    if percent and not panel.y.is_error:  # the margin may reach beyond what a share can be
        low, high = panel.y.limits()
        panel.y.low, panel.y.high = max(low, -0.02), min(high, 1.02)
    if panel.has_legend:
        return Figure([panel])
    return Figure([panel], width=1.2 * WIDTH, height=max(1.2 * HEIGHT, 60 + 12 * named))


def _make_share_axis(label: str, values: Sequence[float]) -> Axis:
    """An axis of shares: of their errors, where else a low one would squeeze the rest."""
    low, middle, high = np.quantile(values, (0, 0.5, 1)) if len(values) else (0.0, 0.0, 1.0)
    if len(values) < 5 or middle < max(FEW_ERRORS, low + SQUEEZED * (high - low)):
        return Axis(label, unit="%")
    ends = max(0.0, low - 0.1), 1 - max(1 - high, 1e-3) / 1.5
    return Axis(f"{label} (scale of errors)", *ends, unit="%", is_error=True)


def draw_lines(panel: Panel, lines: Sequence[Line]) -> None:
    """Draw curves with their intervals."""
    for number, line in enumerate(lines):
        colour, dash = look_of(line.shade)
        bands = zip(line.x, line.intervals, strict=False)
        bounded = [(place, *bounds) for place, bounds in bands if bounds]
        if len(lines) > DIRECT and bounded:  # bands of so many would hide each other
            place, *ends = bounded[(2 * number + 1) * len(bounded) // (2 * len(lines))]
            panel.draw_segments(((place,), (place,)), ((ends[0],), (ends[1],)), colour, width=1.5)
        elif len(bounded) > 1:
            places, low, high = np.array(bounded).T
            outline = np.concatenate([low, high[::-1]])
            panel.fill(np.concatenate([places, places[::-1]]), outline, colour, 0.15)
        panel.draw_line(line.x, line.y, colour, dash=dash, label=line.label)
        if len(line.x) < MARKED:
            panel.draw_points(line.x, line.y, colour)


def plot_intervals(
    rows: Sequence[ShareInterval],
    quantity: str = "test accuracy",
    width: float = 1.5 * WIDTH,
    all_rows: Sequence[ShareInterval] = (),
) -> Figure:
    """Draw shares with their intervals, one row each from the top; summaries as diamonds.

    Args:
        rows: The shares.
        quantity: What they are shares of.
        width: Of the figure, in pixels.
        all_rows: Those of all figures that are to have the same axis.
    """
    panel = Panel(_make_share_axis(quantity, [row.value for row in all_rows or rows]))
    panel.y = _name_rows([row.label for row in rows])
    if not panel.x.is_error:
        panel.x.include([end for row in all_rows for end in (*row.interval, *row.points)])
    for place, row in enumerate(rows):
        colour = look_of(row.shade)[0]
        above = [place - 0.3] * len(row.points)
        panel.draw_points(row.points, above, colour, size=3, opacity=0.6)
        stroke = 3.0 if row.summary else 1.2
        panel.draw_segments(row.interval, (place, place), colour, width=stroke)
        panel.draw_points(
            row.value, place, colour, shape="diamond" if row.summary else "dot", size=4.5
        )
    return Figure([panel], width=width, height=50 + 21 * len(rows))


def plot_heat_map(
    values: NDArray[np.float64], x: Sequence[str], y: Sequence[str], names: tuple[str, str]
) -> Figure:
    """Draw a map of shares, each written in its field in percent; empty where there is none.

    Args:
        values: `(len(y), len(x))`, NaN for none.
        x: Levels from left to right.
        y: Levels from top to bottom.
        names: Of the two factors, x first.
    """
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    low = min(low, high - LEAST_SPAN)  # what hardly differs hardly differs in colour
    rows = _name_rows(y, names[1])
    rows.has_line = False
    columns = Axis(names[0], -0.5, len(x) - 0.5, _number_names(x), has_grid=False, has_line=False)
    panel = Panel(columns, rows)
    for row, column in np.ndindex(values.shape):
        value, text = values[row, column], "none"
        if np.isfinite(value):
            strength = float((value - low) / (high - low))
            edges = (column - 0.5, column + 0.5), (row - 0.5, row + 0.5)
            panel.fill_boxes(*edges, SHADES[0], 0.7 * strength)
            text = f"{100 * value:.0f}"
        panel.write(column, row, text)
    return Figure([panel], width=max(WIDTH, 90 + 52 * len(x)), height=70 + 34 * len(y))


def plot_scatter(
    clouds: Sequence[Cloud], x: str, y: str, percent: bool, heading: str = "", log: bool = False
) -> Figure:
    """Draw points in the plane.

    Args:
        clouds: The points, by kind.
        x: What the horizontal axis shows.
        y: What the vertical axis shows.
        percent: Whether that is a share, to be shown in percent.
        heading: What the legend tells apart.
        log: Whether the horizontal axis is logarithmic.
    """
    low = min(place for cloud in clouds for place in cloud.x) / 1.2 if log else None
    values = [value for cloud in clouds for value in cloud.y]
    up = _make_share_axis(y, values) if percent else Axis(y)
    panel = Panel(Axis(x, low, is_log=log), up, heading)
    for cloud in clouds:
        colour, _ = look_of(cloud.shade)
        if cloud.has_line:
            panel.draw_line(cloud.x, cloud.y, colour, width=1.2)
            shape: Literal["dot", "diamond"] = "diamond" if cloud.shade >= len(SHADES) else "dot"
            panel.draw_points(cloud.x, cloud.y, colour, shape=shape, size=5, label=cloud.label)
        else:
            panel.draw_points(
                cloud.x, cloud.y, colour, shape="cross", opacity=0.7, label=cloud.label
            )
    return Figure([panel], height=270)


def plot_sample(
    features: NDArray[Any],
    image_shape: tuple[int, ...] | None,
    label: int,
    counts: NDArray[Any],
    raster: NDArray[Any] | None,
    names: Sequence[str] = (),
) -> Figure:
    """Draw one sample, and the output spikes that it caused.

    Args:
        features: `(n_features,)` in [0, 1], or a signal `(T', n_channels)`.
        image_shape: `(height, width)` or `(height, width, channels)` where the features are an
            image; of events `(polarities, height, width)`.
        label: The right class, marked by a band.
        counts: `(C,)` output spikes.
        raster: `(T, C)` output spikes in time, where the device shows them.
        names: Names of the classes; their numbers where there are none.
    """
    answers = []
    classes, neurons = len(counts), np.arange(len(counts))
    if raster is not None:
        answers.append(Panel(Axis("step", 0.5, len(raster) + 0.5, most=4, is_whole=True)))
    spikes = Axis("spikes", 0, max(1, counts.max()), most=2, is_whole=True)
    answers.append(Panel(spikes))
    for panel in answers:
        panel.x.has_grid = False
        panel.y = Axis("", classes - 0.5, -0.5, most=10, is_whole=True)
        panel.y.has_grid = panel.y.has_line = False
        panel.fill_boxes((-np.inf, np.inf), (label - 0.5, label + 0.5), BAND)
    answers[0].y.label = "class"
    if names and classes <= NAMED:
        answers[0].y.ticks = {float(number): name[:LONGEST] for number, name in enumerate(names)}
    if raster is not None:
        answers[-1].y.ticks = {}
        time, neuron = np.nonzero(raster)
        ends = neuron - STROKE, neuron + STROKE
        answers[0].draw_segments((time + 1, time + 1), ends, INK, width=1.2)
    is_most = counts == (counts.max() or -1)
    for some, colour in ((is_most, SHADES[0]), (~is_most, MUTED)):
        rows = neurons[some]
        answers[-1].fill_boxes((0, counts[some]), (rows - 0.35, rows + 0.35), colour)
    widths = (1.0, 1.5, 0.8) if raster is not None else (1.0, 2.3)
    sample = _plot_input(features, image_shape)
    return Figure([sample, *answers], widths=widths, height=190)


def plot_membranes(traces: NDArray[Any], every: int) -> Figure:
    """Draw membranes in time, one row a neuron, with the threshold at 1, cut off below `LOWEST`.

    Args:
        traces: `(T', k)` in thresholds.
        every: Steps between two samples.
    """
    neurons = traces.shape[1]
    low, high = max(LOWEST, min(0, traces.min())) - 0.1, max(1, traces.max()) + 0.2
    # Each neuron has a row of one axis, with some space above it.
    row = 1.1 * (high - low)
    bases = row * np.arange(neurons)[::-1] - low
    ticks = {float(base + level): str(level) for base in bases for level in (0, 1)}
    rows = Axis("membrane / threshold", 0, neurons * row, ticks, has_grid=False)
    panel = Panel(Axis("step", is_whole=True, has_grid=False), rows)
    time = every * np.arange(1, len(traces) + 1)
    for base, trace in zip(bases, traces.T, strict=True):
        ends = (-np.inf, np.inf)
        panel.draw_segments(ends, (base + low, base + low), LINE)
        panel.draw_segments(ends, (base + 1, base + 1), SHADES[1], dash="4 2")
        x, y = cut_below(time, trace, low)
        panel.draw_line(x, base + y, SHADES[0], width=1.4)
        above = trace >= 1
        panel.draw_points(time[above], base + trace[above], SHADES[1], size=3.5)
    return Figure([panel], height=50 + 54 * neurons)


def cut_below(
    x: NDArray[Any], y: NDArray[Any], low: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cut off what lies below a value of a curve; it goes as far as there, and is nan below."""
    x, y = x.astype(float), y.astype(float)
    before = np.flatnonzero(np.diff(y < low))
    share = (low - y[before]) / (y[before + 1] - y[before])
    x = np.insert(x, before + 1, x[before] + share * (x[before + 1] - x[before]))
    y = np.insert(y, before + 1, low)
    return x, np.where(y < low, np.nan, y)


def plot_weights(asked: NDArray[Any], stored: NDArray[Any]) -> Figure:
    """Draw weights that a device stored over those it was asked for, and their distribution.

    Args:
        asked: `(n,)`.
        stored: `(n,)`, the same cells.
    """
    low, high = min(asked.min(), stored.min()), max(asked.max(), stored.max())
    cloud = Panel(Axis("asked"), Axis("stored"))
    cloud.draw_line([low, high], [low, high], MUTED, width=1)
    draw_cloud(cloud, asked, stored)
    levels, cells = np.unique(stored, return_counts=True)
    if len(levels) > 256:
        cells, edges = np.histogram(stored, 80)
        levels = (edges[1:] + edges[:-1]) / 2
    spread = Panel(Axis("% of cells", low=0, most=3, has_grid=False))
    spread.y = Axis("", *cloud.y.limits(), ticks={})
    spread.draw_segments((0, 100 * cells / stored.size), (levels, levels), SHADES[0])
    return Figure([cloud, spread], widths=(3, 1), height=260)


def draw_cloud(panel: Panel, x: NDArray[Any], y: NDArray[Any]) -> None:
    """Draw many points as an image: the more of them lie in a field, the less it lets through."""
    ends = [(float(side.min()), float(side.max())) for side in (x, y)]
    # Half a field further, so that each is drawn about its points; never of no width.
    halves = [(high - low) / FIELDS / 2 or 1e-6 for low, high in ends]
    (left, right), (low, high) = (
        (low - half, high + half) for (low, high), half in zip(ends, halves, strict=True)
    )
    fields, _, _ = np.histogram2d(y, x, FIELDS, ((low, high), (left, right)))
    panel.draw_image(shade_pixels(1 - 0.6**fields)[::-1], (left, right), (high, low))


def _name_rows(names: Sequence[str], label: str = "") -> Axis:
    """An axis of rows with names, from the top."""
    return Axis(label, len(names) - 0.5, -0.5, _number_names(names), has_grid=False)


def _number_names(names: Sequence[str]) -> dict[float, str]:
    """Names as ticks at 0, 1, ..."""
    return {float(number): name for number, name in enumerate(names)}


def _plot_input(features: NDArray[Any], image_shape: tuple[int, ...] | None) -> Panel:
    """Plot a sample: an image, the curves of a signal or, of many channels, its map, or bars."""
    panel = Panel(Axis(most=4, is_whole=True, has_grid=False), Axis(has_grid=False))
    if image_shape is not None:
        pixels = _make_pixels(features, image_shape)
        panel.aspect = pixels.shape[0] / pixels.shape[1]
        for axis in (panel.x, panel.y):
            axis.low, axis.high, axis.ticks, axis.has_line = 0, 1, {}, False
        panel.draw_image(pixels, (0, 1), (1, 0))
        if features.ndim == 2:  # four images
            panel.draw_segments(((0, 0.5), (1, 0.5)), ((0.5, 0), (0.5, 1)), LINE)
        panel.draw_line([0, 1, 1, 0, 0], [0, 0, 1, 1, 0], LINE, width=1)
    elif features.ndim == 1:
        places = np.arange(len(features))
        panel.x.label, panel.y.low, panel.y.high = "feature", 0, 1
        panel.fill_boxes((places - 0.4, places + 0.4), (0, features), SHADES[0])
    elif features.shape[1] <= CURVES:
        panel.x.label, panel.y.low, panel.y.high = "step of the signal", 0, max(1, features.max())
        steps = np.arange(1, len(features) + 1)
        for channel, curve in enumerate(features.T):
            colour, dash = look_of(channel)
            panel.draw_line(steps, curve, colour, dash=dash, width=1.2)
    else:
        steps, channels = features.shape
        panel.x = Axis("step of the signal", 0.5, steps + 0.5, most=4, is_whole=True)
        panel.y = Axis("channel", channels - 0.5, -0.5, most=5, is_whole=True)
        panel.x.has_grid = panel.y.has_grid = False
        opacity = features.T / (features.max() or 1)
        panel.draw_image(shade_pixels(opacity), (0.5, steps + 0.5), (-0.5, channels - 0.5))
    return panel


def _make_pixels(features: NDArray[Any], image_shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Make the pixels of an image `(n,)`, or of events `(T', n)`."""
    if features.ndim == 2:
        return _lay_out_events(features, image_shape)
    image = features.reshape(image_shape)
    if image.ndim == 3 and image.shape[2] in (3, 4):  # red, green and blue where it has them
        opaque = np.ones((*image.shape[:2], 1))
        tones: NDArray[Any] = 255 * np.concatenate([image[..., :3], opaque], axis=2)
        return np.asarray(tones, np.uint8)
    return shade_pixels(image if image.ndim == 2 else image.mean(axis=2))  # else the mean channel


def _lay_out_events(features: NDArray[Any], sides: tuple[int, ...]) -> NDArray[np.uint8]:
    """Lay out events `(T', n)` as four images of their counts, one for each quarter of the time.

    Orange is where most are of the second polarity.
    """
    quarters = np.array_split(features.reshape(len(features), *sides), 4)
    counts = np.stack([quarter.sum(axis=0) for quarter in quarters])
    polarities, height, width = sides
    grid = counts.reshape(2, 2, *sides).transpose(2, 0, 3, 1, 4)
    grid = grid.reshape(polarities, 2 * height, 2 * width)
    opacity = grid.sum(axis=0) / (grid.sum(axis=0).max() or 1)
    is_second = (grid[-1] > grid[0])[..., None]
    tones = np.where(is_second, shade_pixels(opacity, ORANGE), shade_pixels(opacity))
    return tones.astype(np.uint8)
