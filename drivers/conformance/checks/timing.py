"""Do events act in the steps that info states? Asked of counts alone."""

from __future__ import annotations

import numpy as np

from drivers.conformance.checks.neurons import last_membranes
from drivers.conformance.kit.ending import Failed, NotApplicable
from drivers.conformance.kit.harness import Harness
from drivers.conformance.kit.verdict import Check
from drivers.conformance.kit.wiring import FIRST, ONCE, kind_of_events
from drivers.contract.info import Arrival

DEPTH = 3
# How many steps later than an event a layer may fire at most.
LATEST = 2
# A drive that makes no neuron fire, and how much of it is seen where it acted.
BELOW, SEEN = 0.5, 0.25


def input_events_act_in_the_stated_step(harness: Harness) -> None:
    """An input event makes neurons fire in its own step or the next, as timing.input says."""
    stated, late = harness.info.timing.input, _delay(harness, 1)
    measured = _narrowed(harness, _arrivals(late))
    if stated is None:
        raise NotApplicable(f"info does not say; measured: {_or(measured)}")
    if stated not in measured:
        raise Failed(
            f"timing.input = {stated} is stated, but an input event acts as with {_or(measured)}, "
            f"neurons fire {late} steps after it: look at where in a step _run adds the input"
        )


def layer_events_act_in_the_stated_step(harness: Harness) -> None:
    """A spike makes the next layer fire in its own step or the next, as timing.layer says."""
    stated = harness.info.timing.layer
    if harness.info.capacity.layers < 2:
        raise NotApplicable("the device has one layer only")
    delays = [_delay(harness, 1)]
    told = ""
    for depth in range(2, min(DEPTH, harness.info.capacity.layers) + 1):
        delays.append(_delay(harness, depth))
        late = delays[-1] - delays[-2]
        measured = _arrivals(late)
        told = told or _or(measured)
        if stated is not None and stated not in measured:
            raise Failed(
                f"timing.layer = {stated} is stated, but a spike of layer {depth - 1} acts as with "
                f"{_or(measured)}, layer {depth} fires {late} steps after it: look at when _run "
                "hands spikes on from layer to layer"
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
    late = _delay(harness, depth)
    _chain(harness, depth)
    active = np.zeros((FIRST + late + 3, harness.batch, harness.neurons))
    active[FIRST : FIRST + 2] = 1
    fired = harness.run(harness.stimulus(active, kind_of_events(harness))).counts
    again = float(np.median(fired)) > 1
    if stated is None:
        raise NotApplicable(f"info does not say; measured: {'kept' if again else 'cleared'}")
    if again == stated:
        raise Failed(
            f"timing.hard_reset_clears_events = {stated} is stated, but of two events in a row the "
            f"second, which arrives in the step of a spike, is {'kept' if again else 'cleared'}: "
            "look at whether _run adds events before or after it resets"
        )


CHECKS: tuple[Check, ...] = (
    input_events_act_in_the_stated_step,
    layer_events_act_in_the_stated_step,
    a_hard_reset_clears_as_stated,
)


def _chain(harness: Harness, depth: int, last: float = ONCE) -> None:
    """Join neurons one to one, so that what makes the first layer fire does so in the next ones."""
    if not harness.reaches(depth):
        raise NotApplicable("one event makes no neuron fire")
    scales = harness.network(depth).full_scale
    harness.clear(depth)
    for projection, scale in enumerate(scales):
        unit = scale * (harness.group * harness.amplitude if projection == 0 else 1)
        wanted = last if projection == depth - 1 else ONCE
        harness.write(min(1.0, wanted / unit) * np.eye(harness.neurons), projection)


def _delay(harness: Harness, depth: int) -> int:
    """How many steps after an input event the output of a network of a depth fires."""
    kind = kind_of_events(harness)
    _chain(harness, depth)
    for late in range(LATEST * depth):
        steps = FIRST + late + 1
        if steps > harness.info.capacity.steps:
            break
        active = np.zeros((steps, harness.batch, harness.neurons))
        active[FIRST] = 1
        fired = harness.run(harness.stimulus(active, kind)).counts > 0
        if fired.mean() >= 0.5:
            return late
    raise NotApplicable("one event makes no neuron fire within a few steps")


def _arrivals(late: int) -> tuple[Arrival, ...]:
    """Statements that go with neurons that fire so many steps after an event."""
    if late > 1:
        raise NotApplicable(f"an event makes neurons fire {late} steps after its own: too slow")
    return ("end_of_step", "next_step") if late else ("same_step",)


def _narrowed(harness: Harness, arrivals: tuple[Arrival, ...]) -> tuple[Arrival, ...]:
    """Which of the statements goes with what membranes show at the end of the event's step."""
    offer = harness.info.offer("membrane", 1, 1)
    if len(arrivals) == 1 or offer is None or offer.every > 1 or offer.sampled == "before_reset":
        return arrivals
    _chain(harness, 1, BELOW)
    active = np.zeros((FIRST + 1, harness.batch, harness.neurons))
    dark = harness.stimulus(active, kind_of_events(harness))
    active[FIRST] = 1
    lit = harness.stimulus(active, kind_of_events(harness))
    moved = last_membranes(harness, offer, lit) - last_membranes(harness, offer, dark)
    return ("end_of_step",) if float(np.median(moved)) > SEEN else ("next_step",)


def _or(arrivals: tuple[Arrival, ...]) -> str:
    return " or ".join(arrivals)
