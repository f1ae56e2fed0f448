"""Figures of the reports: SVG to put inline in a page, which gives it its colours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOWEST = -1.5  # membrane shown, in thresholds; what lies lower would flatten all the rest
WIDTH, HEIGHT = 380, 230  # of a figure, in the pixels of a page that shows it unscaled

# Drawn in stand-ins, which become variables of the page's style: one figure for light and dark.
INK, MUTED, LINE, BAND = "#000001", "#000002", "#000003", "#000004"
SHADES = ("#000011", "#000012", "#000013", "#000014", "#000015", "#000016")
_VARIABLES = {
    **{INK: "ink", MUTED: "muted", LINE: "line", BAND: "band"},
    **{stand_in: f"shade-{number}" for number, stand_in in enumerate(SHADES)},
}
# What is drawn in pixels cannot take part in that: a tone that reads on light and dark.
_PIXELS = "#4f83e0"
_PIXELS_PER_INCH = 144

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "spikeloop",
    "savefig.transparent": True,
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 10,
}


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
class Estimate:
    """A share with what is known of its uncertainty.

    Attributes:
        label: What it is a share of.
        value: In [0, 1].
        interval: Lower and upper bound; None where there is none.
        shade: Number of its colour.
        summary: Whether it sums up others, and is drawn so.
    """

    label: str
    value: float
    interval: tuple[float, float] | None
    shade: int = 0
    summary: bool = False


def curves(lines: Sequence[Curve], quantity: str, percent: bool = False) -> str:
    """Curves over epochs.

    Args:
        lines: The curves.
        quantity: What they show, with its unit.
        percent: Whether they are shares to show in percent.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    with _style():
        figure = _canvas()
        axes = figure.subplots()
        for line in lines:
            axes.plot(
                range(1, len(line.values) + 1),
                line.values,
                label=line.label,
                marker="o" if len(line.values) <= 40 else None,
                markersize=2.5,
                **_look(line.shade),
            )
        epochs = max(len(line.values) for line in lines)
        axes.set(xlabel="epoch", ylabel=quantity, xlim=(0.5, epochs + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if percent:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        if any(line.label is not None for line in lines):
            axes.legend(ncols=2)
        return _svg(figure)


def sample(
    features: NDArray[Any],
    image_shape: tuple[int, int] | None,
    label: int,
    counts: NDArray[Any],
    raster: NDArray[Any] | None,
) -> str:
    """One sample, and what the output layer said to it.

    Args:
        features: `(n_features,)` in [0, 1].
        image_shape: `(height, width)` where the features are an image.
        label: The right class, marked by a band.
        counts: `(C,)` output spikes.
        raster: `(T, C)` output spikes in time, where known.
    """
    from matplotlib.colors import LinearSegmentedColormap, to_rgba
    from matplotlib.ticker import MaxNLocator

    with _style():
        figure = _canvas(height=190)
        figure.get_layout_engine().set(wspace=0.05)
        widths = [1.0, 1.5, 0.8] if raster is not None else [1.0, 2.3]
        shown, *answers = figure.subplots(1, len(widths), width_ratios=widths)
        shown.grid(False)
        if image_shape is not None:
            ink = LinearSegmentedColormap.from_list("ink", [to_rgba(_PIXELS, 0), to_rgba(_PIXELS)])
            shown.imshow(
                features.reshape(image_shape), cmap=ink, vmin=0, vmax=1, interpolation="none"
            )
            shown.set(xticks=[], yticks=[])
            for spine in shown.spines.values():
                spine.set(visible=True, color=LINE)
        else:
            shown.bar(np.arange(len(features)), features, color=SHADES[0])
            shown.set(xlabel="feature", ylim=(0, 1))
            shown.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
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
        return _svg(figure)


def membranes(traces: NDArray[Any], every: int) -> str:
    """Membranes in time, one row a neuron, with the threshold at 1, cut off below `LOWEST`.

    Args:
        traces: `(T', k)` in thresholds.
        every: Steps between two samples.
    """
    from matplotlib.ticker import MaxNLocator

    with _style():
        neurons = traces.shape[1]
        figure = _canvas(height=50 + 54 * neurons)
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
        return _svg(figure)


def weights(asked: NDArray[Any], stored: NDArray[Any]) -> str:
    """Weights that the device stored over those it was asked for, and how they are spread.

    Args:
        asked: `(n,)`.
        stored: `(n,)`, the same cells.
    """
    with _style():
        figure = _canvas(height=260)
        cloud, spread = figure.subplots(1, 2, width_ratios=[3, 1], sharey=True)
        ends = [min(asked.min(), stored.min()), max(asked.max(), stored.max())]
        cloud.plot(ends, ends, color=MUTED, linewidth=1)
        cloud.plot(
            asked, stored, "o", color=_PIXELS, alpha=0.35, markersize=2, mew=0, rasterized=True
        )
        cloud.set(xlabel="asked", ylabel="stored")
        levels, cells = np.unique(stored, return_counts=True)
        if len(levels) > 256:
            cells, edges = np.histogram(stored, 80)
            levels = (edges[1:] + edges[:-1]) / 2
        spread.hlines(levels, 0, 100 * cells / stored.size, color=SHADES[0], linewidth=1)
        spread.set(xlabel="% of cells", xlim=(0, None))
        spread.grid(False)
        return _svg(figure)


def estimates(rows: Sequence[Estimate]) -> str:
    """Shares with their intervals, one row each from the top; summaries as diamonds."""
    from matplotlib.ticker import PercentFormatter

    with _style():
        figure = _canvas(1.5 * WIDTH, 50 + 21 * len(rows))
        axes = figure.subplots()
        for place, row in enumerate(rows):
            colour = _look(row.shade)["color"]
            if row.interval is not None:
                axes.hlines(place, *row.interval, color=colour, linewidth=3 if row.summary else 1.2)
            marker, size = ("D", 7) if row.summary else ("o", 4.5)
            axes.plot(row.value, place, marker, color=colour, markersize=size)
        axes.set_yticks(range(len(rows)), [row.label for row in rows], color=INK)
        axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel="test accuracy")
        axes.grid(False, axis="y")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        return _svg(figure)


@contextmanager
def _style() -> Iterator[None]:
    """The house style, whatever the user's own matplotlib settings are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def _canvas(width: float = WIDTH, height: float = HEIGHT) -> Figure:
    from matplotlib.figure import Figure

    return Figure((width / 72, height / 72), layout="constrained")


def _look(shade: int) -> dict[str, Any]:
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


def _svg(figure: Figure) -> str:
    """The figure as an element of an HTML page, without colours or ids of its own making."""
    buffer = StringIO()
    figure.savefig(buffer, format="svg", dpi=_PIXELS_PER_INCH, metadata={"Date": None})
    drawn = re.sub(r"(?s)<(metadata|style).*?</\1>", "", buffer.getvalue())
    body = drawn[drawn.index(">", drawn.index("<svg")) + 1 : drawn.rindex("</svg>")]
    for stand_in, variable in _VARIABLES.items():
        body = body.replace(stand_in, f"var(--{variable})")
    # Ids are one name space for all of a page: keep those in use, under a name from the content.
    name = "f" + sha256(body.encode()).hexdigest()[:8]
    used = set(re.findall(r'(?:href="|url\()#([\w.-]+)', body))
    body = re.sub(
        r' id="([\w.-]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", body
    )
    body = re.sub(r'(href="|url\()#', rf"\1#{name}-", body)
    width, height = (72 * side for side in figure.get_size_inches())
    return f'<svg viewBox="0 0 {width:g} {height:g}" aria-hidden="true">{body.strip()}</svg>'
