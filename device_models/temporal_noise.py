"""Noise in time: effects that differ from one step to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from device_models.generators import Noise, generator, quantiles

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Cosines that make up the slow wander; their sum is normal to within a few per cent of its tails.
COSINES = 32


def step_noise_sd(
    membrane_noise: float, tau: NDArray[np.float32], dt: float
) -> NDArray[np.float32]:
    """Standard deviation of the noise that one step adds to a leaky membrane.

    A membrane `dv/dt = -v/tau + sigma sqrt(2/tau) xi` has the stationary standard deviation sigma;
    over a step it receives `sigma sqrt(1 - exp(-2 dt/tau))`, exactly (Gillespie 1996,
    Phys. Rev. E 54, 2084).

    Args:
        membrane_noise: sigma.
        tau: Membrane time constants `(n,)`, in seconds.
        dt: Step, in seconds.

    Returns:
        `(n,)` float32, in the unit of sigma.
    """
    sd: NDArray[np.float32] = membrane_noise * np.sqrt(-np.expm1(-2.0 * dt / tau))
    return sd.astype(np.float32)


def drop_lost_spikes(
    events: NDArray[np.int32], size: int, loss: float, noise: Noise, step: int
) -> NDArray[np.int32]:
    """Drop events that are lost, each with the given chance.

    Args:
        events: Numbers `b * n + i` of neurons that fired.
        size: n.
        loss: The chance.
        noise: Decides it for each neuron.
        step: The step.
    """
    return events[noise.uniforms(step, events // size, events % size) >= loss]


def drop_lost_events(
    counts: NDArray[np.float32],
    samples: NDArray[np.integer],
    channels: NDArray[np.integer],
    loss: float,
    noise: Noise,
    step: int,
) -> NDArray[np.float32]:
    """Drop input events that are lost, each of several in a place by itself.

    Args:
        counts: How many there are, `(k,)`.
        samples: Of which sample, `(k,)`.
        channels: In which channel, `(k,)`.
        loss: The chance that one is lost.
        noise: Decides it for each.
        step: The step.
    """
    arrived = np.zeros_like(counts)
    for turn in range(int(counts.max(initial=0))):
        places = channels.astype(np.int64) + (turn << 32)
        arrived += (turn < counts) & (noise.uniforms(step, samples, places) >= loss)
    return arrived


def add_spurious_spikes(
    events: NDArray[np.int32], batch: int, size: int, chance: float, noise: Noise, step: int
) -> NDArray[np.int32]:
    """Add spurious events on silent lines to those of a layer of `batch` copies in a step."""
    uniforms = noise.uniforms(step, np.arange(batch)[:, np.newaxis], np.arange(size))
    return np.union1d(events, np.flatnonzero(uniforms < chance)).astype(np.int32)


def hold_lines(
    events: NDArray[np.int32], batch: int, lines: NDArray[np.float64], step: int
) -> NDArray[np.int32]:
    """Let lines that are held carry what they are held at, in place of what neurons send.

    Args:
        events: Numbers `b * n + i` of the neurons that send something in a step.
        batch: Number of copies.
        lines: Share of steps in which each line carries an event, `(n,)`; nan where not held.
        step: The step.
    """
    is_stuck = ~np.isnan(lines)
    on = np.floor((step + 1) * lines[is_stuck]) > np.floor(step * lines[is_stuck])
    sent = np.zeros((batch, lines.size), bool)
    sent.reshape(-1)[events] = True
    sent[:, is_stuck] = on
    return np.flatnonzero(sent).astype(np.int32)


def delay_events(
    events: csr_matrix, steps: int, deviation: float, noise: Noise, begun: int = 0
) -> tuple[csr_matrix, csr_matrix]:
    """Delay input events by the magnitude of a normal variable.

    Args:
        events: Counts `(T*B, n_in)`, row `t * B + b`.
        steps: T.
        deviation: Standard deviation of the normal variable whose magnitude is the delay, in
            steps.
        noise: Draws the delay of each event.
        begun: Steps since reset before the first of these.

    Returns:
        Those of the T steps, and those that are still under way after them: counts of as many more
        steps as the last of them takes, likewise.
    """
    batch = events.shape[0] // steps
    counts = events.data.astype(np.int64)
    rows = np.repeat(np.arange(events.shape[0]), np.diff(events.indptr)).repeat(counts)
    columns = events.indices.repeat(counts)
    # Which of the events in the same place each of them is.
    turn = np.arange(rows.size) - np.repeat(np.cumsum(counts) - counts, counts)
    places = columns.astype(np.int64) + (turn << 32)
    words = noise.words(begun + rows // batch, rows % batch, places)
    normal = quantiles().take((words >> np.uint64(48)).astype(np.intp))
    late = np.rint(np.abs(normal) * np.float64(deviation)).astype(np.int64)
    rows = rows + late * batch
    beyond = int(max(rows.max(initial=0) // batch + 1 - steps, 0))
    arriving = _count_events(rows, columns, ((steps + beyond) * batch, events.shape[1]))
    return arriving[: steps * batch], arriving[steps * batch :]


def _count_events(
    rows: NDArray[np.int64], columns: NDArray[np.int32], shape: tuple[int, int]
) -> csr_matrix:
    """Count the events in each place."""
    from scipy.sparse import csr_matrix

    counts = csr_matrix((np.ones(rows.size, np.float32), (rows, columns)), shape)
    counts.sum_duplicates()
    return counts


def merge_events(first: csr_matrix, second: csr_matrix) -> csr_matrix:
    """Merge events, `(rows, n_in)` each, over as many rows as the longer of them has."""
    from scipy.sparse import csr_matrix

    rows = max(first.shape[0], second.shape[0])
    for part in (first, second):
        part.resize(rows, part.shape[1])
    merged = csr_matrix(first + second)
    merged.sum_duplicates()
    return merged


def add_crosstalk(
    weights: NDArray[np.float32] | csr_matrix, crosstalk: float
) -> NDArray[np.float32] | csr_matrix:
    """Let each neuron's input reach its two neighbours, too, in weights `(n_pre, n_post)`."""
    if not isinstance(weights, np.ndarray):
        from scipy.sparse import diags

        band = diags(
            [crosstalk, 1, crosstalk], [-1, 0, 1], (weights.shape[1],) * 2, dtype=np.float32
        )
        return weights @ band.tocsr()
    mixed = weights.copy()
    mixed[:, 1:] += np.float32(crosstalk) * weights[:, :-1]
    mixed[:, :-1] += np.float32(crosstalk) * weights[:, 1:]
    return mixed


def supply_factor(chip: int, wander: float, correlation: float, clock: float) -> float:
    """Factor of all input gains at a time on the chip's clock.

    It is 1 plus a stationary Gaussian process of standard deviation `wander` and correlation
    `exp(-(t/correlation)^2 / 2)`, as a sum of cosines of random frequency and phase (Rahimi &
    Recht 2007, NIPS), which can be evaluated at any time without its past.

    Args:
        chip: Chip seed.
        wander: Standard deviation.
        correlation: Correlation time, in seconds.
        clock: The time, in seconds.
    """
    if wander == 0:
        return 1.0
    rng = generator(chip, "wander")
    pulses = rng.standard_normal(COSINES) / correlation
    phases = rng.uniform(0, 2 * np.pi, COSINES)
    return float(1 + wander * np.sqrt(2 / COSINES) * np.cos(pulses * clock + phases).sum())
