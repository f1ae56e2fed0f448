"""What is under way from layer to layer: events, and input currents, of this step and before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from device_models.generators import Noise
from device_models.neuron_group import Circuit
from device_models.nonidealities.temporal import delayed, joined
from device_models.wiring import Synapses, Wire

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, slots=True)
class Events:
    """Events of one layer of all copies in one step, as the parts of a CSR matrix `(B, n)`.

    Attributes:
        counts: How many there are in each place, `(k,)` float32.
        indices: Which neurons, `(k,)`.
        bounds: Where those of each copy begin, `(B + 1,)`.
    """

    counts: NDArray[np.float32]
    indices: NDArray[np.int32]
    bounds: NDArray[np.integer]


class UnderWay:
    """Events and input currents, kept for as long as the longest delay of what they go through.

    Attributes:
        sources: Layers whose events go anywhere; 0 is the input.
        spikes: Input events of this run, row `t * B + b`; None when there are none.
    """

    def __init__(self, wires: Sequence[Wire]) -> None:
        """Nothing is under way."""
        longest = {w.source: 0 for w in wires}
        for w in wires:
            longest[w.source] = max(longest[w.source], w.longest)
        self.sources = sorted(longest)
        self.spikes: csr_matrix | None = None
        self._delayed_input = longest.get(0, 0)
        self._sent = {s: deque[Events | None](maxlen=k + 1) for s, k in longest.items()}
        self._flowed = deque[NDArray[np.float32] | None](maxlen=self._delayed_input + 1)
        self._drive: NDArray[np.float32] | None = None
        self._late: csr_matrix | None = None

    def drive(
        self,
        drive: NDArray[np.float32] | csr_matrix,
        steps: int,
        batch: int,
        jitter: float,
        noise: Noise,
        begun: int,
    ) -> None:
        """Begin a run.

        Args:
            drive: Currents `(B, n_in)` or `(T, B, n_in)`, or event counts `(T*B, n_in)` in CSR.
            steps: T.
            batch: B.
            jitter: Standard deviation of the normal variable whose magnitude is the delay of an
                input event, in steps.
            noise: Draws those.
            begun: Steps since reset before this run.
        """
        if self._delayed_input:
            drive = drive.copy()  # what is kept must not change when the caller's array does
        currents = isinstance(drive, np.ndarray)
        self._drive, self.spikes = (drive, None) if currents else (None, drive)
        before, late = self._late, None
        if jitter and self.spikes is not None:
            self.spikes, late = delayed(self.spikes, steps, jitter, noise, begun)
        if before is not None:
            now = before if self.spikes is None else joined(self.spikes, before)
            now.resize(max(now.shape[0], steps * batch), now.shape[1])
            self.spikes, beyond = now[: steps * batch], now[steps * batch :]
            late = beyond if late is None else joined(late, beyond)
        self._late = late if late is not None and late.nnz else None

    def current(self, step: int) -> bool:
        """Let the input current of a step of this run flow; says whether anything is new."""
        constant = self._drive is None or self._drive.ndim == 2
        if constant and step > self._delayed_input:
            return False
        self._flowed.append(self._drive if self._drive is None or constant else self._drive[step])
        return True

    def current_before(self, delay: int) -> NDArray[np.float32] | None:
        """The input current of so many steps ago, `(B, n_in)`; None when there was none."""
        return self._flowed[-1 - delay] if delay < len(self._flowed) else None

    @property
    def currents_to_come(self) -> bool:
        """Whether a current has yet to arrive."""
        return self._delayed_input > 0 and any(now is not None for now in self._flowed)

    def send(self, source: int, events: Events | None) -> None:
        """Let the events of a layer in this step go."""
        self._sent[source].append(events)

    def sent_before(self, source: int, delay: int) -> Events | None:
        """The events of a layer of so many steps ago; None when there were none."""
        sent = self._sent[source]
        return sent[-1 - delay] if delay < len(sent) else None


def slopes(
    chip: Circuit,
    under_way: UnderWay,
    weights: Sequence[Sequence[tuple[int, tuple[Synapses, ...]]]],
    gains: Sequence[NDArray[Any]],
) -> Iterator[tuple[int, NDArray[Any]]]:
    """What input currents add to the slopes of membranes now.

    Args:
        chip: The chip.
        under_way: The currents.
        weights: Of each projection, by delay, what each receiving variable gets of an event.
        gains: Input gains of each layer.

    Yields:
        The number of a layer that the input projects to, and `(B, n)` or `(n,)`.
    """
    for wire, paths in zip(chip.wires, weights, strict=True):
        if wire.source:
            continue
        own, gain = chip.layers[wire.target - 1], gains[wire.target - 1]
        slope: NDArray[Any] = np.zeros((), gain.dtype)
        for delay, parts in paths:
            now = under_way.current_before(delay)
            if now is not None:
                slope = slope + now @ (parts[0] if len(parts) == 1 else parts[0] - parts[1])
        slope = slope * (gain / gain.dtype.type(chip.dt))
        yield wire.target, slope + chip.bias_slope(own) if np.any(own.bias) else slope
