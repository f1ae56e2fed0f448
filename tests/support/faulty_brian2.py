"""A textbook Brian2 network with a fault put in by hand: the oracle of faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import brian2 as b2
import numpy as np
from brian2 import BrianLogger
from numpy.typing import NDArray

Array = NDArray[np.float64]
Change = Callable[[list[b2.NeuronGroup], list[b2.Synapses]], None]
TAU, REFRACTORY, STEP = 10.0, 2.0, 1.0


class Textbook:
    """Leaky neurons with soft reset, in float64; an event is a jump of the membrane.

    Attributes:
        groups: The layers of neurons: `tau`, `level`, `rest` (refractory time) and `gain`.
        synapses: The projections: `w`, in thresholds.
    """

    def __init__(self, weights: Sequence[Array], inputs: int, layer: int, neuron: int) -> None:
        """Build it once.

        Args:
            weights: Of each projection `(n_pre, n_post)`.
            inputs: Channels of the input.
            layer: Layer, from 1, of the neuron whose line may be held.
            neuron: That neuron.
        """
        BrianLogger.suppress_name("unused_brian_object")
        b2.prefs.codegen.target = "numpy"
        self._ms, self._clock = b2.ms, b2.Clock(dt=STEP * b2.ms)
        self._weights, self._held = weights, (layer, neuron)
        self._inputs, self._line = self._generate(inputs), self._generate(1)
        self.groups = [self._make_neurons(w.shape[1]) for w in weights]
        sources = [self._inputs, *self.groups]
        self.synapses = [self._join(sources[p], self.groups[p], w) for p, w in enumerate(weights)]
        own = weights[layer][neuron : neuron + 1]
        self._from_line = self._join(self._line, self.groups[layer], own)
        self._monitors = [b2.SpikeMonitor(group) for group in self.groups]
        feed = b2.NetworkOperation(self._feed, clock=self._clock, when="start")
        self._network = b2.Network(
            feed, *sources, self._line, *self.synapses, self._from_line, *self._monitors
        )
        self._network.store()

    def _generate(self, channels: int) -> b2.NeuronGroup:
        return b2.NeuronGroup(channels, "on : 1", threshold="on > 0", reset="", clock=self._clock)

    def _feed(self) -> None:
        step = round(float(self._clock.t / self._ms) / STEP)
        self._inputs.on = self._events[step]
        self._line.on = self._on_line[step]

    def _make_neurons(self, size: int) -> b2.NeuronGroup:
        group = b2.NeuronGroup(
            size,
            """dv/dt = -v / tau : 1 (unless refractory)
            tau : second
            level : 1
            rest : second
            gain : 1""",
            threshold="v >= level",
            reset="v -= level",
            refractory="rest",
            method="exact",
            clock=self._clock,
        )
        group.tau, group.level, group.gain = TAU * b2.ms, 1, 1
        group.rest = REFRACTORY * b2.ms
        return group

    def _join(self, source: object, target: b2.NeuronGroup, w: Array) -> b2.Synapses:
        made = b2.Synapses(
            source,
            target,
            "w : 1",
            on_pre="v_post += w * gain_post * int(not_refractory_post)",
            clock=self._clock,
        )
        made.connect()
        made.w = w.reshape(-1)
        return made

    def simulate(
        self,
        events: Array,
        change: Change = lambda *_: None,
        window: tuple[int, int] | None = None,
        line: Array | None = None,
    ) -> list[NDArray[np.bool_]]:
        """Run a sample from rest.

        Args:
            events: `(T, n)` of the input.
            change: Puts in a fault.
            window: The steps that it acts in; None for all.
            line: Events `(T,)` on the line that may be held, in place of its neuron's own.

        Returns:
            Events on the lines of each layer, `(T, n)`.
        """
        self._network.restore()
        layer, neuron = self._held
        self._events, self._on_line = events, np.zeros(len(events)) if line is None else line
        if line is not None:
            outgoing = self.synapses[layer]
            outgoing.w[np.flatnonzero(np.asarray(outgoing.i) == neuron)] = 0
        names = ("tau", "level", "rest", "gain")
        kept = [(g, n, np.array(getattr(g, f"{n}_"))) for g in self.groups for n in names]
        kept += [(s, "w", np.array(s.w_)) for s in self.synapses]
        first, last = window or (0, len(events))
        self._go_on(first)
        change(self.groups, self.synapses)
        self._go_on(last - first)
        for item, name, values in kept:
            setattr(item, f"{name}_", values)
        self._go_on(len(events) - last)
        rasters = []
        for monitor, group in zip(self._monitors, self.groups, strict=True):
            raster = np.zeros((len(events), len(group)), bool)
            ticks = np.rint(np.asarray(monitor.t / self._ms) / STEP).astype(int)
            raster[ticks, np.asarray(monitor.i)] = True
            rasters.append(raster)
        if line is not None:
            rasters[layer - 1][:, neuron] = line
        return rasters

    def _go_on(self, steps: int) -> None:
        if steps:
            self._network.run(steps * STEP * self._ms)
