"""State of a training between two steps, and what a step reports."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.contract.arrays import first_mismatch, select_prefix
from drivers.errors import name_source
from hil.loop.health import Statistics
from hil.loop.observation.estimation import EstimatorFit
from hil.runs.folder import BEST
from hil.runs.records import Amount, Count, Text, check_epochs, read_dataclass

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class StepReport:
    """Figures of one step of learning.

    Attributes:
        loss: Mean loss of the batch.
        correct: Number of samples classified as labelled.
        activity: Spikes per step of each layer, the output last, `(B, n_l)`.
        membrane: Mean membrane of each layer, in thresholds, `(B, n_l)`; all zero where the device
            does not show it.
        outputs: Logits of each sample, `(B, C)`, before it was learned from.
        held: Output rates `(B, C)` by the estimators that are held against the measured ones.
    """

    loss: float
    correct: int
    activity: tuple[Matrix, ...]
    membrane: tuple[Matrix, ...]
    outputs: Matrix
    held: Mapping[str, Matrix]


@dataclass
class Tally:
    """Sums over the part of an epoch that is done."""

    samples: Count = 0
    correct: Count = 0
    loss: float = 0.0
    squares: Amount = 0.0  # of errors in the spread of their targets
    output_rate: Amount = 0.0
    hidden_rates: list[float] = field(default_factory=list)
    fit: EstimatorFit = field(default_factory=EstimatorFit)

    def add(self, report: StepReport, samples: int) -> None:
        """Add one batch."""
        *hidden, output = (float(activity.mean()) for activity in report.activity)
        self.fit.add(report.held, report.activity[-1])
        self.samples += samples
        self.correct += report.correct
        self.loss += report.loss * samples
        self.output_rate += output * samples
        sums = self.hidden_rates or [0.0] * len(hidden)
        self.hidden_rates = [s + r * samples for s, r in zip(sums, hidden, strict=True)]


@dataclass
class Progress:
    """How far a training has come: what a checkpoint has as JSON.

    Attributes:
        step: Batches done since the start.
        seconds: Time of training so far; of these, in the device and on the line to it:
        device_seconds: In the device.
        transfer_seconds: On the line.
        tally: Sums over the epoch under way.
        metrics: Metrics of each finished epoch.
        estimator: The rate estimator in use, where it is not the first one; else empty.
    """

    step: Count = 0
    seconds: Amount = 0.0
    device_seconds: Amount = 0.0
    transfer_seconds: Amount = 0.0
    tally: Tally = field(default_factory=Tally)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    estimator: Text = ""

    def check(self, batches: int, epochs: int, hidden: int) -> None:
        """Refuse (`ValueError`) what is of another training.

        Args:
            batches: Batches of an epoch.
            epochs: Epochs of the whole training.
            hidden: Hidden layers.
        """
        step, tally, metrics = self.step, self.tally, check_epochs(self.metrics, "metrics")
        if step > batches * epochs:
            raise ValueError(f"step: {step} of {batches * epochs} is none")
        full, under_way = divmod(step, batches)
        # At the end of an epoch it is validated: until then its sums stand, its metrics do not.
        pending = full and not under_way and tally.samples
        if len(metrics) != full - bool(pending):
            raise ValueError(f"metrics: {len(metrics)} epochs, after step {step}")
        if bool(tally.samples) != bool(under_way or pending):
            raise ValueError(f"tally.samples: {tally.samples}, after step {step}")
        for rates in [row["hidden_rates"] for row in metrics] + [tally.hidden_rates]:
            if len(rates) != hidden and (rates or tally.samples):
                raise ValueError(f"hidden_rates: not of {hidden} hidden layers")
        if any(sums[0] < 1 for sums in tally.fit.sums.values()):
            raise ValueError("tally.fit: of no samples")


@dataclass
class TrainState(Progress):
    """Progress of a run: all of a checkpoint that the controller does not remember.

    Attributes:
        statistics: What the epoch under way has shown of each neuron.
        best: State of the controller after the best epoch, where that is kept; else empty.
    """

    statistics: Statistics = field(kw_only=True)
    best: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)

    @property
    def best_epoch(self) -> int:
        """Number of the first epoch with the best validation, 0 before there is one."""
        figures = [(_read_validation(row), -int(row["epoch"])) for row in self.metrics]
        return -max((each for each in figures if each[0] is not None), default=(0, 0))[1]

    @property
    def kept_epoch(self) -> int:
        """Number of the epoch that the network is left as: the best where that is kept."""
        return self.best_epoch if self.best else len(self.metrics)

    @classmethod
    def first(cls, layers: Sequence[int]) -> TrainState:
        """Begin a new run of a network of these layers, the input first."""
        return cls(statistics=Statistics.empty(layers[1:]))

    def end_epoch(self, row: dict[str, Any]) -> None:
        """Keep the metrics of the epoch and begin the next one."""
        self.metrics.append(row)
        self.tally = Tally()
        self.statistics = Statistics.empty([len(s) for s in self.statistics.squares])

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return named arrays; the rest goes as JSON into `train_state`."""
        kept = {each.name: getattr(self, each.name) for each in fields(Progress)}
        text = json.dumps({**kept, "tally": asdict(self.tally)})
        arrays = {f"statistics/{name}": a for name, a in self.statistics.state().items()}
        arrays |= {f"{BEST}{name}": array for name, array in self.best.items()}
        return {**arrays, "train_state": np.asarray(text)}

    @classmethod
    def from_arrays(
        cls,
        state: Mapping[str, NDArray[np.generic]],
        first: TrainState,
        batches: int,
        epochs: int,
    ) -> TrainState:
        """From what `state` gave.

        Args:
            state: Arrays of a checkpoint.
            first: That of a new run of the same network.
            batches: Batches of an epoch.
            epochs: Epochs of the whole training.

        Raises:
            ValueError: When they are none of such a training.
        """
        sums = select_prefix(state, "statistics/")
        wrong = first_mismatch(sums, first.statistics.state())
        if wrong:
            raise ValueError(f"statistics/{wrong}")
        if "train_state" not in state:
            raise ValueError("train_state is missing")
        kept = read_dataclass(Progress, str(state["train_state"]), "train_state")
        with name_source("train_state"):
            kept.check(batches, epochs, len(first.statistics.squares) - 1)
        statistics, best = Statistics.from_arrays(sums), select_prefix(state, BEST)
        return cls(**vars(kept), statistics=statistics, best=best)


def _read_validation(row: Mapping[str, Any]) -> Any:
    """Figure of the validation of an epoch, the larger the better; None where there is none."""
    nrmse = row["validation_nrmse"]
    return row["validation_accuracy"] if nrmse is None else -nrmse


def weights_in(state: Mapping[str, NDArray[np.generic]], like: Sequence[Matrix]) -> list[Matrix]:
    """The shadow weights of a checkpoint.

    Args:
        state: Arrays of the checkpoint.
        like: Weights of the network that takes them, of each projection.

    Raises:
        ValueError: When they are of another network.
    """
    matrices = select_prefix(state, "weights/")
    many = len(matrices)
    dimensions = {w.ndim for w in matrices.values()}
    if set(matrices) != set(map(str, range(many))) or not dimensions <= {1, 2}:
        raise ValueError("weights are not those of a network, one array for each projection")
    shapes = [matrices[str(p)].shape for p in range(many)]
    if shapes != [w.shape for w in like]:
        own, wanted = _describe(shapes), _describe([w.shape for w in like])
        raise ValueError(
            f"weights of a {own} network do not fit a {wanted} network: give the same task, "
            "encoding, network.hidden and network.recurrent"
        )
    wrong = first_mismatch(matrices, {str(p): w for p, w in enumerate(like)})
    if wrong:
        raise ValueError(f"weights/{wrong}")
    return [matrices[str(p)].astype(np.float32) for p in range(many)]


def _describe(shapes: Sequence[tuple[int, ...]]) -> str:
    """Sizes of the layers, and whether some recur, by the shapes of the projections."""
    if any(len(shape) == 1 for shape in shapes):
        return f"sparse ({', '.join(str(math.prod(shape)) for shape in shapes)} synapses)"
    chain = [shapes[0]]
    for shape in shapes[1:]:
        if shape[0] != chain[-1][1]:
            break
        chain.append(shape)
    sizes = "-".join(str(n) for n in (chain[0][0], *(shape[1] for shape in chain)))
    return f"{sizes} recurrent" if len(chain) < len(shapes) else sizes
