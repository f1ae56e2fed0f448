"""Engines that run a chip: the compiled one where it can, else Brian2's own code."""

from __future__ import annotations

from collections import OrderedDict
from importlib.util import find_spec

import numpy as np

from device_models.engine.brian2_engine import Brian2Engine
from device_models.engine.circuit import ChipRun, Circuit
from device_models.engine.compiled_engine import CompiledEngine
from device_models.engine.layer_code import Untranslatable

# Prepared engines to keep: training, evaluation and their last, smaller batches.
MAX_PREPARED = 4


class Engines:
    """The engines of a chip with a network. All give the same, to the bit.

    Attributes:
        steps: Steps since reset, at the end of the last run.
    """

    def __init__(self, chip: Circuit, compiled: bool | None, workers: int | None) -> None:
        """Prepare nothing yet.

        Args:
            chip: The chip.
            compiled: Whether to compile the model, where it can be; None where numba is installed,
                and then Brian2's code runs until it is compiled.
            workers: Threads of the compiled engine; None for as many as there are cores.
        """
        self._chip, self.steps = chip, 0
        self._may_compile = find_spec("numba") is not None if compiled is None else compiled
        self._waits = compiled is True
        self._compiled = CompiledEngine(chip, workers)
        self._prepared: OrderedDict[tuple[int, bool, bool], Brian2Engine] = OrderedDict()
        self._last: Brian2Engine | None = None

    def run(self, run: ChipRun, carry: bool) -> None:
        """Run copies from reset, or from where their last run ended.

        Args:
            run: The run.
            carry: Whether to go on from the last run, in the engine that it was in.

        Raises:
            RuntimeError: When that engine cannot run it.
        """
        begun = self.steps if carry else 0
        after, self._last = self._last if carry else None, None
        compiled = False
        if after is None and self._may_compile:
            try:
                compiled = self._compiled.run(run, carry, begun, self._waits)
            except Untranslatable:
                self._may_compile = False
        if not compiled:
            if after is None and begun:
                raise RuntimeError("a run cannot go on: its kind of input is not compiled")
            later = bool(after and after.has_currents_to_come)
            changing = any(phase.circuit is not self._chip for phase in run.phases)
            currents = isinstance(run.drive, np.ndarray) or later
            engine = self._brian2_engine(run.batch, currents, changing)
            engine.run(run, after, begun)
            self._last = engine
        self.steps = begun + run.steps

    def _brian2_engine(self, batch: int, currents: bool, changing: bool) -> Brian2Engine:
        key = (batch, currents, changing)
        if key not in self._prepared:
            self._prepared[key] = Brian2Engine(self._chip, *key)
            if len(self._prepared) > MAX_PREPARED:
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(key)
        return self._prepared[key]
