"""A model of NIR, and what of it a device is given: weights in nominal thresholds, and settings.

NIR's equations are in continuous time. A spike is an input of 1 that lasts one step of the model,
as in the libraries that NIR comes from; a step of the model is a step of the device. An event of a
device is a jump that leaks, or does not, before the next threshold test: weights are such that the
membrane at that test is the one of the equations. Delays are rounded to whole steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from drivers import Capacity, DeviceInfo, Role
from drivers.errors import FileFormatError
from drivers.files.bounded import parse_json
from hil.exchange.graph import Layer, read_layers
from hil.exchange.nir_file import NirRefusal, read_graph
from hil.exchange.node_kinds import KINDS
from hil.exchange.relays import (
    DRIVE,
    LEAST_DRIVE,
    MOST_RELAYS,
    RELAY_STEPS,
    add_relays,
    find_usual_weight,
    simulate_relays,
)
from hil.exchange.synapses import Synapses, scale_targets
from hil.learning.nominal_neuron import integrate_held_current
from hil.reasons import Reason, because

SHORTEST_STEP, LONGEST_STEP = 1e-9, 1e3  # seconds
MOST_STEPS = 10**9
EULER = "euler"
LONGEST_DELAY = 10_000  # steps, as in `network.delays`


@dataclass(frozen=True, eq=False)
class Model:
    """A model of NIR that devices here can be given.

    Attributes:
        path: Its file.
        layers: Its layers of neurons, each fed by the one before.
        dt: Length of one of its steps, in seconds.
        notes: What else this package keeps in its metadata: `steps`, `encoding`, `task`.
        euler: Whether who wrote it takes steps by Euler's rule, so that `1 - dt / tau` is left of a
            membrane after one.
    """

    path: str
    layers: list[Layer]
    dt: float
    notes: Mapping[str, Any]
    euler: bool = False

    @property
    def is_recurrent(self) -> bool:
        """True where any hidden layer leads to itself."""
        return any(layer.recurrent is not None for layer in self.layers)

    @property
    def has_bias(self) -> bool:
        """True where any layer has a bias."""
        return self.has_relay(-1)

    def has_relay(self, number: int) -> bool:
        """Tell whether a layer, counted from 0, has further neurons, for biases of later ones."""
        return any(layer.synapses.bias is not None for layer in self.layers[number + 1 :])

    def count_relays(self, number: int) -> int:
        """Count the neurons of a layer that stand for biases of later ones.

        They are as many as need no greater weights than the synapses beside theirs, which would
        else have few levels left.
        """
        if not self.has_relay(number):
            return 0
        after = self.layers[number + 1]
        factor, bias = weight_factor(after, self.dt, False, False), after.synapses.bias
        wanted = DRIVE if self.has_relay(number + 1) else 0.0
        if bias is not None:
            wanted = max(wanted, float(abs(bias * factor).max()))
        room = find_usual_weight(scale_targets(after.synapses.weights, factor))
        return int(np.clip(math.ceil(wanted / room), 1, MOST_RELAYS))

    @property
    def hidden(self) -> list[int]:
        """Neurons of each hidden layer, with those that stand for a bias."""
        return [
            layer.synapses.weights.shape[1] + self.count_relays(number)
            for number, layer in enumerate(self.layers[:-1])
        ]

    @property
    def projections(self) -> list[Synapses | None]:
        """Synapses from layer to layer; then, where any leads to itself, the same of each hidden
        layer, None where it does not."""
        own = [layer.recurrent for layer in self.layers[:-1]] if self.is_recurrent else []
        return [*(layer.synapses for layer in self.layers), *own]

    @property
    def delay(self) -> int:
        """The longest delay, in steps; 0 without any."""
        longest = max(synapses.longest for synapses in self.projections if synapses is not None)
        return int(self.count_steps(np.array(longest)))

    def without_delays(self) -> Model:
        """Give the same without delays."""
        return replace(self, layers=[layer.without_delays() for layer in self.layers])

    def count_steps(self, seconds: NDArray[Any]) -> NDArray[np.int64]:
        """Round delays to whole numbers of steps."""
        return np.floor(seconds / self.dt + 0.5).astype(np.int64)


def read_model(address: str) -> Model:
    """Read the model that an address names: a file, or `FILE?dt=SECONDS&decay=euler`.

    Raises:
        FileFormatError: Naming the file, and the node or field that is wrong.
        ValueError: When the length of a step is not known.
    """
    path, _, query = address.partition("?")
    graph = read_graph(path, {name: kind.fields for name, kind in KINDS.items()})
    try:
        notes = _read_notes(graph.notes)
        if query:
            notes |= _parse_options(query)
        layers = read_layers(graph)
        dt, euler = notes.pop("dt", None), notes.pop("decay", "") == EULER
        if dt is None:
            raise NirRefusal(
                f"does not say how long one of its steps is: add it, as in {path}?dt="
                + _suggest_step(layers)
            )
        if euler:
            layers = [from_euler(layer, dt) for layer in layers]
        model = Model(path, layers, dt, notes, euler)
        for synapses in model.projections:
            if synapses is not None and synapses.longest > LONGEST_DELAY * dt:
                raise NirRefusal(
                    f"{synapses.slowest[1]} (Delay): up to {synapses.longest:g} s are "
                    f"{synapses.longest / dt:.0f} steps of {dt:g} s: at most {LONGEST_DELAY} are "
                    "read"
                )
    except NirRefusal as error:
        raise FileFormatError(f"{path}: {error}") from None
    return model


def check_step(dt: float, option: str) -> float:
    """Refuse what is no length of a step in seconds.

    Raises:
        NirRefusal: Naming the option that states it.
    """
    if not SHORTEST_STEP <= dt <= LONGEST_STEP:
        raise NirRefusal(
            f"{option}: give dt in seconds, {SHORTEST_STEP:g} to {LONGEST_STEP:g}, e.g. 0.001"
        )
    return dt


def _parse_options(query: str) -> dict[str, Any]:
    options: dict[str, Any] = dict(part.partition("=")[::2] for part in query.split("&"))
    if set(options) - {"dt", "decay"} or options.get("decay", EULER) != EULER:
        raise NirRefusal(f"?{query[:40]}: give dt=SECONDS, and decay={EULER} or no decay")
    if "dt" in options:
        try:
            options["dt"] = check_step(float(options["dt"]), f"?{query[:40]}")
        except ValueError:
            options["dt"] = check_step(0.0, f"?{query[:40]}")
    return options


def from_euler(layer: Layer, dt: float) -> Layer:
    """Give the layer whose exact steps are the steps by Euler's rule of this one.

    Raises:
        NirRefusal: Naming neurons with a time constant of a step or less.
    """
    neurons = layer.neurons
    times = {"tau": neurons.tau, "tau_synapse": neurons.tau_synapse}
    exact: dict[str, Any] = {}
    for name, tau in times.items():
        if tau is not None and (neurons.kind != "IF" or name != "tau"):
            if not (tau > dt).all():
                raise NirRefusal(f"{layer.name}: a time constant of a step or less: leave {EULER}")
            exact[name] = -dt / np.log1p(-dt / tau)
    if neurons.kind == "LIF":
        reach = np.array([integrate_held_current(1 - dt / one) for one in neurons.tau])
        exact["slope"] = neurons.slope / reach
    return replace(layer, neurons=replace(neurons, **exact))


def _suggest_step(layers: Sequence[Layer]) -> str:
    """Suggest the step in whose units weights are those of a network in discrete time.

    In such a step an input of 1 adds 1 to a membrane, or to a synaptic current that adds 1 to it.
    """
    steps = []
    for neurons in (layer.neurons for layer in layers):
        with np.errstate(all="ignore"):
            step = 1 / neurons.slope
            if neurons.tau_synapse is not None:
                step = np.sqrt(step * neurons.tau_synapse)
        # Where it is as long as a time constant, weights are in other units.
        steps += np.where(step < neurons.tau / 2, step, 0).tolist()
    if SHORTEST_STEP <= steps[0] <= LONGEST_STEP and np.allclose(steps, steps[0], rtol=1e-3):
        return f"{steps[0]:.4g} (in such a step, an input of 1 adds one threshold)"
    return "0.001"


def _read_notes(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Read the metadata as what they stand for."""
    notes: dict[str, Any] = {}
    for name, low, high in (("dt", SHORTEST_STEP, LONGEST_STEP), ("steps", 1, MOST_STEPS)):
        if name in metadata:
            value = metadata[name]
            number = float(value.reshape(-1)[0]) if np.size(value) == 1 else 0.0
            if isinstance(value, str) or not low <= number <= high:
                raise NirRefusal(f"metadata.{name}: give one number, {low:g} to {high:g}")
            notes[name] = number if name == "dt" else int(number)
    if metadata.get("decay") == EULER:
        notes["decay"] = EULER
    if "task" in metadata:
        notes["task"] = metadata["task"]
    if "encoding" in metadata:
        notes["encoding"] = parse_json(metadata["encoding"], "metadata.encoding")
    return notes


Array = NDArray[Any]
Matrix = NDArray[np.float32]
Placed: TypeAlias = "Matrix | csr_array"
APART = 1e-3  # share by which time constants of one network may differ
GREATEST = 1e6  # thresholds, as a weight
SILENT = 0.01  # difference between two decays that is not worth a word
SYNAPSE = 2  # steps over which events act on a device that has such synapses, and a model has not
WHOLE = 1e-3  # of a step, by which a delay may be off a whole number of them without a word
WITHOUT = "network.delays=0 leaves delays out"
FEW = 0.25  # share of the pairs of neurons up to which synapses are kept without those in between


@dataclass(frozen=True, eq=False)
class PlacedModel:
    """A model as a device is given it.

    Attributes:
        weights: Of each projection, `(n_pre, n_post)` in nominal thresholds, sparse or not: the
            chain, then, where any layer leads to itself, from each hidden layer to itself.
        delays: Of each of them, in steps: one number, or one for each synapse.
        cells: Of each of them, which cell of a kernel each synapse holds, and -1 where there is
            none or it does not learn, as `Synapses` has them; None where all learn by themselves.
        factors: What weights of the model are multiplied by to be these, in the chain, `(n_post,)`.
        levels: What comes in a step, in the chain, of each neuron that stands for biases.
        settings: Settings of the device, by name.
        reasons: Why each of them is so, by the same name.
        notes: In what the device differs from the model.
    """

    weights: list[Placed]
    delays: list[int | NDArray[np.int64]]
    cells: list[NDArray[np.int32] | None]
    factors: list[Array]
    levels: list[float]
    settings: Mapping[str, float]
    reasons: Mapping[str, Reason]
    notes: tuple[Reason, ...]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of a start, `weights/N`, and `delays/N`, `cells/N` and `synapses/N` if any.

        Where few neurons lead to each, only the synapses that there are are kept.
        """
        arrays: dict[str, NDArray[Any]] = {}
        for number, matrix in enumerate(self.weights):
            delay = np.asarray(self.delays[number], np.uint16)
            places, weights, cells = _lay_out(matrix, self.cells[number])
            if places is not None:
                arrays[f"synapses/{number}"] = np.stack(places).astype(np.int32)
                delay = delay[places] if delay.ndim else delay
                if cells is not None:
                    used, own = np.unique(cells, return_inverse=True)
                    cells = own.astype(np.int32) + min(used[0], np.int32(0))
            arrays[f"weights/{number}"] = weights
            if cells is not None:
                arrays[f"cells/{number}"] = cells
            if delay.any():
                arrays[f"delays/{number}"] = delay
        return arrays


@dataclass(frozen=True)
class NetworkInput:
    """Input that a network is shown.

    Attributes:
        is_current: Whether a current, else spikes.
        bias: What comes of the channel that is always on, in a step; 0 without such a channel.
    """

    is_current: bool
    bias: float


def place_model(
    model: Model, info: DeviceInfo, source: NetworkInput, assumed: float
) -> PlacedModel:
    """Lay a model on a device.

    Args:
        model: The model.
        info: What the device states.
        source: What the network will be shown.
        assumed: Decay to take for that of a device which does not tell its own.

    Raises:
        NirRefusal: Naming the layer that the device cannot have, or the bias without a source.
    """
    if model.has_bias and not source.bias:
        raise NirRefusal(
            "has biases, for which an input has to be always on: add --set encoding.bias=1"
        )
    settings, reasons, notes = _choose_settings(model, info, source, assumed)
    decay = info.neuron.decay if info.neuron.decay is not None else assumed
    constant = info.neuron.setting("time_constant")
    if constant is not None and constant.name in settings:
        decay = math.exp(-info.timing.dt / settings[constant.name])
    weights: list[Placed] = []
    cells: list[NDArray[np.int32] | None] = []
    factors, levels = [], []
    relays, coming = int(source.bias > 0), np.full(RELAY_STEPS, source.bias)
    for number, layer in enumerate(model.layers):
        current = source.is_current and number == 0
        arrival = info.timing.input if number == 0 else info.timing.layer
        late = arrival == "end_of_step" and not current
        factors.append(weight_factor(layer, model.dt, current, late))
        levels.append(level := float(coming[RELAY_STEPS // 2 :].mean()))
        full = scale_targets(layer.synapses.weights, factors[-1])
        more, used = model.count_relays(number), 0
        reach = integrate_held_current(decay) if current else 1.0
        if level:
            bias, usual = layer.synapses.bias, find_usual_weight(full)
            row = np.zeros(full.shape[1]) if bias is None else bias * factors[-1] / level
            used = int(np.clip(math.ceil(abs(row).max() / usual), 1, relays))
            passed = level * relays * (decay if late else reach)
            wanted = DRIVE / passed
            if info.weight_format(number).levels is not None:
                wanted = min(wanted, max(usual, LEAST_DRIVE / passed))
            corner = np.full((relays, more), wanted)
            full = add_relays(full, row / used, used, corner)
            coming = coming * corner.sum(axis=0).max(initial=0) * reach
        cells.append(_place_cells(layer.synapses, used, relays - used, more))
        coming = simulate_relays(info, decay, None if current else arrival, coming)
        relays = more
        weights.append(_check_weights(layer, full))
    if model.is_recurrent:
        weights += _place_recurrent(model, info)
        cells += [None] * (len(weights) - len(cells))
    delays = place_delays(model, weights, info.capacity)
    notes += _describe_rounding(model)
    return PlacedModel(weights, delays, cells, factors, levels, settings, reasons, tuple(notes))


def _place_cells(synapses: Synapses, used: int, unused: int, more: int) -> NDArray[np.int32] | None:
    """Number the cells of a projection with its biases; what drives neurons for biases is fixed.

    Args:
        synapses: The synapses.
        used: How many neurons, or channels, before bring the bias.
        unused: How many more there are.
        more: How many neurons after stand for biases.
    """
    cells, bias = synapses.cells, synapses.bias_cells
    if cells is None and not unused and not more:
        return None
    if cells is None:
        cells = np.arange(synapses.weights.size, dtype=np.int32)
        if isinstance(synapses.weights, np.ndarray):
            cells = cells.reshape(synapses.weights.shape)
    own = np.arange(synapses.weights.shape[1], dtype=np.int32) if bias is None else bias
    fixed = np.full(more, -1, np.int32)
    if cells.ndim == 2:
        cells = np.pad(cells, ((0, 0), (0, more)), constant_values=-1)
    for number in range(used + unused):
        row = own + cells.max() + 1 if number < used else own[:0]
        if cells.ndim == 1:  # in the order of the synapses that there are
            cells = np.concatenate([cells, row, fixed])
        else:
            missing = np.full(len(own) - len(row), -1, np.int32)
            cells = np.vstack([cells, np.concatenate([row, missing, fixed])])
    return cells


def _lay_out(
    matrix: Placed, cells: NDArray[np.int32] | None
) -> tuple[tuple[Array, Array] | None, Matrix, NDArray[np.int32] | None]:
    """Places of synapses where few lead to each neuron, else None; their weights and cells."""
    most = FEW * math.prod(matrix.shape)
    if isinstance(matrix, np.ndarray):
        if cells is None:
            return None, matrix, None
        pre, post = np.nonzero((cells >= 0) | (matrix != 0))
        if len(pre) > most:
            return None, matrix, cells
        return (pre, post), matrix[pre, post], cells[pre, post]
    pre, post = matrix.tocoo().coords
    if len(pre) <= most:
        return (pre, post), matrix.data, cells
    if cells is None:
        return None, matrix.toarray(), None
    full = np.full(matrix.shape, -1, np.int32)
    full[pre, post] = cells
    return None, matrix.toarray(), full


def place_delays(
    model: Model, weights: Sequence[Placed], capacity: Capacity
) -> list[int | NDArray[np.int64]]:
    """Round the delays of each projection to steps: one for all of it, or `(n_pre, n_post)`.

    Args:
        model: The model.
        weights: Those of each projection as they are laid on the device, with what stands for
            biases in the last row and column.
        capacity: What the device has room for.

    Raises:
        NirRefusal: Naming a node whose delay the device cannot have.
    """
    return [
        0 if synapses is None else _place_delay(model, synapses, matrix, capacity)
        for synapses, matrix in zip(model.projections, weights, strict=True)
    ]


def _place_delay(
    model: Model, synapses: Synapses, weights: Placed, capacity: Capacity
) -> int | NDArray[np.int64]:
    if not synapses.longest or not isinstance(weights, np.ndarray):  # sparse ones have none
        return 0
    before, after = synapses.weights.shape
    steps = np.zeros(weights.shape, np.int64)
    steps[:before, :after] = model.count_steps(synapses.delays)
    steps[before:, :after] = model.count_steps(synapses.bias_delays)
    distinct = np.unique(steps if capacity.synapse_delays else steps[weights != 0])
    node = f"{synapses.slowest[1]} (Delay): {synapses.longest:g} s"
    if len(distinct) and distinct[-1] > capacity.delay:
        most = f"has delays of up to {capacity.delay}" if capacity.delay else "has none"
        raise NirRefusal(
            f"{node} are {distinct[-1]} steps of {model.dt:g} s, and this device {most}: {WITHOUT}"
        )
    if len(distinct) < 2:
        return int(distinct.sum())
    if not capacity.synapse_delays:
        raise NirRefusal(
            f"{node}, and shorter delays of other synapses: this device takes one for all of a "
            f"projection: {WITHOUT}"
        )
    return steps


def _describe_rounding(model: Model) -> list[Reason]:
    """Say what is lost of delays that are no whole numbers of steps; nothing where none is."""
    off, name = 0.0, ""
    for synapses in model.projections:
        for seconds in () if synapses is None else (synapses.delays, synapses.bias_delays):
            most = float(abs(seconds / model.dt - model.count_steps(seconds)).max())
            if synapses is not None and most > off:
                off, name = most, synapses.slowest[1]
    if off <= WHOLE:
        return []
    return [because("rounded", delay=name, dt=model.dt, most=off)]


def _place_recurrent(model: Model, info: DeviceInfo) -> list[Placed]:
    """Place what leads from each hidden layer to itself; zero where it does not lead there."""
    first = next(layer for layer in model.layers if layer.recurrent is not None)
    if not info.capacity.recurrence:
        raise NirRefusal(f"{first.name}: leads to itself, and this device has no recurrence")
    weights: list[Placed] = []
    for size, layer in zip(model.hidden, model.layers, strict=False):
        full = np.zeros((size, size))
        if layer.recurrent is not None:
            own, late = layer.recurrent.weights, info.timing.layer == "end_of_step"
            full[: len(own), : len(own)] = own * weight_factor(layer, model.dt, False, late)
        weights.append(_check_weights(layer, full))
    return weights


def _check_weights(layer: Layer, full: Array | csr_array) -> Placed:
    if not abs(full).max() <= GREATEST:
        raise NirRefusal(f"{layer.name}: weights beyond {GREATEST:g} thresholds lead to it")
    return full.astype(np.float32)


def weight_factor(layer: Layer, dt: float, current: bool, late: bool) -> Array:
    """Find the factor from a weight of NIR to one in nominal thresholds, for each neuron."""
    neurons = layer.neurons
    charge = neurons.slope * dt
    if current or neurons.tau_synapse is not None:
        return charge
    decay = np.exp(-dt / neurons.tau)
    reach = np.array([integrate_held_current(d) for d in decay])
    return np.asarray(charge * reach / (decay if late else 1.0))


def _choose_settings(
    model: Model, info: DeviceInfo, source: NetworkInput, assumed: float
) -> tuple[dict[str, float], dict[str, Reason], list[Reason]]:
    """Choose time constants, as settings where the device has them.

    What the model lacks, synapses that act over time and a refractory time, is made short. A
    synapse of two steps keeps some of what a hard reset, or a neuron that takes no net inhibition,
    would throw away.
    """
    settings: dict[str, float] = {}
    reasons: dict[str, Reason] = {}
    notes: list[Reason] = []
    tau = _find_common(model, "tau")
    wanted: list[tuple[Role, float]] = [("time_constant", tau)]
    synapse = info.neuron.setting("synapse")
    if model.layers[0].neurons.tau_synapse is not None:
        first = model.layers[0].name
        if synapse is None:
            raise NirRefusal(
                f"{first} (CubaLIF): its synaptic current decays over time, and this device has no "
                "such synapses: give one that has (emulator:ideal?neuron=lif-exp), or train LIF"
            )
        wanted.append(("synapse", _find_common(model, "tau_synapse")))
        if source.is_current:
            notes.append(because("current"))
    elif synapse is not None:
        own = min(max(SYNAPSE * info.timing.dt, synapse.minimum), synapse.maximum)
        settings[synapse.name] = own
        reasons[synapse.name] = because("synapse", seconds=own, setting=synapse.name)
    refractory = info.neuron.setting("refractory")
    if refractory is not None and refractory.minimum < refractory.default:
        settings[refractory.name] = refractory.minimum
        reasons[refractory.name] = because("not_refractory")
    for role, value in wanted:
        setting = info.neuron.setting(role)
        if setting is not None:
            scaled = float(f"{info.timing.dt * value / model.dt:.12g}")
            chosen = min(max(scaled, setting.minimum), setting.maximum)
            settings[setting.name] = chosen
            reasons[setting.name] = (
                because("model_time", seconds=value, dt=model.dt)
                if math.isfinite(value)
                else because("no_leak")
            )
            have = chosen * model.dt / info.timing.dt
        else:
            own = info.neuron.decay if info.neuron.decay is not None else assumed
            have = math.inf if own == 1 else -model.dt / math.log(own)
        here, there = math.exp(-model.dt / have), math.exp(-model.dt / value)
        if abs(here - there) > SILENT:
            what = "membrane" if role == "time_constant" else "synaptic current"
            notes.append(because("decay", what=what, here=here, there=there))
    return settings, reasons, notes


def _find_common(model: Model, name: str) -> float:
    """Find the one time constant of all neurons.

    Raises:
        NirRefusal: Naming two layers, or one, where they differ.
    """
    first = model.layers[0]
    one = getattr(first.neurons, name)
    for layer in model.layers:
        values = getattr(layer.neurons, name)
        if layer.neurons.kind != first.neurons.kind:
            raise NirRefusal(
                f"{layer.name} ({layer.neurons.kind}): {first.name} is {first.neurons.kind}: all "
                "neurons of a network on a device are of one kind"
            )
        alike = np.isclose(values, one[0], rtol=APART, atol=0)
        if not alike.all():
            other = values[np.argmin(alike)]
            raise NirRefusal(
                f"{layer.name}: a time constant of {other:g} s, and one of {one[0]:g} s in "
                f"{first.name}: all neurons of a network on a device have one"
            )
    return float(one[0])
