"""The emulated chip as a device: the only place where the door touches the physics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from device_models import Chip, Observation, neurons, profiles
from device_models.figures import figures, override
from drivers.checks import nearest
from drivers.device import Device
from drivers.errors import SettingError
from drivers.exchange import Network, Probe, Readout, Stimulus
from drivers.info import DeviceInfo, Identity, Membrane, ProbeOffer, Setting, WeightFormat

Value = TypeVar("Value")
CHIP_OPTIONS = ("chip", "neuron", "reset", "dt")
UNITS = {"second": "s", "volt": "V"}


class Emulator(Device):
    """`emulator:PROFILE?chip=SEED&neuron=MODEL&reset=soft&dt=0.001&FIGURE=VALUE...`."""

    def __init__(self, chip: Chip, name: str = "emulator") -> None:
        """Put an emulated chip behind the contract."""
        self._chip = chip
        self._info = _info(chip, name)

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Emulator:
        """Take the chip that a profile, a seed and overridden figures name."""
        name = target or "mixed-signal"
        profile = _refused(lambda: profiles.get(name))
        figure_names = set(figures(profile.imperfections))
        for option in options:
            if option not in figure_names and option not in CHIP_OPTIONS:
                raise SettingError(
                    f"emulator option {option!r} is unknown: "
                    f"{nearest(option, [*figure_names, *CHIP_OPTIONS])}"
                )
        model = _refused(lambda: neurons.get(options.get("neuron", "lif")))
        reset = options.get("reset", "soft")
        if reset not in model.resets:
            raise SettingError(f"reset {reset!r} of {model.name}: {nearest(reset, model.resets)}")
        chosen = {key: value for key, value in options.items() if key in figure_names}
        chip = Chip(
            model,
            _refused(lambda: override(profile.imperfections, chosen)),
            seed=_number(options, "chip", 0, 0, 2**63 - 1, int),
            reset=reset,
            dt=_number(options, "dt", 1e-3, 1e-5, 1e-1, float),
        )
        return cls(chip, f"emulator:{name}")

    @classmethod
    def catalogue(cls) -> list[tuple[str, str]]:
        """Every profile."""
        return [(f"emulator:{p.name}", p.description) for p in profiles.PROFILES.values()]

    @property
    def info(self) -> DeviceInfo:
        """What the chip is and allows."""
        return self._info

    def _configure(self, network: Network) -> None:
        self._chip.configure(
            network.layers,
            network.full_scale,
            {
                name: network.settings[parameter.setting]
                for name, parameter in self._chip.model.parameters.items()
                if parameter.setting is not None
            },
        )

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._chip.write(projection, weights)

    def _run(self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None) -> Readout:
        wanted = {
            probe: Observation(probe.layer - 1, probe.quantity, probe.every) for probe in probes
        }
        # Probes that differ only in reduction or neurons share one recording.
        distinct = list(dict.fromkeys(wanted.values()))
        counts, recorded = self._chip.run(
            stimulus.data, stimulus.steps, stimulus.batch, distinct, trial
        )
        found = dict(zip(distinct, recorded, strict=True))
        samples = {probe: _reduced(probe, found[seen]) for probe, seen in wanted.items()}
        return Readout(counts, stimulus.steps, samples, "before_reset")

    def state(self) -> dict[str, NDArray[np.generic]]:
        """What is programmed in every cell, and how often each projection was written."""
        state: dict[str, NDArray[np.generic]] = {
            "untold_trials": np.asarray(self._chip.untold_trials)
        }
        for p, crossbar in enumerate(self._chip.crossbars):
            state[f"stored_{p}"] = crossbar.stored.copy()
            state[f"programmed_{p}"] = crossbar.programmed.copy()
            state[f"writes_{p}"] = np.asarray(crossbar.writes)
        return state

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Program every cell exactly as it was."""
        self._chip.untold_trials = int(state["untold_trials"])
        for p, crossbar in enumerate(self._chip.crossbars):
            crossbar.restore(
                state[f"stored_{p}"].astype(np.float32),
                state[f"programmed_{p}"].astype(np.float32),
                int(state[f"writes_{p}"]),
            )


def _reduced(probe: Probe, samples: NDArray[np.generic]) -> NDArray[np.generic]:
    if probe.neurons is not None:
        samples = samples[:, :, list(probe.neurons)]
    if probe.reduce == "mean":
        return np.asarray(samples.mean(axis=0, dtype=np.float32))
    return samples[-1] if probe.reduce == "last" else samples


def _refused(make: Callable[[], Value]) -> Value:
    """Make something of the physics, and name a refusal as the contract does."""
    try:
        return make()
    except ValueError as error:
        raise SettingError(str(error)) from None


def _number(
    options: Mapping[str, str],
    name: str,
    default: Value,
    minimum: float,
    maximum: float,
    kind: Callable[[str], Value],
) -> Value:
    if name not in options:
        return default
    try:
        value = kind(options[name])
        allowed = minimum <= float(value) <= maximum  # type: ignore[arg-type]
    except ValueError:
        allowed = False
    if not allowed:
        what = "a whole number" if kind is int else "a number"
        raise SettingError(
            f"emulator option {name} = {options[name]}: give {what} from {minimum:g} to {maximum:g}"
        )
    return value


def _info(chip: Chip, name: str) -> DeviceInfo:
    parameters = chip.model.parameters.values()
    settings = tuple(
        Setting(p.setting, UNITS[p.unit], p.minimum, p.maximum, p.value, p.meaning)
        for p in parameters
        if p.setting is not None
    )
    tau = chip.model.parameters[chip.model.time_constant].value
    return DeviceInfo(
        identity=Identity(name, serial=f"chip-{chip.seed}", firmware=chip.model.name),
        max_layers=32,
        max_inputs=65536,
        max_neurons=65536,
        max_batch=1024,
        max_steps=100_000,
        dt=chip.dt,
        weights=(WeightFormat(1e-3, 100.0, chip.imperfections.programming.levels),),
        stimuli=("current", "current_trace", "spikes"),
        probes=(ProbeOffer("spikes"), ProbeOffer("membrane")),
        membrane=Membrane("V", 0.0, chip.model.parameters[chip.model.silent].value),
        settings=settings,
        reset="hard" if chip.reset == "hard" else "soft",
        decay=math.exp(-chip.dt / tau),
        deterministic=True,
        keeps_weights=False,
        resumable=True,
    )
