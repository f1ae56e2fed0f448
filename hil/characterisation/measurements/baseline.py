"""A layer without input: its resting membranes, and the neurons that fire all the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.characterisation import estimators
from hil.characterisation.bench import Bench, LayerRecording
from hil.characterisation.estimators import Array, Samples

# A neuron is tonic when it fires in so large a share of runs without input.
TONIC = 0.5
# Share of samples that have to be without a spike for their mean to count.
KNOWN = 0.9
# A membrane that falls by so much in a step, in nominal thresholds, was reset.
FALL = 0.5


@dataclass(frozen=True)
class Baseline:
    """Membranes of a layer of n neurons without input, from R repeated runs.

    Other measurements subtract it from what they record.

    Attributes:
        samples: Membrane samples of all runs, `(K, B, n)`.
        mask: 1 where no spike came before a sample, so that it counts, `(K, B, n)`; None for all.
        bases: Mean of the counting samples of each run, `(R, K, 1, n)`.
        known: Where enough samples count for that mean to be valid, `(K, 1, n)`; None for all.
        tonic: Which neurons fire without input, `(n,)`.
    """

    samples: Samples
    mask: Samples | None
    bases: Samples
    known: NDArray[np.bool_] | None
    tonic: NDArray[np.bool_]

    def counting(self, unspiked: Samples | None) -> Samples | None:
        """1 for samples of another run that can be compared, `(K, B or 1, n)`; None for all.

        Args:
            unspiked: 1 for samples of that run that no spike came before, `(K, B, n)`; None for
                all.
        """
        if self.known is None:
            return unspiked
        if unspiked is None:
            return self.known.astype(np.float32)
        return unspiked * self.known.astype(np.float32)


def measure(
    bench: Bench, layer: int, active: NDArray[np.bool_], sampling: Array, runs: int
) -> Baseline:
    """Record a layer whose incoming weights are zero.

    Args:
        bench: The bench, mapped.
        layer: Layer of neurons, which shows its membranes.
        active: `(B, n_in)`, inputs that are driven.
        sampling: `(K, T)`, from steps to samples.
        runs: How often each of the inputs is driven.
    """
    recording = bench.record(layer, active, sampling.shape[1], runs)
    assert recording.membrane is not None
    mask, known = until_first_spike(bench, layer, recording, sampling), None
    if mask is not None:
        # Samples before a spike that are few are those of late spikes, and low.
        known = mask.mean(axis=1, keepdims=True) > KNOWN
        mask = mask * known.astype(np.float32)
    parts = [slice(r * len(active), (r + 1) * len(active)) for r in range(runs)]
    bases = [mean(recording.membrane[:, p], None if mask is None else mask[:, p])[0] for p in parts]
    means = np.stack(bases)[:, :, None].astype(np.float32)
    return Baseline(
        samples=recording.membrane,
        mask=mask,
        bases=means,
        known=known,
        tonic=_tonic(bench, layer, recording),
    )


def mean(samples: Samples, mask: Samples | None) -> tuple[Array, Array]:
    """Mean over the batch `(K, n)`, and how much each value counts."""
    if mask is None:
        return samples.mean(axis=1, dtype=np.float64), np.ones(samples.shape[::2])
    mask = np.broadcast_to(mask, samples.shape)
    count = mask.sum(axis=1, dtype=np.float64)
    total = (samples * mask).sum(axis=1, dtype=np.float64)
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0), count


def until_first_spike(
    bench: Bench, layer: int, recording: LayerRecording, sampling: Array
) -> Samples | None:
    """1 for samples that no spike came before, `(K, B, n)`; None where there was no spike."""
    first, steps = _first_spikes(bench, layer, recording), sampling.shape[1]
    if first is None:
        if recording.counts is None:
            return None
        first = np.where(recording.counts > 0, 0, steps)
    if not (first < steps).any():
        return None
    # A sample holds nothing later than the last step that has a part in it.
    last = steps - 1 - np.argmax(sampling[:, ::-1] > 0, axis=1) + bench.after_reset(layer)
    return np.asarray(last[:, None, None] <= first, np.float32)


def _first_spikes(bench: Bench, layer: int, recording: LayerRecording) -> NDArray[np.int64] | None:
    if recording.raster is not None:
        return estimators.first_spikes(recording.raster)
    if recording.membrane is None or not bench.samples_every_step(layer):
        return None
    fallen = estimators.first_spikes(np.diff(recording.membrane, axis=0) < -FALL)
    return np.where(fallen < len(recording.membrane) - 1, fallen, len(recording.membrane))


def _tonic(bench: Bench, layer: int, recording: LayerRecording) -> NDArray[np.bool_]:
    if recording.counts is not None:
        return np.asarray((recording.counts > 0).mean(axis=0) > TONIC)
    first = _first_spikes(bench, layer, recording)
    if first is None:
        return np.zeros(bench.layers[layer], bool)
    assert recording.membrane is not None
    return np.asarray((first < len(recording.membrane)).mean(axis=0) > TONIC)
