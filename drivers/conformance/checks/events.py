"""Checks that events act where and when they should: in time, back, past layers, with delays.

Neurons are joined one to one, to the neuron one place further on where it is to be told from what
comes otherwise, and one event is followed to the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from drivers.conformance.comparing import last_membranes
from drivers.conformance.harness import Failed, Harness, NotApplicable, check_refusal, skip_if
from drivers.conformance.wiring import (
    FIRST,
    HALF,
    ONCE,
    OneToOne,
    ProjectionRefused,
    chain_wires,
    kind_of_events,
    map_wires,
    measure_delays,
    measure_usual_delay,
    no_event,
    read_fired,
    single_event,
)
from drivers.contract.info import Arrival
from drivers.contract.network import Network, Population, Projection
from drivers.errors import CapacityError

DEEPEST = 3
# How many steps later than an event a layer may fire at most.
LATEST_STEP = 2
# A drive that makes no neuron fire, and how much of it is seen where it acted.
TOO_LITTLE, SEEN_AT_LEAST = 0.5, 0.25


def input_events_act_in_the_stated_step(harness: Harness) -> None:
    """An input event makes neurons fire in its own step or the next, as timing.input says."""
    stated, late = harness.info.timing.input, _measure_delay(harness, 1)
    measured = _narrow_arrivals(harness, _possible_arrivals(late))
    if stated is None:
        raise NotApplicable(f"info does not say; measured: {_join_or(measured)}")
    if stated not in measured:
        raise Failed(
            f"timing.input = {stated} is stated, but an input event acts as with "
            f"{_join_or(measured)}, neurons fire {late} steps after it: look at where in a step "
            "_run adds the input"
        )


def layer_events_act_in_the_stated_step(harness: Harness) -> None:
    """A spike makes the next layer fire in its own step or the next, as timing.layer says."""
    stated = harness.info.timing.layer
    skip_if(harness.info.capacity.layers < 2, "the device has one layer only")
    delays = [_measure_delay(harness, 1)]
    told = ""
    for depth in range(2, min(DEEPEST, harness.info.capacity.layers) + 1):
        delays.append(_measure_delay(harness, depth))
        late = delays[-1] - delays[-2]
        measured = _possible_arrivals(late)
        told = told or _join_or(measured)
        if stated is not None and stated not in measured:
            raise Failed(
                f"timing.layer = {stated} is stated, but a spike of layer {depth - 1} acts as with "
                f"{_join_or(measured)}, layer {depth} fires {late} steps after it: look at when "
                "_run hands spikes on from layer to layer"
            )
    if stated is None:
        raise NotApplicable(f"info does not say; measured: {told}")


def a_hard_reset_clears_as_stated(harness: Harness) -> None:
    """What arrives at the end of the step of a hard reset is cleared, or kept, as stated."""
    info = harness.info
    timing, stated = info.timing, info.timing.hard_reset_clears_events
    depth = 1 if timing.input == "end_of_step" else 2
    arrival = timing.input if depth == 1 else timing.layer
    if info.neuron.reset != "hard" or arrival != "end_of_step":
        raise NotApplicable("the reset is soft, or nothing is stated to come at the end of a step")
    if depth > info.capacity.layers or info.neuron.refractory:
        raise NotApplicable("the device has one layer only, or refractory neurons")
    late = _measure_delay(harness, depth)
    _connect_chain(harness, depth)
    two = harness.pulse(FIRST + late + 3, slice(FIRST, FIRST + 2), kind_of_events(harness))
    fired = harness.run(two).counts
    again = float(np.median(fired)) > 1
    if stated is None:
        raise NotApplicable(f"info does not say; measured: {'kept' if again else 'cleared'}")
    if again == stated:
        raise Failed(
            f"timing.hard_reset_clears_events = {stated} is stated, but of two events in a row the "
            f"second, which arrives in the step of a spike, is {'kept' if again else 'cleared'}: "
            "look at whether _run adds events before or after it resets"
        )


def _connect_chain(harness: Harness, depth: int, last: float = ONCE) -> None:
    """Join neurons one to one, so that what makes the first layer fire does so in the next ones."""
    skip_if(not harness.reaches(depth), "one event makes no neuron fire")
    scales = harness.network(depth).full_scale
    harness.clear(depth)
    for projection, scale in enumerate(scales):
        unit = scale * (harness.group * harness.amplitude if projection == 0 else 1)
        wanted = last if projection == depth - 1 else ONCE
        harness.write(min(1.0, wanted / unit) * np.eye(harness.neurons), projection)


def _measure_delay(harness: Harness, depth: int) -> int:
    """Count the steps after an input event until the output of a network of a depth fires."""
    kind = kind_of_events(harness)
    _connect_chain(harness, depth)
    for late in range(LATEST_STEP * depth):
        steps = FIRST + late + 1
        if steps > harness.info.capacity.steps:
            break
        fired = harness.run(harness.pulse(steps, FIRST, kind)).counts > 0
        if fired.mean() >= 0.5:
            return late
    raise NotApplicable("one event makes no neuron fire within a few steps")


def _possible_arrivals(late: int) -> tuple[Arrival, ...]:
    """Statements that go with neurons that fire so many steps after an event."""
    skip_if(late > 1, f"an event makes neurons fire {late} steps after its own: too slow")
    return ("end_of_step", "next_step") if late else ("same_step",)


def _narrow_arrivals(harness: Harness, arrivals: tuple[Arrival, ...]) -> tuple[Arrival, ...]:
    """Choose the statements that go with what membranes show at the end of the event's step."""
    offer = harness.info.offer("membrane", 1, 1)
    if len(arrivals) == 1 or offer is None or offer.every > 1 or offer.sampled == "before_reset":
        return arrivals
    _connect_chain(harness, 1, TOO_LITTLE)
    kind = kind_of_events(harness)
    dark, lit = (harness.pulse(FIRST + 1, driven, kind) for driven in (None, FIRST))
    moved = last_membranes(harness, offer, lit) - last_membranes(harness, offer, dark)
    return ("end_of_step",) if float(np.median(moved)) > SEEN_AT_LEAST else ("next_step",)


def _join_or(arrivals: tuple[Arrival, ...]) -> str:
    return " or ".join(arrivals)


# Delays that are tried, beside the longest.
FEW_STEPS = 3
# An event that takes longer from layer to layer is that of a slow synapse.
QUICK = 1
# Share of the neurons that have to fire on one event, each at its time, so that most still do when
# one makes another fire.
MOST_NEURONS = 0.85


def spikes_come_back_in_the_next_step(harness: Harness) -> None:
    """A spike that comes back moves the test of the step after its own, where its weights lead."""
    skip_if(not harness.info.capacity.recurrence, "info states no recurrence")
    refused: list[ProjectionRefused] = []
    taken = False
    for depth in _tried_depths(harness):
        first, onward = _measure_chain(harness, depth), _measure_onward(harness)
        ends = [(n, m) for n in range(1, depth + 1) for m in range(1, n + 1)]
        for source, target in ends:
            try:
                map_wires(harness, depth, [*chain_wires(depth), OneToOne(source, target, places=1)])
            except ProjectionRefused as why:  # a device may have some of them
                refused.append(why)
                continue
            taken = True
            expected = first + 1 + (source - target) * onward
            found = measure_usual_delay(harness, expected, places=1)
            told = f"a spike that goes from layer {source} to {target} of {depth}"
            if found is None and measure_usual_delay(harness, expected, places=-1) == expected:
                raise Failed(
                    f"{told} acts on the neurons that it would come from, were the weights turned "
                    "round: look at which axis of a recurrent matrix is the source in _run"
                )
            _check_delay(
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
    skip_if(not harness.info.capacity.skips or layers < 2, "info states no projections past layers")
    first, second, onward = (
        _measure_chain(harness, 1),
        _measure_chain(harness, 2),
        _measure_onward(harness),
    )
    silent = [replace(each, weight=False) for each in chain_wires(3)]
    cases = [
        (2, [*silent[:2], OneToOne(0, 2, 1)], [(1, first)]),
        (2, [*chain_wires(2), OneToOne(0, 2, 1)], [(0, second), (1, first)]),
        (3, [chain_wires(1)[0], *silent[1:], OneToOne(1, 3, 1)], [(1, first + onward)]),
    ]
    for depth, wires, reached in cases:
        if depth > layers:
            continue
        map_wires(harness, depth, wires)
        last = wires[-1]
        for places, expected in reached:
            way = f"from {last.source} to {last.target}" if places else "from layer to layer"
            _check_delay(
                f"an event that goes {way}, in a network with a projection past a layer,",
                measure_usual_delay(harness, expected, places),
                expected,
                0,
                "look at which layers _run gives the spikes of which, and that it adds them up",
            )


def a_delay_makes_events_late(harness: Harness) -> None:
    """Events of a projection act as many steps later as its delay says, each as its own says."""
    room = harness.info.capacity
    skip_if(not room.delay, "info states no delays")
    first, few = _measure_chain(harness, 1), min(FEW_STEPS, room.delay)
    cases = [(1, [OneToOne(0, 1, delay=delay)], 0, delay) for delay in sorted({1, few, room.delay})]
    if room.layers > 1:
        cases += [(2, [OneToOne(0, 1, delay=few), OneToOne(1, 2)], 0, few)]
        cases += [(2, [OneToOne(0, 1), OneToOne(1, 2, delay=few)], 0, few)]
    if room.recurrence:
        cases += [(1, [OneToOne(0, 1), OneToOne(1, 1, 1, delay=few)], 1, few + 1)]
    second = _measure_chain(harness, 2) if room.layers > 1 else first
    for depth, wires, places, more in cases:
        if FIRST + first + more + 1 > room.steps:
            continue
        map_wires(harness, depth, wires)
        expected = (first, second)[depth - 1] + more
        delays = ", ".join(f"{w.delay} from {w.source} to {w.target}" for w in wires)
        _check_delay(
            f"with delays of {delays} an event",
            measure_usual_delay(harness, expected, places),
            expected,
            expected - more,
            "look at which projection's delay _run takes, and in which step it adds what is due",
        )


def each_synapse_has_its_own_delay(harness: Harness) -> None:
    """Where synapses have delays of their own, events act late by the delay of their synapse."""
    room = harness.info.capacity
    skip_if(not room.synapse_delays, "info states no delays by synapse")
    few = min(FEW_STEPS, room.delay)
    # By turns, so that it is another one where source and target are mixed up.
    by_source = few * (np.arange(harness.neurons) % 2)
    own = np.repeat(by_source[:, np.newaxis], harness.neurons, axis=1)
    for depth in _tried_depths(harness):
        first = _measure_chain(harness, depth)
        map_wires(
            harness, depth, [*chain_wires(depth)[:-1], OneToOne(depth - 1, depth, 1, delay=own)]
        )
        found = measure_delays(harness, first + few + 1, places=1) - first
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
    few = min(FEW_STEPS, room.delay)
    for depth in _tried_depths(harness):
        first = _measure_chain(harness, depth)
        before = FIRST + _measure_chain(harness, depth - 1) + 1 if depth > 1 else FIRST + 1
        map_wires(harness, depth, [*chain_wires(depth)[:-1], OneToOne(depth - 1, depth, delay=few)])
        due = FIRST + first + few + 1 - before
        for steps, expected in ((due - 1, False), (due, True)):
            if not steps:
                continue
            harness.run(single_event(harness, before), trial=0)
            rest = harness.mapped.run(no_event(harness, steps), trial=1, carry=True)
            if bool(read_fired(harness, rest.counts).mean() >= HALF) != expected:
                raise Failed(
                    f"an event from {depth - 1} to {depth} that is due {due} steps after the end "
                    f"of a run {'has not' if expected else 'has'} acted after {steps} steps of the "
                    "run that carries on: look at what _run keeps of events under way for "
                    "carry=True"
                )


def a_run_from_reset_has_nothing_under_way(harness: Harness) -> None:
    """What is on its way when a run ends does not act in a run from reset."""
    room = harness.info.capacity
    skip_if(not room.delay, "info states no delays")
    first, few = _measure_chain(harness, 1), min(FEW_STEPS, room.delay)
    map_wires(harness, 1, [OneToOne(0, 1, delay=few)])
    harness.run(single_event(harness, FIRST + 1), trial=0)
    after = harness.run(no_event(harness, first + few + 1), trial=1)
    if read_fired(harness, after.counts).mean() >= HALF:
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
        check_refusal(what, CapacityError, partial(harness.device.configure, network))


def _tried_depths(harness: Harness) -> Sequence[int]:
    """Depths of the networks that are tried."""
    return range(1, min(2, harness.info.capacity.layers) + 1)


def _measure_chain(harness: Harness, depth: int) -> int:
    """Count the steps after an event until the output of a chain fires."""
    skip_if(harness.neurons < 2, "a layer has room for one neuron only")
    map_wires(harness, depth, chain_wires(depth))
    found = measure_delays(harness, QUICK * depth + 1)
    usual = int(np.median(found))
    skip_if(usual > QUICK * depth, "an event makes neurons fire some steps after its own: too slow")
    skip_if((found == usual).mean() < MOST_NEURONS, "one event makes too few neurons fire")
    return usual


def _measure_onward(harness: Harness) -> int:
    """Count the steps after a spike until the next layer fires; 0 where there is none."""
    return (
        _measure_chain(harness, 2) - _measure_chain(harness, 1)
        if harness.info.capacity.layers > 1
        else 0
    )


def _check_delay(told: str, found: int | None, expected: int, since: int, look: str) -> None:
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
