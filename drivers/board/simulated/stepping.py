"""A run of a board's network, step by step, in whole numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.board.simulated.arithmetic import (
    BOUND,
    BoardNetwork,
    BoardProjection,
    Fired,
    Whole,
)

Rows = Sequence[NDArray[Any] | None]  # what a source did in each step, the last one last


@dataclass(slots=True)
class State:
    """Where a batch stands.

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
    def rest(cls, network: BoardNetwork, batch: int) -> State:
        """At the start of a sample."""
        neurons = sum(network.sizes)
        return cls(
            np.zeros((batch, neurons), np.int64),
            np.zeros((batch, network.past, neurons), bool),
            np.zeros((batch, network.input_past, 2, network.inputs), np.int64),
        )

    @classmethod
    def together(cls, states: Sequence[State]) -> State:
        """Those of several batches as that of one."""
        return cls(
            np.concatenate([each.potentials for each in states]),
            np.concatenate([each.fired for each in states]),
            np.concatenate([each.inputs for each in states]),
        )

    def sample(self, number: int) -> State:
        """That of one sample."""
        one = slice(number, number + 1)
        return State(self.potentials[one], self.fired[one], self.inputs[one])


def steps(
    network: BoardNetwork, inputs: Sequence[Whole], state: State, *, events: bool
) -> Iterator[tuple[list[Fired], list[Whole]]]:
    """Run a batch.

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
    parts = [each.parts() for each in network.projections]
    wired = list(zip(network.projections, parts, strict=True))
    flows = [_Sums(*each) for each in wired if each[0].source == 0]
    all_sums = [_Sums(*each) for each in wired]
    potentials = np.split(state.potentials, ends, axis=1)
    for given in inputs:
        currents.append(None if events else given)
        counts.append(given if events else None)
        membranes = []
        for number, each in enumerate(network.populations):
            v = potentials[number]
            v = v - (v * each.leak >> 16)
            for flow in flows:
                arriving = flow.of(currents) if flow.to.target == number + 1 else None
                if arriving is not None:
                    v = _bound(v + ((arriving * flow.to.multiplier >> 8) * each.gain >> 12))
            fired[number].append(v >= each.threshold)
            membranes.append(v)
            potentials[number] = v
        for sums in all_sums:
            arriving = sums.of(fired[sums.to.source - 1] if sums.to.source else counts)
            if arriving is not None:
                at = sums.to.target - 1
                gain = network.populations[at].gain
                charge = arriving * sums.to.multiplier * gain >> 12
                potentials[at] = _bound(potentials[at] + charge)
        spikes = [each[-1] for each in fired]
        for number, each in enumerate(network.populations):
            v = potentials[number]
            potentials[number] = np.where(spikes[number], _bound(v - each.threshold), v)
        yield spikes, membranes
    _end(state, potentials, fired, (currents, counts))


class _Sums:
    """Weighted sums over a projection; where a source does the same again, they are there still."""

    def __init__(
        self, to: BoardProjection, parts: Sequence[tuple[int, NDArray[np.float64]]]
    ) -> None:
        self.to, self._parts = to, parts
        self._last: dict[int, tuple[NDArray[Any], Whole]] = {}

    def of(self, rows: Rows) -> Whole | None:
        """What arrives of what a source did, `(B, n)`; None for nothing."""
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


def _bound(v: Whole) -> Whole:
    return np.clip(v, -BOUND, BOUND)


def _end(
    state: State,
    potentials: Sequence[Whole],
    fired: Sequence[Sequence[Fired]],
    shown: tuple[Rows, Rows],
) -> None:
    """Leave membranes, and what is on its way, in the state."""
    state.potentials = np.concatenate(potentials, axis=1)
    # New arrays, since what was done before the first step is still in the old ones.
    state.fired, state.inputs = state.fired.copy(), state.inputs.copy()
    for ago in range(1, state.fired.shape[1] + 1):
        state.fired[:, -ago] = np.concatenate([each[-ago] for each in fired], axis=1)
    for ago in range(1, state.inputs.shape[1] + 1):
        for n, rows in enumerate(shown):
            row = rows[-ago]
            state.inputs[:, -ago, n] = 0 if row is None else row
