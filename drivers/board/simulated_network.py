"""Neurons and synapses of a board, run step by step in whole numbers.

`docs/protocol.md` says why each bit is as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
Fired = NDArray[np.bool_]
Rows = Sequence[NDArray[Any] | None]  # what a source did in each step, the last one last
BOUND = 1 << 30
DISCARDED = 8


@dataclass(frozen=True, slots=True)
class BoardPopulation:
    """Neurons.

    Attributes:
        threshold: `(n,)`, in 2^-16 threshold units.
        gain: `(n,)`, in 2^-12.
        leak: `(n,)`, in 2^-16 per step.
    """

    threshold: Whole
    gain: Whole
    leak: Whole


@dataclass(frozen=True, slots=True)
class BoardProjection:
    """Synapses from a population, or the input, to a population.

    Attributes:
        source: Number of the population, 0 for the input.
        target: Number of the population, from 1.
        multiplier: What one step of a weight adds per event, in 2^-16 threshold units.
        delay: Of all synapses, in steps.
        weights: `(n_pre, n)`, -127 to 127.
        delays: Of each synapse, likewise, in steps beyond `delay`; None where it has none.
    """

    source: int
    target: int
    multiplier: int
    delay: int
    weights: NDArray[np.int8]
    delays: NDArray[np.uint16] | None

    def group_by_delay(self) -> list[tuple[int, NDArray[np.float64]]]:
        """List the numbers of steps that synapses take, each with the weights of those that do."""
        weights = self.weights.astype(np.float64)
        if self.delays is None:
            return [(self.delay, weights)]
        own = np.unique(self.delays).tolist()
        return [(self.delay + each, weights * (self.delays == each)) for each in own]


@dataclass(frozen=True, slots=True)
class BoardNetwork:
    """Populations and projections.

    Attributes:
        inputs: Number of inputs.
        populations: Number 1 first.
        projections: In the order in which they were configured.
        input_past: How many steps input may be on its way.
        past: How many steps spikes may be on their way.
    """

    inputs: int
    populations: tuple[BoardPopulation, ...]
    projections: tuple[BoardProjection, ...]
    input_past: int
    past: int

    @property
    def sizes(self) -> list[int]:
        """Neurons of each population."""
        return [len(each.gain) for each in self.populations]

    @property
    def slot_size(self) -> int:
        """Numbers that a slot holds."""
        return sum(self.sizes) * (2 if self.past else 1) + self.inputs * self.input_past


def make_population(
    seed: int, number: int, size: int, threshold: int, leak: int
) -> BoardPopulation:
    """Make a population with the fixed pattern of its chip.

    Args:
        seed: Of the chip; 0 is the ideal one.
        number: Of the population, counted from 1.
        size: Number of neurons.
        threshold: The nominal one.
        leak: The nominal one.
    """
    drawn = draw_deviates(seed, number, size) if seed else np.zeros((size, 3), np.int64)
    return BoardPopulation(
        threshold + (threshold * drawn[:, 0] * 45 >> 16),
        4096 + (drawn[:, 1] * 45 >> 4),
        np.clip(leak + (leak * drawn[:, 2] * 90 >> 16), 1, 65535),
    )


def draw_deviates(seed: int, population: int, neurons: int) -> Whole:
    """Draw three deviates for each neuron of a population.

    Args:
        seed: Of the chip, not 0.
        population: Counted from 1.
        neurons: How many.

    Returns:
        `(neurons, 3)`, of mean 0 and standard deviation 147.8.
    """
    x = (seed * 2654435761 + population * 40503 + 1) % (1 << 32) or 1
    top = []
    for _ in range(DISCARDED + 12 * neurons):
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        top.append(x >> 24)
    drawn = np.array(top[DISCARDED:], np.int64).reshape(neurons, 3, 4)
    deviation: Whole = drawn.sum(axis=2) - 510
    return deviation


@dataclass(slots=True)
class BoardState:
    """State of a batch between two steps.

    Attributes:
        potentials: Membranes of all populations, `(B, N)`.
        fired: Their spikes in the steps before, the last one last, `(B, past, N)`.
        inputs: Currents, and counts, of the input in the steps before, the last one last,
            `(B, input_past, 2, n_in)`.
    """

    potentials: Whole
    fired: Fired
    inputs: Whole

    @classmethod
    def at_rest(cls, network: BoardNetwork) -> BoardState:
        """Make that of one sample at its start."""
        neurons = sum(network.sizes)
        return cls(
            np.zeros((1, neurons), np.int64),
            np.zeros((1, network.past, neurons), bool),
            np.zeros((1, network.input_past, 2, network.inputs), np.int64),
        )

    @classmethod
    def stack(cls, states: Sequence[BoardState]) -> BoardState:
        """Make those of several batches that of one."""
        return cls(
            np.concatenate([each.potentials for each in states]),
            np.concatenate([each.fired for each in states]),
            np.concatenate([each.inputs for each in states]),
        )

    def sample(self, number: int) -> BoardState:
        """Select that of one sample."""
        one = slice(number, number + 1)
        return BoardState(self.potentials[one], self.fired[one], self.inputs[one])


def run_steps(
    network: BoardNetwork, inputs: Sequence[Whole], state: BoardState, *, events: bool
) -> Iterator[tuple[list[Fired], list[Whole]]]:
    """Run a batch step by step.

    Args:
        network: What is run.
        inputs: Of each step, `(B, n_in)`: counts, or currents in 2^-8 events per step.
        state: Where it begins; once all steps are taken, where it ends.
        events: Whether the inputs are counts.

    Yields:
        Spikes and membranes before the reset, `(B, n)` of each population, step after step.
    """
    ends = np.cumsum(network.sizes)[:-1]
    currents: list[Whole | None] = list(state.inputs[:, :, 0].swapaxes(0, 1))
    counts: list[Whole | None] = list(state.inputs[:, :, 1].swapaxes(0, 1))
    past = [np.split(row, ends, axis=1) for row in state.fired.swapaxes(0, 1)]
    fired: list[list[Fired]] = [[row[n] for row in past] for n in range(len(network.sizes))]
    flows = [_ProjectionSums(each) for each in network.projections if each.source == 0]
    all_sums = [_ProjectionSums(each) for each in network.projections]
    potentials = np.split(state.potentials, ends, axis=1)
    for given in inputs:
        currents.append(None if events else given)
        counts.append(given if events else None)
        membranes = []
        for number, each in enumerate(network.populations):
            v = potentials[number]
            v = v - (v * each.leak >> 16)
            for flow in flows:
                arriving = flow.compute(currents) if flow.to.target == number + 1 else None
                if arriving is not None:
                    v = _clip(v + ((arriving * flow.to.multiplier >> 8) * each.gain >> 12))
            fired[number].append(v >= each.threshold)
            membranes.append(v)
            potentials[number] = v
        for sums in all_sums:
            arriving = sums.compute(fired[sums.to.source - 1] if sums.to.source else counts)
            if arriving is not None:
                at = sums.to.target - 1
                gain = network.populations[at].gain
                charge = arriving * sums.to.multiplier * gain >> 12
                potentials[at] = _clip(potentials[at] + charge)
        spikes = [each[-1] for each in fired]
        for number, each in enumerate(network.populations):
            v = potentials[number]
            potentials[number] = np.where(spikes[number], _clip(v - each.threshold), v)
        yield spikes, membranes
    _store_end(state, potentials, fired, (currents, counts))


class _ProjectionSums:
    """Weighted sums over a projection; where a source does the same again, they are there still."""

    def __init__(self, to: BoardProjection) -> None:
        self.to, self._parts = to, to.group_by_delay()
        self._last: dict[int, tuple[NDArray[Any], Whole]] = {}

    def compute(self, rows: Rows) -> Whole | None:
        """Compute what arrives of what a source did, `(B, n)`; None for nothing."""
        total: Whole | None = None
        for number, (ago, matrix) in enumerate(self._parts):
            row = rows[-1 - ago]
            if row is None:
                continue
            if number not in self._last or self._last[number][0] is not row:
                # Sums stay below 2^53, so that the product of floats is exact, and it is fast.
                product = (row.astype(np.float64) @ matrix).astype(np.int64)
                self._last[number] = row, product
            arrived = self._last[number][1]
            total = arrived if total is None else total + arrived
        return total


def _clip(v: Whole) -> Whole:
    return np.clip(v, -BOUND, BOUND)


def _store_end(
    state: BoardState,
    potentials: Sequence[Whole],
    fired: Sequence[Sequence[Fired]],
    shown: tuple[Rows, Rows],
) -> None:
    """Store membranes, and what is on its way, in the state."""
    state.potentials = np.concatenate(potentials, axis=1)
    # New arrays, since what was done before the first step is still in the old ones.
    state.fired, state.inputs = state.fired.copy(), state.inputs.copy()
    for ago in range(1, state.fired.shape[1] + 1):
        state.fired[:, -ago] = np.concatenate([each[-ago] for each in fired], axis=1)
    for ago in range(1, state.inputs.shape[1] + 1):
        for n, rows in enumerate(shown):
            row = rows[-ago]
            state.inputs[:, -ago, n] = 0 if row is None else row
