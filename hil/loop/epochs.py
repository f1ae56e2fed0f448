"""The epochs of a training: step, validate, diagnose, save."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hil import streams
from hil.learning import rate_estimators
from hil.loop import costs, findings
from hil.loop.controller import Controller
from hil.loop.health import (
    Fit,
    classify_layers,
    find_better_estimator,
    find_variance,
    share_at_full_scale,
)
from hil.loop.progress import TrainingProgress, Watcher
from hil.loop.train_state import StepReport, TrainState
from hil.process import Stop
from hil.tasks import augmentation, labels
from hil.tasks.samples import Signals
from hil.tasks.series import cut_series

if TYPE_CHECKING:
    from hil.runs.folder import Arrays
    from hil.tasks import Data

CHECKPOINT_SECONDS = 20.0


class Interrupted(Exception):
    """The user stopped the run; its checkpoint is written."""


class CheckpointSink(Protocol):
    """Receiver of checkpoints of a training: a run folder, or none."""

    def save_checkpoint(self, arrays: Mapping[str, object]) -> None:
        """Replace the checkpoint."""

    def save_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the metrics of the finished epochs."""


class Training:
    """The epochs of one run."""

    def __init__(
        self,
        sink: CheckpointSink,
        controller: Controller,
        data: Data,
        state: TrainState,
        watch: Watcher,
        stop: Stop,
    ) -> None:
        """Take up a run where it stands.

        Args:
            sink: Where it leaves what it needs to go on.
            controller: The device, the network and the rule.
            data: The samples.
            state: Where it stands.
            watch: Called after every batch.
            stop: Whether it is to stop.
        """
        self._sink, self._controller, self._data = sink, controller, data
        self._state, self._watch, self._stop = state, watch, stop
        for name in state.tally.fit.sums:
            controller.observer.use(name)
        controller.observer.use(state.estimator or controller.observer.held[0].name)
        self._config = controller.config
        asked = self._config.training.class_weight
        self._weights = labels.sample_weights(
            asked, data.preparation.labels, data.y_train, data.weights_train
        )
        self._variance = find_variance(data.y_train) if data.is_real else None
        self._maps = self._config.augmentation.model_dump()
        self._image = data.image_shape if any(self._maps.values()) else None
        self._batches = self._config.training.count_batches(len(data.y_train))
        self._total = self._batches * self._config.training.epochs
        self._since = time.perf_counter()
        self._saved = self._since
        # The first write of all weights is no part of the training.
        self._clock = replace(controller.supervised.clock)
        self._restarts = 0

    def run(self, after_step: Callable[[StepReport], None] | None = None) -> None:
        """Train to the last step.

        Args:
            after_step: Called with what each step of learning gave.
        """
        order, order_epoch = list[NDArray[np.int64]](), -1
        while True:
            epoch, batch = divmod(self._state.step, self._batches)
            if batch == 0 and self._state.tally.samples:
                self._end_epoch(epoch)
            if self._state.step == self._total or (batch == 0 and self._is_past_best(epoch)):
                self._return_to_best()
                return
            if epoch != order_epoch:
                order, order_epoch = self._order(epoch), epoch
                self._begin_series(order[batch], epoch, batch)
            report = self._step(order[batch])
            if after_step is not None:
                after_step(report)
            self._stop.deferrable = True
            self._watch(TrainingProgress("train", self._state.step, self._total, epoch + 1))
            self._stop_if_asked()
            if time.perf_counter() - self._saved > CHECKPOINT_SECONDS:
                self._save()

    def _begin_series(self, rows: NDArray[np.int64], epoch: int, batch: int) -> None:
        training, step = self._config.training, self._state.step
        if training.carry and batch:
            note = (
                "a checkpoint has no membranes: the device is shown the last "
                f"{training.washout} samples again"
            )
            self._watch(TrainingProgress("train", step, self._total, epoch + 1, note=note))
        x = self._data.x_train
        self._controller.begin_series(x, rows, "encode", step, learning=True)

    def _order(self, epoch: int) -> list[NDArray[np.int64]]:
        """Numbers of the samples of each batch of an epoch."""
        training, samples = self._config.training, len(self._data.y_train)
        if training.carry:
            many = min(training.batch, samples)
            return [*cut_series(samples - samples % many, many)]
        order = streams.generator(self._config.seed, "order", epoch).permutation(samples)
        return np.split(order, range(training.batch, samples, training.batch))

    def _is_past_best(self, epoch: int) -> bool:
        """Tell if validation has not become better for as long as is waited for."""
        patience = self._config.training.patience
        return bool(patience) and epoch - self._state.best_epoch >= patience

    def _return_to_best(self) -> None:
        """Put the best epoch on the device, where it is kept; what was paid since stays paid."""
        if self._state.best:
            costs = self._controller.supervised.costs
            paid = costs.state()
            self._controller.restore(self._state.best)
            costs.restore(paid)

    def _stop_if_asked(self, state: Arrays | None = None) -> None:
        if self._stop.requested:
            self._save(state)
            raise Interrupted

    def _step(self, rows: NDArray[np.int64]) -> StepReport:
        x, step, image = self._data.batch(self._data.x_train[rows]), self._state.step, self._image
        if image is not None and not isinstance(x, Signals):
            rng = streams.generator(self._config.seed, "augment", step)
            x = augmentation.affine(x, image, rng, **self._maps)
        y = self._data.y_train[rows]
        weights = None if self._weights is None else self._weights[rows]
        report = self._controller.step(x, y, step, step / self._total, weights)
        self._state.tally.add(report, len(rows))
        if self._variance is not None:
            squares = np.square(report.outputs - y.astype(np.float64)) / self._variance
            self._state.tally.squares += float(squares.mean(axis=1).sum())
        self._state.statistics.add(y, report.activity, report.membrane)
        self._state.step += 1
        return report

    def _end_epoch(self, epoch: int) -> None:
        """Validate and take down the epoch; when stopped halfway, it is done again."""
        state, tally = self._state, self._state.tally
        # Validation may age a device, and must not do so twice.
        before = self._controller.state()

        def watch(done: int, total: int) -> None:
            self._watch(TrainingProgress("validate", done, total, epoch))
            self._stop_if_asked(before)

        accuracy = nrmse = None
        if len(self._data.y_validation):
            x, y = self._data.x_validation, self._data.y_validation
            predicted, logits, _ = self._controller.classify(x, "validate", epoch, watch)
            if self._data.is_real:
                nrmse = Fit.of(logits, y).nrmse
            else:
                accuracy = float(np.mean(predicted == y))
        self._count_time()
        seconds, device, transfer = (
            getattr(state, name) - sum(row[name] for row in state.metrics)
            for name in ("seconds", "device_seconds", "transfer_seconds")
        )
        row = {
            "epoch": epoch,
            "step": state.step,
            "train_loss": tally.loss / tally.samples,
            "train_accuracy": None if self._data.is_real else tally.correct / tally.samples,
            "train_nrmse": np.sqrt(tally.squares / tally.samples) if self._data.is_real else None,
            "validation_accuracy": accuracy,
            "validation_nrmse": nrmse,
            "hidden_rates": [total / tally.samples for total in tally.hidden_rates],
            "output_rate": tally.output_rate / tally.samples,
            "estimator": self._controller.observer.estimator.name,
            "estimator_fit": tally.fit.correlations(),
            "seconds": seconds,
            "device_seconds": device,
            "transfer_seconds": transfer,
            "host_seconds": seconds - device - transfer,
        }
        supervised, steps = self._controller.supervised, self._config.network.steps
        device, epochs = self._controller.device, [*state.metrics, row]
        row["costs"] = costs.sum_up_training(supervised.costs, device, steps, epochs)
        self._diagnose(row)
        state.end_epoch(row)
        if self._config.training.patience and state.best_epoch == epoch:
            state.best = {name: array.copy() for name, array in self._controller.state().items()}
        self._save()
        self._watch(TrainingProgress("train", state.step, self._total, epoch, row))

    def _diagnose(self, row: dict[str, Any]) -> None:
        """Add what was found to the metrics of an epoch, and do what is asked for about it."""
        controller, state = self._controller, self._state
        rates = [*row["hidden_rates"], row["output_rate"]]
        hidden = [controller.observer.estimator.target] * len(row["hidden_rates"])
        targets = [*hidden, rate_estimators.get("spikes").target]
        layers = classify_layers(rates, state.statistics.largest.tolist(), targets)
        validated = row["validation_accuracy"] is not None
        part = "validation" if validated else "training"
        samples = len(self._data.y_validation if validated else self._data.y_train)
        key = "validation_accuracy" if validated else "train_accuracy"
        accuracies = [each[key] for each in [*state.metrics, row] if each[key] is not None]
        shares = share_at_full_scale(controller.weights, controller.device.network.full_scale)
        restarts = controller.supervised.clock.restarts
        observer, correlations = controller.observer, row["estimator_fit"]
        fits = [each["estimator_fit"] for each in [*state.metrics, row]]
        amiss = [
            *findings.find_odd_layers(layers, rates, self._config.readout.source),
            *findings.find_odd_neurons(state.statistics, layers),
            *findings.find_falling_accuracy(part, accuracies, samples),
            *findings.find_full_scale_weights(shares, controller.depth),
            *findings.find_poor_estimates(row["estimator"], fits, observer.spikes_offered),
            *findings.find_coarse_output(
                controller.device.info, controller.depth, observer.spikes_offered
            ),
            *findings.find_link_troubles(
                row, observer.probes, restarts - self._restarts, controller.device.failures
            ),
        ]
        self._restarts = restarts
        row["findings"] = findings.list_epoch_findings(amiss, row["epoch"])
        better = find_better_estimator(observer.estimator.name, correlations)
        if better is not None:
            state.estimator = better
            observer.use(better)
        if state.step < self._total:  # what was validated last is what is tested
            controller.repair(layers[:-1])

    def _save(self, state: Arrays | None = None) -> None:
        """Write a checkpoint, with the controller's state now or as it was."""
        self._count_time()
        arrays = self._controller.state() if state is None else state
        self._sink.save_checkpoint({**arrays, **self._state.state()})
        self._sink.save_metrics(self._state.metrics)
        self._saved = time.perf_counter()

    def _count_time(self) -> None:
        now, clock = time.perf_counter(), self._controller.supervised.clock
        spent = clock - self._clock
        self._state.seconds += now - self._since
        self._state.device_seconds += spent.device
        self._state.transfer_seconds += spent.transfer
        self._since, self._clock = now, replace(clock)
