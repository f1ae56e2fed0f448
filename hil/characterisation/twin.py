"""The twin of a device: a chip file whose fixed pattern is what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.files.writing import replace_file, write_text
from hil.characterisation.estimators import MeasuredValue
from hil.characterisation.survey import StorageForm, Survey

# Neuron models that a twin may be made of, by the names that an emulator's address gives them, and
# their parameters that are measured neuron by neuron. Of one whose membrane answers an event more
# slowly than by a jump, the measured time constant is not its own: it is sought as a setting.
MODELS: Mapping[str, tuple[str, ...]] = {
    "lif": ("tau_membrane", "v_reset"),
    "adaptive-lif": ("tau_membrane", "v_reset"),
    "lif-exp": ("v_reset",),
    "lif-alpha": ("v_reset",),
    "lif-cond-exp": ("v_reset",),
    "lif-cond-alpha": ("v_reset",),
    "adex": ("tau_membrane",),
    "izhikevich": (),
    "dpi": (),
    "loihi": (),
}
# What differs from neuron to neuron by no more than this cannot be told from measurement errors,
# and neither can a mean that is so near to nominal.
EVEN, NOMINAL = 0.012, 0.025
# What these are shares of where the nominal value is 0, in thresholds.
ZERO = 0.2
Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class TwinModel:
    """The neuron model of a twin, with what was sought for it.

    Attributes:
        neuron: Its name.
        reset: Which of its resets.
        gains: Factor of the measured input gains of each layer.
        settings: Nominal settings, by the names that the model gives them.
        pattern: Whether neurons and synapses are as measured, each; else as nominal, but for dead
            neurons.
    """

    neuron: str
    reset: str
    gains: tuple[float, ...]
    settings: Mapping[str, float] = field(default_factory=dict)
    pattern: bool = True


def check_path(path: Path) -> None:
    """Refuse the path of a file that does not end in `.toml`.

    Raises:
        ValueError: When it does not.
    """
    if path.suffix != ".toml":
        raise ValueError(f"{path}: give a name that ends in .toml")


def write(survey: Survey, path: Path, model: TwinModel, storage: StorageForm) -> Path:
    """Write a twin: its arrays beside it, then the chip file that names them.

    Args:
        survey: The survey.
        path: The chip file, `.toml`; the arrays go to a file of the same name and `.npz`.
        model: The neuron model.
        storage: How the twin stores weights: with so many bits, by the rule of its neuron model; on
            the `grid` that was measured; or `exact`, without noise.

    Returns:
        The chip file.

    Raises:
        ValueError: For a path that does not end in `.toml`.
        OSError: When the folder cannot be written.
    """
    import tomli_w

    check_path(path)
    arrays = path.with_suffix(".npz")
    with replace_file(arrays) as handle:
        np.savez(handle, **_make_arrays(survey, model))  # type: ignore[arg-type]
    return write_text(path, tomli_w.dumps(_make_table(survey, path, model, storage)))


def _make_table(
    survey: Survey, path: Path, model: TwinModel, storage: StorageForm
) -> dict[str, Any]:
    who = " ".join(part for part in (survey.identity.name, survey.identity.serial) if part)
    table: dict[str, Any] = {
        "name": path.stem,
        "description": f"twin of {who}",
        "profile": "ideal",
        "neuron": model.neuron,
        "reset": model.reset,
        "dt": survey.dt,
        "nonidealities": {
            name: {"value": value, "source": f"measured on {who}"}
            for name, value in survey.nonidealities(storage).items()
        },
    }
    if model.settings:
        source = f"predicts {who} best"
        table["settings"] = {
            name: {"value": value, "source": source} for name, value in model.settings.items()
        }
    if storage == "grid":
        table["weight_grid"] = list(survey.storage.grid)
    table["twin"] = {
        "layers": list(survey.layers),
        "arrays": path.with_suffix(".npz").name,
        "device": asdict(survey.identity),
    }
    return table


def _make_arrays(survey: Survey, model: TwinModel) -> Arrays:
    """Take the measured pattern with thresholds at their nominal value, and the intervals.

    What cannot be told apart is put where it acts the same: a threshold over a gain in the gain.
    """
    arrays: Arrays = {}
    parameters = MODELS[model.neuron]
    for i, measured in enumerate(survey.neurons):
        if measured is None:
            continue
        layer = measured.remove_errors()
        ratio, factor = layer.threshold_over_gain, model.gains[i]
        if model.pattern:
            gain = factor * _level_out(1 / ratio.value)
            half = factor * ratio.half / ratio.value**2
            _add_array(arrays, f"layer_{i}/gain", MeasuredValue(gain, half), 1.0)
        if layer.dead.any():
            live = arrays.setdefault(f"layer_{i}/gain", np.ones(layer.dead.size, np.float32))
            live[layer.dead] = 0.0
        if not model.pattern:
            continue
        if "tau_membrane" in parameters:
            tau = layer.time_constant
            _add_array(
                arrays, f"layer_{i}/parameter/tau_membrane", tau, survey.nominal_time_constant
            )
        if "v_reset" in parameters:
            _add_array(arrays, f"layer_{i}/parameter/v_reset", layer.reset, 0.0, 0.0)
        _add_array(arrays, f"layer_{i}/bias", layer.bias, 0.0, 0.0)
        _add_array(arrays, f"channels_{i}/gain", layer.readout_gain, 1.0)
        _add_array(arrays, f"channels_{i}/offset", layer.readout_offset, 0.0, 0.0)
        _add_array(arrays, f"cells_{i}/gain", layer.synapse_gain, 1.0, 1.0)
    return arrays


def _add_array(
    arrays: Arrays,
    key: str,
    measured: MeasuredValue | None,
    nominal: float | None,
    unknown: float | None = None,
) -> None:
    """Keep an array, unless all of it is nominal.

    What is not known of a neuron is as usual, the median, or as given.
    """
    if measured is None:
        return
    value, is_known = measured.value, np.isfinite(measured.value)
    finite = value[is_known]
    if not finite.size or (nominal is not None and _is_nominal(finite, nominal)):
        return
    fill = float(np.median(finite)) if unknown is None else unknown
    arrays[key] = np.where(is_known, value, fill).astype(np.float32)
    arrays[f"interval/{key}"] = np.nan_to_num(measured.half, posinf=0.0).astype(np.float32)


def _is_nominal(finite: NDArray[np.float64], nominal: float) -> bool:
    """Tell if the measured values cannot be told from the nominal value of all neurons."""
    unit = abs(nominal) or ZERO
    return (
        float(finite.std()) <= EVEN * unit
        and abs(float(np.median(finite)) - nominal) <= NOMINAL * unit
    )


def nominal_gains(survey: Survey) -> tuple[float, ...]:
    """Factors of the measured input gains of each layer that bring their median to 1."""
    factors = []
    for layer in survey.neurons:
        gains = np.ones(1) if layer is None else _level_out(1 / layer.threshold_over_gain.value)
        finite = gains[np.isfinite(gains)]
        factors.append(1 / float(np.median(finite)) if finite.size else 1.0)
    return tuple(factors)


def _level_out(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take one value for all neurons where they do not differ, 1 where that is nominal."""
    is_known = np.isfinite(values)
    finite = values[is_known]
    if not finite.size or float(finite.std()) > EVEN * abs(float(finite.mean())):
        return values
    usual = float(np.median(finite))
    return np.where(is_known, 1.0 if abs(usual - 1) < NOMINAL else usual, np.nan)
