"""The non-idealities of a chip in four tiers: fixed pattern, programming, in time, readout.

Each is a number with unit, range and meaning, whose value 0 (but for conditions) is exactly ideal.
`NonIdealities` holds one dataclass for each tier. What each one does is in `mismatch`, `crossbar`,
`temporal_noise` and `readout`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from math import log2
from typing import Any, Literal, TypeVar

from device_models.naming import quote, suggest

Tiers = TypeVar("Tiers")
Severity = Literal["linear", "bits", "fixed"]
MAX_BITS = 16


@dataclass(frozen=True, slots=True)
class NonIdeality:
    """One number of a chip.

    Attributes:
        name: Its name, unique over all tiers.
        value: What it is on this chip; 0 (unless stated otherwise) is the ideal.
        unit: Its unit.
        minimum: Least value allowed.
        maximum: Greatest value allowed.
        whole: Whether it is a whole number.
        meaning: What it does, in one sentence.
        severity: How a severity acts on it: `linear` multiplies the value, `bits` the step that the
            bits resolve, `fixed` is a condition of the chip, which stays as it is.
    """

    name: str
    value: float
    unit: str
    minimum: float
    maximum: float
    whole: bool
    meaning: str
    severity: Severity


def nonideality(
    default: float,
    unit: str,
    minimum: float,
    maximum: float,
    meaning: str,
    severity: Severity = "linear",
) -> Any:
    """Declare a non-ideality as a dataclass field; an integer default makes it a whole number."""
    return field(
        default=default,
        metadata={
            "unit": unit,
            "minimum": minimum,
            "maximum": maximum,
            "whole": isinstance(default, int),
            "meaning": meaning,
            "severity": severity,
        },
    )


def amount(maximum: float, meaning: str, unit: str = "") -> Any:
    """Declare a non-ideality from 0, which is ideal, to a maximum; a severity multiplies it."""
    return nonideality(0.0, unit, 0.0, maximum, meaning)


def condition(default: float, unit: str, minimum: float, maximum: float, meaning: str) -> Any:
    """Declare a condition of the chip, which no severity changes."""
    return nonideality(default, unit, minimum, maximum, meaning, "fixed")


def by_name(tiers: object) -> dict[str, NonIdeality]:
    """List every non-ideality of a dataclass of tiers by name."""
    specs = {}
    for tier in fields(tiers):  # type: ignore[arg-type]
        numbers = getattr(tiers, tier.name)
        for item in (f for f in fields(numbers) if f.metadata):
            specs[item.name] = NonIdeality(item.name, getattr(numbers, item.name), **item.metadata)
    return specs


def override(tiers: Tiers, values: Mapping[str, float | str]) -> Tiers:
    """Replace some non-idealities of a chip.

    Args:
        tiers: A dataclass of tiers.
        values: New values by name; text is parsed.

    Raises:
        ValueError: For an unknown name (the nearest valid one is named), text that is no number,
            or a value out of range (the range is named).
    """
    specs = by_name(tiers)
    checked = {name: check(name, value, specs) for name, value in values.items()}
    changes = {}
    for tier in fields(tiers):  # type: ignore[arg-type]
        numbers = getattr(tiers, tier.name)
        own = {f.name: checked[f.name] for f in fields(numbers) if f.name in checked}
        if own:
            changes[tier.name] = replace(numbers, **own)
    return replace(tiers, **changes)  # type: ignore[type-var]


def scale(
    known: Mapping[str, NonIdeality],
    name: str,
    severity: float,
    each: Mapping[str, float] | None = None,
) -> float:
    """Scale the value of one non-ideality by a severity.

    Args:
        known: The non-idealities of a chip.
        name: Which of them.
        severity: Factor of all non-idealities, at least 0.
        each: Further factors by non-ideality.

    Raises:
        ValueError: For a factor of an unknown non-ideality or of one without severity, or below 0.
    """
    for other, factor in {**(each or {}), "": severity}.items():
        if other and other not in known:
            raise ValueError(
                f"severity of {quote(other)}: no such chip non-ideality: {suggest(other, known)}"
            )
        if other and known[other].severity == "fixed":
            raise ValueError(f"severity of {other}: it is a condition of the chip, set it itself")
        if not 0 <= factor <= 1e6:
            raise ValueError(
                f"severity {other} = {factor}: give a number from 0 to 1e6".replace("  ", " ")
            )
    spec = known[name]
    factor = severity * (each or {}).get(name, 1.0)
    if spec.severity == "fixed" or factor == 1:
        return spec.value
    if spec.severity == "linear":
        value = min(max(spec.value * factor, spec.minimum), spec.maximum)
        return round(value) if spec.whole else value
    if factor == 0 or spec.value == 0:
        return 0
    bits = round(spec.value - log2(factor))
    return max(bits, 1) if bits <= MAX_BITS else 0


def check(name: str, value: float | str, known: Mapping[str, NonIdeality]) -> float:
    """Check the value of a non-ideality; returns it as a number.

    Raises:
        ValueError: For an unknown name (the nearest valid one is named), text that is no number,
            or a value out of range (the range is named).
    """
    if name not in known:
        raise ValueError(f"chip non-ideality {quote(name)} is unknown: {suggest(name, known)}")
    spec = known[name]
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not spec.minimum <= number <= spec.maximum or (spec.whole and number != int(number)):
        kind = "a whole number" if spec.whole else "a number"
        raise ValueError(
            f"chip non-ideality {name} = {value}: give {kind} from {spec.minimum:g} to "
            f"{spec.maximum:g} {spec.unit}".rstrip()
        )
    return int(number) if spec.whole else number


@dataclass(frozen=True)
class FixedPattern:
    """Mismatch that manufacturing left. Every non-ideality is 0 on an ideal chip.

    Factors are log-normal with mean 1, so that a gain never changes its sign; offsets are normal,
    cut at three standard deviations.
    """

    threshold_cv: float = amount(
        2.0, "Coefficient of variation of the firing threshold over neurons."
    )
    reset_sd: float = amount(
        0.5, "Standard deviation of the reset potential over neurons.", "threshold"
    )
    leak_cv: float = amount(
        2.0, "Coefficient of variation of the leak conductance (1/tau) over neurons."
    )
    synapse_tau_cv: float = amount(
        2.0, "Coefficient of variation of synaptic time constants over neurons."
    )
    refractory_cv: float = amount(
        2.0, "Coefficient of variation of the refractory time over neurons."
    )
    bias_sd: float = amount(
        1.0,
        "Standard deviation of where a bias current holds the membrane without input.",
        "threshold",
    )
    gain_cv: float = amount(2.0, "Coefficient of variation of the input gain over neurons.")
    weight_cv: float = amount(2.0, "Coefficient of variation of the gain over synapses.")
    delay_sd: float = amount(
        1.0,
        "Standard deviation of the delay over those synapses that have one, in whole steps.",
        "s",
    )
    dead_fraction: float = amount(
        1.0, "Chance that a hidden neuron is dead: its membrane rests and it never fires."
    )
    tonic_fraction: float = amount(
        1.0, "Chance that a hidden neuron fires all the time, by itself."
    )
    dead_cells: float = amount(1.0, "Chance that a synapse transmits nothing, whatever is written.")
    on_cells: float = amount(
        1.0, "Chance that a synapse is at plus or minus its full scale for good."
    )
    stuck_cells: float = amount(1.0, "Chance that a synapse keeps a value of its own for good.")
    gradient_share: float = condition(
        0.0,
        "",
        0.0,
        1.0,
        "Share of the variance of each spread over neurons that is a linear gradient over the die.",
    )
    correlation_length: float = condition(
        0.0,
        "neuron",
        0.0,
        1000.0,
        "Distance on the die over which the correlation of the rest falls to 1/e; 0 is none.",
    )
    trim_bits: int = condition(
        0,
        "bit",
        0,
        16,
        "Resolution of settings that a host may choose for each neuron; 0 offers none.",
    )


@dataclass(frozen=True)
class Programming:
    """Storage of weights. Every non-ideality is 0 on an ideal chip, but for conditions.

    Attributes:
        weight_grid: The storable values, in full scales, ascending within [-1, 1]; empty for an
            even grid (`weight_bits`) or none. A severity of 0 removes it, no other acts on it.

    Raises:
        ValueError: For a grid that is not ascending, out of range or next to `weight_bits`.
    """

    weight_bits: int = nonideality(
        0,
        "bit",
        0,
        16,
        "Resolution of stored weights, sign included: 2^bits - 1 values; 0 is exact.",
        "bits",
    )
    programming_noise: float = amount(
        0.5, "Standard deviation of a programmed weight about its target.", "full scale"
    )
    programming_noise_relative: float = amount(
        1.0, "Further such noise, in proportion to the size of the target.", "target"
    )
    update_nonlinearity: float = amount(
        1.0, "Share of an update step that is lost at the bound it goes towards."
    )
    update_asymmetry: float = amount(1.0, "Share of an update step that is lost when it goes down.")
    differential: int = condition(
        0, "", 0, 1, "Whether a weight is a difference of two cells, one at its least."
    )
    drift: float = amount(1.0, "Exponent of the power law by which a cell drifts after a write.")
    drift_cv: float = amount(2.0, "Coefficient of variation of that exponent over cells.")
    drift_start: float = condition(
        20.0, "s", 1e-6, 1e9, "Age of a cell, after a write, that drift counts from."
    )
    retention: float = amount(
        1e6, "Rate at which what a cell stores decays to 0 after a write.", "1/s"
    )
    run_seconds: float = condition(
        1.0, "s", 0.0, 1e9, "Time that passes on the chip with each run."
    )
    weight_grid: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a grid that is none."""
        grid = self.weight_grid
        if grid and self.weight_bits:
            raise ValueError(
                f"weight_bits = {self.weight_bits} on a chip with {len(grid)} given weights: "
                "set weight_bits to 0, or give no weight_grid"
            )
        ascending = all(low < high for low, high in pairwise(grid))
        if grid and not (len(grid) > 1 and ascending and grid[0] >= -1 and grid[-1] <= 1):
            raise ValueError(
                f"weight_grid of {len(grid)} values from {grid[0]:g} to {grid[-1]:g}: "
                "give two or more, each above the one before, from -1 to 1"
            )

    @property
    def levels(self) -> int | None:
        """Number of stored values, even and symmetric about zero; None when they are not."""
        return None if self.weight_bits == 0 else max(3, 2**self.weight_bits - 1)


@dataclass(frozen=True)
class Temporal:
    """Noise in time. Every non-ideality is 0 on an ideal chip."""

    membrane_noise: float = amount(
        1.0,
        "Standard deviation of a membrane that receives no input (Ornstein-Uhlenbeck process).",
        "threshold",
    )
    spike_loss: float = amount(
        1.0, "Chance that an event is lost on its way: to the next layer and the host."
    )
    spurious_spikes: float = amount(
        1.0, "Chance in each step that a silent neuron's line carries an event."
    )
    input_jitter: float = amount(
        1.0, "Standard deviation of the delay of input events; none comes early.", "s"
    )
    crosstalk: float = amount(
        1.0, "Share of a neuron's input that each of its two neighbours receives too."
    )
    trial_threshold_sd: float = amount(
        1.0, "Standard deviation of a neuron's threshold from one trial to the next.", "threshold"
    )
    wander: float = amount(
        1.0, "Standard deviation of the slow, common change of input gain (temperature, supply)."
    )
    wander_seconds: float = condition(60.0, "s", 1.0, 1e9, "Correlation time of that change.")


@dataclass(frozen=True)
class MembraneADC:
    """Readout of membranes. Bits, spreads and noise are 0 on an ideal chip."""

    adc_bits: int = nonideality(
        0, "bit", 0, 16, "Resolution of a membrane sample; 0 is exact.", "bits"
    )
    adc_minimum: float = condition(
        -2.0, "threshold", -100.0, 0.0, "Lowest membrane the converter can tell."
    )
    adc_maximum: float = condition(
        2.0, "threshold", 0.1, 100.0, "Highest membrane the converter can tell."
    )
    adc_gain_cv: float = amount(1.0, "Coefficient of variation of the readout gain over channels.")
    adc_offset_sd: float = amount(
        1.0, "Standard deviation of the readout offset over channels.", "threshold"
    )
    adc_noise: float = amount(1.0, "Standard deviation of the noise of one sample.", "threshold")
    adc_every: int = condition(1, "step", 1, 1000, "Fewest steps between two samples.")
    adc_channels: int = condition(
        0, "neuron", 0, 65536, "Neurons of a layer that can be sampled at once; 0 is all."
    )
    adc_after_reset: int = condition(
        0, "", 0, 1, "Whether a sample is taken after the reset of its step, and not before."
    )
    adc_mean: int = condition(0, "", 0, 1, "Whether the mean over a run is all that is shown.")


@dataclass(frozen=True)
class NonIdealities:
    """Everything that is not ideal about a chip, tier by tier."""

    fixed_pattern: FixedPattern = field(default_factory=FixedPattern)
    programming: Programming = field(default_factory=Programming)
    temporal: Temporal = field(default_factory=Temporal)
    adc: MembraneADC = field(default_factory=MembraneADC)

    def at_severity(
        self, severity: float, each: Mapping[str, float] | None = None
    ) -> NonIdealities:
        """Scale the non-idealities of the chip; 0 is exactly the ideal chip.

        Args:
            severity: Factor of every non-ideality, at least 0.
            each: Further factors of single non-idealities, by name. A severity of 0 removes a grid
                of storable weights; no other acts on it.

        Raises:
            ValueError: For an unknown non-ideality, one that has no severity, or a severity out of
                range.
        """
        specs = by_name(self)
        adjusted = override(self, {name: scale(specs, name, severity, each) for name in specs})
        if severity == 0 and self.programming.weight_grid:
            return replace(adjusted, programming=replace(adjusted.programming, weight_grid=()))
        return adjusted
