"""The tidy table of a study: a row for each trial, groups of rows, and what they have measured.

Student's interval reaches as far below the mean as above it, also beyond what a measure can be: an
accuracy above 100 %. Cut there, it holds the true value as often as before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any, NamedTuple

from hil import statistics
from hil.statistics import Mean, PairedDifference

Outcome = dict[str, Any]
Rows = Sequence["Row"]
Statistic = Callable[[Sequence[float]], float]


class Measure(NamedTuple):
    """What is measured of a trial.

    Attributes:
        unit: Its unit; accuracies are shares.
        meaning: Of what, or how.
    """

    unit: str
    meaning: str


MEASURES = {
    "test_accuracy": Measure("share", "of the test samples"),
    "balanced_accuracy": Measure("share", "mean recall of the classes of the test samples"),
    "validation_accuracy": Measure(
        "share",
        "of the validation samples, after the last epoch; what tuning and searches choose by",
    ),
    "train_accuracy": Measure("share", "over the last epoch, while the weights change"),
    "device_runs": Measure(
        "batches",
        "that the device ran in training and validation, those of rules that try weights included",
    ),
    "samples": Measure("samples", "that the device ran in training and validation"),
    "chip_seconds": Measure("s", "that these samples take the chip, by its own step"),
    "transfer_bytes": Measure(
        "bytes", "on the line during training, both ways; 0 for an emulated device"
    ),
    "spikes": Measure(
        "spikes per sample",
        "of all neurons in the last epoch, hidden ones as the host estimates them",
    ),
    "synaptic_events": Measure(
        "events per sample", "of one inference: events of the input and spikes, times fan-out"
    ),
    "inference_bytes": Measure(
        "bytes per sample", "on the line for one inference; 0 for an emulated device"
    ),
    "training_spikes": Measure("spikes", "of all neurons in training and validation"),
    "training_events": Measure("events", "synaptic events in training and validation"),
    "write_calls": Measure("writes", "of a projection, the first of all weights included"),
    "cell_writes_mean": Measure("writes per cell", "in which what a cell stores changed"),
    "cell_writes_max": Measure("writes of a cell", "of the one that changed most often"),
    "read_bits": Measure("bits", "read in training and validation"),
    "energy": Measure("J", "of training and validation, estimated"),
    "footprint": Measure("bytes", "of the trained network"),
    "connection_sparsity": Measure("share", "of its synapses that are 0"),
    "activation_sparsity": Measure("share", "of its neurons and steps without a spike"),
    "overlap": Measure(
        "abs(cos)",
        "between the rule's g, or f', and the slope of the nominal neuron's rate, over all hidden "
        "membranes of the training; of aDFA, DFA and BP",
    ),
}
# Those of what a training paid, by what its costs call them.
PAID = {
    "device_runs": "runs",
    "samples": "samples",
    "read_bits": "read_bits",
    "transfer_bytes": "line_bytes",
    "training_spikes": "spikes",
    "training_events": "synaptic_events",
    "energy": "energy",
    "write_calls": "write_calls",
    "cell_writes_mean": "cell_writes_mean",
    "cell_writes_max": "cell_writes_max",
}
TIMES = ("seconds", "device_seconds", "transfer_seconds")
FRAMES = ("lost_frames", "damaged_frames", "repeated_frames")  # on the line to a board


@dataclass(frozen=True)
class Level:
    """A level of a factor.

    Attributes:
        text: The level as it stands in the table of trials.
        value: Its number, where it is one, in the unit in which it is shown.
        settings: The settings that it brings, by section.
        display: The level as pages show it, with its unit.
        about: The factor in words.
        unit: Unit of the factor.
        phrase: The level in a sentence.
    """

    text: str
    value: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    display: str = ""
    about: str = ""
    unit: str = ""
    phrase: str = ""


@dataclass(frozen=True)
class Cell:
    """A combination of levels.

    Attributes:
        part: The part of the study, empty where it has none.
        levels: By factor.
        settings: The settings of all of them, by section.
    """

    part: str
    levels: Mapping[str, Level]
    settings: dict[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Unit:
    """One repetition.

    Attributes:
        number: From 0; trials of equal number in different cells are compared in pairs.
        seed: Seed of the host.
        chip: Number of the chip, or None where the device offers no choice.
        device: Its device, where repetitions take devices in turn; empty elsewhere.
    """

    number: int
    seed: int
    chip: int | None
    device: str = ""


@dataclass(frozen=True, eq=False)
class Row:
    """One trial in the table.

    Attributes:
        number: Its place in the study, from 0.
        cell: Its combination of levels.
        unit: Its repetition.
        outcome: Its measures, or its error.
        config: Its complete configuration, as JSON.
    """

    number: int
    cell: Cell
    unit: Unit
    outcome: Outcome
    config: str = ""

    @property
    def device(self) -> str:
        """The device that served, where repetitions take devices in turn; empty elsewhere."""
        return str(self.outcome.get("served") or self.unit.device)

    def level(self, factor: str) -> Level:
        """The level of a factor; `part` is one too. Empty where its part has no such factor."""
        other = Level(self.cell.part if factor == "part" else "", about=factor)
        return self.cell.levels.get(factor, other)

    def text(self, factor: str) -> str:
        """The level of a factor as it stands in the table."""
        return self.level(factor).text

    def measure(self, name: str) -> float | None:
        """A measure; None where it was not taken."""
        value = self.outcome.get(name)
        return None if value is None else float(value)


@dataclass(frozen=True)
class PartSummary:
    """A block of trials with factors of its own.

    Attributes:
        about: The part in words.
        factors: Names of its own factors.
    """

    about: str
    factors: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Trials:
    """Trials of a study.

    Attributes:
        rows: The table.
        factors: Names of the factors that all parts share.
        parts: Its parts, by name; none where it is not divided.
    """

    rows: Rows
    factors: tuple[str, ...] = ()
    parts: Mapping[str, PartSummary] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names of all factors, in order."""
        families = [self.factors, *(part.factors for part in self.parts.values())]
        return list(dict.fromkeys(name for factors in families for name in factors))

    def group(self, factors: Sequence[str]) -> dict[tuple[str, ...], list[Row]]:
        """Rows by their levels of some factors, as `group_rows`."""
        return group_rows(self.rows, factors)


def group_rows(rows: Iterable[Row], factors: Sequence[str]) -> dict[tuple[str, ...], list[Row]]:
    """Group rows by their levels of some factors, each factor's in the order of first coming."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.text(factor) for factor in factors), []).append(row)
    orders = [list(dict.fromkeys(levels)) for levels in zip(*groups, strict=True)]

    def place(levels: tuple[str, ...]) -> list[int]:
        return [order.index(level) for order, level in zip(orders, levels, strict=True)]

    return {levels: groups[levels] for levels in sorted(groups, key=place)}


def group_by_level(rows: Iterable[Row], factor: str) -> dict[str, list[Row]]:
    """Group rows by their level of one factor."""
    return {level: group for (level,), group in group_rows(rows, [factor]).items()}


def average_by_unit(rows: Iterable[Row], measure: str, of: Statistic = fmean) -> dict[int, float]:
    """Average a measure, or take another statistic, for each unit that has it.

    Units are sampled: further trials of one unit, such as other levels that are averaged over or
    further chips, do not make it count more.
    """
    by_number: dict[int, list[float]] = {}
    for row in rows:
        value = row.measure(measure)
        if value is not None:
            by_number.setdefault(row.unit.number, []).append(value)
    return {unit: of(values) for unit, values in sorted(by_number.items())}


# -- estimates, within what a measure can be -----------------------------------------------------


def is_share(measure: str) -> bool:
    """Tell if a measure is an accuracy, shown in percent."""
    return measure.endswith("accuracy")


def estimate_mean(values: Sequence[float], measure: str) -> Mean:
    """Estimate the mean of a measure from one value for each unit, at least one."""
    return _cut(statistics.mean(values), 0.0, 1.0 if is_share(measure) else math.inf)


def estimate(rows: Iterable[Row], measure: str, of: Statistic = fmean) -> Mean | None:
    """Estimate the mean of a measure over the units of some trials; None where none has it."""
    values = list(average_by_unit(rows, measure, of).values())
    return estimate_mean(values, measure) if values else None


def compare_pairs(
    first: Sequence[float], second: Sequence[float], measure: str, most: float = 1.0
) -> PairedDifference:
    """Estimate the difference of two measurements of the same units.

    Args:
        first: One value for each unit.
        second: Likewise, in the same order; it is subtracted.
        measure: The measure.
        most: Largest difference that there can be of two shares; 2 of two differences of them.
    """
    result = statistics.paired_difference(first, second)
    bound = most if is_share(measure) else math.inf
    return replace(result, mean=_cut(result.mean, -bound, bound))


def compare_rows(
    first: Iterable[Row], second: Iterable[Row], measure: str, of: Statistic = fmean
) -> PairedDifference | None:
    """Compare two groups of trials over the units that both have; None for no unit."""
    a, b = (average_by_unit(rows, measure, of) for rows in (first, second))
    both = sorted(a.keys() & b.keys())
    return compare_pairs([a[u] for u in both], [b[u] for u in both], measure) if both else None


def adjust_tests(differences: Sequence[PairedDifference]) -> list[float | None]:
    """Adjust the p-values of paired t-tests for their number; None where there is no spread."""
    tests = [d.t_test for d in differences if d.t_test is not None]
    adjusted = iter(statistics.holm(tests))
    return [None if d.t_test is None else next(adjusted) for d in differences]


def _cut(result: Mean, low: float, high: float) -> Mean:
    if result.interval is None:
        return result
    a, b = result.interval
    return replace(result, interval=(min(max(a, low), high), max(min(b, high), low)))
