"""Events and input currents in flight from layer to layer, of this step and before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from device_models.engine.circuit import ChipRun, Circuit, DelayedSynapses
from device_models.generators import Noise
from device_models.temporal_noise import delay_events, merge_events

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


class InFlight:
    """Events and input currents, kept for as long as the longest delay of what they go through.

    Attributes:
        sources: Layers whose events go anywhere; 0 is the input.
        spikes: Input events of this run, row `t * B + b`; None when there are none.
    """

    def __init__(self, longest: Mapping[int, int]) -> None:
        """Begin with nothing in flight; arguments as `Circuit.longest_delays`."""
        self.sources = [*longest]
        self.spikes: csr_matrix | None = None
        self._input_delay = longest.get(0, 0)
        self._sent: dict[int, deque[Events | None]] = {
            s: deque(maxlen=k + 1) for s, k in longest.items()
        }
        self._currents: deque[NDArray[np.float32] | None] = deque(maxlen=self._input_delay + 1)
        self._drive: NDArray[np.float32] | None = None
        self._late: csr_matrix | None = None

    def begin_run(self, chip: Circuit, run: ChipRun, begun: int) -> None:
        """Begin a run.

        Args:
            chip: The chip.
            run: The run.
            begun: Steps since reset before it.
        """
        drive, steps, batch = run.drive, run.steps, run.batch
        # Standard deviation of the normal variable whose magnitude delays an input event, in steps.
        jitter = chip.temporal.input_jitter / chip.dt
        if self._input_delay:
            drive = drive.copy()  # what is kept must not change when the caller's array does
        currents = isinstance(drive, np.ndarray)
        self._drive, self.spikes = (drive, None) if currents else (None, drive)
        before, late = self._late, None
        if jitter and self.spikes is not None:
            noise = Noise(*run.trial, "input_jitter")
            self.spikes, late = delay_events(self.spikes, steps, jitter, noise, begun)
        if before is not None:
            now = before if self.spikes is None else merge_events(self.spikes, before)
            now.resize(max(now.shape[0], steps * batch), now.shape[1])
            self.spikes, beyond = now[: steps * batch], now[steps * batch :]
            late = beyond if late is None else merge_events(late, beyond)
        self._late = late if late is not None and late.nnz else None

    def advance_current(self, step: int) -> bool:
        """Let the input current of a step of this run flow; tells whether anything is new."""
        constant = self._drive is None or self._drive.ndim == 2
        if constant and step > self._input_delay:
            return False
        self._currents.append(self._drive if self._drive is None or constant else self._drive[step])
        return True

    def current_before(self, delay: int) -> NDArray[np.float32] | None:
        """The input current of so many steps ago, `(B, n_in)`; None when there was none."""
        return self._currents[-1 - delay] if delay < len(self._currents) else None

    @property
    def has_currents_to_come(self) -> bool:
        """Tell whether a current has yet to arrive."""
        return self._input_delay > 0 and any(now is not None for now in self._currents)

    def send(self, source: int, events: Events | None) -> None:
        """Let the events of a layer in this step go."""
        self._sent[source].append(events)

    def sent_before(self, source: int, delay: int) -> Events | None:
        """The events of a layer of so many steps ago; None when there were none."""
        sent = self._sent[source]
        return sent[-1 - delay] if delay < len(sent) else None


def current_slopes(
    chip: Circuit,
    in_flight: InFlight,
    weights: Sequence[DelayedSynapses],
    gains: Sequence[NDArray[Any]],
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Slopes that input currents add to membranes now.

    Args:
        chip: The chip.
        in_flight: The currents.
        weights: Of each projection, by delay, what each receiving variable gets of an event.
        gains: Input gains of each layer.

    Yields:
        The number of a layer that the input projects to, and `(B, n)` or `(n,)`.
    """
    for projection, groups in zip(chip.projections, weights, strict=True):
        if projection.source:
            continue
        layer, gain = chip.layers[projection.target - 1], gains[projection.target - 1]
        slope: NDArray[Any] = np.zeros((), gain.dtype)
        for delay, parts in groups:
            now = in_flight.current_before(delay)
            if now is not None:
                slope = slope + now @ (parts[0] if len(parts) == 1 else parts[0] - parts[1])
        slope = slope * (gain / gain.dtype.type(chip.dt))
        yield projection.target, slope + chip.bias_slope(layer) if layer.bias.any() else slope
