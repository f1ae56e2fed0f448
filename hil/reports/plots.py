"""The figures of the reports, each a function from arrays to SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hil.reports.plain_text import label
from hil.reports.svg import BAND, INK, LINE, MUTED, PIXELS, SHADES, WIDTH, canvas, export, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOWEST = -1.5  # membrane shown, in thresholds; what lies lower would flatten all the rest
CURVES = 8  # channels of a signal that are drawn as curves; of more, a map


@dataclass(frozen=True)
class Curve:
    """One value per epoch.

    Attributes:
        values: From epoch 1 on.
        label: Its name in the legend; None for none.
        shade: Number of its colour; curves of equal number look equal.
    """

    values: Sequence[float]
    label: str | None = None
    shade: int = 0


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


def curves(lines: Sequence[Curve], quantity: str, percent: bool = False) -> str:
    """Curves over epochs.

    Args:
        lines: The curves.
        quantity: What they show, with its unit.
        percent: Whether they are shares to show in percent.

    Returns:
        An `<svg>` element.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    with style():
        figure = canvas()
        axes = figure.subplots()
        for line in lines:
            axes.plot(
                range(1, len(line.values) + 1),
                line.values,
                label=None if line.label is None else label(line.label),
                marker="o" if len(line.values) <= 40 else None,
                markersize=2.5,
                **look(line.shade),
            )
        epochs = max(len(line.values) for line in lines)
        axes.set(xlabel="epoch", ylabel=label(quantity), xlim=(0.5, epochs + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if percent:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        if any(line.label is not None for line in lines):
            axes.legend(ncols=2)
        return export(figure)


def _image(pixels: NDArray[Any]) -> NDArray[Any]:
    """What is drawn of an image: red, green and blue where it has them, else the mean channel."""
    if pixels.ndim == 2:
        return pixels
    found: NDArray[Any] = pixels[..., :3] if pixels.shape[2] in (3, 4) else pixels.mean(axis=2)
    return found


def sample(
    features: NDArray[Any],
    image_shape: tuple[int, ...] | None,
    label: int,
    counts: NDArray[Any],
    raster: NDArray[Any] | None,
) -> str:
    """One sample, and the output spikes that it caused.

    Args:
        features: `(n_features,)` in [0, 1], or a signal `(T', n_channels)`.
        image_shape: `(height, width)` or `(height, width, channels)` where the features are an
            image.
        label: The right class, marked by a band.
        counts: `(C,)` output spikes.
        raster: `(T, C)` output spikes in time, where known.

    Returns:
        An `<svg>` element.
    """
    from matplotlib.ticker import MaxNLocator

    with style():
        figure = canvas(height=190)
        widths = [1.0, 1.5, 0.8] if raster is not None else [1.0, 2.3]
        shown, *answers = figure.subplots(1, len(widths), width_ratios=widths)
        _input(shown, features, image_shape)
        classes = np.arange(len(counts))
        for axes in answers:
            axes.axhspan(label - 0.5, label + 0.5, color=BAND, linewidth=0)
            axes.set_ylim(len(counts) - 0.5, -0.5)
            axes.grid(False)
            axes.spines["left"].set_visible(False)
            axes.yaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
        answers[0].set_ylabel("class")
        if raster is not None:
            time, who = np.nonzero(raster)
            _ticks(answers[0], time + 1, who)
            answers[0].set(xlabel="step", xlim=(0.5, len(raster) + 0.5))
            answers[1].set_yticklabels([])
        first = SHADES[0] if counts.any() else MUTED
        answers[-1].barh(
            classes, counts, 0.7, color=np.where(counts == counts.max(), first, MUTED).tolist()
        )
        answers[-1].set_xlabel("spikes")
        answers[-1].set_xlim(0, max(1, counts.max()))
        answers[-1].xaxis.set_major_locator(MaxNLocator(nbins=2, integer=True))
        return export(figure)


def _input(axes: Axes, features: NDArray[Any], image_shape: tuple[int, ...] | None) -> None:
    """A sample: an image, the curves of a signal or, of many channels, its map, or bars."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgba
    from matplotlib.ticker import MaxNLocator

    ink = LinearSegmentedColormap.from_list("ink", [to_rgba(PIXELS, 0), to_rgba(PIXELS)])
    axes.grid(False)
    if image_shape is not None:
        image = _image(features.reshape(image_shape))
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
            axes.plot(np.arange(1, len(curve) + 1), curve, linewidth=1.2, **look(channel))
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


def membranes(traces: NDArray[Any], every: int) -> str:
    """Membranes in time, one row a neuron, with the threshold at 1, cut off below `LOWEST`.

    Args:
        traces: `(T', k)` in thresholds.
        every: Steps between two samples.

    Returns:
        An `<svg>` element.
    """
    from matplotlib.ticker import MaxNLocator

    with style():
        neurons = traces.shape[1]
        figure = canvas(height=50 + 54 * neurons)
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
        return export(figure)


def weights(asked: NDArray[Any], stored: NDArray[Any]) -> str:
    """Weights that the device stored over those it was asked for, and their distribution.

    Args:
        asked: `(n,)`.
        stored: `(n,)`, the same cells.

    Returns:
        An `<svg>` element.
    """
    with style():
        figure = canvas(height=260)
        cloud, spread = figure.subplots(1, 2, width_ratios=[3, 1], sharey=True)
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
        return export(figure)


def share_intervals(rows: Sequence[ShareInterval], quantity: str = "test accuracy") -> str:
    """Shares with their intervals, one row each from the top; summaries as diamonds.

    Args:
        rows: The shares.
        quantity: What they are shares of.

    Returns:
        An `<svg>` element.
    """
    from matplotlib.ticker import PercentFormatter

    with style():
        figure = canvas(1.5 * WIDTH, 50 + 21 * len(rows))
        axes = figure.subplots()
        for place, row in enumerate(rows):
            colour = look(row.shade)["color"]
            axes.hlines(place, *row.interval, color=colour, linewidth=3 if row.summary else 1.2)
            marker, size = ("D", 7) if row.summary else ("o", 4.5)
            axes.plot(row.value, place, marker, color=colour, markersize=size)
        axes.set_yticks(range(len(rows)), [label(row.label) for row in rows], color=INK)
        axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel=label(quantity))
        axes.grid(False, axis="y")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        return export(figure)


def look(shade: int) -> dict[str, Any]:
    """Colour and line of a number; the line changes where the colours begin anew."""
    again, number = divmod(shade, len(SHADES))
    return {"color": SHADES[number], "linestyle": ("-", "--", ":", "-.")[again % 4]}


def _ticks(axes: Axes, x: NDArray[Any], rows: NDArray[Any]) -> None:
    """Short upright strokes, as one path: thousands of spikes stay small."""
    gap = np.full(len(x), np.nan)
    axes.plot(
        np.stack([x, x, gap], axis=1).ravel(),
        np.stack([rows - 0.38, rows + 0.38, gap], axis=1).ravel(),
        color=INK,
        linewidth=1.2,
        solid_capstyle="butt",
    )
