"""From what a board says of itself to what a device states: nothing is known beforehand."""

from __future__ import annotations

import math

from drivers.board.hello import CARRIES_ON, LENGTHS, Hello, Probe, Setting
from drivers.contract import info, neuron
from drivers.contract.info import (
    CONTRACT,
    Abilities,
    Capacity,
    DeviceInfo,
    Identity,
    Offers,
    ProbeOffer,
    Timing,
    WeightFormat,
)
from drivers.errors import ProtocolMismatch

MILLION = 1_000_000
NANOS = 1e9  # of a second
DECAY = 1 << 31  # nothing leaks
DETERMINISTIC, KEEPS_WEIGHTS = 1, 2  # of its abilities
MAX_BATCH = 1024  # a batch is split into as many requests as it needs
CODINGS = (1, 2, 3)  # of settings, that this host can write
LEVELS = 256  # most that one byte tells apart
# Words of the contract for numbers of the protocol; those that are missing are not known.
ARRIVALS: dict[int, info.Arrival] = {1: "same_step", 2: "end_of_step", 3: "next_step"}
RESETS: dict[int, neuron.Reset] = {1: "soft", 2: "hard"}
SAMPLED: dict[int, info.Sampled] = {1: "before_reset", 2: "after_reset"}
ANSWERS = {1: False, 2: True}
STIMULI: dict[int, info.StimulusKind] = {
    0: "current",
    1: "current_trace",
    2: "spikes",
    3: "spikes",
}
PLACES: dict[int, info.Layers] = {1: "hidden", 2: "output", 3: "any"}
REDUCTIONS: tuple[info.Reduction, ...] = ("none", "mean", "last")
QUANTITIES: tuple[info.Quantity, ...] = ("spikes", "membrane")
ROLES: dict[int, tuple[neuron.Role, str]] = {
    1: ("threshold", "Firing threshold above rest."),
    2: ("time_constant", "Membrane time constant."),
    3: ("refractory", "Time after a spike without another."),
}
OWN: tuple[neuron.Role, str] = ("", "A setting of the board's own.")


def device_info(board: Hello) -> DeviceInfo:
    """What the board states, in the words of the contract.

    Raises:
        ProtocolMismatch: When it does not state what a host has to know, or states what this host
            cannot send.
    """
    _check(board)
    room = board.capacity
    return DeviceInfo(
        contract=CONTRACT,
        identity=Identity(
            f"board:{board.name}",
            serial=f"chip-{board.chip}",
            firmware=".".join(map(str, board.firmware)),
            protocol=str(board.protocol),
        ),
        capacity=Capacity(
            layers=room.layers,
            inputs=room.inputs,
            neurons=room.neurons,
            batch=MAX_BATCH,
            steps=room.steps,
            fan_in=room.fan_in or None,
            synapses=room.synapses or None,
            recurrence=bool(room.graph & 1),
            skips=bool(room.graph & 2),
            delay=room.delay,
            synapse_delays=bool(room.graph & 4),
        ),
        timing=Timing(
            dt=seconds(board),
            input=ARRIVALS.get(board.timing.input),
            layer=ARRIVALS.get(board.timing.layer),
            hard_reset_clears_events=ANSWERS.get(board.timing.clears),
            events_add=ANSWERS.get(board.timing.add),
        ),
        neuron=_neuron(board),
        weights=tuple(
            WeightFormat(each.least / MILLION, each.greatest / MILLION, each.levels)
            for each in board.weights
        ),
        offers=Offers(
            stimuli=tuple(
                dict.fromkeys(STIMULI[n.kind] for n in board.inputs if n.kind in STIMULI)
            ),
            probes=tuple(_offer(each) for each in board.probes if _known(each)),
        ),
        abilities=Abilities(
            deterministic=bool(board.abilities.flags & DETERMINISTIC),
            runs_on=bool(board.abilities.flags & CARRIES_ON) and room.kept > 0,
            lengths=bool(board.abilities.flags & LENGTHS),
        ),
    )


def seconds(board: Hello) -> float:
    """Length of a step."""
    return board.timing.step / NANOS


def _check(board: Hello) -> None:
    """Refuse a HELLO that leaves open what cannot be left open."""
    room = board.capacity
    membranes = [each for each in board.probes if each.quantity == 1]
    needed = {
        "its room": min(room.layers, room.inputs, room.neurons, room.steps) > 0,
        "the length of a step": board.timing.step > 0,
        "its reset": board.neuron.reset in RESETS,
        "its weights": bool(board.weights) and all(w.levels > 1 for w in board.weights),
        "its input": any(each.kind in STIMULI and each.unit for each in board.inputs),
        "in what unit membranes are sampled": not membranes or board.neuron.unit > 0,
        "when membranes are sampled": all(each.sampled in SAMPLED for each in membranes),
    }
    needed["how its settings are written"] = all(s.coding in CODINGS for s in board.settings)
    missing = [what for what, told in needed.items() if not told]
    if missing:
        raise ProtocolMismatch(
            f"board:{board.name} does not say in its HELLO {', '.join(missing)}: complete its "
            "firmware as docs/protocol.md says"
        )
    finest = max(each.levels for each in board.weights)
    if finest > LEVELS:
        raise ProtocolMismatch(
            f"board:{board.name} has weights of {finest} levels, this host sends up to {LEVELS}: "
            "state fewer"
        )


def _neuron(board: Hello) -> neuron.Neuron:
    told = board.neuron
    settings = tuple(_setting(each) for each in board.settings)
    made = neuron.Neuron(settings=settings)
    threshold, tau = made.setting("threshold"), made.setting("time_constant")
    decay = told.decay / DECAY or None
    if decay is None and tau is not None:
        decay = math.exp(-seconds(board) / tau.default)
    return neuron.Neuron(
        reset=RESETS[told.reset],
        decay=decay,
        spikes_per_step=told.spikes or 1,
        refractory=told.refractory - 1 if told.refractory else None,
        membrane=neuron.Membrane("", 0.0, 1.0 if threshold is None else threshold.default),
        settings=settings,
    )


def _setting(told: Setting) -> neuron.Setting:
    role, meaning = ROLES.get(told.role, OWN)
    return neuron.Setting(
        told.name,
        unit=told.unit,
        minimum=told.least / MILLION,
        maximum=told.greatest / MILLION,
        default=told.default / MILLION,
        meaning=meaning,
        per_neuron=told.trim == 1,
        per_population=True,
        role=role,
    )


def _known(told: Probe) -> bool:
    return told.quantity < len(QUANTITIES) and told.places in PLACES and told.reductions & 7 > 0


def _offer(told: Probe) -> ProbeOffer:
    return ProbeOffer(
        QUANTITIES[told.quantity],
        layers=PLACES[told.places],
        reductions=tuple(each for n, each in enumerate(REDUCTIONS) if told.reductions >> n & 1),
        every=told.every or 1,
        neurons=told.neurons or None,
        sampled=SAMPLED.get(told.sampled, "before_reset"),
    )
