"""The controller: it shows a batch to the device, looks, computes an update and writes it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Readout, Stimulus, WeightFormat
from drivers.contract.arrays import first_mismatch, select_prefix
from hil import streams
from hil.learning import homeostasis, losses, optimisers, rules, ties
from hil.learning.feedback import align_feedback
from hil.learning.rule import (
    PerturbedEvaluation,
    Rule,
    State,
    check_first_state,
    check_update,
)
from hil.loop import health, mapping
from hil.loop.observation.observer import Judge, Observer
from hil.loop.supervised_device import ModelDevice, SupervisedDevice
from hil.loop.train_state import StepReport, weights_in
from hil.tasks import Data
from hil.tasks.samples import Samples, SampleSpec
from hil.tasks.series import cut_series

if TYPE_CHECKING:
    from hil.config import Config

Matrix = NDArray[np.float32]


@dataclass
class Controller:
    """A device, a network on it, and the rule that teaches it. Made by `open`.

    Attributes:
        config: The configuration.
        device: The device, with the network on it.
        layers: Size of each layer, the input first.
        encode: Makes a stimulus of samples.
        supervised: The device under supervision, and what it stores.
        observer: What is read of it.
        rule: The learning rule.
        model: The device that stands for this one, for a rule that goes back through a model.
        optimiser: How a gradient becomes a change of the weights.
        weights: Shadow weights of each projection, as `Network.shapes`.
        rule_state: What the rule learns and keeps beside the weights.
        optimiser_state: What the optimiser keeps.
        strengths: Factor of homeostasis of each hidden layer, `(L - 1,)`.
        cells: By projection, which cell of a kernel each synapse holds, as in `hil.learning.ties`.
    """

    config: Config
    device: Device
    layers: tuple[int, ...]
    encode: mapping.Encoder
    supervised: SupervisedDevice
    observer: Observer
    rule: Rule
    model: ModelDevice | None
    optimiser: optimisers.Optimiser
    weights: list[Matrix]
    rule_state: State
    optimiser_state: dict[str, NDArray[np.generic]]
    strengths: NDArray[np.float64]
    cells: dict[int, NDArray[np.int32]] = field(default_factory=dict)

    @classmethod
    def open(
        cls, config: Config, device: Device, spec: SampleSpec, initial: mapping.Initial = None
    ) -> Controller:
        """Map the network on a device, decide what to observe, draw weights and feedback.

        The device is configured; no weight is written yet.

        Args:
            config: The configuration.
            device: The open device.
            spec: What samples are.
            initial: What `load_weights` or `restore` will be given, if anything: it has the delays.

        Raises:
            ValueError: When the configuration does not fit the device.
            DeviceError: When the device has no room for the network, or fails.
        """
        layers = mapping.layers(config, spec)
        washout = config.training.washout if config.training.carry else None
        on_device = mapping.network(config, device.info, layers, initial)
        supervised = SupervisedDevice(device, on_device, washout)
        encode = mapping.encoder(config, device.info)
        kind = encode(spec.blank(1), streams.generator(config.seed, "encode")).kind
        name, optimiser = config.rule["name"], optimisers.build(**config.optimiser.model_dump())
        rule = rules.get(name).rule(name, config.rule_settings, optimiser)
        if spec.real and (rule.needs_labels or config.readout.loss != "mse"):
            what = f"rule {name}" if rule.needs_labels else f"readout.loss={config.readout.loss}"
            raise ValueError(
                f"{what} needs classes, and targets of task {config.task} are real numbers: take "
                f"{'another rule, such as adfa' if rule.needs_labels else '--set readout.loss=mse'}"
            )
        if config.training.carry and (rule.propose or rule.model):
            raise ValueError(
                f"training.carry: rule {name} runs each batch more than once: take another rule, "
                "such as adfa"
            )
        model = ModelDevice.open(config, rule, layers, kind, initial) if rule.model else None
        seen = replace(rule, needs_traces=False) if model else rule
        observer = Observer(config, device, seen, kind)
        supervised.check_run(kind, config.training.batch, config.network.steps, observer.probes)
        weights = mapping.initial_weights(config, device.network, device.info)
        drawn = rule.init(streams.generator(config.seed, "rule"), layers)
        return cls(
            config=config,
            device=device,
            layers=layers,
            encode=encode,
            supervised=supervised,
            observer=observer,
            rule=rule,
            model=model,
            optimiser=optimiser,
            weights=weights,
            rule_state=check_first_state(drawn, f"rule {name!r}"),
            optimiser_state=optimiser.init(weights),
            strengths=np.ones(len(layers) - 2),
        )

    @cached_property
    def _forms(self) -> list[WeightFormat]:
        """Weight format of each projection, as the device states it."""
        return [self.device.info.weight_format(p) for p in range(len(self.weights))]

    @property
    def depth(self) -> int:
        """Number of layers of neurons."""
        return len(self.layers) - 1

    # -- the loop -----------------------------------------------------------------------------

    def write(self) -> None:
        """Write the shadow weights of every projection to the device."""
        for projection, weights in enumerate(self.weights):
            self.supervised.write(projection, weights)

    def step(
        self,
        x: mapping.Batch,
        y: NDArray[Any],
        index: int,
        progress: float,
        weights: losses.Weights = None,
    ) -> StepReport:
        """Learn from one batch.

        Args:
            x: `(B, n_features)` float32 in [0, 1], or signals.
            y: `(B,)` labels, or real targets `(B, C)`.
            index: Number of this step in the run, from 0; it names the step's randomness.
            progress: Share of the training that is done, for the schedule.
            weights: `(B,)` factor of each sample's loss; None is 1.
        """
        stimulus = self.stimulus(x, "encode", index)
        trial = streams.trial(self.config.seed, "trial", index)
        readout = self.supervised.run(stimulus, self.observer.probes, trial)
        decoded = self.observer.decode(readout, stimulus, self.supervised.stored)
        judge = partial(self._judge, y, weights)
        by_sample, logits, error = judge(decoded.rate, decoded.membranes[-1])
        if self._forms[-1].signs == "positive":
            error = losses.spare_saturated(error, decoded.rate, self.observer.highest_rate)
        pulls: tuple[Matrix, ...] = ()
        if self.config.homeostasis.weight:
            strengths = (self.config.homeostasis.weight * self.strengths).tolist()
            pulls = homeostasis.compute_pulls(decoded.hidden, strengths, self.observer.target_rate)
        observer, shown = self.observer, decoded
        if self.model is not None:  # of the device itself, the error
            observer = self.model.observer
            shown = self.model.show(stimulus, self.supervised.stored, trial)
        observation = observer.observe(
            stimulus,
            shown,
            y,
            (by_sample, logits, error),
            judge,
            self._evaluate_perturbations(stimulus, judge, index),
            pulls,
            progress,
        )
        update = self.rule.update(self.rule_state, observation, self.weights)
        what = f"rule {self.config.rule['name']!r}"
        gradients, self.rule_state = check_update(update, self.rule_state, self.weights, what)
        homeostasis.add(gradients, observation)
        fixed: dict[int, Matrix] = {}
        if self.cells:
            ties.average_alike(gradients, self.cells)
            fixed = ties.take_fixed(self.weights, self.cells)
        # Weights that leave the full scale would be long in returning.
        self.weights, self.optimiser_state = self.optimiser.update(
            gradients,
            self.optimiser_state,
            self.weights,
            observation.progress,
            self.device.network.full_scale,
        )
        if fixed:
            ties.put_fixed(self.weights, fixed, self.cells)
        for projection, gradient in enumerate(gradients):
            if gradient is not None:
                if self._forms[projection].signs == "positive":
                    self.clip(projection)
                self.supervised.write(projection, self.weights[projection])
        right = (losses.predict(logits, decoded.membranes[-1]) == y).sum() if y.ndim == 1 else 0
        return StepReport(
            float(by_sample.mean()),
            int(right),
            (*decoded.hidden, decoded.rate),
            decoded.membranes,
            logits,
            decoded.held,
        )

    def _judge(
        self, y: NDArray[Any], factors: losses.Weights, rate: Matrix, membrane: Matrix
    ) -> tuple[Matrix, Matrix, Matrix]:
        """Losses, logits and errors of output rates and mean membranes."""
        logits = self.logits(rate, membrane)
        by_sample, error = losses.evaluate(logits, y, self.config.readout.loss, factors)
        return by_sample, logits, error

    def _evaluate_perturbations(
        self, stimulus: Stimulus, judge: Judge, index: int
    ) -> list[PerturbedEvaluation]:
        """Run a batch with each set of weights that the rule proposes; the last one stays."""
        if self.rule.propose is None:
            return []
        seed, probes, evaluations = self.config.seed, self.observer.output_probes, []
        draw = streams.generator(seed, "perturb", index)
        for n, proposed in enumerate(self.rule.propose(draw, self.weights, self.observer.routes)):
            trial = streams.trial(seed, "perturb", index, n)
            for projection, matrix in enumerate(proposed):
                self.supervised.write(projection, matrix)
            seen = self.supervised.run(stimulus, probes, trial)
            by_sample, logits, _ = judge(*self.observer.read_output(seen))
            evaluations.append(PerturbedEvaluation(proposed, by_sample, logits))
        return evaluations

    def repair(self, layers: Sequence[health.State]) -> None:
        """Do what the configuration asks for about hidden layers that are silent or saturated.

        Args:
            layers: What each hidden layer was like over an epoch.
        """
        treatable = health.find_treatable(layers)
        if self.config.repair.homeostasis == "adaptive":
            self.strengths = health.adapt_homeostasis(self.strengths, treatable)
        if self.config.repair.rescale:
            for projection, gain in enumerate(health.choose_rescaling(treatable)):
                if gain != 1:
                    self.weights[projection] = self.weights[projection] * np.float32(gain)
                    self.clip(projection)
                    self.supervised.write(projection, self.weights[projection])

    def predict(
        self, x: mapping.Batch, stream: streams.Stream, *index: int
    ) -> tuple[NDArray[np.int64], Matrix, NDArray[np.bool_]]:
        """Classify a batch with the weights that the device holds.

        Args:
            x: `(B, n_features)` float32 in [0, 1], or signals.
            stream: Stream of this evaluation's randomness.
            index: Its index.

        Returns:
            `(B,)` predicted classes, their logits `(B, C)`, and whether any output fired `(B,)`.
        """
        stimulus = self.stimulus(x, stream, *index)
        trial = streams.trial(self.config.seed, stream, *index)
        return self.answer(self.supervised.run(stimulus, self.observer.output_probes, trial))

    def answer(self, readout: Readout) -> tuple[NDArray[np.int64], Matrix, NDArray[np.bool_]]:
        """Classify the samples of a run in which the output was observed.

        Args:
            readout: With what `observer.output_probes` ask for.

        Returns:
            As `predict`.
        """
        rate, membrane = self.observer.read_output(readout)
        logits = self.logits(rate, membrane)
        return losses.predict(logits, membrane), logits, np.any(rate > 0, axis=1)

    def classify(
        self,
        x: Samples,
        stream: streams.Stream,
        index: int,
        watch: Callable[[int, int], None] | None = None,
    ) -> tuple[NDArray[np.int64], Matrix, NDArray[np.bool_]]:
        """Classify many samples, batch by batch, with the weights that the device holds.

        Args:
            x: The samples, prepared.
            stream: Stream of this evaluation's randomness.
            index: Its index.
            watch: Called with batches done and batches in all, after every batch.

        Returns:
            `(N,)` predicted classes, their logits `(N, C)`, and whether any output fired `(N,)`.
        """
        size = self.config.training.batch
        batches: Sequence[Any] = [slice(start, start + size) for start in range(0, len(x), size)]
        if self.config.training.carry:  # each longer than what is shown before it
            series = cut_series(len(x), min(size, len(x) // (self.config.training.washout + 1)))
            batches = [*series]
            self.begin_series(x, series[0], stream, index)
        answers = []
        for number, rows in enumerate(batches):
            answers.append(self.predict(Data.batch(x[rows]), stream, index, number))
            if watch is not None:
                watch(number + 1, len(batches))
        classes, logits, fired = map(np.concatenate, zip(*answers, strict=True))
        if self.config.training.carry:  # one series after the other
            order = np.arange(len(classes)).reshape(series.shape).T.ravel()[: len(x)]
            classes, logits, fired = classes[order], logits[order], fired[order]
        return classes, logits, fired

    def begin_series(
        self,
        x: Samples,
        rows: NDArray[np.int64],
        stream: streams.Stream,
        *index: int,
        learning: bool = False,
    ) -> None:
        """Begin series anew, whose runs go on from each other; none where each is from reset.

        What comes before their first samples is shown from reset, `training.washout` samples;
        where there is less, the very first one until then.

        Args:
            x: All samples, prepared.
            rows: Number of the first sample of each series, `(B,)`.
            stream: Stream of the randomness.
            index: Its index.
            learning: Whether the series will be learned from.
        """
        if not self.config.training.carry:
            return
        self.forget_series()
        probes = self.observer.probes if learning else self.observer.output_probes
        seed = streams.trial(self.config.seed, stream, *index)
        for back in range(self.config.training.washout, 0, -1):
            batch = Data.batch(x[np.maximum(rows - back, 0)])
            stimulus = self.encode(batch, streams.generator(seed, "washout", back))
            trial = streams.trial(seed, "washout", back)
            readout = self.supervised.run(stimulus, probes, trial)
            if learning:
                self.observer.decode(readout, stimulus, self.supervised.stored)

    def forget_series(self) -> None:
        """Begin the next run from reset, where each goes on from the one before."""
        self.supervised.begin_series()
        self.observer.begin_series()

    def stimulus(self, x: mapping.Batch, stream: streams.Stream, *index: int) -> Stimulus:
        """Encode samples with the randomness of a stream."""
        return self.encode(x, streams.generator(self.config.seed, stream, *index))

    # -- checkpoints --------------------------------------------------------------------------

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Collect the state of the controller and the device as named arrays."""
        arrays: dict[str, NDArray[np.generic]] = {}
        arrays |= {f"weights/{p}": weights for p, weights in enumerate(self.weights)}
        arrays |= {f"cells/{p}": cells for p, cells in self.cells.items()}
        arrays |= {f"rule/{name}": value for name, value in self.rule_state.items()}
        arrays |= {f"optimiser/{name}": value for name, value in self.optimiser_state.items()}
        arrays["homeostasis/strengths"] = self.strengths
        return arrays | self.supervised.state()

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Return to what `state` gave; a device that cannot is given all weights anew.

        Raises:
            ValueError: When it is that of another training, or none.
        """
        self.load_weights(state)
        for prefix in ("rule/", "optimiser/", "homeostasis/"):
            wrong = first_mismatch(
                select_prefix(state, prefix), select_prefix(self.state(), prefix)
            )
            if wrong:
                raise ValueError(f"{prefix}{wrong}")
        self.rule_state, self.optimiser_state = (
            {name: array.copy() for name, array in select_prefix(state, prefix).items()}
            for prefix in ("rule/", "optimiser/")
        )
        self.strengths = state["homeostasis/strengths"].astype(np.float64)
        if not self.supervised.restore(state):
            self.write()

    def load_weights(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take the shadow weights of a checkpoint, without writing them; feedback follows ways.

        Raises:
            ValueError: When they are of another network.
        """
        self.weights = weights_in(state, self.weights)
        self.cells = ties.read_cells(select_prefix(state, "cells/"), self.weights)
        mapping.check_graph(state, self.config, self.device.network)
        self.rule_state = align_feedback(self.rule, self.rule_state, select_prefix(state, "ways/"))

    # -- the device, timed --------------------------------------------------------------------

    def clip(self, projection: int) -> None:
        """Keep weights within what is stored."""
        full, form = self.device.network.full_scale[projection], self._forms[projection]
        low, high = np.float32(form.least(full)), np.float32(full)
        np.clip(self.weights[projection], low, high, out=self.weights[projection])

    @cached_property
    def logits(self) -> Callable[[Matrix, Matrix], Matrix]:
        """Makes logits of output rates and mean membranes, `(B, C)` each."""
        read = self.config.readout
        return partial(losses.logits, source=read.source, kappa=read.kappa, beta=read.beta)
