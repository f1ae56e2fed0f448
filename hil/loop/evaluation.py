"""Deploying a trained run on a device as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hil import config as configuration
from hil import tasks
from hil.learning import rate_estimators
from hil.loop import costs, training
from hil.loop.beginning import response
from hil.loop.classification import classify
from hil.loop.controller import Controller
from hil.loop.defaults import FORCED, left_open, settle
from hil.loop.health.class_balance import Score
from hil.loop.progress import TrainingProgress, Watcher
from hil.process import one_blas_thread
from hil.runs import data as run_data
from hil.runs import warm_start
from hil.runs.folder import Run
from hil.runs.snapshot import confused
from hil.tasks import Data, own_file
from hil.trust import open_device

if TYPE_CHECKING:
    from hil.config import Config
    from hil.runs.folder import Arrays
    from hil.tasks.labels import Labels
    from hil.tasks.preparation import Preparation
from hil.tasks.samples import Samples


def evaluate(
    path: str | Path,
    device: str | None = None,
    watch: Watcher = lambda _: None,
    record: str | Path | None = None,
    moved: str | Path | None = None,
    on: str | None = None,
    task: str | None = None,
) -> dict[str, Any]:
    """Write the weights of a run or a model to a device and classify samples.

    Args:
        path: The run folder, or the address of a model. A run stays as it is.
        device: Address of the device, shown the samples in batches and an encoding that it takes;
            None takes the run's own, exactly as it was left, or that of the model's task.
        watch: Called after every batch.
        record: File to record the session with the device to.
        moved: File of the run's data, where it is another one by now.
        on: Other labelled samples than those of the run's test, such as `csv:FILE`.
        task: What a model is tested with; that which its file names when None.

    Returns:
        Task, device, seed, accuracy, confusions, costs of inference. Of a run, its rule and the
        accuracy on its own device; of a model, what was chosen for the device.

    Raises:
        ValueError: When there are no weights yet, or the data are others, or cannot be used, or
            the device cannot have the model.
        DeviceError: When the device fails or has no room for the network.
    """
    if warm_start.is_model(path):
        if moved is not None or on is not None:
            raise ValueError("--data, --on: a model has no data of its own: give --task npz:FILE")
        given = {"task": task, "device": device}
        asked = {key: value for key, value in given.items() if value is not None}
        return _of_model(path, asked, watch, record)
    if task is not None:
        raise ValueError(f"--task {task}: a run is tested with its own task: leave it out")
    return _of_run(Run.open(path), device, watch, record, moved, on)


def _of_run(
    run: Run,
    device: str | None,
    watch: Watcher,
    record: str | Path | None,
    moved: str | Path | None,
    on: str | None,
) -> dict[str, Any]:
    checkpoint = run.load_checkpoint()
    if checkpoint is None:
        raise ValueError(f"{run.path} has no checkpoint yet: train it first: hil resume {run.path}")
    config, taken = run.config(), run.taking_up()
    prepared, x, y = _samples(run, moved, on)
    with deployed(config, checkpoint, prepared, device, record, taken) as controller:
        tested = _tested(controller, prepared, x, y, watch, None if device else run.metrics())
    own = run.result()
    return {
        "run": str(run.path),
        "task": config.task,
        "on": on,
        "rule": config.rule["name"],
        "observe": config.observe,
        "device": device or config.device_url,
        "trained_on": config.device_url,
        "seed": config.seed,
        **tested,
        "trained_accuracy": None if own is None else own["test_accuracy"],
    }


def _of_model(
    start: str | Path,
    asked: Mapping[str, Any],
    watch: Watcher,
    record: str | Path | None,
) -> dict[str, Any]:
    config = configuration.build(warm_start.base(start, asked), asked)
    data = tasks.load(config.task, config.seed, config.training.validation_fraction)
    opened = left_open(asked, starts=True)
    config, choices, weights = training.fitted(config, opened, data, record)
    url = config.device_url
    with deployed(config, weights or {}, data, url, record) as controller:
        tested = _tested(controller, data.preparation, data.x_test, data.y_test, watch, None)
    chosen = [choice.as_json() for choice in choices]
    return {
        "model": str(start),
        "task": config.task,
        "device": url,
        "seed": config.seed,
        **tested,
        "chosen": chosen,
    }


def _samples(
    run: Run, moved: str | Path | None, on: str | None
) -> tuple[Preparation, Samples, Labels]:
    """What is classified, and how it is prepared: the run's test part, or other samples."""
    if on is None:
        data = run_data.load(run, moved)
        return data.preparation, data.x_test, data.y_test
    if moved is not None:
        raise ValueError("--data and --on: give one of them")
    prepared = run_data.preparation(run)
    return prepared, *own_file.load_labelled(on, run.config().task, prepared)


@contextmanager
def deployed(
    config: Config,
    checkpoint: Arrays,
    samples: Data | Preparation,
    device: str | None = None,
    record: str | Path | None = None,
    taking_up: AbstractContextManager[None] | None = None,
) -> Iterator[Controller]:
    """A trained network on a device.

    Args:
        config: The configuration that it was trained with.
        checkpoint: What the training left.
        samples: Those that it will see, or how they are prepared.
        device: Address of the device; None takes that of the training, exactly as it was left.
        record: File to record the session with the device to.
        taking_up: Says what is at fault where the checkpoint does not fit.

    Yields:
        What runs the network there.

    Raises:
        ValueError: When the checkpoint does not fit.
        DeviceError: When the device fails or has no room for the network.
    """
    with one_blas_thread(), open_device(config, device=device, record=record) as opened:
        config, _ = settle(_fixed(config), FORCED if device else (), opened.info, samples)
        controller = Controller.open(config, opened, samples.spec, checkpoint)
        with taking_up or nullcontext():
            controller.load_weights(checkpoint)
            if device is not None or not controller.session.restore(checkpoint):
                controller.write()
        yield controller


def _fixed(config: Config) -> Config:
    """The configuration of a network that learns no more: its rule need not be there."""
    estimator = config.activity.estimator
    kept = estimator if estimator in rate_estimators.names() else "auto"
    return config.model_copy(
        update={
            "rule": {"name": "output_only"},
            "activity": config.activity.model_copy(update={"estimator": kept}),
        }
    )


def scores(controller: Controller, preparation: Preparation, x: ArrayLike) -> NDArray[np.float32]:
    """What the network on a device answers to new samples.

    Args:
        controller: What runs it there.
        preparation: How its samples are prepared.
        x: `(N, n)`, or images or signals of the shape that it was trained on.

    Returns:
        Logits `(N, C)`. The largest of a row is what the sample is classified as: where several
        are largest, that of the highest membrane, which is made larger by no more than rounding.

    Raises:
        ValueError: When these are no such samples.
        DeviceError: When the device fails.
    """
    rows = preparation.apply(x)
    if not len(rows):
        return np.empty((0, preparation.classes), np.float32)
    chosen, logits = classify(controller, rows, "predict", 0, lambda *_: None)
    at = np.arange(len(rows)), chosen
    tied = (logits == logits[at][:, None]).sum(axis=1) > 1
    logits[at] += np.where(tied, np.spacing(np.maximum(abs(logits[at]), 1)), 0)
    return logits


def _tested(
    controller: Controller,
    prepared: Preparation,
    x: Samples,
    y: Labels,
    watch: Watcher,
    metrics: Sequence[Mapping[str, Any]] | None,
) -> dict[str, Any]:
    """What the network on a device answers to labelled samples, and what that cost."""
    epochs = controller.config.training.epochs

    def watch_test(done: int, total: int) -> None:
        watch(TrainingProgress("test", done, total, epochs))

    before = replace(controller.session.costs.usage)
    predicted, _ = classify(controller, x, "test", 0, watch_test)
    paid = _paid(controller, before, x, metrics)
    score = Score.of(predicted, y)
    return {
        **score.final(),
        "classes": [str(name) for name in prepared.class_names],
        "confusion": confused(y, predicted, prepared.classes).tolist(),
        "findings": score.findings(),
        "costs": {"inference": paid},
    }


def _paid(
    controller: Controller,
    before: costs.Usage,
    x: Samples,
    metrics: Sequence[Mapping[str, Any]] | None,
) -> dict[str, float | None]:
    """What the test cost for a sample.

    Hidden rates are known of the run's own device. Of another one they are seen or estimated, as in
    training, in one more batch of the test, which is no part of what it cost.
    """
    used, config = controller.session.costs.usage - before, controller.config
    if metrics is None:
        hidden = response.look(controller, Data.batch(x[: config.training.batch]), 0, 0).hidden
        metrics = [{"hidden_rates": [float(rate.mean()) for rate in hidden]}]
    return costs.of_inference(used, controller.device.network, config.network.steps, metrics)
