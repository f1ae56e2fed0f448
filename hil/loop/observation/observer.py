"""What the controller looks at: decided once, from the configuration and what the device shows.

With `observe = "membrane"` it reads the spikes of the output layer and membranes, and nothing else;
hidden spikes are never asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Probe, ProbeOffer, Readout, Reduction, Stimulus, UnsupportedProbe
from hil.learning.rate_estimator import Reading
from hil.loop.mapping import nominal_decay, nominal_threshold
from hil.loop.observation import choice
from hil.loop.observation.choice import REDUCTIONS
from hil.loop.observation.estimation import LayerSamples, Nominal, estimated

if TYPE_CHECKING:
    from hil.config import Config

Matrix = NDArray[np.float32]
UNSEEN = LayerSamples("before_reset", every=1, mean=None)


@dataclass(frozen=True, eq=False)
class DecodedReadout:
    """What the host made of the readout of one batch.

    Attributes:
        hidden: Activity of each hidden layer, `(B, n_l)`, spikes per step.
        membranes: Time means of each layer before its reset, the output last, `(B, n_l)`, in
            thresholds.
        traces: Membranes of each layer step by step, `(T, B, n_l)`; empty unless asked for.
        rate: Output spikes per step, `(B, C)`.
        output_spikes: Output raster `(T, B, C)`, with traces, where the device shows it.
        spikes: Raster of each hidden layer, `(T, B, n_l)`, with traces.
        held: Output rates `(B, C)` by the estimators that are held against `rate`.
    """

    hidden: tuple[Matrix, ...]
    membranes: tuple[Matrix, ...]
    traces: tuple[Matrix, ...]
    rate: Matrix
    output_spikes: Matrix | None
    spikes: tuple[Matrix, ...] = ()
    held: Mapping[str, Matrix] = field(default_factory=dict)


class Observer:
    """Asks a device for what a rule reads, and turns the answers into units of the threshold.

    Attributes:
        estimator: How hidden activity is found.
        held: Estimators that are held against the output's spikes, the most trusted first.
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
        self._projections = device.network.projections
        self._threshold = nominal_threshold(device)
        self._nominal = Nominal(device.info, nominal_decay(device))
        self._by_spikes = config.observe == "spikes"
        offers = self._hidden_offers()
        every = self._every() if any(offers) else 1
        self.held = choice.estimators(config, device.info, self._depth, every, traced)
        self.estimator = self.held[0]
        self._membranes = {layer: self._membrane(layer) for layer in range(1, self._depth + 1)}
        self._spikes = self._spike_probes()
        self._fitted = self._fit_probe()
        if self._fitted is None and not self._unseen:
            self.held = self.held[:1]
        chosen = [*self._membranes.values(), *self._spikes.values(), self._fitted]
        self.probes = list(dict.fromkeys(probe for probe in chosen if probe is not None))
        output = self._offer(self._depth)
        self._output = None if output is None else _probe(self._depth, output, output.every, "mean")
        self.output_probes = [] if self._output is None else [self._output]

    @property
    def _unseen(self) -> bool:
        """Whether rates are estimated without a look at any layer."""
        return self.estimator.reading == "nothing"

    @property
    def target_rate(self) -> float:
        """What homeostasis aims at, on the scale of the estimate."""
        target = self._config.homeostasis.target
        return self.estimator.target if target == "auto" else float(target)

    @property
    def hidden_membranes(self) -> Reduction | None:
        """What is asked for of hidden membranes; single samples, `none`, may tell spikes."""
        asked = [self._membranes[layer] for layer in range(1, self._depth)]
        return next((probe.reduce for probe in asked if probe is not None), None)

    @property
    def spikes_offered(self) -> bool:
        """Whether the device shows the spikes of hidden layers."""
        hidden = range(1, self._depth)
        return all(self._info.offer("spikes", n, self._depth) is not None for n in hidden)

    def use(self, name: str) -> None:
        """Estimate by another one of those that are held; refuse (`ValueError`) any other."""
        known = {estimator.name: estimator for estimator in self.held}
        if name not in known:
            raise ValueError(f"estimator {name[:60]!r} is none of {', '.join(known)}")
        self.estimator = known[name]

    def decode(
        self, readout: Readout, stimulus: Stimulus, stored: Sequence[Matrix]
    ) -> DecodedReadout:
        """What a learning step's readout tells.

        Args:
            readout: The answer to `probes`.
            stimulus: What was shown.
            stored: Weights that the device stores, of each projection.
        """
        rate, output = self._output_of(readout, self._membranes[self._depth])
        layers = [self._read(readout, self._membranes[n]) for n in range(1, self._depth)]
        traces = []
        if self._traced:
            traces = [layer.samples for layer in layers if layer and layer.samples is not None]
            last = self._read(readout, self._membranes[self._depth])
            assert last is not None and last.samples is not None
            traces.append(last.samples)
        raster = None
        if self._traced and self._depth in self._spikes:
            raster = readout.samples[self._spikes[self._depth]].astype(np.float32)
        if self._by_spikes:
            measured = [_mean(readout, self._spikes[n]) for n in range(1, self._depth)]
            membranes = [
                known if layer is None or layer.mean is None else layer.mean
                for layer, known in zip(layers, measured, strict=True)
            ]
            rasters = [readout.samples[p].astype(np.float32) for p in self._hidden_rasters()]
            return DecodedReadout(
                tuple(measured), (*membranes, output), tuple(traces), rate, raster, tuple(rasters)
            )
        read = [UNSEEN if layer is None else layer for layer in layers]
        checked = UNSEEN if self._unseen and read else self._read(readout, self._fitted)
        estimates, held = estimated(
            self._nominal,
            stimulus,
            self._projections,
            stored,
            [*read, *([] if checked is None else [checked])],
            self.estimator,
            self.held,
        )
        return DecodedReadout(
            tuple(e.rate for e in estimates),
            (*(e.membrane for e in estimates), output),
            tuple(traces),
            rate,
            raster,
            tuple(
                (trace >= 1).astype(np.float32) if e.spikes is None else e.spikes
                for e, trace in zip(estimates, traces, strict=False)
            ),
            held,
        )

    def deployed(self, readout: Readout) -> tuple[Matrix, Matrix]:
        """Output rates and mean membranes of a run with `output_probes`, `(B, C)` each."""
        return self._output_of(readout, self._output)

    def _output_of(self, readout: Readout, probe: Probe | None) -> tuple[Matrix, Matrix]:
        """Output rates and mean membranes, `(B, C)` each; the latter zero where not shown."""
        rate = readout.counts.astype(np.float32) / np.float32(readout.steps)
        read = self._read(readout, probe)
        if read is None:
            return rate, np.zeros_like(rate)
        mean = read.mean if read.mean is not None else read.last
        assert mean is not None
        return rate, mean

    def _read(self, readout: Readout, probe: Probe | None) -> LayerSamples | None:
        """What a probe gave, in thresholds."""
        if probe is None:
            return None
        offer = self._offer(probe.layer)
        assert offer is not None
        values = readout.samples[probe].astype(np.float32, copy=False)
        values = self._info.neuron.membrane.in_thresholds(values, self._threshold)
        if probe.reduce == "none":
            mean = values.mean(axis=0)
            return LayerSamples(offer.sampled, probe.every, mean, values, values[-1])
        if probe.reduce == "last":
            return LayerSamples(offer.sampled, probe.every, mean=None, last=values)
        return LayerSamples(offer.sampled, probe.every, mean=values)

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

    def _membrane(self, layer: int) -> Probe | None:
        """The membrane probe of a layer; None where it is hidden and can be done without."""
        offer, hidden = self._offer(layer), layer < self._depth
        needed = self._traced or (
            not (self._by_spikes or self._unseen)
            if hidden
            else self._config.readout.source != "counts"
        )
        if offer is None or (hidden and self._unseen and not self._traced):
            if needed:
                place = f"hidden layer {layer}" if hidden else "the output layer"
                raise UnsupportedProbe(
                    f"this device does not show the membranes of {place}: use observe=spikes, "
                    "readout.source=counts and a rule that needs no traces"
                )
            return None
        if self._traced:
            return Probe(layer, every=1, reduce="none")
        estimating = hidden and not self._by_spikes
        every = self._every() if hidden else max(offer.every, 1)
        return _probe(layer, offer, every, self.estimator.reading if estimating else "mean")

    def _fit_probe(self) -> Probe | None:
        """What of the output the estimators are held by; None where it is not to be had."""
        offer, reading = self._offer(self._depth), self.estimator.reading
        if self._by_spikes or self._unseen or offer is None or self._depth == 1:
            return None
        if not any(reduction in offer.reductions for reduction in REDUCTIONS[reading]):
            return None
        if self._traced:
            return self._membranes[self._depth]
        every = max(offer.every, self._every() if reading == "samples" else 1)
        return _probe(self._depth, offer, every, reading)

    def _hidden_rasters(self) -> list[Probe]:
        return [self._spikes[n] for n in range(1, self._depth)] if self._traced else []

    def _spike_probes(self) -> dict[int, Probe]:
        """Spike probes: of hidden layers when they may be seen, of the output with traces."""
        found = {}
        layers = [*range(1, self._depth)] if self._by_spikes else []
        if self._traced and self._info.offer("spikes", self._depth, self._depth) is not None:
            layers.append(self._depth)
        for layer in layers:
            offer = self._info.offer("spikes", layer, self._depth)
            raster = self._traced or (offer is not None and "mean" not in offer.reductions)
            # Without an offer the device itself refuses, in its own words.
            found[layer] = Probe(layer, "spikes", reduce="none" if raster else "mean")
        return found


def _probe(layer: int, offer: ProbeOffer, every: int, reading: Reading) -> Probe:
    """A membrane probe for a reading, reduced by the device as far as it can."""
    kinds = [kind for kind in REDUCTIONS[reading] if kind in offer.reductions]
    return Probe(layer, every=every, reduce=kinds[0] if kinds else REDUCTIONS[reading][0])


def _mean(readout: Readout, probe: Probe) -> Matrix:
    samples = readout.samples[probe].astype(np.float32, copy=False)
    return samples.mean(axis=0) if probe.reduce == "none" else samples
