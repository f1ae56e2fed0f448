"""The observer: it turns the answers of a device into what a rule is shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Probe, Readout, Reduction, Stimulus
from hil.learning.nominal_neuron import activity_of
from hil.learning.rule import Observation, PerturbedEvaluation, Rule
from hil.loop.mapping import make_host_model, nominal_decay, nominal_threshold, routes
from hil.loop.observation.estimation import (
    LayerSamples,
    RateEstimation,
    build_nominal_neuron,
    mean_input,
)
from hil.loop.observation.probes import limit_offers, plan_probes

if TYPE_CHECKING:
    from drivers.contract.info import StimulusKind
    from hil.config import Config

Matrix = NDArray[np.float32]
Judgement = tuple[Matrix, Matrix, Matrix]
"""Losses `(B,)`, logits and errors `(B, C)`."""
Judge = Callable[[Matrix, Matrix], Judgement]
"""Judges output rates and mean membranes, `(B, C)` each."""
LEFT, LASTING = 0.01, 0.999  # of what came before a batch, what is forgotten; longest decay for it
UNSEEN = LayerSamples("before_reset", every=1, mean=None)


@dataclass(frozen=True, eq=False)
class DecodedReadout:
    """Readout of one batch, as the host understands it.

    Attributes:
        inputs: Mean input of a step, `(B, n_in)`.
        hidden: Activity of each hidden layer, `(B, n_l)`, as `activity_of` has it.
        membranes: Time means of each layer before its reset, the output last, `(B, n_l)`, in
            thresholds.
        traces: Membranes of each layer step by step, `(T, B, n_l)`; empty unless asked for.
        rate: Output activity, `(B, C)`.
        output_spikes: Output raster `(T, B, C)`, with traces, where the device shows it.
        spikes: Raster of each hidden layer, `(T, B, n_l)`, with traces.
        held: Output rates `(B, C)` by the estimators that are held against `rate`.
        earlier: As `Observation` has it.
    """

    inputs: Matrix
    hidden: tuple[Matrix, ...]
    membranes: tuple[Matrix, ...]
    traces: tuple[Matrix, ...]
    rate: Matrix
    output_spikes: Matrix | None
    spikes: tuple[Matrix, ...] = ()
    held: Mapping[str, Matrix] = field(default_factory=dict)
    earlier: tuple[Matrix, ...] = ()


class Observer:
    """Asks a device for what a rule reads, and turns the answers into units of the threshold.

    Attributes:
        estimator: Estimator of hidden activity in use.
        held: Estimators that are held against the output's spikes, the most trusted first.
        probes: What a learning step asks for.
        output_probes: What a deployed network is read by: its output alone.
        highest_rate: Activity of an output that is driven without end.
    """

    def __init__(self, config: Config, device: Device, rule: Rule, kind: StimulusKind) -> None:
        """Choose the probes.

        Args:
            config: The configuration.
            device: The configured device.
            rule: Says what it reads.
            kind: That of the stimulus.

        Raises:
            UnsupportedProbe: When the device does not show what is needed.
        """
        info, network = limit_offers(device.info, config.observe), device.network
        self._timed = config.readout.source == "times"
        self._rule, self._homeostasis = rule, config.homeostasis
        self._traced, self._by_spikes = rule.needs_traces, config.observe == "spikes"
        self._membrane, self._depth = info.neuron.membrane, network.depth
        self._threshold = nominal_threshold(device)
        self.routes, self._model = routes(device, kind), make_host_model(config, device, kind)
        self._plan = plan_probes(config, info, network.depth, rule.needs_traces)
        offers = (info.offer("membrane", n, network.depth) for n in range(1, network.depth + 1))
        self._sampled = ["before_reset" if o is None else o.sampled for o in offers]
        steps, spikes_in = config.network.steps, kind == "spikes"
        decay = nominal_decay(device)
        # What runs on is seldom near rest, and remembers; else nothing is before a run.
        self._reach, self._earlier = 0, tuple[Matrix, ...]()
        if config.training.carry:
            steps *= 1 + config.training.washout
            if self._traced:
                faded = math.log(LEFT) / math.log(min(max(decay, LEFT), LASTING))
                latest = max(int(np.max(p.delay)) for p in network.projections)
                self._reach = 1 + math.ceil(faded) + latest
        self._estimation = RateEstimation(info, decay, network, spikes_in, steps)
        output = build_nominal_neuron(info, decay, network.depth, steps, spikes_in)
        self.highest_rate = 1.0 if self._timed else output.highest_rate
        hidden = range(1, network.depth)
        self.spikes_offered = all(info.offer("spikes", n, network.depth) for n in hidden)
        self.held = self._plan.candidates
        self.estimator = self.held[0]
        self.probes = self._plan.learning
        self.output_probes = [*self._plan.output]
        self._most_in_run = info.neuron.spikes_per_run

    def begin_series(self) -> None:
        """Forget what came before the next batch."""
        self._earlier = ()

    @property
    def target_rate(self) -> float:
        """Rate that homeostasis aims at, on the scale of the estimate."""
        target = self._homeostasis.target
        return self.estimator.target if target == "auto" else float(target)

    @property
    def hidden_membranes(self) -> Reduction | None:
        """Reduction of hidden membranes; single samples, `none`, may tell spikes."""
        return next((p.reduce for p in self._plan.membranes[:-1] if p is not None), None)

    def use(self, name: str) -> None:
        """Estimate by another one of those that are held; refuse (`ValueError`) any other."""
        candidates = {estimator.name: estimator for estimator in self.held}
        if name not in candidates:
            raise ValueError(f"estimator {name[:60]!r} is none of {', '.join(candidates)}")
        self.estimator = candidates[name]

    def decode(
        self, readout: Readout, stimulus: Stimulus, stored: Sequence[Matrix]
    ) -> DecodedReadout:
        """Make of a learning step's readout what it says of every layer.

        Args:
            readout: The answer to `probes`.
            stimulus: What was shown.
            stored: Weights that the device stores, of each projection.
        """
        plan = self._plan
        layers = [self._read(readout, probe) for probe in plan.membranes]
        rate, output = self._output_activity(readout), _mean(layers[-1])
        output = np.zeros_like(rate) if output is None else output
        traces: tuple[Matrix, ...] = ()
        rasters = {}
        if self._traced:
            traces = tuple(seen.samples for seen in layers if seen.samples is not None)
            rasters = {n: readout.samples[p].astype(np.float32) for n, p in plan.spikes.items()}
        inputs = mean_input(stimulus)
        held: Mapping[str, Matrix] = {}
        if self._by_spikes:
            hidden = [self._activity(readout, plan.spikes[n]) for n in range(1, self._depth)]
            membranes = [
                measured if seen.mean is None else seen.mean
                for seen, measured in zip(layers[:-1], hidden, strict=True)
            ]
            spikes = [raster for n, raster in rasters.items() if n < self._depth]
        else:
            shown = layers[:-1]
            if self.estimator.reading == "nothing" and shown:
                shown.append(UNSEEN)
            elif plan.fitted is not None:
                same = plan.fitted == plan.membranes[-1]
                shown.append(layers[-1] if same else self._read(readout, plan.fitted))
            estimates, held = self._estimation.estimate(
                stimulus, inputs, stored, shown, self.estimator, self.held
            )
            hidden = [estimate.rate for estimate in estimates]
            membranes = [estimate.membrane for estimate in estimates]
            spikes = [
                (trace >= 1).astype(np.float32) if estimate.spikes is None else estimate.spikes
                for estimate, trace in zip(estimates, traces, strict=False)
            ]
        earlier = self._earlier
        if self._reach:
            now = (stimulus.dense(), *spikes)
            events = map(np.concatenate, zip(earlier, now, strict=True)) if earlier else now
            self._earlier = tuple(each[-self._reach :] for each in events)
        return DecodedReadout(
            inputs,
            tuple(hidden),
            (*membranes, output),
            traces,
            rate,
            rasters.get(self._depth),
            tuple(spikes),
            held,
            earlier,
        )

    def observe(
        self,
        stimulus: Stimulus,
        decoded: DecodedReadout,
        labels: NDArray[Any],
        judged: Judgement,
        judge: Judge,
        perturbed: Sequence[PerturbedEvaluation],
        pulls: tuple[Matrix, ...],
        progress: float,
    ) -> Observation:
        """Put together what the rule is shown.

        Args:
            stimulus: What the device was shown.
            decoded: What was made of its answer.
            labels: `(B,)`, or real targets `(B, C)`.
            judged: What came of it.
            judge: Judges any other readout.
            perturbed: What came of the weights that the rule proposed.
            pulls: Those of homeostasis.
            progress: Share of the training that is done.
        """
        in_time = self._traced and (stimulus.kind != "current" or self._reach > 0)
        return Observation(
            inputs=decoded.inputs,
            activity=decoded.hidden,
            membrane=decoded.membranes,
            rate=decoded.rate,
            traces=decoded.traces,
            input_trace=stimulus.dense() if in_time else None,
            input_events=stimulus.data if in_time and stimulus.kind == "spikes" else None,
            output_spikes=decoded.output_spikes,
            error=judged[-1],
            perturbed=tuple(perturbed),
            routes=self.routes,
            spikes=decoded.spikes,
            earlier=decoded.earlier,
            running_error=_compute_running_error(decoded, judge)
            if self._rule.needs_running_error
            else None,
            model=self._model,
            pulls=pulls,
            progress=progress,
            losses=judged[0],
            logits=judged[1],
            labels=labels,
        )

    def read_output(self, readout: Readout) -> tuple[Matrix, Matrix]:
        """Output activity and mean membranes of a run with `output_probes`, `(B, C)` each."""
        rate = self._output_activity(readout)
        shown = next((p for p in self._plan.output if p.quantity == "membrane"), None)
        mean = _mean(self._read(readout, shown))
        return rate, np.zeros_like(rate) if mean is None else mean

    def _output_activity(self, readout: Readout) -> Matrix:
        """Spikes per step of the output, or what the times of its first spikes tell, `(B, C)`."""
        if self._timed:
            raster = readout.samples[self._plan.spikes[self._depth]]
            return activity_of(raster, most_in_run=1)
        return readout.counts.astype(np.float32) / np.float32(readout.steps)

    def _activity(self, readout: Readout, probe: Probe) -> Matrix:
        """Measured activity of a hidden layer."""
        samples = readout.samples[probe].astype(np.float32, copy=False)
        return activity_of(samples, self._most_in_run) if probe.reduce == "none" else samples

    def _read(self, readout: Readout, probe: Probe | None) -> LayerSamples:
        """Samples of a membrane probe, in thresholds."""
        if probe is None:
            return UNSEEN
        sampled = self._sampled[probe.layer - 1]
        # Sums depend on the layout: a device may answer in any.
        values = np.ascontiguousarray(readout.samples[probe], np.float32)
        values = self._membrane.in_thresholds(values, self._threshold)
        if probe.reduce == "none":
            return LayerSamples(sampled, probe.every, values.mean(axis=0), values, values[-1])
        if probe.reduce == "last":
            return LayerSamples(sampled, probe.every, mean=None, last=values)
        return LayerSamples(sampled, probe.every, mean=values)


def _mean(seen: LayerSamples) -> Matrix | None:
    return seen.last if seen.mean is None else seen.mean


def _compute_running_error(decoded: DecodedReadout, judge: Judge) -> Matrix:
    """The error of what was read up to each step, `(T, B, C)`."""
    membranes, raster = decoded.traces[-1], decoded.output_spikes
    fired = (membranes >= 1).astype(np.float32) if raster is None else raster
    passed = np.arange(1, len(membranes) + 1, dtype=np.float32)[:, np.newaxis, np.newaxis]
    rates, means = np.cumsum(fired, axis=0) / passed, np.cumsum(membranes, axis=0) / passed
    return np.stack([judge(rate, mean)[-1] for rate, mean in zip(rates, means, strict=True)])
