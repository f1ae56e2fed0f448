"""Which engine runs a chip: the compiled one where it can, else Brian2's own code."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from device_models.engine import Engine
from device_models.neuron_group import Circuit
from device_models.recording import Recorder

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from device_models.fused import Fused

# Prepared engines to keep: training, evaluation and their last, smaller batches.
PREPARED = 4


class Engines:
    """The engines of a chip with a network. All give the same, to the bit.

    Attributes:
        steps: Steps since reset, at the end of the last run.
    """

    def __init__(self, chip: Circuit, compiled: bool | None, workers: int | None) -> None:
        """Prepare nothing yet.

        Args:
            chip: The chip.
            compiled: Whether to compile the model, where it can be; None where numba is installed.
            workers: Threads of the compiled engine; None for as many as there are cores.
        """
        self._chip, self._workers, self.steps = chip, workers, 0
        self._compiled = find_spec("numba") is not None if compiled is None else compiled
        self._fused: Fused | None = None
        self._prepared: OrderedDict[tuple[int, bool], Engine] = OrderedDict()
        self._last: Engine | None = None

    def run(
        self,
        drive: NDArray[np.float32] | csr_matrix,
        steps: int,
        batch: int,
        weights: Sequence[NDArray[np.float32]],
        recorders: Sequence[Recorder],
        trial: tuple[int, ...],
        supply: float,
        carry: bool,
    ) -> None:
        """Run copies from reset, or from where their last run ended.

        Args:
            drive: Currents `(B, n_in)` or `(T, B, n_in)`, or event counts `(T*B, n_in)` in CSR.
            steps: T.
            batch: B.
            weights: What the synapses of each projection transmit, `(n_pre, n_post)`, in swings.
            recorders: What is to be observed, the output's spike counts among it.
            trial: Seed and names of the random streams of this run.
            supply: Factor of all input gains now.
            carry: Whether to go on from the last run.
        """
        begun = self.steps if carry else 0
        fused = self._fusing()
        if fused is not None:
            fused.run(drive, steps, batch, weights, recorders, trial, supply, carry, begun)
        else:
            after, self._last = self._last if carry else None, None
            currents = isinstance(drive, np.ndarray) or bool(after and after.currents_to_come)
            engine = self._engine(batch, currents)
            engine.run(drive, steps, weights, recorders, trial, supply, after, begun)
            self._last = engine
        self.steps = begun + steps

    def _fusing(self) -> Fused | None:
        """The compiled engine, where there is one for this model."""
        if self._compiled and self._fused is None:
            from device_models.fused import Fused
            from device_models.scalar_code import Refused

            try:
                self._fused = Fused(self._chip, self._workers)
            except Refused:
                self._compiled = False
        return self._fused

    def _engine(self, batch: int, currents: bool) -> Engine:
        key = (batch, currents)
        if key not in self._prepared:
            self._prepared[key] = Engine(self._chip, batch, currents)
            if len(self._prepared) > PREPARED:
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(key)
        return self._prepared[key]
