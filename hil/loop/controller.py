"""The controller: it shows a batch to the device, looks, computes an update and writes it back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Network, Stimulus
from drivers.contract.arrays import below
from drivers.contract.info import StimulusKind
from hil import encodings, streams
from hil.characterisation import calibration
from hil.learning import homeostasis, losses, optimisers, rules
from hil.learning.rule import Observation, PerturbedEvaluation, Timing
from hil.loop import repair
from hil.loop.device_session import Attended, Clock
from hil.loop.diagnosis import State
from hil.loop.observer import Observer, drive_trace, mean_drive

if TYPE_CHECKING:
    from hil.config import Config

Matrix = NDArray[np.float32]
# Full scale, and step between levels, that `auto` aims at; both times the root of the fan-in.
FULL_SCALE, STEP = 20.0, 2 / 3


@dataclass(frozen=True)
class StepReport:
    """What one step of learning gave.

    Attributes:
        loss: Mean loss of the batch.
        correct: Number of samples classified as labelled.
        activity: Spikes per step of each layer, the output last, `(B, n_l)`.
        membrane: Mean membrane of each layer, in thresholds, `(B, n_l)`; all zero where the device
            does not show it.
    """

    loss: float
    correct: int
    activity: tuple[Matrix, ...]
    membrane: tuple[Matrix, ...]


@dataclass
class Controller:
    """A device, a network on it, and the rule that teaches it.

    Attributes:
        config: The configuration.
        device: The open device; configured here.
        features: Number of features of a sample.
        classes: Number of classes.
    """

    config: Config
    device: Device
    features: int
    classes: int
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        """Map the network, decide what to observe, draw weights and feedback."""
        config = self.config
        encoding = encodings.module(config.encoding["name"])
        self._encode = encoding.encode
        self._encoding = encoding.Settings(**config.encoding_settings)
        inputs = encoding.width(self.features, self._encoding)
        self.layers = (inputs, *config.network.hidden, self.classes)
        self.depth = len(self.layers) - 1
        self.attended = Attended(self.device, self._network(), self.clock)
        dark = np.zeros((1, self.features), np.float32)
        kind = self.stimulus(dark, "encode").kind
        rule = rules.module(config.rule["name"])
        self.rule = rule.build(rule.Settings(**config.rule_settings), self._timing(kind))
        self.observer = Observer(config, self.device, self.rule.needs_traces)
        self.device.check_run(
            kind, config.training.batch, config.network.steps, self.observer.probes
        )
        self.optimiser = optimisers.build(**config.optimiser.model_dump())
        draw = streams.generator(config.seed, "init")
        self.weights: list[Matrix] = [
            (
                draw.standard_normal((a, b), dtype=np.float32)
                * np.float32(config.network.initial_scale / math.sqrt(a))
            )
            for a, b in zip(self.layers, self.layers[1:], strict=False)
        ]
        self.rule_state = self.rule.init(streams.generator(config.seed, "rule"), self.layers)
        self.optimiser_state = self.optimiser.init(self.weights)
        self.strengths = np.ones(self.depth - 1)

    def _network(self) -> Network:
        """The network with what a calibration found, under what the configuration asks for."""
        settings, trims = dict(self.config.network.settings), {}
        if self.config.network.calibration:
            found = calibration.read_for(self.config.network.calibration, self.device, self.layers)
            settings, trims = {**found.settings, **settings}, dict(found.trims)
        return Network(self.layers, self._full_scales(), settings, trims)

    # -- the loop -----------------------------------------------------------------------------

    def write(self) -> None:
        """Write the shadow weights of every projection to the device."""
        for projection in range(self.depth):
            self._write(projection)

    def step(self, x: Matrix, y: NDArray[np.int64], index: int, total: int) -> StepReport:
        """Learn from one batch.

        Args:
            x: `(B, n_features)` float32 in [0, 1].
            y: `(B,)` labels.
            index: Number of this step in the run, from 0; it names the step's randomness.
            total: Number of steps of the whole run, for the schedule.
        """
        seed = self.config.seed
        stimulus = self.stimulus(x, "encode", index)
        readout = self.attended.run(
            stimulus, self.observer.probes, streams.trial(seed, "trial", index)
        )
        seen = self.observer.seen(readout)
        logits = self._logits(seen.rate, seen.membranes[-1])
        loss, error = losses.evaluate(logits, y, self.config.readout.loss)
        observation = Observation(
            inputs=mean_drive(stimulus),
            activity=seen.hidden,
            membrane=seen.membranes,
            rate=seen.rate,
            traces=seen.traces,
            input_trace=drive_trace(stimulus) if self.rule.needs_traces else None,
            output_spikes=seen.output_spikes,
            error=error,
            perturbed=self._perturbed(stimulus, y, index),
        )
        gradients = self.rule.update(self.rule_state, observation, self.weights)
        if self.config.homeostasis.weight:
            pulls = (self.config.homeostasis.weight * self.strengths).tolist()
            homeostasis.add(gradients, observation, pulls, self.observer.target_rate)
        self.weights, self.optimiser_state = self.optimiser.update(
            gradients, self.optimiser_state, self.weights, index / total
        )
        for projection, gradient in enumerate(gradients):
            if gradient is not None:
                self._clip(projection)
                self._write(projection)
        return StepReport(
            loss,
            int(np.count_nonzero(losses.predict(logits, seen.membranes[-1]) == y)),
            (*seen.hidden, seen.rate),
            seen.membranes,
        )

    def _perturbed(
        self, stimulus: Stimulus, y: NDArray[np.int64], index: int
    ) -> tuple[PerturbedEvaluation, ...]:
        """Run a batch with each set of weights that the rule proposes; the last one stays."""
        if self.rule.propose is None:
            return ()
        seed, found = self.config.seed, []
        proposed = self.rule.propose(streams.generator(seed, "perturb", index), self.weights)
        for number, weights in enumerate(proposed):
            for projection, matrix in enumerate(weights):
                self.attended.write(projection, matrix)
            trial = streams.trial(seed, "perturb", index, number)
            readout = self.attended.run(stimulus, self.observer.output_probes, trial)
            logits = self._logits(*self.observer.deployed(readout))
            loss, _ = losses.evaluate(logits, y, self.config.readout.loss)
            found.append(PerturbedEvaluation(weights, loss))
        return tuple(found)

    def repair(self, layers: Sequence[State]) -> None:
        """Do what the configuration asks for about hidden layers that are silent or saturated.

        Args:
            layers: What each hidden layer was like over an epoch.
        """
        treated = repair.treated(layers)
        if self.config.repair.homeostasis == "adaptive":
            self.strengths = repair.strengths(self.strengths, treated)
        if self.config.repair.rescale:
            for projection, gain in enumerate(repair.gains(treated)):
                if gain != 1:
                    self.weights[projection] = self.weights[projection] * np.float32(gain)
                    self._clip(projection)
                    self._write(projection)

    def predict(self, x: Matrix, stream: streams.Stream, *index: int) -> NDArray[np.int64]:
        """Classify a batch with the weights that the device holds.

        Args:
            x: `(B, n_features)` float32 in [0, 1].
            stream: Stream of this evaluation's randomness.
            index: Its index.

        Returns:
            `(B,)` predicted classes.
        """
        stimulus = self.stimulus(x, stream, *index)
        readout = self.attended.run(
            stimulus,
            self.observer.output_probes,
            streams.trial(self.config.seed, stream, *index),
        )
        rate, membrane = self.observer.deployed(readout)
        return losses.predict(self._logits(rate, membrane), membrane)

    def stimulus(self, x: Matrix, stream: streams.Stream, *index: int) -> Stimulus:
        """Encode samples `(B, n_features)` with the randomness of a stream."""
        rng = streams.generator(self.config.seed, stream, *index)
        encoded: Stimulus = self._encode(x, self.config.network.steps, self._encoding, rng)
        return encoded

    # -- checkpoints --------------------------------------------------------------------------

    def state(self) -> dict[str, NDArray[np.generic]]:
        """All that the controller and the device remember, as named arrays."""
        found: dict[str, NDArray[np.generic]] = {}
        for p, (weights, stored) in enumerate(zip(self.weights, self.attended.stored, strict=True)):
            found[f"weights/{p}"], found[f"stored/{p}"] = weights, stored
        found |= {f"rule/{name}": value for name, value in self.rule_state.items()}
        found |= {f"optimiser/{name}": value for name, value in self.optimiser_state.items()}
        found["homeostasis/strengths"] = self.strengths
        if self.device.info.resumable:
            found |= {f"device/{name}": value for name, value in self.device.state().items()}
        return found

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Return to what `state` gave; a device that cannot is given all weights anew."""
        self.load_weights(state)
        self.attended.stored = [state[f"stored/{p}"].astype(np.float32) for p in range(self.depth)]
        self.rule_state = _copies(below(state, "rule/"))
        self.optimiser_state = _copies(below(state, "optimiser/"))
        # A checkpoint that an earlier version wrote has none.
        self.strengths = state.get("homeostasis/strengths", self.strengths).astype(np.float64)
        device = _copies(below(state, "device/"))
        if device and self.device.info.resumable:
            self.device.restore(device)
        else:
            self.write()

    def load_weights(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take the shadow weights of a checkpoint, without writing them.

        Raises:
            ValueError: When they are of another network.
        """
        shapes = [state[f"weights/{p}"].shape for p in range(_depth(state))]
        if shapes != [w.shape for w in self.weights]:
            given = (shapes[0][0], *(shape[1] for shape in shapes))
            raise ValueError(
                f"weights of a {'-'.join(map(str, given))} network do not fit a "
                f"{'-'.join(map(str, self.layers))} network: give the same task, encoding and "
                "network.hidden"
            )
        self.weights = [state[f"weights/{p}"].astype(np.float32) for p in range(self.depth)]

    # -- the device, timed --------------------------------------------------------------------

    def _clip(self, projection: int) -> None:
        """Keep weights in the full scale: those that leave it would be long in returning."""
        limit = np.float32(self.device.network.full_scale[projection])
        np.clip(self.weights[projection], -limit, limit, out=self.weights[projection])

    def _write(self, projection: int) -> None:
        self.attended.write(projection, self.weights[projection])

    def _logits(self, rate: Matrix, membrane: Matrix) -> Matrix:
        read = self.config.readout
        return losses.logits(rate, membrane, source=read.source, kappa=read.kappa, beta=read.beta)

    def _full_scales(self) -> tuple[float, ...]:
        info = self.device.info
        scales = []
        for projection, fan_in in enumerate(self.layers[:-1]):
            form = info.weight_format(projection)
            asked = self.config.network.full_scale
            # With few levels a wide range would round every small weight to zero.
            steps = math.inf if form.levels is None else form.levels // 2
            factor = min(FULL_SCALE, STEP * steps) if asked == "auto" else asked
            wanted = factor / math.sqrt(fan_in)
            scales.append(min(max(wanted, form.minimum_full_scale), form.maximum_full_scale))
        return tuple(scales)

    def _timing(self, kind: StimulusKind) -> Timing:
        """The host's nominal knowledge of the neuron, for rules that claim some."""
        info, network = self.device.info, self.device.network
        decay = info.decay if info.decay is not None else 0.9
        if info.decay is not None and "tau_membrane" in network.settings:
            decay = math.exp(-info.dt / network.settings["tau_membrane"])
        return Timing(
            decay=decay,
            steps=self.config.network.steps,
            reset=info.reset,
            input_is_current=kind != "spikes",
            kappa=self.config.readout.kappa if self.config.readout.source != "membrane" else 0.0,
            beta=self.config.readout.beta if self.config.readout.source != "counts" else 0.0,
        )


def _depth(state: Mapping[str, NDArray[np.generic]]) -> int:
    return sum(1 for name in state if name.startswith("weights/"))


def _copies(arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    return {name: array.copy() for name, array in arrays.items()}
