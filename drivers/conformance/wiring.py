"""Networks whose neurons are joined one to one, so that one event goes from layer to layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.harness import REACHES, Failed, Harness, NotApplicable, skip_if
from drivers.contract.info import StimulusKind
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


def map_wires(harness: Harness, depth: int, wires: Sequence[OneToOne]) -> None:
    """Map a network and write its weights, so that one spike makes a neuron fire.

    Args:
        harness: The device.
        depth: Number of layers.
        wires: Its projections.

    Raises:
        NotApplicable: When the device has no room, or its weights cannot do that.
        ProjectionRefused: When it refuses what it states to take.
    """
    scales = [harness.scale(p) for p in range(len(wires))]
    weak = any(scale < REACHES for w, scale in zip(wires, scales, strict=True) if w.source)
    skip_if(weak or not harness.reaches(depth), "one event makes no neuron fire")
    if not all(harness.stores_zero(p) for p in range(len(wires))):
        raise NotApplicable("none of the levels is zero, or near it")
    network = Network(
        harness.group * harness.neurons,
        (Population(harness.neurons),) * depth,
        tuple(
            Projection(w.source, w.target, scale, _delays_of_inputs(harness, w))
            for w, scale in zip(wires, scales, strict=True)
        ),
    )
    try:
        complete_network(network, harness.info)
    except CapacityError as why:
        raise NotApplicable(str(why)) from None
    try:
        harness.device.configure(network)
    except CapacityError as error:
        raise ProjectionRefused(
            f"a network with {_describe_wires(wires)}: stated as possible, but {error}"
        ) from None
    for p, (each, scale) in enumerate(zip(wires, scales, strict=True)):
        if not each.weight:
            continue
        rows = harness.group if each.source == 0 else 1
        unit = scale * (rows * harness.amplitude if each.source == 0 else 1)
        shares = np.roll(np.eye(harness.neurons), each.places, axis=1)
        weights = shares * min(1.0, SURE / unit) * scale
        harness.mapped.write_weights(p, np.repeat(weights, rows, axis=0))


def _delays_of_inputs(harness: Harness, each: OneToOne) -> int | NDArray[np.int64]:
    if isinstance(each.delay, int):
        return each.delay
    return np.repeat(each.delay, harness.group if each.source == 0 else 1, axis=0)


def _describe_wires(wires: Sequence[OneToOne]) -> str:
    return ", ".join(f"a projection from {w.source} to {w.target}" for w in wires)


def driven_groups(harness: Harness) -> NDArray[np.int64]:
    """Group that each sample drives: another one each, as far as the batch goes."""
    return np.arange(min(harness.batch, harness.neurons))


def single_event(harness: Harness, steps: int) -> Stimulus:
    """One event in step `FIRST` of a run, for a group of inputs in each sample."""
    driven = driven_groups(harness)
    active = np.zeros((steps, len(driven), harness.neurons))
    active[FIRST, driven, driven] = 1
    return harness.stimulus(active, kind_of_events(harness))


def no_event(harness: Harness, steps: int) -> Stimulus:
    """Make a stimulus of as many samples, and no event."""
    active = np.zeros((steps, len(driven_groups(harness)), harness.neurons))
    return harness.stimulus(active, kind_of_events(harness))


def read_fired(harness: Harness, counts: NDArray[np.int32], places: int = 0) -> NDArray[np.bool_]:
    """Tell whether the output that is so many places further on than the driven group has fired.

    Args:
        harness: The device.
        counts: Of a run of `event`.
        places: How many.

    Returns:
        One value for each sample.
    """
    driven = driven_groups(harness)
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
    found = np.full(len(driven_groups(harness)), most + 1)
    for steps in range(most, -1, -1):
        found[_read_fired_by(harness, steps, places)] = steps
    return found


def measure_usual_delay(harness: Harness, expected: int, places: int = 0) -> int | None:
    """Measure how late most outputs fire of those that do, in two runs where it is as expected.

    Args:
        harness: The device, wired.
        expected: How late they should.
        places: As in `late`.

    Returns:
        Steps after the event; None where fewer than half fire within a few steps more.
    """
    early = expected > 0 and _read_fired_by(harness, expected - 1, places).mean() >= HALF
    if not early and _read_fired_by(harness, expected, places).mean() >= HALF:
        return expected
    found = measure_delays(harness, expected + LATER, places)
    fire = found[found <= expected + LATER]
    return int(np.bincount(fire).argmax()) if len(fire) >= HALF * len(found) else None


def _read_fired_by(harness: Harness, steps: int, places: int) -> NDArray[np.bool_]:
    """Tell which samples have fired so many steps after the event."""
    skip_if(FIRST + steps + 1 > harness.info.capacity.steps, "runs are too short")
    return read_fired(harness, harness.run(single_event(harness, FIRST + steps + 1)).counts, places)


def kind_of_events(harness: Harness) -> StimulusKind:
    """A kind of stimulus that can drive a network in a single step.

    Raises:
        NotApplicable: When the device takes none.
    """
    stimuli = harness.info.offers.stimuli
    kinds: tuple[StimulusKind, ...] = ("spikes", "current_trace")
    kind = next((k for k in kinds if k in stimuli), None)
    if kind is None:
        raise NotApplicable("the device takes constant currents only")
    return kind
