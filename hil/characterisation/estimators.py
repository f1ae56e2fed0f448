"""From membrane traces to the constants of a leaky integrate-and-fire neuron. Pure functions.

Samples are in nominal thresholds above nominal rest, as the device reads them. A neuron of decay
`d` (what one step leaves of its membrane) is taken to follow `dv/dt = -v/tau + i_in`, where an
event of weight 1 adds its gain to v (Gerstner, Kistler, Naud & Paninski 2014, Neuronal Dynamics,
section 1.3). Time constants here are in steps: `tau = -1 / ln d`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.contract.info import Arrival
from hil.statistics import student_half_width

Array = NDArray[np.float64]
Samples = NDArray[np.float32]

# Time constants that are looked for, in steps: 0.5 to 500, 2 % apart, and then up to where nothing
# leaks in the longest of measurements.
TIME_CONSTANTS: Array = np.geomspace(0.5, 50_000, 582)
# Chance that a first spike is not where the model has it, e.g. because its event was lost.
OUTLIER = 0.01
# How far a membrane falls at least when it is reset, in nominal thresholds, and by what share of
# what is computed it may be off.
LEAST_FALL, MODEL_ERROR = 0.2, 0.1


@dataclass(frozen=True)
class MeasuredValue:
    """A measured quantity.

    Attributes:
        value: What it is; NaN where it could not be measured.
        half: Half the width of its 95 % confidence interval, same shape.
    """

    value: Array
    half: Array


def average_repeats(repeats: Array) -> MeasuredValue:
    """Average repeated measurements, with Student's interval.

    Args:
        repeats: `(R, ...)`, R at least 2.
    """
    half = student_half_width(len(repeats)) * repeats.std(axis=0, ddof=1)
    return MeasuredValue(repeats.mean(axis=0), half)


def shrink_to_median(measured: MeasuredValue) -> Array:
    """Draw values in to their median by the share of their variance that is error.

    An estimate that differs from the others by errors alone says nothing of its own: empirical
    Bayes, Efron & Morris 1975, J. Am. Stat. Assoc. 70, 311.
    """
    value = measured.value
    finite = value[np.isfinite(value)]
    if not finite.size:
        return value
    error = (np.nan_to_num(measured.half, nan=np.inf, posinf=np.inf) / 1.96) ** 2
    usual, true = float(np.median(finite)), max(float(finite.var() - np.median(error)), 0.0)
    total = true + error
    share = np.divide(true, total, out=np.ones_like(total), where=total > 0)
    shrunk: Array = usual + (value - usual) * share
    return shrunk


def charging_curve(decay: Array, steps: int) -> Array:
    """Share of its end that a membrane reaches under a constant current, `(T, n)`.

    Args:
        decay: `(n,)`.
        steps: T; row t is the end of step t.
    """
    share: Array = 1.0 - decay ** (np.arange(steps)[:, None] + 1.0)
    return share


@dataclass(frozen=True)
class ChargeTiming:
    """Timing of the charge that a layer receives while its input is driven.

    Attributes:
        sent: `(T,)`, events that are sent to it in each step; None for a constant current from the
            first step on, which leaks while it arrives.
        arrival: When an event acts.
        is_late: Whether a membrane is seen at the end of a step, after what arrives there, and not
            at the test of the threshold.
    """

    sent: Array | None
    arrival: Arrival = "same_step"
    is_late: bool = False


def response(decay: Array, steps: int, timing: ChargeTiming) -> Array:
    """The membrane when one unit of charge is sent with each event, `(T, n)`.

    Args:
        decay: `(n,)`.
        steps: T.
        timing: When events are sent; of a current, one unit in every step.
    """
    if timing.sent is None:
        leaking: Array = charging_curve(decay, steps) / -np.log(decay)
        return leaking
    sent = timing.sent[:steps]
    if timing.arrival == "next_step":
        sent = np.concatenate([[0.0], sent[:-1]])
    at_end = timing.arrival == "end_of_step"
    membrane, samples = np.zeros(decay.shape), np.empty((steps, *decay.shape))
    for step in range(steps):
        membrane = decay * membrane + (0.0 if at_end else sent[step])
        charged = membrane + (sent[step] if at_end else 0.0)
        samples[step] = charged if timing.is_late else membrane
        membrane = charged
    return samples


def fit_decay(mean: Array, weight: Array, sampling: Array, timing: ChargeTiming) -> Array:
    """Fit the decay of each neuron to its response to charge in every step, by least squares.

    Args:
        mean: `(K, n)`, the response less what there is without input.
        weight: `(K, n)`, how much each sample counts, at least 0.
        sampling: `(K, T)`, from steps to samples.
        timing: As in `response`.

    Returns:
        `(n,)`; NaN where nothing responds.
    """
    shapes = sampling @ response(np.exp(-1 / TIME_CONSTANTS), sampling.shape[1], timing)
    overlap = shapes.T @ (weight * mean)
    power = (shapes**2).T @ weight
    explained = np.divide(overlap**2, power, out=np.zeros_like(power), where=power > 0)
    best = np.clip(explained.argmax(axis=0), 1, TIME_CONSTANTS.size - 2)
    neurons = np.arange(mean.shape[1])
    before, at, after = (explained[best + k, neurons] for k in (-1, 0, 1))
    bend = before - 2 * at + after
    shift = np.divide(before - after, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
    spacing = np.log(TIME_CONSTANTS[1] / TIME_CONSTANTS[0])
    tau = TIME_CONSTANTS[best] * np.exp(spacing * np.clip(shift, -1, 1))
    return np.asarray(np.where(at > 0, np.exp(-1 / tau), np.nan))


def fit_amplitudes(samples: Samples, mask: Samples | None, shape: Array) -> Array:
    """Fit, by least squares, the amplitude of a known shape in every sample of a batch, `(B, n)`.

    Args:
        samples: `(K, B, n)`, less what there is without input.
        mask: `(K, B or 1, n)`, 1 where a sample counts; None for all.
        shape: `(K, n)`.
    """
    shape = shape.astype(np.float32)
    if mask is None:
        plain = np.einsum("kbn,kn->bn", samples, shape) / (shape**2).sum(axis=0)
        return np.asarray(plain, np.float64)
    mask = np.broadcast_to(mask, samples.shape)
    power = np.einsum("kbn,kn->bn", mask, shape**2)
    overlap = np.einsum("kbn,kbn,kn->bn", samples, mask, shape)
    fitted: Array = np.divide(overlap, power, out=np.full(power.shape, np.nan), where=power > 0)
    return fitted


def fit_rest(
    samples: Samples, mask: Samples | None, charged: Array
) -> tuple[MeasuredValue, MeasuredValue]:
    """Fit the readout offset, and where a bias holds the membrane, to runs without input.

    A trial starts with the membrane at reset: the offset is there from the first sample on, a bias
    charges the membrane.

    Args:
        samples: `(K, B, n)`, B at least 2.
        mask: `(K, B, n)`, 1 where a sample counts; None for all.
        charged: `(K, n)`, as `charging_curve` sampled.

    Returns:
        Offset and bias of each neuron, `(n,)` each.
    """
    weight = np.ones_like(samples) if mask is None else mask
    c = charged.astype(np.float32)
    total = weight.sum(axis=0, dtype=np.float64)
    sc = np.einsum("kbn,kn->bn", weight, c)
    scc = np.einsum("kbn,kn->bn", weight, c**2)
    sy = np.einsum("kbn,kbn->bn", weight, samples)
    scy = np.einsum("kbn,kbn,kn->bn", weight, samples, c)
    det = total * scc - sc**2
    good = det > 1e-6 * np.maximum(total * scc, 1e-12)
    bias = np.divide(total * scy - sc * sy, det, out=np.zeros(det.shape), where=good)
    offset = np.divide(sy - bias * sc, total, out=np.zeros(det.shape), where=total > 0)
    return average_repeats(offset), average_repeats(bias)


def separate_noise(samples: Samples, decay: Array) -> tuple[Array, Array]:
    """Separate the variances of what is correlated as the membrane is, and of what is white.

    Membrane noise is an Ornstein-Uhlenbeck process that starts at 0: the covariance of samples of
    steps t and t + k is `sigma^2 d^k (1 - d^(2 (t + 1)))` (Gillespie 1996, Phys. Rev. E 54, 2084).
    Readout noise adds to k = 0 alone.

    Args:
        samples: `(T, B, n)`, one at every step of runs without spikes, B at least 2.
        decay: `(n,)`.

    Returns:
        Variance of the membrane's noise at its end, and of the white noise, `(n,)` each.
    """
    steps, batch, _ = samples.shape
    centred = (samples - samples.mean(axis=1, keepdims=True)).astype(np.float64)
    started = 1.0 - decay ** (2.0 * (np.arange(steps)[:, None] + 1.0))
    overlap = power = np.zeros_like(decay)
    for lag in range(1, min(steps // 2, 20)):
        covariance = (centred[:-lag] * centred[lag:]).sum(axis=1) / (batch - 1)
        shape = decay**lag * started[:-lag]
        overlap = overlap + (covariance * shape).sum(axis=0)
        power = power + (shape**2).sum(axis=0)
    membrane = overlap / power
    variance = (centred**2).sum(axis=1) / (batch - 1)
    return membrane, (variance - membrane * started).mean(axis=0)


def first_spikes(raster: NDArray[np.generic]) -> NDArray[np.int64]:
    """Step of the first spike of each neuron, `(B, n)`; T where there is none.

    Args:
        raster: `(T, B, n)`.
    """
    fired = raster != 0
    return np.where(fired.any(axis=0), fired.argmax(axis=0), len(raster))


def detect_falls(samples: Samples, expected: Samples) -> NDArray[np.int64]:
    """Detect first spikes where none is shown: the membrane falls behind what it should reach.

    Args:
        samples: `(K, B, n)`, less the offset.
        expected: `(K, B, n)`, what they would be without any spike, rising.

    Returns:
        `(B, n)`, the last sample before the fall; K where there is none.
    """
    fall = first_spikes(samples < expected - LEAST_FALL - MODEL_ERROR * np.abs(expected))
    return np.where(fall < len(samples), np.maximum(fall - 1, 0), fall)


def fit_threshold(
    below: Array, above: Array, fired: NDArray[np.bool_], sigma: Array
) -> MeasuredValue:
    """Fit the threshold of each neuron to where its first spike fell, by maximum likelihood.

    A neuron that fired did not reach its threshold in the step before the spike (`below`) and did
    in the step of the spike (`above`); one that did not fire never reached it (`below` at the end).
    Noise of standard deviation sigma blurs both: each is a probit.

    Args:
        below: `(M, n)`, expected membrane in the last step without a spike.
        above: `(M, n)`, expected membrane in the step of the first spike, where there is one.
        fired: `(M, n)`.
        sigma: `(n,)`, standard deviation of the membrane.

    Returns:
        `(n,)`, in the unit of the membranes; NaN for a neuron that never fired.
    """
    ever = fired.any(axis=0)
    low = np.where(fired, below, np.inf).min(axis=0, initial=np.inf)
    high = np.where(fired, above, -np.inf).max(axis=0, initial=-np.inf)
    low, high = np.where(ever, low, 0.0), np.where(ever, np.maximum(high, low + sigma), 1.0)
    spacing = high - low
    best = low
    for points in (120, 41, 21):
        grid = low + (high - low) * np.linspace(0, 1, points)[:, None]
        score = np.stack([_likelihood(below, above, fired, sigma, g) for g in grid])
        best = grid[score.argmax(axis=0), np.arange(low.size)]
        spacing = (high - low) / (points - 1)
        low, high = best - 2 * spacing, best + 2 * spacing
    width = np.maximum(0.3 * sigma, spacing)
    bend = sum(
        sign * _likelihood(below, above, fired, sigma, best + k * width)
        for k, sign in ((-1, 1), (0, -2), (1, 1))
    )
    half = 1.96 * width / np.sqrt(np.maximum(-np.asarray(bend), 1e-3))
    return MeasuredValue(np.where(ever, best, np.nan), np.where(ever, half, np.nan))


def _likelihood(
    below: Array, above: Array, fired: NDArray[np.bool_], sigma: Array, threshold: Array
) -> Array:
    from scipy.special import ndtr

    silent = np.log(OUTLIER + (1 - OUTLIER) * ndtr((threshold - below) / sigma))
    firing = np.log(OUTLIER + (1 - OUTLIER) * ndtr((above - threshold) / sigma))
    return np.asarray((silent + np.where(fired, firing, 0.0)).sum(axis=0))
