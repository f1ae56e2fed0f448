"""Networks whose neurons are joined one to one, so that one event goes from layer to layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.checking import Failed
from drivers.conformance.harness import REACHES, Harness, NotApplicable, skip_if
from drivers.contract.messages import Stimulus
from drivers.contract.network import Network, Population, Projection
from drivers.contract.requests import complete_network
from drivers.errors import CapacityError

# Step of the event.
FIRST = 2
# A drive of one step that makes a neuron fire, and does not do so twice.
ONCE = 1.5
# One that does so where the threshold of a neuron is far above its nominal one.
SURE = 2.0
# Share of the samples that speaks for all, and how much later than expected is looked for.
HALF, LATER = 0.5, 4
# How many steps later than an event a layer may fire at most.
LATEST_STEP = 2
# An event that takes longer from layer to layer is that of a slow synapse.
QUICK = 1
# Share of the neurons that have to fire on one event, each at its time, so that most still do when
# one makes another fire.
MOST_NEURONS = 0.85


class ProjectionRefused(Failed):
    """The device refuses projections that it states to take."""


@dataclass(frozen=True)
class OneToOne:
    """A projection that joins each neuron to the one so many places further on, in a circle.

    Attributes:
        source: Number of its population; 0 is the input, in groups.
        target: Likewise.
        places: How many.
        delay: In steps; or of each synapse, `(neurons or groups, neurons)`.
        weight: Whether it has weights other than zero.
    """

    source: int
    target: int
    places: int = 0
    delay: int | NDArray[np.int64] = 0
    weight: bool = True


def chain_wires(depth: int) -> list[OneToOne]:
    """Each layer joined to the next."""
    return [OneToOne(n, n + 1) for n in range(depth)]


def map_wires(
    harness: Harness, depth: int, wires: Sequence[OneToOne], charge: float = SURE
) -> None:
    """Map a network and write its weights, so that one spike makes a neuron fire.

    Args:
        harness: The device.
        depth: Number of layers.
        wires: Its projections.
        charge: Charge that an event brings, in thresholds, as far as weights go.

    Raises:
        NotApplicable: When the device has no room, or its weights cannot do that.
        ProjectionRefused: When it refuses what it states to take.
    """
    scales = [harness.scale(p) for p in range(len(wires))]
    weak = any(scale < REACHES for w, scale in zip(wires, scales, strict=True) if w.source)
    skip_if(weak or not harness.reaches(depth), "one event makes no neuron fire")
    if not all(harness.stores_zero(p) for p in range(len(wires))):
        raise NotApplicable("none of the levels is zero, or near it")
    rows = [harness.group if w.source == 0 else 1 for w in wires]
    network = Network(
        harness.group * harness.neurons,
        (Population(harness.neurons),) * depth,
        tuple(
            Projection(
                w.source,
                w.target,
                scale,
                w.delay if isinstance(w.delay, int) else np.repeat(w.delay, own, axis=0),
            )
            for w, scale, own in zip(wires, scales, rows, strict=True)
        ),
    )
    try:
        complete_network(network, harness.info)
    except CapacityError as why:
        raise NotApplicable(str(why)) from None
    try:
        harness.device.configure(network)
    except CapacityError as error:
        ways = ", ".join(f"a projection from {w.source} to {w.target}" for w in wires)
        raise ProjectionRefused(f"a network with {ways}: stated as possible, but {error}") from None
    for p, (wire, scale) in enumerate(zip(wires, scales, strict=True)):
        if wire.weight:
            unit = scale * (rows[p] * harness.amplitude if wire.source == 0 else 1)
            shares = np.roll(np.eye(harness.neurons), wire.places, axis=1) * min(1, charge / unit)
            harness.mapped.write_weights(p, np.repeat(shares * scale, rows[p], axis=0))


def make_single_event(harness: Harness, steps: int, charge: int = 1) -> Stimulus:
    """One event in step `FIRST` of a run, for another group of inputs in each sample.

    Args:
        harness: The device.
        steps: Steps of the run.
        charge: 0 for no event at all.
    """
    driven = np.arange(min(harness.batch, harness.neurons))
    active = np.zeros((steps, len(driven), harness.neurons))
    if charge:
        active[FIRST, driven, driven] = charge
    return harness.stimulus(active, harness.event_kind)


def read_fired(harness: Harness, counts: NDArray[np.int32], places: int = 0) -> NDArray[np.bool_]:
    """Tell whether the output that is so many places further on than the driven group has fired.

    Args:
        harness: The device.
        counts: Of a run of `make_single_event`.
        places: How many.

    Returns:
        One value for each sample.
    """
    driven = np.arange(len(counts))
    return np.asarray(counts[driven, (driven + places) % harness.neurons] > 0)


def measure_delays(harness: Harness, most: int, places: int = 0) -> NDArray[np.int64]:
    """Count the steps after the event until an output fires for the first time.

    Args:
        harness: The device, wired.
        most: Longest that is waited.
        places: Which output: so many places further on than the driven group.

    Returns:
        One number for each sample; beyond `most` where it does not fire.
    """
    delays = np.full(min(harness.batch, harness.neurons), most + 1)
    for steps in range(most, -1, -1):
        delays[_read_fired_by(harness, steps, places)] = steps
    return delays


def measure_usual_delay(harness: Harness, expected: int, places: int = 0) -> int | None:
    """Measure how late most outputs fire of those that do, in two runs where it is as expected.

    Args:
        harness: The device, wired.
        expected: How late they should.
        places: As in `measure_delays`.

    Returns:
        Steps after the event; None where fewer than half fire within a few steps more.
    """
    early = expected > 0 and _read_fired_by(harness, expected - 1, places).mean() >= HALF
    if not early and _read_fired_by(harness, expected, places).mean() >= HALF:
        return expected
    delays = measure_delays(harness, expected + LATER, places)
    fire = delays[delays <= expected + LATER]
    return int(np.bincount(fire).argmax()) if len(fire) >= HALF * len(delays) else None


def _read_fired_by(harness: Harness, steps: int, places: int) -> NDArray[np.bool_]:
    """Tell which samples have fired so many steps after the event."""
    skip_if(FIRST + steps + 1 > harness.info.capacity.steps, "runs are too short")
    return read_fired(
        harness, harness.run(make_single_event(harness, FIRST + steps + 1)).counts, places
    )


def measure_chain(harness: Harness, depth: int) -> int:
    """Count the steps after an event until the output of a chain fires, where nearly all do.

    Raises:
        NotApplicable: When an event takes more than a step from layer to layer, or makes too few
            neurons fire.
    """
    map_wires(harness, depth, chain_wires(depth))
    delays = measure_delays(harness, QUICK * depth + 1)
    usual = int(np.median(delays))
    skip_if(usual > QUICK * depth, "an event makes neurons fire some steps after its own: too slow")
    skip_if((delays == usual).mean() < MOST_NEURONS, "one event makes too few neurons fire")
    return usual


def measure_onward(harness: Harness) -> int:
    """Count the steps after a spike until the next layer fires; 0 where there is none."""
    if harness.info.capacity.layers < 2:
        return 0
    return measure_chain(harness, 2) - measure_chain(harness, 1)


def measure_common_delay(harness: Harness, depth: int) -> int:
    """Count the steps until most outputs of a chain fire, when all groups get an event at once.

    Raises:
        NotApplicable: When one event makes no neuron fire within a few steps.
    """
    map_wires(harness, depth, chain_wires(depth), ONCE)
    for late in range(LATEST_STEP * depth):
        if FIRST + late + 1 > harness.info.capacity.steps:
            break
        if (harness.run(harness.pulse(FIRST + late + 1, FIRST)).counts > 0).mean() >= HALF:
            return late
    raise NotApplicable("one event makes no neuron fire within a few steps")
