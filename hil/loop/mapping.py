"""Mapping of a network of a configuration to a device, and what the host takes for nominal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from drivers import Capacity, Device, DeviceInfo, Network, Projection, Role, Stimulus, Synapses
from drivers.contract.arrays import first_mismatch, select_prefix
from drivers.contract.info import StimulusKind, WeightFormat
from hil import encodings, streams
from hil.characterisation import calibration
from hil.learning.rule import HostModel, Route
from hil.learning.wiring import DENSE, SparseWiring, Wiring
from hil.tasks.samples import SampleSpec, Signals

if TYPE_CHECKING:
    from hil.config import Config

Matrix = NDArray[np.float32]
Batch = Matrix | Signals
Encoder = Callable[[Batch, Generator], Stimulus]
Delay = int | NDArray[np.int64]
Initial = Mapping[str, NDArray[Any]] | None  # arrays of a start or a checkpoint
# Full scale, and step between levels, that `auto` aims at; both times the root of the fan-in.
FULL_SCALE, STEP = 20.0, 2 / 3
# Decay to assume where the maker of a device states none.
DECAY = 0.9
DARK = 100  # samples by which it is seen what an encoding makes of the channel that is always on


def layers(config: Config, spec: SampleSpec) -> tuple[int, ...]:
    """Sizes of the network, the input first."""
    encoding = encodings.get(config.encoding["name"])
    inputs = encoding.width(spec.features, encoding.settings(**config.encoding_settings))
    return (inputs, *config.network.hidden, spec.classes)


SYNAPSES = 1 << 27  # half a gigabyte for each array of weights, of which a training keeps several


def network(
    config: Config, info: DeviceInfo, layers: tuple[int, ...], initial: Initial = None
) -> Network:
    """The network with what a calibration found, under what the configuration asks for.

    Args:
        config: The configuration.
        info: What the device states.
        layers: Sizes of the network, the input first.
        initial: Arrays of a start or a checkpoint, whose delays it has then.

    Raises:
        ValueError: When the calibration is of another device or network, or cannot be read, or
            there are more synapses than a host can hold.
    """
    places = find_synapses(config, layers, initial)
    ends = [(layers[source], layers[target]) for source, target in config.network.connections]
    shapes = [e if s is None else (s.size,) for s, e in zip(places, ends, strict=True)]
    settings, trims = time_constant(config, info) | config.network.settings, {}
    if config.network.calibration:
        measured = calibration.read_for(config.network.calibration, info.identity, layers)
        settings, trims = {**measured.settings, **settings}, dict(measured.trims)
    delays = find_delays(config, shapes, initial)
    projections = []
    for p, (source, target) in enumerate(config.network.connections):
        fan_in = math.ceil(math.prod(shapes[p]) / layers[target])
        scale = full_scale(config, info.weight_format(p), p, fan_in)
        projections.append(Projection(source, target, scale, delays[p], places[p]))
    chain = Network.feed_forward(layers, (), settings, trims)
    return replace(chain, projections=tuple(projections))


def shrink_to_synapses(layers: Sequence[int], room: Capacity, recurrent: bool) -> list[int]:
    """Sizes of hidden layers, made smaller by one factor where a device has too few synapses.

    Args:
        layers: Sizes of the network, the input first.
        room: What the device has room for.
        recurrent: Whether each hidden layer also projects to itself.

    Returns:
        The largest sizes that fit, at least one neuron each, whether that fits or not.
    """

    def fits(hidden: list[int]) -> bool:
        reaching = [layers[0], *hidden]
        looped = [*(hidden if recurrent else [0] * len(hidden)), 0]
        fan_in = [a + b for a, b in zip(reaching, looped, strict=True)]
        synapses = sum(a * b for a, b in zip(fan_in, [*hidden, layers[-1]], strict=True))
        most = room.fan_in or math.inf
        return max(fan_in) <= most and synapses <= (room.synapses or math.inf)

    whole = list(layers[1:-1])
    largest = max(whole, default=0)
    candidates = (
        [max(size * part // largest, 1) for size in whole] for part in range(largest, 0, -1)
    )
    return next((sizes for sizes in candidates if fits(sizes)), [1] * len(whole))


def time_constant(config: Config, info: DeviceInfo) -> dict[str, float]:
    """The setting of a device that gives membranes the time constant asked for, within its range.

    Returns:
        Name and value; empty where the device has none, or keeps its own.
    """
    wanted, setting = config.network.time_constant, info.neuron.setting("time_constant")
    if isinstance(wanted, str) or setting is None:
        return {}
    return {setting.name: min(max(wanted * info.timing.dt, setting.minimum), setting.maximum)}


def full_scale(config: Config, form: WeightFormat, projection: int, fan_in: int) -> float:
    """Largest storable |weight| of a projection, within what the device allows.

    Raises:
        ValueError: When the full scales asked for are not one of each projection.
    """
    asked = config.network.full_scale
    if isinstance(asked, tuple):
        if len(asked) != (many := len(config.network.connections)):
            raise ValueError(f"network.full_scale: {len(asked)} numbers: give one, or {many}")
        asked = asked[projection]
    # With few levels a wide range would round every small weight to zero.
    steps = math.inf if form.levels is None else form.levels // 2
    factor = min(FULL_SCALE, STEP * steps) if asked == "auto" else asked
    wanted = factor / math.sqrt(fan_in)
    return min(max(wanted, form.minimum_full_scale), form.maximum_full_scale)


def routes(device: Device, kind: StimulusKind) -> tuple[Route, ...]:
    """Route of each projection of a configured device: where it leads, and how late it shows.

    What comes back to its own layer acts in the next step at the earliest.

    Args:
        device: The configured device.
        kind: That of the stimulus; a current acts in its own step.
    """
    timing = device.info.timing
    at_once = timing.layer == "same_step"
    first = 0 if kind != "spikes" or timing.input == "same_step" else 1
    return tuple(
        Route(
            p.source,
            p.target,
            int(not at_once or p.source >= p.target) if p.source else first,
            p.delay,
            wiring,
        )
        for p, wiring in zip(device.network.projections, find_wirings(device.network), strict=True)
    )


def find_wirings(network: Network) -> list[Wiring]:
    """Find what each projection of a configured network does to activity and errors."""
    return [
        DENSE if own is None else SparseWiring(own.pre, own.post, ends)
        for own, ends in zip((p.synapses for p in network.projections), network.ends, strict=True)
    ]


def setting_in_use(device: Device, role: Role) -> float | None:
    """The value that a configured device has for the setting of a role; None without one."""
    setting = device.info.neuron.setting(role)
    return None if setting is None else device.network.settings[setting.name]


def nominal_threshold(device: Device) -> float:
    """Membrane at which a neuron fires, in the membrane's unit, by the settings in use."""
    chosen = setting_in_use(device, "threshold")
    return device.info.neuron.membrane.threshold if chosen is None else chosen


def nominal_decay(device: Device) -> float:
    """Fraction of the membrane left after a step without input, by the settings in use.

    Args:
        device: The configured device.
    """
    tau, decay = setting_in_use(device, "time_constant"), device.info.neuron.decay
    if decay is None:
        return DECAY
    return decay if tau is None else math.exp(-device.info.timing.dt / tau)


def make_host_model(config: Config, device: Device, kind: StimulusKind) -> HostModel:
    """The host's nominal knowledge of the neuron, for rules that claim some; as `nominal_decay`."""
    read = config.readout
    return HostModel(
        decay=nominal_decay(device),
        steps=config.network.steps,
        reset=device.info.neuron.assumed_reset,
        input_is_current=kind != "spikes",
        kappa=read.kappa if read.source != "membrane" else 0.0,
        beta=read.beta if read.source in ("membrane", "both") else 0.0,
        reads_times=read.source == "times",
        most_in_run=device.info.neuron.spikes_per_run,
    )


def initial_weights(config: Config, network: Network, info: DeviceInfo) -> list[Matrix]:
    """Shadow weights to begin with, normal around 0, by the fan-in of the neuron that they lead to.

    Where none below zero is stored, those are 0.
    """
    draw, weights = streams.generator(config.seed, "init"), []
    for p, (shape, projection) in enumerate(zip(network.shapes, network.projections, strict=True)):
        drawn = draw.standard_normal(shape, dtype=np.float32)
        own, scale = projection.synapses, config.network.initial_scale
        if own is None:
            drawn = drawn * np.float32(scale / math.sqrt(shape[0]))
        else:
            spread = scale / np.sqrt(np.maximum(np.bincount(own.post), 1))
            drawn = drawn * spread.astype(np.float32)[own.post]
        form = info.weight_format(p)
        weights.append(drawn if form.signs == "both" else np.maximum(drawn, np.float32(0)))
    return weights


def find_input(config: Config, info: DeviceInfo, spec: SampleSpec) -> tuple[bool, float]:
    """Find what a network is shown, by what the encoding makes of a dark sample.

    Args:
        config: The configuration.
        info: What the device states.
        spec: What samples are.

    Returns:
        Whether a current, else spikes; and what comes in a step of the channel that is always on,
        0 without one.
    """
    rng = np.random.default_rng(0)  # the same whatever the run
    stimulus = encoder(config, info)(spec.blank(DARK), rng)
    current = stimulus.kind != "spikes"
    if not config.encoding.get("bias"):
        return current, 0.0
    channels = stimulus.data.reshape(-1, stimulus.data.shape[-1])
    return current, float(channels[:, [-1]].mean())


def encoder(config: Config, info: DeviceInfo) -> Encoder:
    """Make the encoder of samples, as `Data.batch` gives them, with the randomness of a generator.

    A constant current is given step by step to a device that takes currents only so. Of more events
    in a step than it takes some are left out, whichever. Signals that end early are followed by
    nothing, and where the device takes lengths, it is told them.
    """
    name, steps = config.encoding["name"], config.network.steps
    encoding = encodings.get(name)
    settings = encoding.settings(**config.encoding_settings)
    as_trace = "current" not in info.offers.stimuli and "current_trace" in info.offers.stimuli

    def encode(x: Batch, rng: Generator) -> Stimulus:
        values = x.values if isinstance(x, Signals) else x
        stimulus = encoding.encode(values, steps, settings, rng)
        wanted = (len(x), steps, encoding.width(x.shape[-1], settings))
        _check_stimulus(stimulus, wanted, f"encoding {name!r}")
        if stimulus.kind == "spikes" and info.capacity.events_per_step is not None:
            stimulus = _thin_events(stimulus, info.capacity.events_per_step, rng)
        if isinstance(x, Signals):
            return _end_signals(stimulus, x.lengths * hold_steps(config))
        if as_trace and stimulus.kind == "current":
            return Stimulus.current_trace(
                np.broadcast_to(stimulus.data, (steps, *stimulus.data.shape))
            )
        return stimulus

    return encode


def _thin_events(stimulus: Stimulus, most: int, rng: Generator) -> Stimulus:
    """Keep at most so many events in each step of a sample, drawn from all that there are."""
    data: Any = stimulus.data  # sparse
    if data.sum(axis=1).max() <= most:
        return stimulus
    rows, channels = (np.repeat(each, data.data.astype(np.intp)) for each in data.nonzero())
    order = np.lexsort((rng.random(len(rows)), rows))
    rows, channels = rows[order], channels[order]
    kept = np.arange(len(rows)) - np.searchsorted(rows, rows) < most
    rows, channels = rows[kept], channels[kept]
    thinned = type(data)((np.ones(len(rows), np.float32), (rows, channels)), data.shape)
    return Stimulus.spikes(thinned, steps=stimulus.steps, lengths=stimulus.lengths)


def hold_steps(config: Config) -> int:
    """Steps of the device for each step of a signal."""
    return int(config.encoding.get("hold", 1))


def signal_steps(config: Config, spec: SampleSpec) -> int | None:
    """Steps that the longest signal lasts on the device; None where samples are features.

    Raises:
        ValueError: When features are to be held.
    """
    if spec.steps is not None:
        return spec.steps * hold_steps(config)
    if (hold := hold_steps(config)) != 1:
        raise ValueError(
            f"encoding.hold = {hold}: task {config.task} has features, no signals: leave it out, "
            "and set network.steps"
        )
    return None


def _end_signals(stimulus: Stimulus, lengths: NDArray[np.int64]) -> Stimulus:
    """The stimulus with nothing after the end of each sample, and its lengths where told."""
    steps = stimulus.steps
    if (lengths == steps).all():
        return stimulus
    if stimulus.kind == "spikes":
        ended = Stimulus.spikes(stimulus.data, steps=steps, lengths=lengths)
    else:
        ended = replace(stimulus, lengths=lengths)
        ended = Stimulus.current_trace(ended.dense(), lengths=lengths)
    return replace(ended, lengths=None)


def _check_stimulus(stimulus: object, wanted: tuple[int, int, int], what: str) -> None:
    """Refuse what an encoding gives in place of samples, steps and channels of a stimulus."""
    if not isinstance(stimulus, Stimulus):
        raise ValueError(f"{what} gives a {type(stimulus).__name__}: give a drivers.Stimulus")
    shape = (stimulus.batch, stimulus.steps, stimulus.channels)
    if shape != wanted:
        texts = ("{} samples of {} steps in {} channels".format(*size) for size in (shape, wanted))
        raise ValueError("{} gives {}: give {}, as asked for".format(what, *texts))


def find_synapses(
    config: Config, layers: tuple[int, ...], initial: Initial
) -> list[Synapses | None]:
    """Synapses of each projection: those of what the network begins with, or drawn.

    Args:
        config: The configuration.
        layers: Sizes of the network, the input first.
        initial: Arrays of a start or a checkpoint, if any: `synapses/N`, `(2, n)` int32, of `pre`
            and `post`.

    Raises:
        ValueError: When they are none, or more than a host can hold.
    """
    given, share = select_prefix(initial or {}, "synapses/"), config.network.density
    draw, chosen, total = streams.generator(config.seed, "synapses"), list[Synapses | None](), 0
    for p, (source, target) in enumerate(config.network.connections):
        cells, rows = layers[source] * layers[target], given.get(str(p))
        if given or share == 1:
            own = None
            if rows is not None:
                if rows.dtype != np.int32 or rows.ndim != 2 or len(rows) != 2:
                    raise ValueError(
                        f"synapses/{p} is {rows.dtype} {rows.shape}: int32 (2, n) is meant"
                    )
                own = Synapses(*rows)
        elif cells * share > SYNAPSES:
            own = None
        else:
            some = np.empty(0, np.int64)
            while missing := max(round(cells * share), 1) - some.size:
                some = np.sort(np.concatenate([some, draw.integers(0, cells, missing)]))
                some = some[np.diff(some, prepend=-1) > 0]
            own = Synapses(*(each.astype(np.int32) for each in divmod(some, layers[target])))
        chosen.append(own)
        total += cells if own is None else own.size
    if total > SYNAPSES:
        raise ValueError(
            f"a network of {total} synapses: at most {SYNAPSES} are trained, so give smaller "
            "layers in network.hidden, or less network.density"
        )
    return chosen


def find_delays(config: Config, shapes: Sequence[tuple[int, ...]], initial: Initial) -> list[Delay]:
    """Delay of each projection: those of what the network begins with, or drawn.

    Args:
        config: The configuration.
        shapes: Shape of the weights of each projection.
        initial: Arrays of a start or a checkpoint, if any. Delays `delays/N` that do not fit count
            as none until `check_graph` refuses them.
    """
    connections = config.network.connections
    if not config.network.delays:
        return [0] * len(connections)
    given, draw = select_prefix(initial or {}, "delays/"), streams.generator(config.seed, "delays")
    delays: list[Delay] = []
    for p, ((_, target), shape) in enumerate(zip(connections, shapes, strict=True)):
        if given:
            delays.append(_delay_of(given.get(str(p)), shape, config.network.delays))
        elif target <= len(config.network.hidden):
            delays.append(draw.integers(0, config.network.delays + 1, shape))
        else:
            delays.append(0)
    return delays


def _delay_of(array: NDArray[Any] | None, shape: tuple[int, ...], longest: int) -> Delay:
    if array is None or not _are_delays(array, shape) or array.max() > longest:
        return 0
    return array.astype(np.int64) if array.ndim else int(array)


def graph_of(network: Network) -> dict[str, NDArray[Any]]:
    """Delays and synapses of a network, `delays/N`, `synapses/N`, where a projection has any."""
    delays = {f"delays/{p}": np.asarray(each.delay) for p, each in enumerate(network.projections)}
    synapses = {
        f"synapses/{p}": np.stack([s.pre, s.post])
        for p, s in enumerate(projection.synapses for projection in network.projections)
        if s is not None
    }
    return {n: each.astype(np.uint16) for n, each in delays.items() if each.any()} | synapses


def check_graph(initial: Mapping[str, NDArray[Any]], config: Config, network: Network) -> None:
    """Refuse delays that `find_delays` did not take, and synapses of another network.

    Args:
        initial: Arrays of a start or a checkpoint.
        config: The configuration.
        network: The network.

    Raises:
        ValueError: Naming the first that does not fit.
    """
    shapes = {str(p): shape for p, shape in enumerate(network.shapes)}
    own = select_prefix(graph_of(network), "synapses/")
    if wrong := first_mismatch(select_prefix(initial, "synapses/"), own):
        raise ValueError(f"synapses/{wrong}")
    longest = config.network.delays
    for name, each in select_prefix(initial, "delays/").items() if longest else ():
        if name not in shapes:
            raise ValueError(f"delays/{name[:60]} is not known here")
        if not _are_delays(each, shapes[name]):
            raise ValueError(
                f"delays/{name} is {each.dtype} {each.shape}, uint16 () or {shapes[name]} is meant"
            )
        if each.max() > longest:
            raise ValueError(
                f"delays/{name} are of up to {each.max()} steps, and network.delays is {longest}: "
                "give as many, or 0 for no delays"
            )


def _are_delays(array: NDArray[Any], shape: tuple[int, ...]) -> bool:
    return array.dtype == np.uint16 and array.shape in ((), shape)
