"""One emulated chip seen from inside, which no contract shows, and the ideal one of its kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_models import Chip
from device_models.nonidealities import NonIdealities
from device_models.places import Places
from drivers.emulator.datasheet import read_profile
from drivers.emulator.device import UNITS, Emulator, device_info

Array = NDArray[np.float32]

BIAS = "Where a bias current holds the membrane without input."


class Law(NamedTuple):
    """A distribution in words, and its density as `ParameterSpread` has them."""

    text: str
    density: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class ParameterSpread:
    """Something that differs between the parts of one chip.

    Attributes:
        name: What differs: a parameter of the neuron model, `gain`, `bias`, ...
        nonideality: The non-ideality of the chip that states how much.
        meaning: What it is, in one sentence.
        part: What it differs between: `neuron` (of the first layer), `synapse` (of the first
            projection) or `channel` (of the readout of the first layer).
        unit: Its unit; empty when dimensionless.
        nominal: Its value on an ideal chip.
        values: Its value on each part, float32; nan on dead neurons.
        law: The stated distribution in words; empty where the pattern was measured.
        density: That distribution, `(2, k)`: values, and the density at each; None where it was
            measured.
    """

    name: str
    nonideality: str
    meaning: str
    part: Literal["neuron", "synapse", "channel"]
    unit: str
    nominal: float
    values: Array
    law: str
    density: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class ChipInstance:
    """One chip of a kind, seen from inside.

    Attributes:
        spreads: What differs between its parts.
        dead: Dead neurons of its first layer.
        stored: `(n_pre, n_post)`, what its first projection says it stores of a write.
        realised: `(len(ages), n_pre, n_post)`, what its synapses transmit at each age.
        ages: Seconds since that write, from 0 on; just the 0 where stored weights do not change.
    """

    spreads: tuple[ParameterSpread, ...]
    dead: int
    stored: Array
    realised: Array
    ages: NDArray[np.float64]


def make_ideal(name: str) -> Emulator:
    """The same neurons with the same nominal parameters on a chip without non-idealities.

    Raises:
        ValueError: As `drivers.emulator.datasheet.datasheet` does.
    """
    profile = read_profile(name)
    parameters = {n: c.value for n, c in profile.parameters.items()}
    return Emulator(Chip(profile.model, NonIdealities(), parameters=parameters), f"ideal {name}")


def inspect(
    name: str, seed: int, layers: Sequence[int], weights: Array, ages: NDArray[np.float64]
) -> ChipInstance:
    """Look inside one chip.

    Args:
        name: As for `drivers.emulator.datasheet.datasheet`.
        seed: Which chip.
        layers: The network on it, input first; its full scale is 1 nominal threshold, or what
            the chip has.
        weights: `(n_pre, n_post)` to write to the first projection, in nominal thresholds.
        ages: `(k,)`, seconds since the write at which to look again, ascending, where stored
            weights change with time.

    Raises:
        ValueError: As `drivers.emulator.datasheet.datasheet` does, or for another network than
            the one on which the chip was measured.
    """
    profile = read_profile(name)
    chip = Chip(
        profile.model,
        profile.nonidealities,
        seed=seed,
        parameters={n: c.value for n, c in profile.parameters.items()},
        pattern=profile.pattern,
    )
    form = device_info(chip, name, 0).weights[0]
    full_scale = min(max(1.0, form.minimum_full_scale), form.maximum_full_scale)
    chip.configure(layers, [full_scale] * (len(layers) - 1))
    stored = chip.write(0, weights)
    programming = profile.nonidealities.programming
    fades = programming.drift > 0 or programming.retention > 0
    times = np.append(0.0, ages if fades else [])
    realised = []
    for wait in np.diff(times, prepend=0.0):
        chip.wait(float(wait))
        realised.append(chip.crossbars[0].effective.copy())
    candidates = [*_neurons(chip), *_synapses_and_channels(chip, layers)]
    spreads = [s for s in candidates if np.unique(s.values[np.isfinite(s.values)]).size > 1]
    if profile.pattern is not None:
        spreads = [replace(spread, law="", density=None) for spread in spreads]
    dead = int(np.count_nonzero(_dead(chip)))
    return ChipInstance(
        spreads=tuple(spreads),
        dead=dead,
        stored=stored,
        realised=np.stack(realised),
        ages=times,
    )


def _dead(chip: Chip) -> NDArray[np.bool_]:
    """Find the neurons of the first layer that never fire."""
    assert chip.circuit is not None
    return np.isinf(chip.circuit.layers[0].varied[chip.model.silent])


def _neurons(chip: Chip) -> Iterator[ParameterSpread]:
    """Give what may differ between the neurons of the first layer."""
    assert chip.circuit is not None
    layer, model, dead = chip.circuit.layers[0], chip.model, _dead(chip)
    pattern = chip.nonidealities.fixed_pattern
    for name, parameter in model.parameters.items():
        if (mismatch := parameter.mismatch) is None:
            continue
        unit = UNITS.get(parameter.unit, parameter.unit)
        nominal, spread = chip.parameters[name], getattr(pattern, mismatch.nonideality)
        if mismatch.acts == "add":
            law = _normal(nominal, spread * model.swing, unit)
        elif mismatch.acts == "divide":
            law = _log_normal(0.0, nominal, spread, inverse=True)
        else:
            # Of a level what varies is its distance from rest.
            base = model.rest if parameter.unit == model.unit else 0.0
            law = _log_normal(base, nominal - base, spread)
        values, about = np.where(dead, np.nan, layer.varied[name]), parameter.meaning
        yield ParameterSpread(
            name, mismatch.nonideality, about, "neuron", unit, nominal, values, *law
        )
    gain, bias = (np.where(dead, np.nan, values) for values in (layer.gain, layer.bias))
    law = _log_normal(0.0, 1.0, pattern.gain_cv)
    yield ParameterSpread("gain", "gain_cv", "Input gain.", "neuron", "", 1.0, gain, *law)
    law, about = _normal(0.0, pattern.bias_sd, "threshold"), BIAS
    yield ParameterSpread("bias", "bias_sd", about, "neuron", "threshold", 0.0, bias, *law)


def _synapses_and_channels(chip: Chip, layers: Sequence[int]) -> Iterator[ParameterSpread]:
    """Give what may differ between the synapses, and between the channels of the readout."""
    pattern, adc = chip.nonidealities.fixed_pattern, chip.nonidealities.adc
    weight = chip.pattern.cells(0, Places((layers[0], layers[1])), (0, 1)).gain
    if weight is not None:
        law, about, values = _log_normal(0.0, 1.0, pattern.weight_cv), "Gain of a synapse.", weight
        yield ParameterSpread(
            "weight", "weight_cv", about, "synapse", "", 1.0, values.reshape(-1), *law
        )
    gain, offset = chip.pattern.channels(0, layers[1])
    law = _log_normal(0.0, 1.0, adc.adc_gain_cv)
    yield ParameterSpread(
        "adc_gain", "adc_gain_cv", "Readout gain.", "channel", "", 1.0, gain, *law
    )
    law, about = _normal(0.0, adc.adc_offset_sd, "threshold"), "Readout offset."
    yield ParameterSpread(
        "adc_offset", "adc_offset_sd", about, "channel", "threshold", 0.0, offset, *law
    )


def _log_normal(base: float, scale: float, cv: float, inverse: bool = False) -> Law:
    """The law of `base + scale * factor`, the factor log-normal with mean 1, or its inverse."""
    if cv == 0 or scale == 0:
        return Law("", None)
    sigma = np.sqrt(np.log1p(cv**2))
    mean = sigma**2 / 2 if inverse else -(sigma**2) / 2
    normal = np.linspace(-4, 4, 161)
    factor = np.exp(sigma * normal + mean)
    density = np.exp(-(normal**2) / 2) / (np.sqrt(2 * np.pi) * sigma * factor * abs(scale))
    of = "its inverse log-normal" if inverse else "log-normal"
    values = base + scale * factor
    return Law(f"{of}, coefficient of variation {cv:g}", np.stack([values, density]))


def _normal(mean: float, sd: float, unit: str) -> Law:
    """The law of normal offsets, cut at three standard deviations."""
    if sd == 0:
        return Law("", None)
    normal = np.linspace(-3, 3, 121)
    density = np.exp(-(normal**2) / 2) / (np.sqrt(2 * np.pi) * sd)
    text = f"normal, standard deviation {sd:g} {unit}, cut at three of them"
    return Law(text, np.stack([mean + sd * normal, density]))
