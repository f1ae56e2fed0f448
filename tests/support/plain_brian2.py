"""A textbook Brian2 simulation of one sample on a mapped chip: the oracle of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import brian2 as b2
import numpy as np
from brian2 import BrianLogger
from numpy.typing import NDArray

from device_models import Chip
from device_models.engine.circuit import NominalProjection, chain_layers


def simulate(
    chip: Chip,
    drive: NDArray[np.float64],
    steps: int,
    *,
    spikes: bool,
    projections: Sequence[NominalProjection] = (),
) -> tuple[list[NDArray[np.bool_]], list[NDArray[np.float64]]]:
    """Run one sample with a `Synapses` object for each projection, in float64.

    Args:
        chip: A configured chip; its noise is left out, its fixed pattern is used.
        drive: Constant currents `(n_in,)`, or input spikes `(T, n_in)`.
        steps: T.
        spikes: Which of the two the drive is.
        projections: What joins the layers, with nominal delays; empty for a chain without delay.

    Returns:
        For each layer, rasters `(T, n)` and membranes before the reset `(T, n)`.
    """
    b2.prefs.codegen.target = "numpy"
    circuit, model = chip.circuit, chip.model
    assert circuit is not None
    dt = circuit.dt * b2.second
    clock = b2.Clock(dt=dt)
    groups = [neurons(chip, index, clock) for index in range(len(circuit.layers))]
    joined = list(enumerate(projections or chain_layers(len(groups))))
    objects = []
    for p, projection in joined if not spikes else ():
        if projection.source == 0:
            objects += currents(chip, p, projection, groups[projection.target - 1], drive)
    monitors = [
        b2.StateMonitor(group, model.membrane, record=True, when="after_thresholds")
        for group in groups
    ]
    rasters = [b2.SpikeMonitor(group) for group in groups]
    sources = [None, *groups]
    if spikes:
        times, channels = np.nonzero(drive)
        sources[0] = b2.SpikeGeneratorGroup(drive.shape[1], channels, times * dt, clock=clock)
        objects.append(sources[0])
    for p, projection in joined:
        before, after = sources[projection.source], groups[projection.target - 1]
        if before is not None:
            objects += synapses(chip, p, projection, before, after)
    b2.Network([*groups, *monitors, *rasters, *objects]).run(steps * dt, namespace={})
    found = []
    for layer, monitor in zip(circuit.layers, rasters, strict=True):
        raster = np.zeros((steps, layer.size), bool)
        at = np.rint(np.asarray(monitor.t) / circuit.dt).astype(int)
        raster[at, np.asarray(monitor.i)] = True
        found.append(raster)
    return found, [np.array(getattr(m, model.membrane)).T for m in monitors]


def unit(chip: Chip) -> Any:
    """The unit of the membrane."""
    return 1 if chip.model.unit == "1" else getattr(b2, chip.model.unit)


def neurons(chip: Chip, index: int, clock: Any) -> Any:
    """The neurons of one layer, with the slope of their bias as input."""
    circuit, model = chip.circuit, chip.model
    assert circuit is not None
    layer = circuit.layers[index]
    names = [*layer.varied, *circuit.constants]
    lines = [f"{n} : {model.parameters[n].unit} (constant)" for n in names]
    equations = model.equations
    if circuit.is_refractory(layer):
        head = f"d{model.membrane}/dt"
        equations = "\n".join(
            line + " (unless refractory)" if line.strip().startswith(head) else line
            for line in equations.splitlines()
        )
    group = b2.NeuronGroup(
        layer.size,
        "\n".join([equations, *lines, f"i_in : {model.unit}/second", "gain : 1"]),
        threshold=model.threshold,
        reset=model.resets[circuit.reset],
        refractory=model.refractory if circuit.is_refractory(layer) else False,
        method=model.method,
        clock=clock,
    )
    if model.update:
        group.run_regularly(model.update, clock=clock, when="groups")
    for name in names:
        values = layer.varied.get(name, circuit.constants.get(name))
        setattr(group, f"{name}_", np.asarray(values, np.float64))
    for name, expression in model.initial.items():
        setattr(group, name, expression)
    group.gain = layer.gain.astype(np.float64)
    tau = np.asarray(circuit.values(model.time_constant, layer), np.float64)
    group.i_in = layer.bias.astype(np.float64) * model.swing / tau * unit(chip) / b2.second
    return group


def delays(chip: Chip, p: int, projection: NominalProjection) -> NDArray[np.int64]:
    """The delay of each synapse on this chip, in steps: nominal plus mismatch, at least 0."""
    assert chip.circuit is not None
    places = chip.circuit.projections[p].places
    nominal = np.broadcast_to(projection.delay, places.shape)
    late = chip.pattern.cells(p, places, (projection.source, projection.target)).late
    if late is None:
        return nominal
    return np.where(nominal == 0, 0, np.maximum(0, nominal + np.rint(late / chip.dt))).astype(int)


def pairs(
    projection: NominalProjection, ends: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Where each synapse comes from and leads to, in the order of its weights."""
    if projection.pre is None or projection.post is None:
        each = np.indices(ends, np.int32).reshape(2, -1)
        return each[0], each[1]
    return projection.pre, projection.post


def currents(
    chip: Chip, p: int, projection: NominalProjection, after: Any, drive: NDArray[np.float64]
) -> list[Any]:
    """A constant current into a layer; it begins to flow through a synapse after its delay."""
    circuit = chip.circuit
    assert circuit is not None
    weights = chip.crossbars[p].effective.astype(np.float64) * chip.model.swing
    late = delays(chip, p, projection)
    ends = drive.size, circuit.layers[projection.target - 1].size
    pre, post = pairs(projection, ends)
    rate = circuit.layers[projection.target - 1].gain / circuit.dt
    bias, step = np.array(after.i_in_), iter(range(10_000))

    def flow() -> None:
        flowing, matrix = (weights * (late <= next(step))).reshape(-1), np.zeros(ends)
        np.add.at(matrix, (pre, post), flowing)
        after.i_in_ = bias + drive @ matrix * rate

    return [b2.NetworkOperation(flow, clock=after.clock, when="before_groups")]


def synapses(
    chip: Chip, p: int, projection: NominalProjection, before: Any, after: Any
) -> list[Any]:
    """The synapses of one projection: one object, or one for each sign."""
    circuit, model = chip.circuit, chip.model
    assert circuit is not None
    layer = circuit.layers[projection.target - 1]
    clamped = circuit.is_refractory(layer) and model.receives == model.membrane
    clamp = " * int(not_refractory_post)" if clamped else ""
    receivers = [model.receives] if isinstance(model.receives, str) else [*model.receives]
    weights = chip.crossbars[p].effective.astype(np.float64) * model.swing
    if model.update:
        weights = np.rint(weights)
    made = []
    for receiver, sign in zip(receivers, (1, -1), strict=False):
        part = weights if len(receivers) == 1 else np.maximum(sign * weights, 0)
        connected = b2.Synapses(
            before,
            after,
            f"weight : {model.unit}",
            on_pre=f"{receiver}_post += gain_post * weight{clamp}",
        )
        pre, post = pairs(projection, (len(before), len(after)))
        connected.connect(i=pre, j=post)
        connected.delay = delays(chip, p, projection).reshape(-1) * chip.dt * b2.second
        connected.weight = part.reshape(-1) * unit(chip)
        made.append(connected)
    return made


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
