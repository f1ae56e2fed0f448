"""Health of a network on a device: what its neurons show, what a test is worth, what repair does.

A network that answers one class alone is as often right as that class is frequent. Balanced
accuracy, the mean recall of the classes, shows it (K. H. Brodersen et al. 2010, ICPR, 3121).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hil.statistics import proportion

Matrix = NDArray[np.float32]
State = Literal["silent", "saturated", "lively"]

# Choices, for want of published figures.
SILENT = 0.05  # mean activity, in targets of homeostasis, below which a layer is silent
SATURATED = 0.8  # mean activity, in shares of the largest seen, from which a layer is saturated
STILL = 1 / 3  # spread of a neuron, in those of the lively ones of its layer, below which it rests
REST = 0.5  # mean membrane, in thresholds, within which a still neuron is at rest
LIVELY_SHARE = 0.35  # of a layer that has to be lively for its dead neurons to be named
CONFIDENCE = 0.999  # of the test whether a neuron tells the classes apart
FEWEST = 100  # samples that this test needs
DEVIATIONS = 3.5  # standard deviations by which an accuracy must be below its best
PATIENCE = 3  # epochs in a row
UNEVEN = 1.25  # the majority's share, in those of equal classes, from which they are out of balance
BETTER = 0.03  # by which another estimator has to correlate better to be taken instead
RAISE, STRONGEST = 4.0, 256.0  # homeostasis in an epoch of repair, and altogether
RESCALE = 2.0  # weights in an epoch of repair


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sums over the samples of an epoch, by which its neurons are judged; L layers of n_l neurons.

    What is summed is the mean membrane of each sample in thresholds, or the rate where the device
    does not show the membrane.

    Attributes:
        samples: Samples of each class, `(C,)`.
        sums: For each layer the sum of each class, `(C, n_l)`.
        squares: For each layer the sum of squares, `(n_l,)`.
        largest: Largest activity of any neuron of each layer for any sample, `(L,)`.
    """

    samples: NDArray[np.int64]
    sums: tuple[NDArray[np.float64], ...]
    squares: tuple[NDArray[np.float64], ...]
    largest: NDArray[np.float64]

    @classmethod
    def empty(cls, sizes: Sequence[int]) -> Statistics:
        """No samples yet of layers of neurons of these sizes; the last one is the output."""
        return cls(
            np.zeros(sizes[-1], np.int64),
            tuple(np.zeros((sizes[-1], size)) for size in sizes),
            tuple(np.zeros(size) for size in sizes),
            np.zeros(len(sizes)),
        )

    def add(
        self, labels: NDArray[Any], activity: Sequence[Matrix], membrane: Sequence[Matrix]
    ) -> None:
        """Add a batch.

        Args:
            labels: Class of each sample, `(B,)`; or real targets `(B, C)`, by which no neuron is
                judged.
            activity: Spikes per step of each layer, `(B, n_l)`.
            membrane: Mean membrane of each layer, `(B, n_l)`; all zero where it is not shown.
        """
        classes = len(self.samples)
        labels = labels if labels.ndim == 1 else np.zeros(len(labels), np.int64)
        self.samples[:] += np.bincount(labels, minlength=classes)
        one_hot = (labels == np.arange(classes)[:, None]).astype(np.float64)
        for layer, (rate, mean) in enumerate(zip(activity, membrane, strict=True)):
            seen = (mean if mean.any() else rate).astype(np.float64)
            self.sums[layer][:] += one_hot @ seen
            self.squares[layer][:] += np.einsum("bn,bn->n", seen, seen)
            self.largest[layer] = max(self.largest[layer], float(rate.max()))

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return the sums as named arrays, for a checkpoint."""
        arrays: dict[str, NDArray[np.generic]] = {"samples": self.samples, "largest": self.largest}
        for layer, (sums, squares) in enumerate(zip(self.sums, self.squares, strict=True), start=1):
            arrays[f"sums_{layer}"], arrays[f"squares_{layer}"] = sums, squares
        return arrays

    @classmethod
    def from_arrays(cls, state: Mapping[str, NDArray[np.generic]]) -> Statistics:
        """From what `state` gave."""
        layers = range(1, len(state["largest"]) + 1)
        return cls(
            state["samples"].astype(np.int64),
            tuple(state[f"sums_{layer}"].astype(np.float64) for layer in layers),
            tuple(state[f"squares_{layer}"].astype(np.float64) for layer in layers),
            state["largest"].astype(np.float64),
        )


def find_still_neurons(
    statistics: Statistics, layer: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find neurons of a layer that do not depend on the sample.

    A noisy membrane is never quite still, so what a neuron shows is compared between the classes
    by a one-way analysis of variance (Fisher 1925, Statistical Methods for Research Workers).
    Still are those that do not tell the classes apart and vary far less than the lively neurons of
    the layer do. Where most are not lively, the layer as a whole is at fault, and no neuron is
    named.

    Args:
        statistics: The sums of an epoch.
        layer: From 0, the first hidden one.

    Returns:
        Indices, ascending, of dead neurons, which stay at rest, and of stuck ones, which stay
        above threshold or far below rest; none from fewer than 100 samples, too few to tell.
    """
    from scipy.special import fdtri

    nobody = np.empty(0, np.int64)
    present = statistics.samples > 0
    counts = statistics.samples[present].astype(np.float64)
    total, classes = counts.sum(), len(counts)
    if total < FEWEST or classes < 2:
        return nobody, nobody
    sums, squares = statistics.sums[layer][present], statistics.squares[layer]
    mean = sums.sum(axis=0) / total
    within = squares - (sums**2 / counts[:, None]).sum(axis=0)
    overall = squares - total * mean**2
    # Float64 sums of squares leave this much of a membrane that never moved.
    noise = 1e-9 * squares
    explained = np.maximum(overall - within, 0) / (classes - 1)
    unexplained = np.maximum(within, noise) / (total - classes)
    bound = float(fdtri(classes - 1, total - classes, CONFIDENCE))
    telling = (explained > bound * unexplained) & (overall > noise)
    if telling.mean() < LIVELY_SHARE:
        return nobody, nobody
    resting = ~telling & (overall < STILL**2 * np.median(overall[telling]))
    near = np.abs(mean) < REST
    return np.flatnonzero(resting & near), np.flatnonzero(resting & ~near)


def classify_layers(
    rates: Sequence[float], largest: Sequence[float], targets: Sequence[float]
) -> list[State]:
    """Tell silent and saturated layers.

    The largest possible rate depends on reset and refractory time, which the host does not know;
    a layer is near it when its mean is near the largest activity that any of its neurons showed.

    Args:
        rates: Mean activity of each layer over an epoch.
        largest: Largest activity of any neuron of each layer for any sample.
        targets: What homeostasis aims at by default on the scale of each layer's activity.
    """
    return [
        "silent"
        if rate < SILENT * target
        else "saturated"
        if rate > max(target, SATURATED * peak)
        else "lively"
        for rate, peak, target in zip(rates, largest, targets, strict=True)
    ]


def find_drift(accuracies: Sequence[float], samples: int) -> int | None:
    """Find whether an accuracy has been falling beyond chance.

    Args:
        accuracies: After each epoch.
        samples: How many samples each was counted on.

    Returns:
        The epoch (from 0) of the best accuracy when each of the last three is more than 3.5
        standard deviations of a difference of two shares below it, else None.
    """
    if len(accuracies) <= PATIENCE:
        return None
    values = np.asarray(accuracies)
    best = int(values[:-PATIENCE].argmax())
    variance = (values * (1 - values) + values[best] * (1 - values[best])) / samples
    falling = values[best] - values > DEVIATIONS * np.sqrt(variance)
    return best if falling[-PATIENCE:].all() else None


def share_at_full_scale(weights: Sequence[Matrix], limits: Sequence[float]) -> list[float]:
    """Share of the weights of each projection that stand at its full scale or beyond."""
    return [
        float(np.mean(np.abs(w) >= np.float32(limit)))
        for w, limit in zip(weights, limits, strict=True)
    ]


@dataclass(frozen=True)
class Score:
    """Figures of how the test samples were answered.

    Attributes:
        right: How many were answered right.
        samples: How many there are.
        balanced_accuracy: Mean recall of the classes that have samples.
        majority: The class with most samples, the first of equals.
        majority_share: Its share of the samples: what answering it alone would reach.
        classes: Classes that have samples.
        never: Of these, the ones that no sample was answered by.
    """

    right: int
    samples: int
    balanced_accuracy: float
    majority: int
    majority_share: float
    classes: int
    never: tuple[int, ...]

    @classmethod
    def of(cls, predicted: NDArray[np.int64], labels: NDArray[np.int64]) -> Score:
        """Hold answers against labels.

        Args:
            predicted: Class that each sample was answered by, `(N,)`.
            labels: Its class, `(N,)`, N at least 1.
        """
        counts = np.bincount(labels)
        present = np.flatnonzero(counts)
        hits = np.bincount(labels[predicted == labels], minlength=len(counts))
        return cls(
            right=int(hits.sum()),
            samples=len(labels),
            balanced_accuracy=float(np.mean(hits[present] / counts[present])),
            majority=int(counts.argmax()),
            majority_share=float(counts.max() / len(labels)),
            classes=len(present),
            never=tuple(int(c) for c in np.setdiff1d(present, predicted)),
        )

    @property
    def accuracy(self) -> float:
        """Share of the samples answered right."""
        return self.right / self.samples

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval."""
        return proportion(self.right, self.samples)

    def summarise(self) -> dict[str, Any]:
        """Return the entries for `result.json`."""
        return {
            "test_accuracy": self.accuracy,
            "test_accuracy_ci95": list(self.interval),
            "balanced_accuracy": self.balanced_accuracy,
            "majority_share": self.majority_share,
            "classes_out_of_balance": self.majority_share * self.classes > UNEVEN,
        }


def find_variance(targets: NDArray[Any]) -> NDArray[np.float64]:
    """Find the variance of each target, `(K,)` of `(N, K)`; above 0."""
    variance: NDArray[np.float64] = targets.astype(np.float64).var(axis=0)
    return np.maximum(variance, np.finfo(float).tiny)


@dataclass(frozen=True)
class Fit:
    """Figures of how far outputs are from real targets.

    Attributes:
        nrmse: Root of the mean squared error, in standard deviations of the target; over several
            outputs, of the mean of its squares.
    """

    nrmse: float

    @classmethod
    def of(cls, outputs: NDArray[Any], targets: NDArray[Any]) -> Fit:
        """Hold outputs `(N, K)` against targets `(N, K)`."""
        errors = np.square(outputs.astype(np.float64) - targets).mean(axis=0)
        return cls(float(np.sqrt(np.mean(errors / find_variance(targets)))))

    def summarise(self) -> dict[str, Any]:
        """Return the entries for `result.json`."""
        return {"test_nrmse": self.nrmse}


def find_better_estimator(name: str, correlations: Mapping[str, float]) -> str | None:
    """The estimator to use from now on in place of the one in use; None to keep it.

    Args:
        name: The one in use.
        correlations: With the measured rates of the output, over an epoch, by estimator.
    """
    if name not in correlations:
        return None
    best = max(correlations, key=lambda each: correlations[each])
    return best if correlations[best] > correlations[name] + BETTER else None


def find_treatable(layers: Sequence[State]) -> list[State]:
    """The layers to do something about: behind a silent one, a layer may be so only for that."""
    return [
        "lively" if layer and layers[layer - 1] == "silent" else state
        for layer, state in enumerate(layers)
    ]


def adapt_homeostasis(before: NDArray[np.float64], layers: Sequence[State]) -> NDArray[np.float64]:
    """Factors of the strength of homeostasis for the next epoch.

    A silent or saturated layer gets four times as much as before, up to 256 times; a lively one a
    quarter, down to the strength that was set.

    Args:
        before: Factor of each hidden layer, `(L - 1,)`.
        layers: What each of them is like.
    """
    up = np.array([state != "lively" for state in layers], bool)
    return np.clip(np.where(up, before * RAISE, before / RAISE), 1.0, STRONGEST)


def choose_rescaling(layers: Sequence[State]) -> list[float]:
    """Factors of the weights into each hidden layer: 2 where silent, 1/2 where saturated, or 1."""
    factor: dict[State, float] = {"silent": RESCALE, "saturated": 1 / RESCALE, "lively": 1.0}
    return [factor[state] for state in layers]
