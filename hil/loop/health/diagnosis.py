"""What ails a network, told from what the controller reads of it anyway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hil.learning.losses import Source

Matrix = NDArray[np.float32]
State = Literal["silent", "saturated", "lively"]

# Choices, for want of published figures.
SILENT = 0.05  # mean activity, in targets of homeostasis, below which a layer is silent
SATURATED = 0.8  # mean activity, in shares of the largest seen, from which a layer is saturated
STILL = 1 / 3  # spread of a neuron, in those of the lively ones of its layer, below which it rests
REST = 0.5  # mean membrane, in thresholds, within which a still neuron is at rest
MOST = 0.5  # share of a layer that has to be lively for its dead neurons to be named
CONFIDENCE = 0.999  # of the test whether a neuron tells the classes apart
FEWEST = 100  # samples that this test needs
CLIPPED = 0.01  # share of a projection's weights at the full scale
DEVIATIONS = 3.5  # standard deviations by which an accuracy must be below its best
PATIENCE = 3  # epochs in a row
NAMED = 20  # neurons that are named one by one


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
        self, labels: NDArray[np.int64], activity: Sequence[Matrix], membrane: Sequence[Matrix]
    ) -> None:
        """Add a batch.

        Args:
            labels: Class of each sample, `(B,)`.
            activity: Spikes per step of each layer, `(B, n_l)`.
            membrane: Mean membrane of each layer, `(B, n_l)`; all zero where it is not shown.
        """
        classes = len(self.samples)
        self.samples[:] += np.bincount(labels, minlength=classes)
        one_hot = (labels == np.arange(classes)[:, None]).astype(np.float64)
        for layer, (rate, mean) in enumerate(zip(activity, membrane, strict=True)):
            seen = (mean if mean.any() else rate).astype(np.float64)
            self.sums[layer][:] += one_hot @ seen
            self.squares[layer][:] += np.einsum("bn,bn->n", seen, seen)
            self.largest[layer] = max(self.largest[layer], float(rate.max()))

    def state(self) -> dict[str, NDArray[np.generic]]:
        """As named arrays."""
        found: dict[str, NDArray[np.generic]] = {"samples": self.samples, "largest": self.largest}
        for layer, (sums, squares) in enumerate(zip(self.sums, self.squares, strict=True), start=1):
            found[f"sums_{layer}"], found[f"squares_{layer}"] = sums, squares
        return found

    @classmethod
    def restored(cls, state: Mapping[str, NDArray[np.generic]]) -> Statistics:
        """From what `state` gave."""
        layers = range(1, len(state["largest"]) + 1)
        return cls(
            state["samples"].astype(np.int64),
            tuple(state[f"sums_{layer}"].astype(np.float64) for layer in layers),
            tuple(state[f"squares_{layer}"].astype(np.float64) for layer in layers),
            state["largest"].astype(np.float64),
        )


def still(statistics: Statistics, layer: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Neurons of a layer that do not depend on the sample.

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
    nobody = np.empty(0, np.int64)
    from scipy.special import fdtri

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
    if telling.mean() < MOST:
        return nobody, nobody
    resting = ~telling & (overall < STILL**2 * np.median(overall[telling]))
    near = np.abs(mean) < REST
    return np.flatnonzero(resting & near), np.flatnonzero(resting & ~near)


def states(
    rates: Sequence[float], largest: Sequence[float], targets: Sequence[float]
) -> list[State]:
    """Which layers are silent or saturated.

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


def drift(accuracies: Sequence[float], samples: int) -> int | None:
    """Whether an accuracy has been falling beyond chance.

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


def clipped(weights: Sequence[Matrix], limits: Sequence[float]) -> list[float]:
    """Share of the weights of each projection that stand at its full scale or beyond."""
    return [
        float(np.mean(np.abs(w) >= np.float32(limit)))
        for w, limit in zip(weights, limits, strict=True)
    ]


def layer_name(layer: int, depth: int) -> str:
    """What layer `layer` (from 0, the first hidden one) of `depth` is called."""
    return "output layer" if layer == depth - 1 else f"hidden layer {layer + 1}"


def activity_findings(
    layers: Sequence[State], rates: Sequence[float], readout: Source = "counts"
) -> list[str]:
    """One sentence for each silent or saturated layer.

    Args:
        layers: What each layer is like, the output last.
        rates: Mean activity of each.
        readout: What the output is read by; it may be silent where membranes are.
    """
    found, depth = [], len(layers)
    for layer, (state, rate) in enumerate(zip(layers, rates, strict=True)):
        name = layer_name(layer, depth)
        last = layer == depth - 1
        if state == "silent" and not (last and readout == "membrane"):
            advice = "raise network.initial_scale or encoding.gain, or set repair.rescale=true"
            if layer and layers[layer - 1] == "silent":
                advice = f"it gets nothing from {layer_name(layer - 1, depth)}, so mend that first"
            elif last:
                advice = "raise network.initial_scale, or read membranes: readout.source=both"
            found.append(f"{name} is silent: mean activity {rate:.4f} spikes per step; {advice}")
        elif state == "saturated":
            found.append(
                f"{name} is saturated: mean activity {rate:.3f} spikes per step, near the most "
                "that any of its neurons shows; lower network.initial_scale or encoding.gain, or "
                "set repair.rescale=true"
            )
    return found


def neuron_findings(statistics: Statistics, layers: Sequence[State]) -> list[str]:
    """One sentence for the dead neurons of each layer, and one for the stuck ones.

    Args:
        statistics: The sums of an epoch.
        layers: What each layer is like; of a silent one no neuron is named.
    """
    found, depth = [], len(statistics.sums)
    for layer, sums in enumerate(statistics.sums):
        if layers[layer] == "silent":
            continue
        dead, stuck = still(statistics, layer)
        for what, neurons, fate in (
            (
                "dead",
                dead,
                "stay at rest whatever the sample; the others learn around them, more of them in "
                "a wider layer",
            ),
            (
                "stuck",
                stuck,
                "stay far from rest whatever the sample; if they are many, lower "
                "network.initial_scale or encoding.gain",
            ),
        ):
            if neurons.size:
                named = ", ".join(map(str, neurons[:NAMED])) + ", ..." * (len(neurons) > NAMED)
                found.append(
                    f"{layer_name(layer, depth)} has {what} neurons: {len(neurons)} of "
                    f"{sums.shape[1]} ({named}) {fate}"
                )
    return found


def drift_finding(name: str, accuracies: Sequence[float], samples: int) -> list[str]:
    """A sentence when an accuracy, such as `validation`, has been falling beyond chance."""
    best = drift(accuracies, samples)
    if best is None:
        return []
    return [
        f"{name} accuracy is falling: {100 * accuracies[-1]:.2f} % against "
        f"{100 * accuracies[best]:.2f} % after epoch {best + 1}, beyond chance for {PATIENCE} "
        "epochs; lower optimiser.learning_rate, or check the device for drift"
    ]


def weight_findings(shares: Sequence[float], depth: int) -> list[str]:
    """One sentence for each projection with many weights at the full scale; what recurs is last."""
    into = [layer_name(layer, depth) for layer in range(depth)]
    into += [f"{name} from itself" for name in into[:-1]]
    return [
        f"weights into {name} stand at the full scale: {100 * share:.1f} % of them; raise "
        "network.full_scale or lower optimiser.learning_rate"
        for name, share in zip(into, shares, strict=False)
        if share > CLIPPED
    ]


def subject(finding: str) -> str:
    """What a finding is about, without its epoch and its figures."""
    return finding.partition("] ")[2].partition(": ")[0]


def latest(metrics: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each finding of a run once, as the last epoch that showed it puts it."""
    found: dict[str, str] = {}
    for row in metrics:
        # Metrics that an earlier version wrote have no findings.
        for finding in row.get("findings", ()):
            found[subject(finding)] = finding
    return list(found.values())
