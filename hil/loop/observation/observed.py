"""What a rule is shown of a batch, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from drivers import Stimulus
from hil.learning.rule import HostModel, Observation, PerturbedEvaluation, Route, Rule
from hil.loop.observation.drive import mean_input
from hil.loop.observation.observer import DecodedReadout

Matrix = NDArray[np.float32]


def observed(
    rule: Rule,
    routes: Sequence[Route],
    model: HostModel,
    stimulus: Stimulus,
    decoded: DecodedReadout,
    error: Matrix,
    perturbed: Sequence[PerturbedEvaluation],
    judge: Callable[[Matrix, Matrix], Matrix],
    pulls: tuple[Matrix, ...],
    progress: float,
) -> Observation:
    """What the rule is shown.

    Args:
        rule: Says what it needs.
        routes: Where projections lead.
        model: The host's nominal neuron and readout.
        stimulus: What the device was shown.
        decoded: What was made of its answer.
        error: That of each sample, `(B, C)`.
        perturbed: What came of the weights that the rule proposed.
        judge: The error `(B, C)` of output rates and mean membranes, `(B, C)` each.
        pulls: Those of homeostasis.
        progress: Share of the training that is done.
    """
    trace = None
    if rule.needs_traces and stimulus.kind != "current":
        trace = stimulus.dense()
    return Observation(
        inputs=mean_input(stimulus),
        activity=decoded.hidden,
        membrane=decoded.membranes,
        rate=decoded.rate,
        traces=decoded.traces,
        input_trace=trace,
        output_spikes=decoded.output_spikes,
        error=error,
        perturbed=tuple(perturbed),
        routes=tuple(routes),
        spikes=decoded.spikes,
        running_error=_running(decoded, judge) if rule.needs_running_error else None,
        model=model,
        pulls=pulls,
        progress=progress,
    )


def _running(decoded: DecodedReadout, judge: Callable[[Matrix, Matrix], Matrix]) -> Matrix:
    """The error of what was read up to each step, `(T, B, C)`."""
    membranes, raster = decoded.traces[-1], decoded.output_spikes
    fired = (membranes >= 1).astype(np.float32) if raster is None else raster
    passed = np.arange(1, len(membranes) + 1, dtype=np.float32)[:, np.newaxis, np.newaxis]
    rates, means = np.cumsum(fired, axis=0) / passed, np.cumsum(membranes, axis=0) / passed
    return np.stack([judge(rate, mean) for rate, mean in zip(rates, means, strict=True)])
