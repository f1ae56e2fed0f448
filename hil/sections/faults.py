"""Campaigns of single faults: which neurons, synapses and bits are critical."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from drivers.contract.faults import NEURON_FAULTS
from hil.figures.chip_plots import plot_neuron_map
from hil.sections import PageSection, Plot, SectionKind, SectionSettings, Table, words
from hil.sections.trials import Row, Trials, group_by_level
from hil.statistics import proportion


class FaultSettings(SectionSettings):
    """The factor that says what fails, and what of the accuracy a critical fault takes."""

    factor: str
    critical: float = Field(0.01, gt=0, le=1)


def build_faults(settings: FaultSettings, trials: Trials) -> PageSection | None:
    """Make one row for each kind, place and bit, and maps of what neurons and synapses cost."""
    rows = [row for row in trials.rows if row.outcome.get("faults")]
    if not rows:
        return None
    table, data, shares, plots = [], [], dict[str, float](), []
    points = f"{100 * settings.critical:g} point{'s' if settings.critical != 0.01 else ''}"
    bits: dict[int, list[bool]] = {}
    for level, own in group_by_level(rows, settings.factor).items():
        name = words.name_level(own, settings.factor)
        kind = str(own[0].cell.settings.get("campaign", {}).get("kind", ""))
        part, noun = ("neuron", "layer") if kind in NEURON_FAULTS else ("synapse", "projection")
        lost = np.concatenate([_losses(row) for row in own])
        has_bits = bool(lost[:, 2].any())
        for place in np.unique(lost[:, 0]):
            here = lost[lost[:, 0] == place]
            for bit in np.unique(here[:, 2]):
                drop = here[here[:, 2] == bit][:, 3]
                critical = int((drop >= settings.critical - 1e-9).sum())
                low, high = proportion(critical, drop.size)
                where = f"{noun} {int(place)}{f', bit {int(bit)}' if has_bits else ''}"
                cells = [name, where, str(drop.size), f"{100 * fmean(drop):.2f}"]
                cells += [f"{100 * drop.max():.1f}", f"{100 * critical / drop.size:.1f}"]
                table.append([*cells, f"{100 * low:.1f} to {100 * high:.1f}"])
                data.append([level, int(place), int(bit), drop.size, critical, float(drop.max())])
                shares[f"{name} in {where}"] = critical / drop.size
                if has_bits:
                    bits.setdefault(int(bit), []).extend(drop >= settings.critical - 1e-9)
            first = own[0].outcome["faults"]
            title = f"{name}, {noun} {int(place)}"
            plots.append(_map(first, int(place), _accuracy(own[0]), title, part))
    return PageSection(
        "Single faults",
        words.read_note("faults", critical=points),
        answer=_answer(shares, {bit: fmean(lost) for bit, lost in sorted(bits.items())}, points),
        tables=[
            Table(
                "",
                ["fault", "where", "faults", "mean loss", "worst", "critical, %", "95 %"],
                table,
            )
        ],
        plots=plots,
        data={"critical": settings.critical, "faults": data},
    )


def _answer(shares: dict[str, float], bits: dict[int, float], points: str) -> str:
    """Say which faults are critical most often, which least, and which bits."""
    ranked = sorted(shares, key=lambda name: -shares[name])
    most = words.join_names([f"{name} ({100 * shares[name]:.0f} %)" for name in ranked[:3]])
    least = f"{ranked[-1]} ({100 * shares[ranked[-1]]:.0f} %)"
    text = [
        f"of single faults those that most often cost {points} or more are {most}, least {least}"
    ]
    if bits:
        of = words.join_names([f"{bit} in {100 * lost:.0f} %" for bit, lost in bits.items()])
        text.append(f"a flip of bit {of} of the weights costs so much")
    return words.make_text(text)


def _accuracy(row: Row) -> float:
    return float(row.outcome["test_accuracy"])


def _losses(row: Row) -> NDArray[np.float64]:
    """Records of a trial with what each fault costs in place of the accuracy, `(k, 4)`."""
    records = np.array(row.outcome["faults"], float)
    records[:, 3] = _accuracy(row) - records[:, 3]
    return records


def _map(records: Sequence[Any], place: int, healthy: float, title: str, part: str) -> Plot:
    """Map what each neuron or synapse of a place costs, the worst of its bits, of one trial."""
    own = np.array([record for record in records if record[0] == place], float)
    numbers = own[:, 1].astype(int)
    lost = np.full(numbers.max() + 1, np.nan)
    np.fmax.at(lost, numbers, 100 * (healthy - own[:, 3]))
    lost = lost if np.isfinite(lost).mean() > 0.5 else lost[np.isfinite(lost)]
    draw = partial(plot_neuron_map, lost, 0.0, "lost accuracy", "points", part)
    return Plot(title, draw, description=f"what each fault costs: {title}")


SECTION = SectionKind(build_faults, FaultSettings)
