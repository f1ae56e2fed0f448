"""Do projections back, past layers and with delays act where and when they should?

Neurons are joined one to one, to the neuron one place further on where it is to be told from what
comes otherwise, and one event is followed to the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from drivers.conformance.kit.ending import Failed, NotApplicable, refuses
from drivers.conformance.kit.harness import Harness
from drivers.conformance.kit.verdict import Check
from drivers.conformance.kit.wiring import (
    FIRST,
    HALF,
    Refused,
    Wire,
    chain,
    event,
    fired,
    late,
    nothing,
    usually_late,
    wire,
)
from drivers.contract.network import Network, Population, Projection
from drivers.errors import CapacityError

# Delays that are tried, beside the longest.
FEW = 3
# An event that takes longer from layer to layer is that of a slow synapse.
QUICK = 1
# Share of the neurons that have to fire on one event, each at its time, so that most still do when
# one makes another fire.
MOST = 0.85


def spikes_come_back_in_the_next_step(harness: Harness) -> None:
    """A spike that comes back moves the test of the step after its own, where its weights lead."""
    if not harness.info.capacity.recurrence:
        raise NotApplicable("info states no recurrence")
    refused: list[Refused] = []
    taken = False
    for depth in _depths(harness):
        first, onward = _reached(harness, depth), _onward(harness)
        ends = [(n, m) for n in range(1, depth + 1) for m in range(1, n + 1)]
        for source, target in ends:
            try:
                wire(harness, depth, [*chain(depth), Wire(source, target, places=1)])
            except Refused as why:  # a device may have some of them
                refused.append(why)
                continue
            taken = True
            expected = first + 1 + (source - target) * onward
            found = usually_late(harness, expected, places=1)
            told = f"a spike that goes from layer {source} to {target} of {depth}"
            if found is None and usually_late(harness, expected, places=-1) == expected:
                raise Failed(
                    f"{told} acts on the neurons that it would come from, were the weights turned "
                    "round: look at which axis of a recurrent matrix is the source in _run"
                )
            _held(
                told,
                found,
                expected,
                first + (source - target) * onward,
                "look at which step's spikes _run hands back, and to which layer",
            )
    if not taken:
        raise refused[0]


def projections_past_layers_act_at_their_place(harness: Harness) -> None:
    """A projection past a layer acts on the layer that it leads to, beside what comes otherwise."""
    layers = harness.info.capacity.layers
    if not harness.info.capacity.skips or layers < 2:
        raise NotApplicable("info states no projections past layers")
    first, second, onward = _reached(harness, 1), _reached(harness, 2), _onward(harness)
    silent = [replace(each, weight=False) for each in chain(3)]
    cases = [
        (2, [*silent[:2], Wire(0, 2, 1)], [(1, first)]),
        (2, [*chain(2), Wire(0, 2, 1)], [(0, second), (1, first)]),
        (3, [chain(1)[0], *silent[1:], Wire(1, 3, 1)], [(1, first + onward)]),
    ]
    for depth, wires, reached in cases:
        if depth > layers:
            continue
        wire(harness, depth, wires)
        last = wires[-1]
        for places, expected in reached:
            way = f"from {last.source} to {last.target}" if places else "from layer to layer"
            _held(
                f"an event that goes {way}, in a network with a projection past a layer,",
                usually_late(harness, expected, places),
                expected,
                0,
                "look at which layers _run gives the spikes of which, and that it adds them up",
            )


def a_delay_makes_events_late(harness: Harness) -> None:
    """Events of a projection act as many steps later as its delay says, each as its own says."""
    room = harness.info.capacity
    if not room.delay:
        raise NotApplicable("info states no delays")
    first, few = _reached(harness, 1), min(FEW, room.delay)
    cases = [(1, [Wire(0, 1, delay=delay)], 0, delay) for delay in sorted({1, few, room.delay})]
    if room.layers > 1:
        cases += [(2, [Wire(0, 1, delay=few), Wire(1, 2)], 0, few)]
        cases += [(2, [Wire(0, 1), Wire(1, 2, delay=few)], 0, few)]
    if room.recurrence:
        cases += [(1, [Wire(0, 1), Wire(1, 1, 1, delay=few)], 1, few + 1)]
    second = _reached(harness, 2) if room.layers > 1 else first
    for depth, wires, places, more in cases:
        if FIRST + first + more + 1 > room.steps:
            continue
        wire(harness, depth, wires)
        expected = (first, second)[depth - 1] + more
        delays = ", ".join(f"{w.delay} from {w.source} to {w.target}" for w in wires)
        _held(
            f"with delays of {delays} an event",
            usually_late(harness, expected, places),
            expected,
            expected - more,
            "look at which projection's delay _run takes, and in which step it adds what is due",
        )


def each_synapse_has_its_own_delay(harness: Harness) -> None:
    """Where synapses have delays of their own, events act late by the delay of their synapse."""
    room = harness.info.capacity
    if not room.synapse_delays:
        raise NotApplicable("info states no delays by synapse")
    few = min(FEW, room.delay)
    # By turns, so that it is another one where source and target are mixed up.
    by_source = few * (np.arange(harness.neurons) % 2)
    own = np.repeat(by_source[:, np.newaxis], harness.neurons, axis=1)
    for depth in _depths(harness):
        first = _reached(harness, depth)
        wire(harness, depth, [*chain(depth)[:-1], Wire(depth - 1, depth, 1, delay=own)])
        found = late(harness, first + few + 1, places=1) - first
        for delay in (0, few):
            some = found[by_source[: len(found)] == delay]
            some = some[some <= few + 1]
            if len(some) and int(np.median(some)) != delay:
                raise Failed(
                    f"events through synapses of delay {delay} from {depth - 1} to {depth} act "
                    f"{int(np.median(some))} steps late, the delay being that of the row of the "
                    "source and the column of the target: look at which synapse's delay _run takes"
                )


def events_under_way_are_carried_on(harness: Harness) -> None:
    """Where info says runs_on, what is under way when a run ends acts in the run that goes on."""
    room = harness.info.capacity
    if not (room.delay and harness.info.abilities.runs_on):
        raise NotApplicable("info states no delays, or that each run begins from reset")
    few = min(FEW, room.delay)
    for depth in _depths(harness):
        first = _reached(harness, depth)
        before = FIRST + _reached(harness, depth - 1) + 1 if depth > 1 else FIRST + 1
        wire(harness, depth, [*chain(depth)[:-1], Wire(depth - 1, depth, delay=few)])
        due = FIRST + first + few + 1 - before
        for steps, expected in ((due - 1, False), (due, True)):
            if not steps:
                continue
            harness.run(event(harness, before), trial=0)
            rest = harness.mapped.run(nothing(harness, steps), trial=1, carry=True)
            if bool(fired(harness, rest.counts).mean() >= HALF) != expected:
                raise Failed(
                    f"an event from {depth - 1} to {depth} that is due {due} steps after the end "
                    f"of a run {'has not' if expected else 'has'} acted after {steps} steps of the "
                    "run that carries on: look at what _run keeps of events under way for "
                    "carry=True"
                )


def a_run_from_reset_has_nothing_under_way(harness: Harness) -> None:
    """What is on its way when a run ends does not act in a run from reset."""
    room = harness.info.capacity
    if not room.delay:
        raise NotApplicable("info states no delays")
    first, few = _reached(harness, 1), min(FEW, room.delay)
    wire(harness, 1, [Wire(0, 1, delay=few)])
    harness.run(event(harness, FIRST + 1), trial=0)
    after = harness.run(nothing(harness, first + few + 1), trial=1)
    if fired(harness, after.counts).mean() >= HALF:
        raise Failed(
            "an event that was on its way when a run ended acts in the next run, which begins from "
            "reset: look at what _run clears"
        )


def graphs_that_are_not_stated_are_refused(harness: Harness) -> None:
    """Projections and delays that info does not state raise CapacityError."""
    room = harness.info.capacity
    onto = Projection(0, 1)
    beyond = [("a delay beyond the longest", 1, [replace(onto, delay=room.delay + 1)])]
    if not room.recurrence:
        beyond.append(("a projection to its own layer", 1, [onto, Projection(1, 1)]))
    if not room.skips and room.layers > 1:
        skip = [onto, Projection(1, 2), Projection(0, 2)]
        beyond.append(("a projection past a layer", 2, skip))
    if not room.synapse_delays:
        own = replace(onto, delay=np.zeros((1, 1), np.int64))
        beyond.append(("delays by synapse", 1, [own]))
    for what, depth, projections in beyond:
        network = Network(1, (Population(1),) * depth, tuple(projections))
        refuses(what, CapacityError, partial(harness.device.configure, network))


CHECKS: tuple[Check, ...] = (
    spikes_come_back_in_the_next_step,
    projections_past_layers_act_at_their_place,
    a_delay_makes_events_late,
    each_synapse_has_its_own_delay,
    events_under_way_are_carried_on,
    a_run_from_reset_has_nothing_under_way,
    graphs_that_are_not_stated_are_refused,
)


def _depths(harness: Harness) -> Sequence[int]:
    """Depths of the networks that are tried."""
    return range(1, min(2, harness.info.capacity.layers) + 1)


def _reached(harness: Harness, depth: int) -> int:
    """How many steps after an event the output of a chain fires."""
    if harness.neurons < 2:
        raise NotApplicable("a layer has room for one neuron only")
    wire(harness, depth, chain(depth))
    found = late(harness, QUICK * depth + 1)
    usual = int(np.median(found))
    if usual > QUICK * depth:
        raise NotApplicable("an event makes neurons fire some steps after its own: too slow")
    if (found == usual).mean() < MOST:
        raise NotApplicable("one event makes too few neurons fire")
    return usual


def _onward(harness: Harness) -> int:
    """How many steps after a spike the next layer fires; 0 where there is none."""
    return _reached(harness, 2) - _reached(harness, 1) if harness.info.capacity.layers > 1 else 0


def _held(told: str, found: int | None, expected: int, since: int, look: str) -> None:
    """Hold what an event does to when it should.

    Args:
        told: What event.
        found: How many steps after the stimulus it makes the output fire; None for not at all.
        expected: How many it should.
        since: How many of these are not in question.
        look: Where its author should look.
    """
    if found is None:
        raise Failed(f"{told} makes no output fire: {look}")
    if found != expected:
        raise Failed(f"{told} acts after {found - since} steps, not {expected - since}: {look}")
