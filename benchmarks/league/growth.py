"""Growth of times with the number of samples, neurons, layers, steps and cores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from league.contest import timed
from league.entrant import Entrant
from league.network import drawn

SHOWN = ("spikeloop, adfa, ideal", "spikeloop, bptt, ideal", "snnTorch", "spikeloop, ideal")
REPEATS = 3
Growth = dict[str, dict[str, list[tuple[int, float]]]]
"""By axis and by name: the value, and milliseconds of a batch."""


def networks(cores: int, quick: bool) -> dict[str, dict[int, dict[str, Any]]]:
    """The networks of each axis, as `drawn` is asked for them."""
    few, base = (1, {"batch": 10}) if quick else (None, {})
    axes: dict[str, dict[int, dict[str, Any]]] = {
        "samples": {n: {"batch": n} for n in (10, 30, 100, 300)},
        "hidden neurons": {n: {"layers": (784, n, 10)} for n in (100, 200, 400, 800, 1600)},
        "hidden layers of 200": {n: {"layers": (784, *[200] * n, 10)} for n in (1, 2, 4, 8)},
        "steps": {n: {"steps": n} for n in (10, 25, 50, 100)},
        "cores": {n: {"threads": n} for n in range(1, cores + 1)},
    }
    return {
        axis: {n: {**base, **asked} for n, asked in [*values.items()][:few]}
        for axis, values in axes.items()
    }


def measured(entrants: Sequence[Entrant], cores: int, quick: bool) -> Growth:
    """Time some of the entrants on networks that grow along one axis at a time.

    Args:
        entrants: Who takes part; those that are shown and there are timed.
        cores: Cores of the machine.
        quick: Whether to stop at the first value of each.
    """
    shown = [e for e in entrants if e.name in SHOWN and not e.available()]
    found: Growth = {}
    for axis, values in networks(cores, quick).items():
        found[axis] = {entrant.name: [] for entrant in shown}
        for value, asked in values.items():
            network = drawn(**asked)
            with threadpool_limits(limits=network.threads):
                ready = {n: entrant.prepare(network) for n, entrant in enumerate(shown)}
                times = timed(ready, 1 if quick else REPEATS)
            for n, entrant in enumerate(shown):
                found[axis][entrant.name].append((value, times[n] * ready[n].samples))
                ready[n].close()
    return found


def draw(growth: Growth, path: Path) -> None:
    """Write a plot with a panel for each axis, both scales logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(growth), 3), layout="constrained")
    panels = figure.subplots(1, len(growth), sharey=True, squeeze=False)[0]
    for panel, (axis, lines) in zip(panels, growth.items(), strict=True):
        for name, points in lines.items():
            panel.loglog(*zip(*points, strict=True), marker="o", markersize=3, label=name)
        ticks = [value for value, _ in next(iter(lines.values()))]
        panel.set_xticks(ticks, [str(value) for value in ticks], minor=False)
        panel.minorticks_off()
        panel.set_xlabel(axis)
    panels[0].set_ylabel("ms a batch")
    panels[0].legend(fontsize=7)
    figure.savefig(path, dpi=150)
