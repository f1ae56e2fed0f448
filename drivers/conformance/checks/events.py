"""Checks that events act where and when they should: in time, back, past layers, with delays.

Neurons are joined one to one, to the neuron one place further on where it is to be told from what
comes otherwise, and one event is followed to the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from drivers.conformance import needs
from drivers.conformance.charge import follow_event
from drivers.conformance.checking import Failed, check, check_refusal
from drivers.conformance.harness import Harness, Measured, NotApplicable, skip_if
from drivers.conformance.wiring import (
    FIRST,
    HALF,
    OneToOne,
    ProjectionRefused,
    chain_wires,
    make_single_event,
    map_wires,
    measure_chain,
    measure_common_delay,
    measure_delays,
    measure_onward,
    measure_usual_delay,
    read_fired,
)
from drivers.contract.info import Arrival
from drivers.contract.network import Network, Population, Projection
from drivers.errors import CapacityError

DEEPEST = 3
# A drive that makes no neuron fire, and how much of it is seen where it acted.
TOO_LITTLE, SEEN_AT_LEAST = 0.5, 0.25
# Delays that are tried, beside the longest.
FEW_STEPS = 3


@check(needs.TIMED, look="where in a step _run adds the input")
def input_events_act_in_the_stated_step(harness: Harness) -> None:
    """An input event makes neurons fire in its own step or the next, as timing.input says."""
    stated, late = harness.info.timing.input, measure_common_delay(harness, 1)
    measured = _narrow_arrivals(harness, _possible_arrivals(late))
    if stated is None:
        raise Measured("timing.input", " or ".join(measured))
    if stated not in measured:
        raise Failed(
            f"timing.input = {stated} is stated, but an input event acts as with "
            f"{' or '.join(measured)}, neurons fire {late} steps after it"
        )


@check(needs.TIMED, look="which steps of the input _run takes")
def an_event_acts_in_every_step(harness: Harness) -> None:
    """An event makes neurons fire whichever step of a run it comes in."""
    late = measure_common_delay(harness, 1)
    steps, silent = harness.steps, []
    places = np.arange(steps - late)
    for part in np.array_split(places, -(-places.size // harness.info.capacity.batch)):
        active = np.zeros((steps, part.size, harness.neurons))
        active[part, np.arange(part.size)] = 1
        fired = harness.run(harness.stimulus(active, harness.event_kind)).counts > 0
        silent += part[fired.mean(axis=1) < HALF].tolist()
    if silent:
        raise Failed(f"an event in step {silent[0]} of {steps} makes no neuron fire")


@check(needs.LAYERS, needs.TIMED, look="when _run hands spikes on from layer to layer")
def layer_events_act_in_the_stated_step(harness: Harness) -> None:
    """A spike makes the next layer fire in its own step or the next, as timing.layer says."""
    stated = harness.info.timing.layer
    delays = [measure_common_delay(harness, 1)]
    arrivals = ""
    for depth in range(2, min(DEEPEST, harness.info.capacity.layers) + 1):
        delays.append(measure_common_delay(harness, depth))
        late = delays[-1] - delays[-2]
        measured = _possible_arrivals(late)
        arrivals = arrivals or " or ".join(measured)
        if stated is not None and stated not in measured:
            raise Failed(
                f"timing.layer = {stated} is stated, but a spike of layer {depth - 1} acts as with "
                f"{' or '.join(measured)}, layer {depth} fires {late} steps after it"
            )
    if stated is None:
        raise Measured("timing.layer", arrivals)


@check(needs.TIMED, look="whether _run adds events before or after it resets")
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
    late = measure_common_delay(harness, depth)
    fired = harness.run(harness.pulse(FIRST + late + 3, slice(FIRST, FIRST + 2))).counts
    again = float(np.median(fired)) > 1
    measured = "kept" if again else "cleared"
    if stated is None:
        raise Measured("what comes in the step of a hard reset is", measured)
    if again == stated:
        raise Failed(
            f"timing.hard_reset_clears_events = {stated} is stated, but of two events in a row the "
            f"second, which arrives in the step of a spike, is {measured}"
        )


def _possible_arrivals(late: int) -> tuple[Arrival, ...]:
    """Statements that go with neurons that fire so many steps after an event."""
    skip_if(late > 1, f"an event makes neurons fire {late} steps after its own: too slow")
    return ("end_of_step", "next_step") if late else ("same_step",)


def _narrow_arrivals(harness: Harness, arrivals: tuple[Arrival, ...]) -> tuple[Arrival, ...]:
    """Choose the statements that go with what membranes show at the end of the event's step."""
    view = harness.view("membrane")
    if len(arrivals) == 1 or view is None or view.offer.sampled == "before_reset":
        return arrivals
    (moved,) = follow_event(harness, view, TOO_LITTLE, [0], harness.event_kind).moved
    return ("end_of_step",) if moved > SEEN_AT_LEAST else ("next_step",)


@check(
    needs.BACK,
    needs.TIMED,
    needs.NEURONS,
    look="which step's spikes _run hands back, and to which layer",
)
def spikes_come_back_in_the_next_step(harness: Harness) -> None:
    """A spike that comes back moves the test of the step after its own, where its weights lead."""
    refused: list[ProjectionRefused] = []
    is_any_taken = False
    for depth in _choose_depths(harness):
        first, onward = measure_chain(harness, depth), measure_onward(harness)
        ends = [(n, m) for n in range(1, depth + 1) for m in range(1, n + 1)]
        for source, target in ends:
            try:
                map_wires(harness, depth, [*chain_wires(depth), OneToOne(source, target, places=1)])
            except ProjectionRefused as why:  # a device may have some of them
                refused.append(why)
                continue
            is_any_taken = True
            expected = first + 1 + (source - target) * onward
            late = measure_usual_delay(harness, expected, places=1)
            what = f"a spike that goes from layer {source} to {target} of {depth}"
            if late is None and measure_usual_delay(harness, expected, places=-1) == expected:
                raise Failed(
                    f"{what} acts on the neurons that it would come from, were the rows and "
                    "columns of a recurrent matrix swapped"
                )
            _check_delay(what, late, expected, first + (source - target) * onward)
    if not is_any_taken:
        raise refused[0]


@check(
    needs.SKIPS,
    needs.LAYERS,
    needs.TIMED,
    needs.NEURONS,
    look="which layers _run gives the spikes of which, and that it adds them up",
)
def projections_past_layers_act_at_their_place(harness: Harness) -> None:
    """A projection past a layer acts on the layer that it leads to, beside what comes otherwise."""
    first, second = measure_chain(harness, 1), measure_chain(harness, 2)
    silent = [replace(each, weight=False) for each in chain_wires(3)]
    cases = [
        (2, [*silent[:2], OneToOne(0, 2, 1)], [(1, first)]),
        (2, [*chain_wires(2), OneToOne(0, 2, 1)], [(0, second), (1, first)]),
        (3, [chain_wires(1)[0], *silent[1:], OneToOne(1, 3, 1)], [(1, second)]),
    ]
    for depth, wires, reached in cases:
        if depth > harness.info.capacity.layers:
            continue
        map_wires(harness, depth, wires)
        last = wires[-1]
        for places, expected in reached:
            way = f"from {last.source} to {last.target}" if places else "from layer to layer"
            _check_delay(
                f"an event that goes {way}, in a network with a projection past a layer,",
                measure_usual_delay(harness, expected, places),
                expected,
            )


@check(
    needs.DELAYS,
    needs.TIMED,
    needs.NEURONS,
    look="which projection's delay _run takes, and in which step it adds what is due",
)
def a_delay_makes_events_late(harness: Harness) -> None:
    """Events of a projection act as many steps later as its delay says, each as its own says."""
    room = harness.info.capacity
    first, few = measure_chain(harness, 1), min(FEW_STEPS, room.delay)
    cases = [(1, [OneToOne(0, 1, delay=delay)], 0, delay) for delay in sorted({1, few, room.delay})]
    if room.layers > 1:
        cases += [(2, [OneToOne(0, 1, delay=few), OneToOne(1, 2)], 0, few)]
        cases += [(2, [OneToOne(0, 1), OneToOne(1, 2, delay=few)], 0, few)]
    if room.recurrence:
        cases += [(1, [OneToOne(0, 1), OneToOne(1, 1, 1, delay=few)], 1, few + 1)]
    second = measure_chain(harness, 2) if room.layers > 1 else first
    for depth, wires, places, more in cases:
        if FIRST + first + more + 1 > room.steps:
            continue
        map_wires(harness, depth, wires)
        expected = (first, second)[depth - 1] + more
        delays = ", ".join(f"{w.delay} from {w.source} to {w.target}" for w in wires)
        late = measure_usual_delay(harness, expected, places)
        _check_delay(f"with delays of {delays} an event", late, expected, expected - more)


@check(needs.OWN_DELAYS, needs.TIMED, needs.NEURONS, look="which synapse's delay _run takes")
def each_synapse_has_its_own_delay(harness: Harness) -> None:
    """Where synapses have delays of their own, events act late by the delay of their synapse."""
    few = min(FEW_STEPS, harness.info.capacity.delay)
    # By turns, so that it is another one where source and target are mixed up.
    by_source = few * (np.arange(harness.neurons) % 2)
    own = np.repeat(by_source[:, np.newaxis], harness.neurons, axis=1)
    for depth in _choose_depths(harness):
        first = measure_chain(harness, depth)
        last = OneToOne(depth - 1, depth, 1, delay=own)
        map_wires(harness, depth, [*chain_wires(depth)[:-1], last])
        late = measure_delays(harness, first + few + 1, places=1) - first
        for delay in (0, few):
            some = late[by_source[: len(late)] == delay]
            some = some[some <= few + 1]
            if len(some) and int(np.median(some)) != delay:
                raise Failed(
                    f"events through synapses of delay {delay} from {depth - 1} to {depth} act "
                    f"{int(np.median(some))} steps late, the delay being that of the row of the "
                    "source and the column of the target"
                )


@check(
    needs.CARRIES,
    needs.DELAYS,
    needs.TIMED,
    needs.NEURONS,
    look="what _run keeps of events under way for carry=True",
)
def events_under_way_are_carried_on(harness: Harness) -> None:
    """Where info says runs_on, what is under way when a run ends acts in the run that goes on."""
    few = min(FEW_STEPS, harness.info.capacity.delay)
    for depth in _choose_depths(harness):
        first = measure_chain(harness, depth)
        before = FIRST + measure_chain(harness, depth - 1) + 1 if depth > 1 else FIRST + 1
        last = OneToOne(depth - 1, depth, delay=few)
        map_wires(harness, depth, [*chain_wires(depth)[:-1], last])
        due = FIRST + first + few + 1 - before
        for steps, expected in ((due - 1, False), (due, True)):
            if not steps:
                continue
            harness.run(make_single_event(harness, before))
            no_event = make_single_event(harness, steps, charge=0)
            rest = harness.mapped.run(no_event, trial=1, carry=True)
            if bool(read_fired(harness, rest.counts).mean() >= HALF) != expected:
                raise Failed(
                    f"an event from {depth - 1} to {depth} that is due {due} steps after the end "
                    f"of a run {'has not' if expected else 'has'} acted after {steps} steps of the "
                    "run that carries on"
                )


@check(needs.DELAYS, needs.TIMED, needs.NEURONS, look="what _run clears")
def a_run_from_reset_has_nothing_under_way(harness: Harness) -> None:
    """What is on its way when a run ends does not act in a run from reset."""
    first, few = measure_chain(harness, 1), min(FEW_STEPS, harness.info.capacity.delay)
    map_wires(harness, 1, [OneToOne(0, 1, delay=few)])
    harness.run(make_single_event(harness, FIRST + 1))
    after = harness.run(make_single_event(harness, first + few + 1, charge=0), trial=1)
    if read_fired(harness, after.counts).mean() >= HALF:
        raise Failed(
            "an event that was on its way when a run ended acts in the next run, which begins from "
            "reset"
        )


@check()
def graphs_that_are_not_stated_are_refused(harness: Harness) -> None:
    """Projections and delays that info does not state raise CapacityError."""
    room, onto = harness.info.capacity, Projection(0, 1)
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


def _choose_depths(harness: Harness) -> Sequence[int]:
    """Depths of the networks that are tried."""
    return range(1, min(2, harness.info.capacity.layers) + 1)


def _check_delay(told: str, found: int | None, expected: int, since: int = 0) -> None:
    """Hold what an event does to when it should.

    Args:
        told: What event.
        found: How many steps after the stimulus it makes the output fire; None for not at all.
        expected: How many it should.
        since: How many of these are not in question.
    """
    if found is None:
        raise Failed(f"{told} makes no output fire")
    if found != expected:
        raise Failed(f"{told} acts after {found - since} steps, not {expected - since}")
