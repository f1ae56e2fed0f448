"""What the controller looks at: decided once, from the configuration and what the device shows.

With `observe = "membrane"` it reads the spikes of the output layer and the membranes of the hidden
layers, and nothing else; hidden spikes are never asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Probe, ProbeOffer, Readout, Stimulus, UnsupportedProbe
from hil.learning import rate_estimators

if TYPE_CHECKING:
    from hil.config import Config

Matrix = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DecodedReadout:
    """What the host made of the readout of one batch.

    Attributes:
        hidden: Activity of each hidden layer, `(B, n_l)`, spikes per step.
        membranes: Time means of each layer, the output last, `(B, n_l)`, in thresholds.
        traces: Membranes of each layer step by step, `(T, B, n_l)`; empty unless asked for.
        rate: Output spikes per step, `(B, C)`.
        output_spikes: Output raster `(T, B, C)`, with traces, where the device shows it.
    """

    hidden: tuple[Matrix, ...]
    membranes: tuple[Matrix, ...]
    traces: tuple[Matrix, ...]
    rate: Matrix
    output_spikes: Matrix | None


class Observer:
    """Asks a device for what a rule reads, and turns the answers into units of the threshold.

    Attributes:
        estimator: How hidden activity is found.
        target_rate: What homeostasis aims at, on that estimate's scale.
        probes: What a learning step asks for.
        output_probes: What a deployed network is read by: its output alone.
    """

    def __init__(self, config: Config, device: Device, traced: bool) -> None:
        """Choose the probes.

        Args:
            config: The configuration.
            device: The configured device.
            traced: Whether the rule reads membranes step by step.

        Raises:
            UnsupportedProbe: When the device does not show what is needed.
        """
        self._config, self._info, self._traced = config, device.info, traced
        self._depth = device.network.depth
        self._threshold = device.network.settings.get("threshold", device.info.membrane.threshold)
        self._by_spikes = config.observe == "spikes"
        self.estimator = rate_estimators.get(self._choose())
        target = config.homeostasis.target
        self.target_rate = self.estimator.target if target == "auto" else float(target)
        self._membranes = {layer: self._membrane(layer) for layer in range(1, self._depth + 1)}
        self._spikes = self._spike_probes()
        found = [*self._membranes.values(), *self._spikes.values()]
        self.probes = [probe for probe in found if probe is not None]
        output = self._offer(self._depth)
        self._output = None
        if output is not None:
            self._output = _reduced(Probe(self._depth, every=output.every, reduce="mean"), output)
        self.output_probes = [] if self._output is None else [self._output]

    def decode(self, readout: Readout) -> DecodedReadout:
        """What a learning step's readout tells."""
        hidden, membranes, traces = [], [], []
        for layer in range(1, self._depth):
            measured = self._spikes.get(layer)
            rate = None if measured is None else _mean(readout, measured)
            probe = self._membranes[layer]
            if probe is None:  # a device that streams spikes and hides membranes
                assert rate is not None
                membranes.append(rate)
            else:
                samples = self._in_thresholds(readout, probe)
                mean = samples.mean(axis=0) if probe.reduce == "none" else samples
                membranes.append(mean)
                traces.append(samples)
                rate = self.estimator.estimate(samples, mean) if rate is None else rate
            hidden.append(rate)
        rates, output = self.output(readout, self._membranes[self._depth])
        raster = None
        if self._traced:
            traces.append(self._in_thresholds(readout, self._required(self._depth)))
            if self._depth in self._spikes:
                raster = readout.samples[self._spikes[self._depth]].astype(np.float32)
        return DecodedReadout(
            tuple(hidden),
            (*membranes, output),
            tuple(traces) if self._traced else (),
            rates,
            raster,
        )

    def deployed(self, readout: Readout) -> tuple[Matrix, Matrix]:
        """Output rates and mean membranes of a run with `output_probes`, `(B, C)` each."""
        return self.output(readout, self._output)

    def output(self, readout: Readout, probe: Probe | None) -> tuple[Matrix, Matrix]:
        """Output rates and mean membranes, `(B, C)` each; the latter zero where not shown."""
        rate = readout.counts.astype(np.float32) / np.float32(readout.steps)
        if probe is None:
            return rate, np.zeros_like(rate)
        samples = self._in_thresholds(readout, probe)
        return rate, samples.mean(axis=0) if probe.reduce == "none" else samples

    # -- choosing -----------------------------------------------------------------------------

    def _offer(self, layer: int) -> ProbeOffer | None:
        return self._info.offer("membrane", layer, self._depth)

    def _hidden_offers(self) -> list[ProbeOffer | None]:
        return [self._offer(layer) for layer in range(1, self._depth)]

    def _every(self) -> int:
        """Steps between two membrane samples."""
        shortest = [offer.every for offer in self._hidden_offers() if offer is not None]
        every = max([self._config.activity.every, *shortest])
        if every > self._config.network.steps:
            raise UnsupportedProbe(
                f"membranes are sampled every {every} steps of a run of "
                f"{self._config.network.steps}: raise network.steps or lower activity.every"
            )
        return every

    def _choose(self) -> str:
        """The name of the estimator."""
        if self._by_spikes:
            return "spikes"
        asked = self._config.activity.estimator
        if asked == "spikes":
            raise ValueError("activity.estimator = 'spikes' needs observe=spikes")
        if asked != "auto":
            return asked
        samples = all(
            offer is not None and offer.sampled == "before_reset" and "none" in offer.reductions
            for offer in self._hidden_offers()
        )
        return rate_estimators.choose(every=self._every(), before_reset=samples)

    def _membrane(self, layer: int) -> Probe | None:
        """The membrane probe of a layer; None where it is hidden and can be done without."""
        offer, hidden = self._offer(layer), layer < self._depth
        needed = self._traced or (
            not self._by_spikes if hidden else self._config.readout.source != "counts"
        )
        if offer is None:
            if needed:
                place = f"hidden layer {layer}" if hidden else "the output layer"
                raise UnsupportedProbe(
                    f"this device does not show the membranes of {place}: use observe=spikes, "
                    "readout.source=counts and a rule that needs no traces"
                )
            return None
        if self._traced:
            return Probe(layer, every=1, reduce="none")
        every = self._every() if hidden else max(offer.every, 1)
        sampled = hidden and not self._by_spikes and self.estimator.needs_samples
        probe = Probe(layer, every=every, reduce="none" if sampled else "mean")
        return _reduced(probe, offer)

    def _spike_probes(self) -> dict[int, Probe]:
        """Spike probes: of hidden layers when they may be seen, of the output with traces."""
        found = {}
        layers = [*range(1, self._depth)] if self._by_spikes else []
        if self._traced and self._info.offer("spikes", self._depth, self._depth) is not None:
            layers.append(self._depth)
        for layer in layers:
            probe = Probe(layer, "spikes", reduce="none" if layer == self._depth else "mean")
            offer = self._info.offer("spikes", layer, self._depth)
            # Without an offer the device itself refuses, in its own words.
            found[layer] = probe if offer is None else _reduced(probe, offer)
        return found

    def _required(self, layer: int) -> Probe:
        probe = self._membranes[layer]
        assert probe is not None
        return probe

    def _in_thresholds(self, readout: Readout, probe: Probe) -> Matrix:
        samples = readout.samples[probe].astype(np.float32, copy=False)
        return self._info.membrane.in_thresholds(samples, self._threshold)


def mean_drive(stimulus: Stimulus) -> Matrix:
    """Mean input per step, `(B, n_in)`."""
    if stimulus.kind == "current":
        assert isinstance(stimulus.data, np.ndarray)
        return stimulus.data
    if stimulus.kind == "current_trace":
        return np.asarray(stimulus.data.mean(axis=0), np.float32)
    from scipy.sparse import csr_matrix

    rows = np.arange(stimulus.steps * stimulus.batch)
    summing = csr_matrix(
        (np.full(rows.size, 1 / stimulus.steps, np.float32), (rows % stimulus.batch, rows)),
        shape=(stimulus.batch, rows.size),
    )
    return np.asarray((summing @ stimulus.data).toarray(), np.float32)


def drive_trace(stimulus: Stimulus) -> Matrix | None:
    """Input of each step, `(T, B, n_in)`, or None when it is constant."""
    return None if stimulus.kind == "current" else stimulus.dense()


def _reduced(probe: Probe, offer: ProbeOffer) -> Probe:
    """The probe, with its mean left to the host where the device does not take it."""
    if probe.reduce == "mean" and "mean" not in offer.reductions:
        return replace(probe, reduce="none")
    return probe


def _mean(readout: Readout, probe: Probe) -> Matrix:
    samples = readout.samples[probe].astype(np.float32, copy=False)
    return samples.mean(axis=0) if probe.reduce == "none" else samples
