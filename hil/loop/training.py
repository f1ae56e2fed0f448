"""Training a run from wherever it stands to its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

import drivers
from drivers.session.file import check_free
from hil import streams, tasks
from hil.learning import rate_estimators
from hil.loop import diagnosis, link_diagnosis, snapshot
from hil.loop.controller import Controller, StepReport
from hil.loop.progress import TrainingProgress, Watcher
from hil.loop.train_state import Position
from hil.process import Stop, one_blas_thread, peak_rss_mb, stoppable
from hil.runs.folder import Arrays, Run
from hil.statistics import wilson
from hil.tasks import augmentation

if TYPE_CHECKING:
    from hil.config import Config
    from hil.tasks import Data

CHECKPOINT_SECONDS = 20.0


class Interrupted(Exception):
    """The user stopped the run; its checkpoint is written."""


class Keeper(Protocol):
    """Where a training leaves what it needs to go on: a run folder, or nowhere."""

    def save_checkpoint(self, arrays: Mapping[str, object]) -> None:
        """Replace the checkpoint."""

    def save_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the metrics of the finished epochs."""


def load_data(config: Config) -> Data:
    """The samples of the run's task, split as the run splits them."""
    return tasks.get(config.task).load(
        streams.generator(config.seed, "split"), config.training.validation_fraction
    )


def check(config: Config, record: str | Path | None = None) -> None:
    """Refuse a configuration that does not fit its data, its device or the run it starts from.

    Args:
        config: The configuration.
        record: File that the session with the device is to be recorded to.

    Raises:
        ValueError: When it does not fit, or the recording exists already.
        DeviceError: When there is no such device, or it has no room for the network.
    """
    if record is not None:
        check_free(record)
    data = load_data(config)
    with drivers.open(config.device_url) as device:
        controller = Controller(config, device, data.features, data.classes)
    if config.start:
        weights = Run.open(config.start).weights()
        try:
            controller.load_weights(weights)
        except ValueError as error:
            raise ValueError(f"start = {config.start}: {error}") from None


def train(
    run: Run, watch: Watcher = lambda _: None, record: str | Path | None = None
) -> dict[str, Any]:
    """Train a run to its end and write its result.

    Starts from the run's checkpoint where there is one, and then ends with the same weights as a
    run that was never stopped (bit-identical on a resumable device).

    Args:
        run: The run folder.
        watch: Called after every batch.
        record: File to record the session with the device to.

    Returns:
        The result, as in `result.json`.

    Raises:
        Interrupted: After Ctrl-C or SIGTERM; the checkpoint is then written.
        DeviceError: When the device fails.
        ValueError: When the configuration does not fit the data or the device.
    """
    done = run.result()
    if done is not None:
        return done
    config = run.config()
    data = load_data(config)
    with (
        run.locked(),
        one_blas_thread(),
        drivers.open(config.device_url, record=record) as device,
    ):
        controller = Controller(config, device, data.features, data.classes)
        position = Position.first(controller.layers)
        checkpoint = run.load_checkpoint()
        if checkpoint is not None:
            position = Position.restored(checkpoint, controller.layers)
            controller.restore(checkpoint)
        else:
            if config.start:
                controller.load_weights(run.load_start())
            controller.write()
        with stoppable() as stop:
            Training(run, controller, data, position, watch, stop).go()
            return _finish(run, controller, data, position, watch, stop)


class Training:
    """The epochs of one run."""

    def __init__(
        self,
        run: Keeper,
        controller: Controller,
        data: Data,
        position: Position,
        watch: Watcher,
        stop: Stop,
        after_step: Callable[[StepReport], None] = lambda _: None,
    ) -> None:
        """Take up a run where it stands.

        Args:
            run: Where it leaves what it needs to go on.
            controller: The device, the network and the rule.
            data: The samples.
            position: Where it stands.
            watch: Called after every batch.
            stop: Whether it is to stop.
            after_step: Called with what each step of learning gave.
        """
        self._run, self._controller, self._data = run, controller, data
        self._position, self._watch, self._stop = position, watch, stop
        self._after_step = after_step
        self._config = controller.config
        self._batches = -(-len(data.y_train) // self._config.training.batch)
        self._total = self._batches * self._config.training.epochs
        self._since = time.perf_counter()
        self._saved = self._since
        # The first write of all weights is no part of the training.
        self._clock = replace(controller.clock)
        self._restarts = 0

    def go(self) -> None:
        """Train to the last step."""
        order, order_epoch = np.empty(0, np.int64), -1
        while True:
            epoch, batch = divmod(self._position.step, self._batches)
            if batch == 0 and self._position.tally.samples:
                self._end_epoch(epoch)
            if self._position.step == self._total:
                return
            if epoch != order_epoch:
                shuffle = streams.generator(self._config.seed, "order", epoch)
                order, order_epoch = shuffle.permutation(len(self._data.y_train)), epoch
            size = self._config.training.batch
            self._step(order[batch * size : (batch + 1) * size])
            self._stop.patient = True
            self._watch(TrainingProgress("train", self._position.step, self._total, epoch + 1))
            self._heed_stop()
            if time.perf_counter() - self._saved > CHECKPOINT_SECONDS:
                self._save()

    def _heed_stop(self, state: Arrays | None = None) -> None:
        if self._stop.wished:
            self._save(state)
            raise Interrupted

    def _step(self, rows: NDArray[np.int64]) -> None:
        x = self._data.batch(self._data.x_train[rows])
        settings = self._config.augmentation.model_dump()
        step = self._position.step
        if self._data.image_shape is not None and any(settings.values()):
            rng = streams.generator(self._config.seed, "augment", step)
            x = augmentation.affine(x, self._data.image_shape, rng, **settings)
        labels = self._data.y_train[rows]
        report = self._controller.step(x, labels, step, self._total)
        self._after_step(report)
        self._position.tally.add(report, len(rows))
        self._position.statistics.add(labels, report.activity, report.membrane)
        self._position.step += 1

    def _end_epoch(self, epoch: int) -> None:
        """Validate and take down the epoch; when stopped halfway, it is done again."""
        position, tally = self._position, self._position.tally
        # Validation may age a device, and must not do so twice.
        before = self._controller.state()

        def watch(done: int, total: int) -> None:
            self._watch(TrainingProgress("validate", done, total, epoch))
            self._heed_stop(before)

        accuracy = None
        if len(self._data.y_validation):
            predicted = classify(
                self._controller,
                self._data.batch,
                self._data.x_validation,
                "validate",
                epoch,
                watch,
            )
            accuracy = float(np.mean(predicted == self._data.y_validation))
        self._count_time()
        done = sum(row["seconds"] for row in position.metrics)
        on_device = sum(row["device_seconds"] for row in position.metrics)
        on_line = sum(row["transfer_seconds"] for row in position.metrics)
        seconds = position.seconds - done
        device, transfer = position.device_seconds - on_device, position.transfer_seconds - on_line
        row = {
            "epoch": epoch,
            "step": position.step,
            "train_loss": tally.loss / tally.samples,
            "train_accuracy": tally.correct / tally.samples,
            "validation_accuracy": accuracy,
            "hidden_rates": [total / tally.samples for total in tally.hidden_rates],
            "output_rate": tally.output_rate / tally.samples,
            "seconds": seconds,
            "device_seconds": device,
            "transfer_seconds": transfer,
            "host_seconds": seconds - device - transfer,
        }
        self._diagnose(row)
        position.end_epoch(row)
        self._save()
        self._watch(TrainingProgress("train", position.step, self._total, epoch, row))

    def _diagnose(self, row: dict[str, Any]) -> None:
        """Add what was found to the metrics of an epoch, and do what is asked for about it."""
        controller, position = self._controller, self._position
        rates = [*row["hidden_rates"], row["output_rate"]]
        hidden = [controller.observer.estimator.target] * len(row["hidden_rates"])
        targets = [*hidden, rate_estimators.get("spikes").target]
        layers = diagnosis.states(rates, position.statistics.largest.tolist(), targets)
        past = [*position.metrics, row]
        validated = row["validation_accuracy"] is not None
        part = "validation" if validated else "training"
        samples = len(self._data.y_validation if validated else self._data.y_train)
        accuracies = [r["validation_accuracy" if validated else "train_accuracy"] for r in past]
        shares = diagnosis.clipped(controller.weights, controller.device.network.full_scale)
        found = [
            *diagnosis.activity_findings(layers, rates, self._config.readout.source),
            *diagnosis.neuron_findings(position.statistics, layers),
            *diagnosis.drift_finding(part, accuracies, samples),
            *diagnosis.weight_findings(shares),
            *link_diagnosis.findings(
                row["device_seconds"],
                row["transfer_seconds"],
                row["host_seconds"],
                controller.observer.probes,
                controller.clock.restarts - self._restarts,
            ),
        ]
        self._restarts = controller.clock.restarts
        row["findings"] = [f"[epoch {row['epoch']}] {finding}" for finding in found]
        if position.step < self._total:  # what was validated last is what is tested
            controller.repair(layers[:-1])

    def _save(self, state: Arrays | None = None) -> None:
        """Write a checkpoint, with the controller's state now or as it was."""
        self._count_time()
        state = self._controller.state() if state is None else state
        self._run.save_checkpoint({**state, **self._position.state()})
        self._run.save_metrics(self._position.metrics)
        self._saved = time.perf_counter()

    def _count_time(self) -> None:
        now, clock = time.perf_counter(), self._controller.clock
        spent = clock - self._clock
        self._position.seconds += now - self._since
        self._position.device_seconds += spent.device
        self._position.transfer_seconds += spent.transfer
        self._since, self._clock = now, replace(clock)


def classify(
    controller: Controller,
    scale: Callable[[Any], NDArray[np.float32]],
    x: NDArray[Any],
    stream: streams.Stream,
    index: int,
    watch: Callable[[int, int], None],
) -> NDArray[np.int64]:
    """Predicted classes of many samples `(N, n_features)`, batch by batch: `(N,)`."""
    size = min(controller.config.training.batch, controller.device.info.max_batch)
    starts = range(0, len(x), size)
    found = []
    for number, start in enumerate(starts):
        rows = scale(x[start : start + size])
        found.append(controller.predict(rows, stream, index, number))
        watch(number + 1, len(starts))
    return np.concatenate(found)


def _finish(
    run: Run,
    controller: Controller,
    data: Data,
    position: Position,
    watch: Watcher,
    stop: Stop,
) -> dict[str, Any]:
    """Test the trained network, keep the evidence, and write the result."""
    config = controller.config
    # The process that saved the last checkpoint may have been killed before it came to these.
    run.save_metrics(position.metrics)

    def watch_test(done: int, total: int) -> None:
        watch(TrainingProgress("test", done, total, config.training.epochs))
        if stop.wished:
            raise Interrupted

    predicted = classify(
        controller,
        data.batch,
        data.x_test,
        "test",
        0,
        watch_test,
    )
    run.save_evidence(snapshot.gather(controller, data, predicted))
    correct = int(np.count_nonzero(predicted == data.y_test))
    host = position.seconds - position.device_seconds - position.transfer_seconds
    result = {
        "task": config.task,
        "rule": config.rule["name"],
        "observe": config.observe,
        "estimator": controller.observer.estimator.name,
        "device": config.device_url,
        "seed": config.seed,
        "layers": list(controller.layers),
        "epochs": config.training.epochs,
        "test_accuracy": correct / len(predicted),
        "test_accuracy_ci95": list(wilson(correct, len(predicted))),
        "validation_accuracy": position.metrics[-1]["validation_accuracy"],
        "train_seconds": position.seconds,
        "device_seconds": position.device_seconds,
        "transfer_seconds": position.transfer_seconds,
        "host_seconds": host,
        "findings": diagnosis.latest(position.metrics),
        "samples_per_second": config.training.epochs * len(data.y_train) / position.seconds,
        "peak_rss_mb": peak_rss_mb(),
    }
    run.save_result(result)
    return result
